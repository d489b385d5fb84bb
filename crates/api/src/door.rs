//! The door: one path, one method, one content type; who asks is known before anything is read.

use crate::Api;
use crate::asker::Asker;
use crate::limits::{BODY_MAX, TIME_MAX, TOKENS_MAX, has_too_many_tokens, limit};
use crate::mutation::Mutation;
use crate::query::Query;
use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE};
use actix_web::web::{self, Bytes, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use almoner_app::Desk;
use almoner_domain::caller::Caller;
use almoner_domain::customer::Role;
use almoner_domain::fault::Fault;
use almoner_domain::key::{ApiKey, Holder, KeyHash, KeyKind};
use async_graphql::parser::types::BaseType;
use async_graphql::{EmptySubscription, Name, Request, Schema, Variables};
use serde::Deserialize;
use std::sync::Arc;

/// How the API is set up.
#[derive(Debug, Clone, Copy, Default)]
pub struct ApiConfig {
    /// May the schema be asked for? It is published with the source, so nobody needs it from a server that is in use.
    pub introspection: bool,
}

struct Door {
    schema: Api,
    desk: Desk,
}

/// All routes of the API.
pub fn routes(desk: Desk, config: ApiConfig) -> impl Fn(&mut ServiceConfig) + Clone + Send + 'static {
    let mut builder = limit(Schema::build(Query, Mutation::new(), EmptySubscription)).disable_suggestions();
    if !config.introspection {
        builder = builder.disable_introspection();
    }
    let door = web::Data::new(Door { schema: builder.finish(), desk });
    move |service: &mut ServiceConfig| {
        let graphql = web::resource("/graphql")
            .app_data(door.clone())
            .app_data(web::PayloadConfig::new(BODY_MAX))
            .route(web::post().to(post))
            .default_service(web::to(wrong_method));
        service.service(graphql);
    }
}

/// What a request says (GraphQL over HTTP, section 5.1). Unknown members are refused: one of them may have been meant.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    query: String,
    #[serde(rename = "operationName")]
    operation_name: Option<String>,
    #[serde(default)]
    variables: Option<serde_json::Map<String, serde_json::Value>>,
    /// Accepted, because clients send it, and not used.
    #[serde(default, rename = "extensions")]
    _extensions: Option<serde_json::Map<String, serde_json::Value>>,
}

async fn wrong_method() -> HttpResponse {
    let mut response = problem(405, "Send queries and mutations by POST.");
    response.headers_mut().insert(ALLOW, actix_web::http::header::HeaderValue::from_static("POST"));
    response
}

async fn post(request: HttpRequest, door: web::Data<Door>, body: Result<Bytes, actix_web::Error>) -> HttpResponse {
    let answered = async {
        // A page on another site cannot send this content type without asking first (CSRF).
        if !is_json(&request) {
            return Err(problem(415, "Send JSON with Content-Type: application/json."));
        }
        let caller = authenticate(&request, &door.desk).await?;
        let body = body.map_err(|error| unread(&error))?;
        let body: Body = serde_json::from_slice(&body).map_err(|error| {
            problem(400, &format!("The body must be an object with query, variables and operationName: {error}."))
        })?;
        if has_too_many_tokens(&body.query) {
            let detail = format!("A document has at most {TOKENS_MAX} tokens. Ask for less, or in several requests.");
            return Err(problem(400, &detail));
        }
        Ok(run(&door, caller, body).await)
    };
    answered.await.unwrap_or_else(|problem| problem)
}

async fn run(door: &Door, caller: Caller, body: Body) -> HttpResponse {
    let variables = serde_json::Value::Object(body.variables.unwrap_or_default());
    let mut request = Request::new(body.query).variables(Variables::from_json(variables));
    if let Some(name) = body.operation_name {
        request = request.operation_name(name);
    }
    give_absent_counts(&mut request);
    let request = request.data(Arc::new(Asker::new(caller, door.desk.clone())));
    match tokio::time::timeout(TIME_MAX, door.schema.execute(request)).await {
        Ok(response) => HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(response),
        Err(_) => problem(503, "The request took too long. A mutation may have been done; look before you repeat it."),
    }
}

