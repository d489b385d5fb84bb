//! Entitlements: what a subject may use, what remains, when it resets.

use super::parse::Errors;
use super::problem::Problem;
use super::{Door, json};
use actix_web::{HttpRequest, HttpResponse, web};
use almoner_domain::ports::SubjectName;
use almoner_domain::text::Named;
use serde::Deserialize;

/// A body without members.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

pub(super) async fn entitlements(request: HttpRequest, door: web::Data<Door>) -> HttpResponse {
    let outcome = async {
        let visit = door.enter(&request, Ok(web::Bytes::new())).await?;
        let subject = parse_subject(request.query_string())?;
        let statement = door.gate.entitlements(visit.by, &subject).await.map_err(Problem::from);
        let statement = statement.map_err(|problem| problem.within(|pointer| pointer.replace("/subject/", "")))?;
        door.gate.entitlements_body(visit.by.realm, &statement).await
    };
    match outcome.await {
        Ok(body) => json(200, &body),
        Err(problem) => Problem::respond(problem, request.path()),
    }
}

const HOW_TO_ASK: &str = "Ask with ?customer=... and, for one user, &user=...";

/// Reads the query: each parameter once.
fn parse_subject(query: &str) -> Result<SubjectName, Problem> {
    let wrong = |name: &str, why: &str| Problem::malformed(format!("{name} {why}. {HOW_TO_ASK}.")).at(name, why);
    let query = web::Query::<Vec<(String, String)>>::from_query(query);
    let query = query.map_err(|error| Problem::malformed(format!("{error}. {HOW_TO_ASK}.")))?.into_inner();
    let (mut customer, mut user) = (None, None);
    for (name, value) in query {
        let place = match name.as_str() {
            "customer" => &mut customer,
            "user" => &mut user,
            _ => return Err(wrong(&name, "is no parameter here")),
        };
        if place.replace(value).is_some() {
            return Err(wrong(&name, "stands here twice"));
        }
    }
    let customer = customer.ok_or_else(|| wrong("customer", "is missing"))?;
    let mut errors = Errors::default();
    let customer = errors.keep("customer", Named::parse(&customer));
    let user = user.map(|user| errors.keep("user", Named::parse(&user)));
    errors.done()?;
    match (customer, user) {
        (Some(customer), user) => Ok(SubjectName { customer, user: user.flatten() }),
        (None, _) => Err(Problem::invalid(HOW_TO_ASK)),
    }
}
