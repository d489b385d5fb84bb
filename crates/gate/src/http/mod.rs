//! The gate's HTTP door: it parses the wire into the domain, calls one function, and prints the answer.

mod allocations;
mod answer;
mod batch;
mod body;
mod calls;
mod conditions;
mod entitlements;
mod events;
mod holds;
mod object;
mod openapi;
mod parse;
mod problem;
mod statement;

use crate::credential::Credential;
use crate::gate::Gate;
use actix_web::http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE};
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use problem::Problem;
use std::sync::Arc;
use tokio::sync::{Semaphore, SemaphorePermit};

pub use openapi::openapi;

/// The largest body, in bytes: a thousand operations of a kilobyte.
const BODY_MAX: usize = 1024 * 1024;

/// What every route works with.
pub(crate) struct Door {
    pub(crate) gate: Arc<Gate>,
    places: Semaphore,
}

/// A call that has been let in: who it is from, what it says, and its place among the calls at once.
pub(crate) struct Visit<'d> {
    pub(crate) by: Credential,
    pub(crate) body: web::Bytes,
    _place: SemaphorePermit<'d>,
}

/// All routes of the gate.
pub fn routes(gate: Arc<Gate>) -> impl Fn(&mut ServiceConfig) + Clone + Send + 'static {
    let places = Semaphore::new(gate.config.calls_max);
    let door = web::Data::new(Door { gate, places });
    move |config: &mut ServiceConfig| {
        let post = |handler| web::resource(handler).default_service(web::to(wrong_method));
        config
            .app_data(door.clone())
            .app_data(web::PayloadConfig::new(BODY_MAX))
            .service(post("/v1/check").route(web::post().to(calls::check)))
            .service(post("/v1/consume").route(web::post().to(calls::consume)))
            .service(post("/v1/reserve").route(web::post().to(calls::reserve)))
            .service(post("/v1/holds/{id}/commit").route(web::post().to(holds::commit)))
            .service(post("/v1/holds/{id}/release").route(web::post().to(holds::release)))
            .service(post("/v1/holds/{id}/extend").route(web::post().to(holds::extend)))
            .service(post("/v1/batch").route(web::post().to(batch::batch)))
            .service(post("/v1/events").route(web::post().to(events::events)))
            .service(post("/v1/allocations").route(web::post().to(allocations::carve)))
            .service(post("/v1/allocations/{id}").route(web::get().to(allocations::statement)))
            .service(post("/v1/allocations/{id}/close").route(web::post().to(allocations::close)))
            .service(post("/v1/entitlements").route(web::get().to(entitlements::entitlements)))
            .service(post("/openapi.json").route(web::get().to(openapi::document)))
            .service(web::resource("/v1/{rest:.*}").default_service(web::to(no_route)));
    }
}

async fn wrong_method(request: HttpRequest) -> HttpResponse {
    Problem::method("This path does not take this method; see /openapi.json.").respond(request.path())
}

async fn no_route(request: HttpRequest) -> HttpResponse {
    Problem::not_found("There is no such path; see /openapi.json.").respond(request.path())
}

impl Door {
    /// Lets a call in: a place, a key, a body.
    pub(crate) async fn enter(
        &self,
        request: &HttpRequest,
        body: Result<web::Bytes, actix_web::Error>,
    ) -> Result<Visit<'_>, Problem> {
        if !self.gate.is_ready() {
            return Err(crate::decide::Refusal::Unavailable(None).into());
        }
        let by = self.authenticate(request).await?;
        let body = body.map_err(|error| unread(&error))?;
        if !body.is_empty() && !is_json(request) {
            return Err(Problem::media_type("Send JSON with Content-Type: application/json."));
        }
        if request.headers().get(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
            return Err(Problem::media_type("Send the body as it is, without Content-Encoding."));
        }
        let place = self.places.try_acquire().map_err(|_| {
            Problem::flood("More calls are under way at once than this gate takes. Come again in a second.")
        })?;
        Ok(Visit { by, body, _place: place })
    }

    async fn authenticate(&self, request: &HttpRequest) -> Result<Credential, Problem> {
        let header = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let presented = header
            .and_then(|value| value.split_once(' '))
            .and_then(|(scheme, key)| scheme.eq_ignore_ascii_case("bearer").then_some(key.trim()));
        let unknown = || Problem::unauthorized("Present a gate key: Authorization: Bearer alm_...");
        let presented = presented.ok_or_else(unknown)?;
        match self.gate.authenticate(presented).await {
            Ok(found) => found.ok_or_else(unknown),
            Err(fault) => Err(crate::decide::Refusal::Unavailable(Some(fault)).into()),
        }
    }
}

fn unread(error: &actix_web::Error) -> Problem {
    if error.as_response_error().status_code() == actix_web::http::StatusCode::PAYLOAD_TOO_LARGE {
        return Problem::too_large(format!("A body has at most {BODY_MAX} bytes. Send several smaller ones."));
    }
    Problem::malformed("The body could not be read to its end.")
}

/// JSON, as itself or as CloudEvents write it; a client that does not say is taken at its body.
fn is_json(request: &HttpRequest) -> bool {
    match request.headers().get(CONTENT_TYPE).map(|value| value.to_str()) {
        None => true,
        Some(Ok(value)) => {
            let media = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
            media == "application/json" || (media.starts_with("application/") && media.ends_with("+json"))
        }
        Some(Err(_)) => false,
    }
}

/// JSON with a status.
pub(crate) fn json(status: u16, body: &impl serde::Serialize) -> HttpResponse {
    let status = actix_web::http::StatusCode::from_u16(status).unwrap_or(actix_web::http::StatusCode::OK);
    match serde_json::to_vec(body) {
        Ok(bytes) => actix_web::HttpResponseBuilder::new(status).content_type("application/json").body(bytes),
        Err(_) => Problem::unavailable("The answer could not be written.").respond(""),
    }
}
