//! CloudEvents 1.0: usage told afterwards, in structured, batched and binary mode of the HTTP binding.

use super::body::{Pairs, SubjectBody, UseBody, read, read_value};
use super::object;
use super::parse::{Errors, Print, Zero, dimensions, parse_subject};
use super::problem::Problem;
use super::{Door, json};
use crate::answered::short;
use crate::credential::Credential;
use crate::gate::Gate;
use crate::handle::Target;
use crate::meter::Metered;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::{HttpRequest, HttpResponse, web};
use almoner_domain::ledger::RETENTION;
use almoner_domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use std::time::Duration;
use utoipa::ToSchema;

/// The most events in a batch.
const EVENTS_MAX: usize = 1_000;
/// How far ahead of our clock an event's may run.
const AHEAD_MAX: Duration = Duration::from_secs(300);
/// The longest source or id, in bytes.
const NAME_BYTES_MAX: usize = 500;

/// A CloudEvent. Extension attributes are accepted and not kept.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct EventBody<'a> {
    /// `1.0`.
    pub specversion: String,
    /// What it is about; any type is accepted.
    #[serde(rename = "type")]
    pub kind: String,
    /// Where it comes from. With `id` it is counted once.
    pub source: String,
    /// Its id in the source.
    pub id: String,
    /// When it happened; within the last 30 days.
    pub time: Option<String>,
    /// The customer, where `data` does not name one.
    pub subject: Option<String>,
    /// `application/json`.
    pub datacontenttype: Option<String>,
    /// Whose usage, of what.
    #[serde(borrow)]
    #[schema(value_type = UsageBody)]
    pub data: Option<&'a RawValue>,
}

/// Whose usage, of what.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UsageBody {
    /// The customer and user.
    #[serde(default, deserialize_with = "object::maybe")]
    pub subject: Option<SubjectBody>,
    /// Or the allocation.
    pub allocation: Option<String>,
    /// What was used: metered features.
    #[serde(deserialize_with = "object::many")]
    pub uses: Vec<UseBody>,
    /// What else is said of it.
    #[serde(default)]
    pub dimensions: Pairs,
}

/// What became of the events.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EventsAnswer {
    /// Counted now.
    accepted: usize,
    /// Counted before: the same source and id.
    duplicates: usize,
}

pub(super) async fn events(
    request: HttpRequest,
    door: web::Data<Door>,
    body: Result<web::Bytes, actix_web::Error>,
) -> HttpResponse {
    let outcome = async {
        let visit = door.enter(&request, body).await?;
        let parsed = door.gate.parse_events(visit.by, &request, &visit.body).await?;
        // All are read before any is counted, so a batch with a mistake changes nothing.
        let told = parsed.iter().map(|event| door.gate.meter(visit.by, event));
        let mut answer = EventsAnswer { accepted: 0, duplicates: 0 };
        for new in futures::future::join_all(told).await {
            if new? { answer.accepted += 1 } else { answer.duplicates += 1 }
        }
        Ok(answer)
    };
    match outcome.await {
        Ok(answer) => json(202, &answer),
        Err(problem) => Problem::respond(problem, request.path()),
    }
}

impl Gate {
    async fn parse_events(&self, by: Credential, request: &HttpRequest, body: &[u8]) -> Result<Vec<Metered>, Problem> {
        let media = request.headers().get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
        if media.starts_with("application/cloudevents-batch+json") {
            let batch: Vec<&RawValue> = read_value(body)?;
            if batch.len() > EVENTS_MAX {
                return Err(Problem::invalid(format!("A batch has at most {EVENTS_MAX} events. Send several."))
                    .at("", format!("has {} events", batch.len())));
            }
            let mut events = Vec::with_capacity(batch.len());
            for (i, one) in batch.iter().enumerate() {
                let event = self.parse_event(by, read(one.get().as_bytes()).map_err(|p| below(p, i))?).await;
                events.push(event.map_err(|problem| below(problem, i))?);
            }
            return Ok(events);
        }
        if media.starts_with("application/cloudevents+json") {
            return Ok(vec![self.parse_event(by, read(body)?).await?]);
        }
        let event = binary(request, body)?;
        Ok(vec![self.parse_event(by, event).await?])
    }

