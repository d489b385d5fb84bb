//! For those who run it: is it alive, can it do its work, what does it count.

use super::Shared;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::{HttpResponse, web};

/// `/healthz`, `/readyz`, `/metrics`: without a key, and without anything of a tenant.
pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/healthz").route(web::get().to(healthz)).route(web::head().to(healthz)))
        .service(web::resource("/readyz").route(web::get().to(readyz)).route(web::head().to(readyz)))
        .service(web::resource("/metrics").route(web::get().to(metrics)));
}

async fn healthz() -> HttpResponse {
    said(HttpResponse::Ok(), serde_json::json!({ "status": "alive" }))
}

async fn readyz(shared: web::Data<Shared>) -> HttpResponse {
    match shared.trouble() {
        None => said(HttpResponse::Ok(), serde_json::json!({ "status": "ready" })),
        Some(reason) => {
            said(HttpResponse::ServiceUnavailable(), serde_json::json!({ "status": "not ready", "reason": reason }))
        }
    }
}

async fn metrics(shared: web::Data<Shared>) -> HttpResponse {
    let mut text = String::new();
    match prometheus_client::encoding::text::encode(&mut text, &shared.registry) {
        Ok(()) => HttpResponse::Ok()
            .insert_header((CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8"))
            .body(text),
        Err(_) => HttpResponse::InternalServerError().finish(),
    }
}

fn said(mut response: actix_web::HttpResponseBuilder, body: serde_json::Value) -> HttpResponse {
    response.insert_header((CACHE_CONTROL, "no-store")).json(body)
}
