//! The door: one path, one method, one content type; who asks is known before anything is read.

use crate::Api;
use crate::asker::Asker;
use crate::credential::{self, Denied};
use crate::limits::{BODY_MAX, TIME_MAX, TOKENS_MAX, has_too_many_tokens, limit};
use crate::live::{Conduct, Live, Subscription, events, socket};
use crate::mutation::Mutation;
use crate::query::Query;
use actix_web::http::StatusCode;
use actix_web::http::header::{ACCEPT, ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, UPGRADE, WWW_AUTHENTICATE};
use actix_web::web::{self, Bytes, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, guard};
use almoner_app::Desk;
use almoner_domain::caller::{Caller, Origin};
use almoner_domain::key::KeyHash;
use async_graphql::parser::types::BaseType;
use async_graphql::{Name, Request, Schema, Variables};
use serde::Deserialize;
use std::sync::Arc;

/// How the API is set up.
#[derive(Debug, Clone, Copy, Default)]
pub struct ApiConfig {
    /// May the schema be asked for? It is published with the source, so nobody needs it from a server that is in use.
    pub introspection: bool,
}

/// What all requests work with.
pub(crate) struct Door {
    pub(crate) schema: Api,
    pub(crate) live: Arc<Live>,
}

/// All routes of the API.
pub fn routes(live: Arc<Live>, config: ApiConfig) -> impl Fn(&mut ServiceConfig) + Clone + Send + 'static {
    let builder = limit(Schema::build(Query, Mutation::new(), Subscription)).disable_suggestions();
    let mut builder = builder.data(live.clone());
    if !config.introspection {
        builder = builder.disable_introspection();
    }
    let door = web::Data::new(Door { schema: builder.finish(), live });
    move |service: &mut ServiceConfig| {
        let graphql = web::resource("/graphql")
            .app_data(door.clone())
            .app_data(web::PayloadConfig::new(BODY_MAX))
            .route(web::post().to(post))
            .route(web::get().guard(guard::fn_guard(|at| at.head().headers().contains_key(UPGRADE))).to(socket))
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
    let mut response = problem(405, "Send queries and mutations by POST; follow subscriptions so, or by WebSocket.");
    response.headers_mut().insert(ALLOW, actix_web::http::header::HeaderValue::from_static("POST"));
    response
}

async fn post(request: HttpRequest, door: web::Data<Door>, body: Result<Bytes, actix_web::Error>) -> HttpResponse {
    let answered = async {
        // A page on another site cannot send this content type without asking first (CSRF).
        if !is_json(&request) {
            return Err(problem(415, "Send JSON with Content-Type: application/json."));
        }
        let (key, caller) = authenticate(&request, &door.live.desk).await?;
        let body = body.map_err(|error| unread(&error))?;
        let body: Body = serde_json::from_slice(&body).map_err(|error| {
            problem(400, &format!("The body must be an object with query, variables and operationName: {error}."))
        })?;
        if has_too_many_tokens(&body.query) {
            let detail = format!("A document has at most {TOKENS_MAX} tokens. Ask for less, or in several requests.");
            return Err(problem(400, &detail));
        }
        let operation = operation(&door, caller.clone(), body);
        if wants_events(&request) {
            let full = "Too many streams are open here. Close some, or try again later.";
            let mut seat = door.live.seats.take().ok_or_else(|| problem(503, full))?;
            if !seat.claim(key) {
                return Err(problem(429, "Too many streams are open by this key. Close some first."));
            }
            let conduct = Conduct::new(door.schema.clone());
            return Ok(events(door.live.clone(), &conduct, (key, caller.who), seat, operation));
        }
        Ok(run(&door, operation).await)
    };
    answered.await.unwrap_or_else(|problem| problem)
}

fn operation(door: &Door, caller: Caller, body: Body) -> Request {
    let variables = serde_json::Value::Object(body.variables.unwrap_or_default());
    let mut request = Request::new(body.query).variables(Variables::from_json(variables));
    if let Some(name) = body.operation_name {
        request = request.operation_name(name);
    }
    give_absent_counts(&mut request);
    request.data(Arc::new(Asker::new(caller, door.live.desk.clone())))
}

async fn run(door: &Door, request: Request) -> HttpResponse {
    match tokio::time::timeout(TIME_MAX, door.schema.execute(request)).await {
        Ok(response) => HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(response),
        Err(_) => problem(503, "The request took too long. A mutation may have been done; look before you repeat it."),
    }
}

/// Gives `null` to variables of type `Int` that may be left out and were. The library takes a variable that a field's complexity
/// depends on for one that nobody defined when it has no value.
pub(crate) fn give_absent_counts(request: &mut Request) {
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

/// The caller that the presented key stands for, and that key.
async fn authenticate(request: &HttpRequest, desk: &Desk) -> Result<(KeyHash, Caller), HttpResponse> {
    let header = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let presented = header.and_then(credential::bearer).ok_or_else(|| denied(Denied::Unknown))?;
    let who = credential::who(presented, desk).await.map_err(denied)?;
    Ok((presented, Caller { who, origin: origin(request) }))
}

fn denied(why: Denied) -> HttpResponse {
    let status = match why {
        Denied::Unknown => 401,
        Denied::Gate => 403,
        Denied::Away => 503,
    };
    let mut response = problem(status, why.message());
    if why == Denied::Unknown {
        let challenge = actix_web::http::header::HeaderValue::from_static("Bearer realm=\"almoner\"");
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    response
}

/// Where a request came from: its peer, and the id that the server has given it.
pub(crate) fn origin(request: &HttpRequest) -> Origin {
    let id = request.headers().get("x-request-id").and_then(|value| value.to_str().ok());
    Origin { address: request.peer_addr().map(|peer| peer.ip()), request: id.map(Into::into) }
}

fn is_json(request: &HttpRequest) -> bool {
    let value = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json")
}

/// Does it ask for a stream of events rather than for one answer?
fn wants_events(request: &HttpRequest) -> bool {
    let accepted = request.headers().get_all(ACCEPT).filter_map(|value| value.to_str().ok());
    let mut kinds = accepted.flat_map(|value| value.split(',')).filter_map(|kind| kind.split(';').next());
    kinds.any(|kind| kind.trim().eq_ignore_ascii_case("text/event-stream"))
}

fn unread(error: &actix_web::Error) -> HttpResponse {
    if error.as_response_error().status_code() == StatusCode::PAYLOAD_TOO_LARGE {
        return problem(413, &format!("A body has at most {BODY_MAX} bytes. Ask for less, or in several requests."));
    }
    problem(400, "The body could not be read to its end.")
}

/// A problem (RFC 9457): the request never became an operation.
pub(crate) fn problem(status: u16, detail: &str) -> HttpResponse {
    let (kind, title) = match status {
        400 => ("malformed", "The request is malformed"),
        401 => ("unauthorized", "A key is needed"),
        403 => ("forbidden", "This key may not do this"),
        405 => ("method_not_allowed", "This path has other methods"),
        413 => ("too_large", "The body is too large"),
        429 => ("too_many", "Too many streams are open"),
        415 => ("unsupported_media_type", "The body is of another media type"),
        _ => ("unavailable", "It cannot be answered now"),
    };
    let body = serde_json::json!({
        "type": format!("urn:almoner:problem:{kind}"), "title": title, "status": status, "detail": detail,
    });
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    HttpResponseBuilder::new(status).content_type("application/problem+json").body(body.to_string())
}
