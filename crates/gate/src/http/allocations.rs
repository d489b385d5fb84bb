//! Allocations: carve, read, close.

use super::body::{SessionBody, SubjectBody, UseBody, read};
use super::calls::REPLAYED;
use super::conditions::{self, HoursBody, PaceBody, Said};
use super::object;
use super::parse::{Errors, Print, Zero, parse_session, parse_subject};
use super::problem::Problem;
use super::{Door, json};
use crate::answered::short;
use crate::call::CallKey;
use crate::credential::Credential;
use crate::decide::{Refusal, mark};
use crate::gate::Gate;
use actix_web::http::header::HeaderValue;
use actix_web::{HttpRequest, HttpResponse, web};
use almoner_domain::allocation::LINES_MAX;
use almoner_domain::audit::Author;
use almoner_domain::caller::Origin;
use almoner_domain::feature::{Durability, FeatureKind};
use almoner_domain::id::{AllocationId, FeatureId, Id};
use almoner_domain::ledger::CarveRefusal;
use almoner_domain::ports::{CarveAnswer, CarveRequest, Source};
use almoner_domain::scope::{SCOPE_NAMES_MAX, Scope};
use almoner_domain::text::{IdempotencyKey, Named, ResourceName, TextError, ToolName};
use almoner_domain::time::Timestamp;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use utoipa::ToSchema;

/// The body that carves an allocation.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CarveBody {
    /// Whose quota it is carved from. One of `subject` and `parent`.
    #[serde(default, deserialize_with = "object::maybe")]
    pub subject: Option<SubjectBody>,
    /// The allocation it is carved from, `alc_...`.
    pub parent: Option<String>,
    /// The agent it is to serve, by our id or the provider's own.
    pub agent: String,
    /// The session it is for.
    #[serde(deserialize_with = "object::one")]
    pub session: SessionBody,
    /// 1 to 64 metered features with amounts, each feature once.
    #[serde(deserialize_with = "object::many")]
    pub lines: Vec<UseBody>,
    /// With which tools, on which resources; what is left out is as wide as the parent.
    #[serde(default, deserialize_with = "object::maybe")]
    pub scope: Option<ScopeBody>,
    /// Not usable before.
    pub not_before: Option<String>,
    /// Not usable from then on; by default until the parent's end, or the quota's.
    pub expires_at: Option<String>,
    /// `durable` or `fast`; by default as each feature says.
    pub durability: Option<String>,
    /// In which hours it may be used; by default at any time. Outside them a call is denied with `outside_schedule` and when it opens.
    #[serde(default, deserialize_with = "object::maybe")]
    pub hours: Option<HoursBody>,
    /// How fast it may be used; by default at any pace. What is faster is denied with `rate_limited`.
    #[serde(default, deserialize_with = "object::maybe")]
    pub pace: Option<PaceBody>,
    /// It ends when nothing was used for so many seconds, 60 to 2,678,400; by default never.
    pub idle_timeout_s: Option<u64>,
    /// At most 255 bytes.
    pub idempotency_key: Option<String>,
}

/// A scope.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScopeBody {
    /// At most 256 tools.
    pub tools: Option<Vec<String>>,
    /// At most 256 resources.
    pub resources: Option<Vec<String>>,
}

type Body = Result<web::Bytes, actix_web::Error>;

pub(super) async fn carve(request: HttpRequest, door: web::Data<Door>, body: Body) -> HttpResponse {
    let outcome = async {
        let visit = door.enter(&request, body).await?;
        let gate = &door.gate;
        let order = gate.parse_carve(visit.by, read(&visit.body)?, author(&request, visit.by)).await?;
        let (statement, replayed) = match gate.carve(visit.by, &order).await? {
            CarveAnswer::Carved(statement) => (statement, false),
            CarveAnswer::Replayed(statement) => (statement, true),
            refused => return Err(gate.carve_problem(visit.by, &order, refused).await?),
        };
        Ok((gate.carved_body(visit.by.realm, &statement).await?, replayed))
    };
    match outcome.await {
        Ok((body, replayed)) => {
            let mut response = json(201, &body);
            if replayed {
                response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
            }
            response
        }
        Err(problem) => Problem::respond(problem, request.path()),
    }
}

pub(super) async fn statement(request: HttpRequest, door: web::Data<Door>, id: web::Path<String>) -> HttpResponse {
    let outcome = async {
        let visit = door.enter(&request, Ok(web::Bytes::new())).await?;
        let statement = door.gate.statement(visit.by, allocation_id(&id)?).await?;
        door.gate.allocation_body(visit.by.realm, &statement).await
    };
    match outcome.await {
        Ok(body) => json(200, &body),
        Err(problem) => Problem::respond(problem, request.path()),
    }
}

