//! Entitlements: what a subject may use, what remains, when it resets.

use super::body::SubjectBody;
use super::parse::{Errors, parse_subject};
use super::problem::Problem;
use super::{Door, json};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;

/// The query of `GET /v1/entitlements`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Query {
    customer: String,
    user: Option<String>,
}

/// A body without members.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

pub(super) async fn entitlements(request: HttpRequest, door: web::Data<Door>) -> HttpResponse {
    let outcome = async {
        let visit = door.enter(&request, Ok(web::Bytes::new())).await?;
        let query = web::Query::<Query>::from_query(request.query_string());
        let query = query.map_err(|error| {
            Problem::malformed(format!("{error}. Ask with ?customer=... and, for one user, &user=...."))
                .at("customer", "is needed once")
        })?;
        let mut errors = Errors::default();
        let body = SubjectBody { customer: query.customer.clone(), user: query.user.clone() };
        let subject = parse_subject("", &body, &mut errors);
        errors.done()?;
        let subject = subject.ok_or_else(|| Problem::invalid("Name a customer."))?;
        let statement = door.gate.entitlements(visit.by, &subject).await?;
        door.gate.entitlements_body(visit.by.realm, &statement).await
    };
    match outcome.await {
        Ok(body) => json(200, &body),
        Err(problem) => Problem::respond(problem, request.path()),
    }
}