/// Gives `null` to variables of type `Int` that may be left out and were. The library takes a variable that a field's complexity
/// depends on for one that nobody defined when it has no value.
fn give_absent_counts(request: &mut Request) {
    // A document that cannot be parsed is refused when it is run.
    let Ok(document) = request.parsed_query() else { return };
    let definitions = document.operations.iter().flat_map(|(_, operation)| &operation.node.variable_definitions);
    let absent = definitions.filter(|definition| {
        let of = &definition.node.var_type.node;
        let is_count = matches!(&of.base, BaseType::Named(name) if name == "Int");
        is_count && of.nullable && definition.node.default_value.is_none()
    });
    let names: Vec<Name> = absent.map(|definition| definition.node.name.node.clone()).collect();
    for name in names {
        request.variables.entry(name).or_insert(async_graphql::Value::Null);
    }
}

/// The caller that a key stands for.
async fn authenticate(request: &HttpRequest, desk: &Desk) -> Result<Caller, HttpResponse> {
    let header = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let presented = header
        .and_then(|value| value.split_once(' '))
        .and_then(|(scheme, key)| scheme.eq_ignore_ascii_case("bearer").then_some(key.trim()));
    let unknown = || {
        let mut response = problem(401, "Present an operator key: Authorization: Bearer alm_...");
        let challenge = actix_web::http::header::HeaderValue::from_static("Bearer realm=\"almoner\"");
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        response
    };
    let presented = presented.ok_or_else(unknown)?;
    let found = desk.lookup.credential(KeyHash::of(presented)).await.map_err(|fault| away(&fault))?;
    let key = found.ok_or_else(unknown)?;
    match key.kind {
        KeyKind::Operator => Ok(Caller::Operator { realm: key.realm, key: Some(key.id) }),
        KeyKind::Customer => member(&key, desk).await?.ok_or_else(unknown),
        KeyKind::Gate => Err(problem(403, "A gate key opens the gate alone. Present an operator or customer key.")),
    }
}

/// The member that a customer's key stands for, with the role that they have now; none where they are gone.
async fn member(key: &ApiKey, desk: &Desk) -> Result<Option<Caller>, HttpResponse> {
    let Some(holder) = key.holder else { return Ok(None) };
    let role = match holder.user {
        None => Role::Admin,
        Some(user) => {
            let found = desk.directory.users_among(key.realm, vec![user]).await.map_err(|fault| away(&fault))?;
            let Some(user) = found.into_iter().find(|user| user.customer == holder.customer) else { return Ok(None) };
            user.role
        }
    };
    let Holder { customer, user } = holder;
    Ok(Some(Caller::Member { realm: key.realm, customer, user, role, key: key.id }))
}

fn away(fault: &Fault) -> HttpResponse {
    tracing::warn!(error = fault as &dyn std::error::Error, "a key cannot be looked up");
    problem(503, "The store cannot be reached now. Nothing was changed; try again.")
}

fn is_json(request: &HttpRequest) -> bool {
    let value = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json")
}

fn unread(error: &actix_web::Error) -> HttpResponse {
    if error.as_response_error().status_code() == StatusCode::PAYLOAD_TOO_LARGE {
        return problem(413, &format!("A body has at most {BODY_MAX} bytes. Ask for less, or in several requests."));
    }
    problem(400, "The body could not be read to its end.")
}

/// A problem (RFC 9457): the request never became an operation.
fn problem(status: u16, detail: &str) -> HttpResponse {
    let (kind, title) = match status {
        400 => ("malformed", "The request is malformed"),
        401 => ("unauthorized", "A key is needed"),
        403 => ("forbidden", "This key may not do this"),
        405 => ("method_not_allowed", "This path has other methods"),
        413 => ("too_large", "The body is too large"),
        415 => ("unsupported_media_type", "The body is of another media type"),
        _ => ("unavailable", "It cannot be answered now"),
    };
    let body = serde_json::json!({
        "type": format!("urn:almoner:problem:{kind}"), "title": title, "status": status, "detail": detail,
    });
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    HttpResponseBuilder::new(status).content_type("application/problem+json").body(body.to_string())
}