pub(super) async fn close(
    request: HttpRequest,
    door: web::Data<Door>,
    id: web::Path<String>,
    body: Body,
) -> HttpResponse {
    let outcome = async {
        let visit = door.enter(&request, body).await?;
        if !visit.body.is_empty() {
            let _: super::entitlements::Nothing = read(&visit.body)?;
        }
        let statement = door.gate.close(visit.by, allocation_id(&id)?, &author(&request, visit.by)).await?;
        door.gate.allocation_body(visit.by.realm, &statement).await
    };
    match outcome.await {
        Ok(body) => json(200, &body),
        Err(problem) => Problem::respond(problem, request.path()),
    }
}

/// Who signs what is done with an allocation here.
fn author(request: &HttpRequest, by: Credential) -> Author {
    let id = request.headers().get("x-request-id").and_then(|value| value.to_str().ok());
    let origin = Origin { address: request.peer_addr().map(|peer| peer.ip()), request: id.map(Into::into) };
    Author::gate(by.key, origin)
}

fn allocation_id(text: &str) -> Result<AllocationId, Problem> {
    text.parse().map_err(|error| Problem::not_found(format!("There is no such allocation: {error}.")))
}

impl Gate {
    async fn parse_carve(&self, by: Credential, body: CarveBody, author: Author) -> Result<CarveRequest, Problem> {
        let mut errors = Errors::default();
        let print = fingerprint(&body);
        let source = source(&body, &mut errors);
        let agent = errors.keep("/agent", Named::parse(&body.agent));
        let session = parse_session("/session", &body.session, &mut errors);
        if body.lines.is_empty() || body.lines.len() > LINES_MAX {
            errors.add("/lines", format!("has {} entries; between 1 and {LINES_MAX} are accepted", body.lines.len()));
        }
        let uses = self.parse_uses(by, "/lines", &body.lines, Zero::Refused, &mut errors).await?;
        for (i, used) in uses.iter().enumerate() {
            if !matches!(used.feature.kind, FeatureKind::Metered(_)) {
                errors.add(format!("/lines/{i}/feature"), "is not metered; it needs no allocation");
            }
        }
        let scope = scope(body.scope.unwrap_or_default(), &mut errors);
        let not_before = time("/not_before", body.not_before.as_deref(), &mut errors);
        let expires_at = time("/expires_at", body.expires_at.as_deref(), &mut errors);
        let durability = body.durability.as_deref().and_then(|word| {
            errors.keep("/durability", Durability::parse(word).ok_or("must be \"durable\" or \"fast\""))
        });
        let said = Said { hours: body.hours.as_ref(), pace: body.pace, idle_timeout_s: body.idle_timeout_s };
        let conditions = conditions::read(said, &mut errors);
        let key = body.idempotency_key.as_deref().and_then(|key| {
            let key = errors.keep("/idempotency_key", IdempotencyKey::parse(key))?;
            Some(mark(by, &CallKey { key, body: print }))
        });
        errors.done()?;
        let (Some(source), Some(agent), Some(session)) = (source, agent, session) else {
            return Err(Problem::invalid("The request cannot be followed."));
        };
        let lines = uses.into_iter().map(|used| (used.feature.id, used.amount)).collect();
        let id = AllocationId::new(self.clock.now(), &*self.entropy);
        let by = author;
        Ok(CarveRequest {
            id,
            source,
            agent,
            session,
            lines,
            scope,
            not_before,
            expires_at,
            durability,
            conditions,
            key,
            by,
        })
    }

    /// Why nothing was carved, and what to do.
    async fn carve_problem(
        &self,
        by: Credential,
        order: &CarveRequest,
        refused: CarveAnswer,
    ) -> Result<Problem, Problem> {
        let problem = match refused {
            CarveAnswer::Carved(_) | CarveAnswer::Replayed(_) => Refusal::Unavailable(None).into(),
            CarveAnswer::KeyReused => Refusal::KeyReused.into(),
            CarveAnswer::UnknownCustomer => Refusal::UnknownCustomer.into(),
            CarveAnswer::UnknownUser => Refusal::UnknownUser.into(),
            CarveAnswer::UnknownAgent => {
                Problem::not_found("There is no such agent. Check the id, or register the agent first.")
                    .at("/agent", "names no agent here")
            }
            CarveAnswer::UnknownParent => Problem::not_found("There is no such parent allocation. Check the id.")
                .at("/parent", "names no allocation here"),
            CarveAnswer::Refused(CarveRefusal::Short { feature, free, resets_at, .. }) => {
                self.short_problem(by, order, feature, free, resets_at).await?
            }
            CarveAnswer::Refused(CarveRefusal::NotEntitled { feature }) => {
                let feature_name = self.feature(by.realm, feature).await?;
                Problem::conflict(format!("Nothing of {} is entitled here. Nothing was carved.", feature_name.key))
                    .at(line_pointer(order, feature, "feature"), "is not in the plan or parent allocation")
            }
            CarveAnswer::Refused(refusal) => refused_terms(refusal),
        };
        Ok(problem)
    }