    async fn parse_event(&self, by: Credential, event: EventBody<'_>) -> Result<Metered, Problem> {
        let mut errors = Errors::default();
        if event.specversion != "1.0" {
            errors.add("/specversion", "must be \"1.0\"");
        }
        for (name, text) in [("source", &event.source), ("id", &event.id), ("type", &event.kind)] {
            if text.is_empty() || text.len() > NAME_BYTES_MAX {
                errors.add(format!("/{name}"), format!("must have between 1 and {NAME_BYTES_MAX} bytes"));
            }
        }
        if event.datacontenttype.as_deref().is_some_and(|media| !media.starts_with("application/json")) {
            errors.add("/datacontenttype", "must be \"application/json\"");
        }
        let at = self.event_time(event.time.as_deref(), &mut errors);
        let Some(data) = event.data else {
            errors.add("/data", "is missing; it says whose usage and of what");
            return Err(errors.done().err().unwrap_or_else(|| Problem::invalid("/data is missing")));
        };
        let usage: UsageBody =
            read(data.get().as_bytes()).map_err(|problem| problem.within(|pointer| format!("/data{pointer}")))?;
        let target = event_target(&usage, event.subject.as_deref(), &mut errors);
        let uses = self.parse_uses(by, "/data/uses", &usage.uses, Zero::Refused, &mut errors).await?;
        if usage.uses.is_empty() {
            errors.add("/data/uses", "is empty; name at least one metered feature");
        }
        let dimensions = dimensions("/data/dimensions", usage.dimensions, &mut errors);
        errors.done()?;
        let target = target.ok_or_else(|| Problem::invalid("say whose usage it is"))?;
        // Looked up already now, so that a batch with a stranger in it changes nothing.
        let found = self.find(by, &target).await.map_err(Problem::from);
        found.map_err(|problem| match (&usage.allocation, &usage.subject) {
            (None, None) => problem.within(|_| "/subject".to_owned()),
            _ => problem.within(|pointer| format!("/data{pointer}")),
        })?;
        let mut print = Print(Sha256::new());
        print.text(data.get());
        let (source, id) = (event.source, event.id);
        Ok(Metered { source, id, at, target, uses, dimensions, body: short(print.0) })
    }

    fn event_time(&self, text: Option<&str>, errors: &mut Errors) -> Option<Timestamp> {
        let at = errors.keep("/time", Timestamp::parse(text?))?;
        let now = self.clock.now();
        let within = now.saturating_since(at) < RETENTION && at <= now.saturating_add(AHEAD_MAX);
        if !within {
            errors.add("/time", "must lie within the last 30 days and not ahead of now");
        }
        Some(at)
    }
}

fn event_target(usage: &UsageBody, subject: Option<&str>, errors: &mut Errors) -> Option<Target> {
    match (&usage.allocation, &usage.subject, subject) {
        (Some(id), None, _) => errors.keep("/data/allocation", id.parse()).map(Target::Allocation),
        (None, Some(subject), _) => parse_subject("/data/subject", subject, errors).map(Target::Subject),
        (None, None, Some(customer)) => {
            let subject = SubjectBody { customer: customer.to_owned(), user: None };
            parse_subject("/subject", &subject, errors).map(Target::Subject)
        }
        _ => {
            errors.add("/data", "says whose usage it is not once: give allocation, or subject with customer and user");
            None
        }
    }
}

/// Binary mode: attributes in headers, data in the body.
fn binary<'a>(request: &HttpRequest, body: &'a [u8]) -> Result<EventBody<'a>, Problem> {
    let header = |name: &str| {
        request.headers().get(format!("ce-{name}")).and_then(|value| value.to_str().ok()).map(str::to_owned)
    };
    let need = |name: &str| {
        header(name).ok_or_else(|| {
            let detail = "is missing; send a CloudEvent in structured mode (Content-Type: application/cloudevents+json), batched, or binary mode with ce- headers";
            Problem::malformed(format!("ce-{name} {detail}")).at(format!("ce-{name}"), detail)
        })
    };
    Ok(EventBody {
        specversion: need("specversion")?,
        kind: need("type")?,
        source: need("source")?,
        id: need("id")?,
        time: header("time"),
        subject: header("subject"),
        datacontenttype: None,
        data: Some(read_value(body)?),
    })
}

fn below(problem: Problem, index: usize) -> Problem {
    problem.within(|pointer| format!("/{index}{pointer}"))
}
