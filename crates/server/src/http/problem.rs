//! What the server itself answers when no door does (RFC 9457).

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, RETRY_AFTER};
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use thiserror::Error;

/// A path that nobody answers.
pub(super) async fn no_such_path(request: HttpRequest) -> HttpResponse {
    let detail = format!("Nothing answers at {}. GET /openapi.json lists the paths there are.", request.path());
    problem(StatusCode::NOT_FOUND, &detail, Some(request.path()))
}

/// A request took longer than any may.
#[derive(Debug, Error)]
#[error("the request took too long")]
pub(super) struct TimedOut;

impl ResponseError for TimedOut {
    fn status_code(&self) -> StatusCode {
        StatusCode::SERVICE_UNAVAILABLE
    }

    fn error_response(&self) -> HttpResponse {
        let detail = "The request took too long. What became of it is unknown: send it again with the same \
                      idempotency_key, and it is done once.";
        let mut response = problem(self.status_code(), detail, None);
        response.headers_mut().insert(RETRY_AFTER, actix_web::http::header::HeaderValue::from_static("1"));
        response
    }
}

fn problem(status: StatusCode, detail: &str, instance: Option<&str>) -> HttpResponse {
    let mut body = serde_json::json!({
        "type": "about:blank",
        "title": status.canonical_reason().unwrap_or("Problem"),
        "status": status.as_u16(),
        "detail": detail,
    });
    if let (Some(members), Some(path)) = (body.as_object_mut(), instance) {
        members.insert("instance".to_owned(), path.into());
    }
    HttpResponse::build(status).insert_header((CONTENT_TYPE, "application/problem+json")).body(body.to_string())
}
