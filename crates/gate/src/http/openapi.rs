//! The OpenAPI document, as it is served and as it is committed.

use super::allocations::CarveBody;
use super::answer::DecisionBody;
use super::batch::{BatchAnswer, BatchBody};
use super::body::{CallBody, ExtendBody, SettleBody};
use super::events::{EventBody, EventsAnswer, UsageBody};
use super::problem::Problem;
use super::statement::{AllocationBody, EntitlementsBody};
use actix_web::HttpResponse;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};

/// The document, in JSON with indentation.
pub fn openapi() -> String {
    let mut text = Document::openapi().to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

pub(super) async fn document() -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(openapi())
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Almoner gate",
        description = "May this agent do this now? Decisions, allow or deny, are HTTP 200; 4xx is for requests that are \
                       wrong, with problem bodies (RFC 9457). Amounts are integers or decimal strings in the feature's unit.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    paths(
        check, consume, reserve, commit, release, extend, batch, events, carve, statement, close, entitlements
    ),
    components(schemas(Problem, UsageBody)),
    modifiers(&Keys),
    security(("gate_key" = []))
)]
struct Document;

struct Keys;

impl Modify for Keys {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        document.components.get_or_insert_with(Default::default).add_security_scheme("gate_key", scheme);
    }
}

/// Routes as the document describes them: a name, an operation, what goes in and what comes out.
macro_rules! described {
    ($($name:ident, $method:ident, $path:literal, [$($body:ty)?], $status:literal, $answer:ty, $summary:literal;)*) => {$(
        #[utoipa::path($method, path = $path, summary = $summary, $(request_body = $body,)?
            responses((status = $status, description = "The answer", body = $answer),
                (status = "4XX", description = "What is wrong, where, and what to do", body = Problem, content_type = "application/problem+json"),
                (status = 503, description = "The gate cannot know now", body = Problem, content_type = "application/problem+json")))]
        #[expect(dead_code, reason = "described, not called")]
        fn $name() {}
    )*};
}

described! {
    check, post, "/v1/check", [CallBody], 200, DecisionBody, "What a call would be answered; changes nothing";
    consume, post, "/v1/consume", [CallBody], 200, DecisionBody, "Spend units now: all uses, or none";
    reserve, post, "/v1/reserve", [CallBody], 200, DecisionBody, "Set units aside for a call whose cost is not known yet";
    batch, post, "/v1/batch", [BatchBody<'_>], 200, BatchAnswer, "Up to 1,000 operations, answered in order, each as if alone";
    events, post, "/v1/events", [EventBody<'_>], 202, EventsAnswer, "Usage told afterwards, as CloudEvents; counted once by source and id";
    carve, post, "/v1/allocations", [CarveBody], 201, AllocationBody, "Carve an allocation, from a quota or from another allocation";
}

macro_rules! described_with_id {
    ($($name:ident, $method:ident, $path:literal, [$($body:ty)?], $answer:ty, $id:literal, $summary:literal;)*) => {$(
        #[utoipa::path($method, path = $path, summary = $summary, params(("id" = String, Path, description = $id)), $(request_body = $body,)?
            responses((status = 200, description = "The answer", body = $answer),
                (status = "4XX", description = "What is wrong, where, and what to do", body = Problem, content_type = "application/problem+json"),
                (status = 503, description = "The gate cannot know now", body = Problem, content_type = "application/problem+json")))]
        #[expect(dead_code, reason = "described, not called")]
        fn $name() {}
    )*};
}

described_with_id! {
    commit, post, "/v1/holds/{id}/commit", [SettleBody], DecisionBody, "A hold, hld_...", "Settle a hold at its actual cost";
    release, post, "/v1/holds/{id}/release", [SettleBody], DecisionBody, "A hold, hld_...", "Give a hold back, down to its floor";
    extend, post, "/v1/holds/{id}/extend", [ExtendBody], DecisionBody, "A hold, hld_...", "Give a hold more time";
    statement, get, "/v1/allocations/{id}", [], AllocationBody, "An allocation, alc_...", "Where an allocation's units stand";
    close, post, "/v1/allocations/{id}/close", [], AllocationBody, "An allocation, alc_...", "End an allocation; what is left returns";
}

#[utoipa::path(get, path = "/v1/entitlements", summary = "What a customer or user may use, what remains, when it resets",
    params(("customer" = String, Query, description = "The customer, by our id or yours"),
        ("user" = Option<String>, Query, description = "The user, by our id or yours")),
    responses((status = 200, description = "The answer", body = EntitlementsBody),
        (status = "4XX", description = "What is wrong, where, and what to do", body = Problem, content_type = "application/problem+json")))]
#[expect(dead_code, reason = "described, not called")]
fn entitlements() {}