    async fn short_problem(
        &self,
        by: Credential,
        order: &CarveRequest,
        feature: FeatureId,
        free: almoner_domain::units::Units,
        resets_at: Option<Timestamp>,
    ) -> Result<Problem, Problem> {
        let known = self.feature(by.realm, feature).await?;
        let free = free.display(known.scale());
        let renews = match (&order.source, resets_at) {
            (Source::Subject(_), Some(at)) => format!(" The quota renews at {at}."),
            _ => String::new(),
        };
        let detail = format!(
            "Only {free} of {} are free. Nothing was carved.{renews} Ask for less, or close what is not needed.",
            known.key
        );
        Ok(Problem::conflict(detail)
            .at(line_pointer(order, feature, "amount"), format!("is more than the {free} that are free")))
    }
}

fn refused_terms(refusal: CarveRefusal) -> Problem {
    let detail = refusal.to_string();
    let (pointer, said) = match &refusal {
        CarveRefusal::ScopeWider => ("/scope", "names what the parent does not admit; only narrow it".to_owned()),
        CarveRefusal::WindowWider { not_before, expires_at } => {
            let from = not_before.map_or(String::new(), |at| format!("from {at} "));
            ("/expires_at", format!("lies outside the parent's window, {from}to {expires_at}"))
        }
        CarveRefusal::Window => {
            ("/expires_at", "must lie in the future, after not_before and within 366 days".to_owned())
        }
        CarveRefusal::ParentEnded => ("/parent", "has ended; carve from another".to_owned()),
        CarveRefusal::TooDeep => ("/parent", "is nested as deep as allocations go".to_owned()),
        CarveRefusal::OtherPrincipal => ("/subject", "is not the parent's".to_owned()),
        CarveRefusal::Paused => ("/subject", "has a subscription that is paused; resume it first".to_owned()),
        CarveRefusal::Lines | CarveRefusal::Short { .. } | CarveRefusal::NotEntitled { .. } => {
            ("/lines", detail.clone())
        }
    };
    let problem = match refusal {
        CarveRefusal::ParentEnded | CarveRefusal::Paused => Problem::conflict(detail),
        _ => Problem::invalid(detail),
    };
    problem.at(pointer, said)
}

fn line_pointer(order: &CarveRequest, feature: FeatureId, member: &str) -> String {
    let index = order.lines.iter().position(|(id, _)| *id == feature).unwrap_or_default();
    format!("/lines/{index}/{member}")
}

fn source(body: &CarveBody, errors: &mut Errors) -> Option<Source> {
    match (&body.subject, &body.parent) {
        (Some(subject), None) => parse_subject("/subject", subject, errors).map(Source::Subject),
        (None, Some(parent)) => errors.keep("/parent", parent.parse()).map(Source::Allocation),
        _ => {
            errors.add("", "names what to carve from not once: give exactly one of subject and parent");
            None
        }
    }
}

fn scope(body: ScopeBody, errors: &mut Errors) -> Scope {
    Scope {
        tools: names("/scope/tools", body.tools, ToolName::parse, errors),
        resources: names("/scope/resources", body.resources, ResourceName::parse, errors),
    }
}

fn names<N: Ord>(
    pointer: &str,
    names: Option<Vec<String>>,
    parse: fn(&str) -> Result<N, TextError>,
    errors: &mut Errors,
) -> Option<BTreeSet<N>> {
    let names = names?;
    if names.len() > SCOPE_NAMES_MAX {
        errors.add(pointer, format!("has {} entries; at most {SCOPE_NAMES_MAX} are accepted", names.len()));
        return None;
    }
    let each = names.iter().enumerate().filter_map(|(i, name)| errors.keep(&format!("{pointer}/{i}"), parse(name)));
    Some(each.collect())
}

fn time(pointer: &str, text: Option<&str>, errors: &mut Errors) -> Option<Timestamp> {
    text.and_then(|text| errors.keep(pointer, Timestamp::parse(text)))
}

fn fingerprint(body: &CarveBody) -> [u8; 16] {
    let mut print = Print(Sha256::new());
    print.text("carve");
    print.option(body.subject.as_ref().map(|s| s.customer.as_str()));
    print.option(body.subject.as_ref().and_then(|s| s.user.as_deref()));
    print.option(body.parent.as_deref());
    print.text(&body.agent);
    print.text(&body.session.kind);
    print.text(&body.session.key);
    print.uses(&body.lines);
    for names in
        [body.scope.as_ref().and_then(|s| s.tools.as_ref()), body.scope.as_ref().and_then(|s| s.resources.as_ref())]
    {
        print.option(names.map(|names| format!("{names:?}")).as_deref());
    }
    print.option(body.not_before.as_deref());
    print.option(body.expires_at.as_deref());
    print.option(body.durability.as_deref());
    // Left out where nothing is said, so that bodies of before these members keep their print.
    if let Some(hours) = &body.hours {
        print.text(&format!("hours {hours:?}"));
    }
    if let Some(pace) = body.pace {
        print.text(&format!("pace {pace:?}"));
    }
    if let Some(seconds) = body.idle_timeout_s {
        print.text(&format!("idle {seconds}"));
    }
    short(print.0)
}
