//! `check`, `consume`, `reserve`.

use super::answer::DecisionBody;
use super::body::{CallBody, alone, read};
use super::parse::Parsed;
use super::problem::Problem;
use super::{Door, json};
use crate::credential::Credential;
use crate::decide::Answer;
use crate::denial;
use crate::gate::Gate;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use almoner_domain::decision::Operation;

/// Says that an answer was given before.
pub(super) const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// What is asked of the gate by a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    Check,
    Consume,
    Reserve,
}

impl Asked {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Consume => "consume",
            Self::Reserve => "reserve",
        }
    }
}

type Body = Result<web::Bytes, actix_web::Error>;

pub(super) async fn check(request: HttpRequest, door: web::Data<Door>, body: Body) -> HttpResponse {
    answer(&request, &door, body, Asked::Check).await
}

pub(super) async fn consume(request: HttpRequest, door: web::Data<Door>, body: Body) -> HttpResponse {
    answer(&request, &door, body, Asked::Consume).await
}

pub(super) async fn reserve(request: HttpRequest, door: web::Data<Door>, body: Body) -> HttpResponse {
    answer(&request, &door, body, Asked::Reserve).await
}

async fn answer(request: &HttpRequest, door: &Door, body: Body, asked: Asked) -> HttpResponse {
    let outcome = async {
        let visit = door.enter(request, body).await?;
        let body: CallBody = read(&visit.body)?;
        alone(body.op.as_ref(), None)?;
        let (answer, windows) = door.gate.call(visit.by, asked, body).await?;
        Ok((door.gate.decision_body(visit.by.realm, &answer.decision).await?, answer.replayed, windows))
    };
    match outcome.await {
        Ok((body, replayed, windows)) => respond(&body, replayed, windows),
        Err(problem) => Problem::respond(problem, request.path()),
    }
}

/// Writes a decision.
pub(super) fn respond(body: &DecisionBody, replayed: bool, windows: Option<Windows>) -> HttpResponse {
    let mut response = json(200, body);
    if replayed {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    if let Some(windows) = windows {
        for (name, value) in [(POLICY, windows.policy), (LIMIT, windows.limit)] {
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers_mut().insert(name, value);
            }
        }
    }
    response
}

/// The windows that a call drew on, as the IETF draft for RateLimit headers writes them.
pub(super) struct Windows {
    policy: String,
    limit: String,
}

impl Gate {
    /// Answers one call, whether alone or in a batch.
    pub(super) async fn call(
        &self,
        by: Credential,
        asked: Asked,
        body: CallBody,
    ) -> Result<(Answer, Option<Windows>), Problem> {
        let call = match self.parse_call(by, asked.as_str(), body).await? {
            Parsed::Call(call) => call,
            Parsed::Token(call) => {
                let operation = if asked == Asked::Reserve { Operation::Reserve } else { Operation::Consume };
                let request = crate::decide::Request { by, operation, call: &call, mark: None };
                return Ok((self.deny(&request, None, None, denial::invalid_token()).await?, None));
            }
        };
        let answer = match asked {
            Asked::Check => self.check(by, &call).await?,
            Asked::Consume => self.decide(by, Operation::Consume, &call).await?,
            Asked::Reserve => self.decide(by, Operation::Reserve, &call).await?,
        };
        let windows = self.windows(by, &call, &answer).await;
        Ok((answer, windows))
    }

    /// Where a window applies: its quota and seconds, what remains and when it renews.
    async fn windows(&self, by: Credential, call: &crate::call::Call, answer: &Answer) -> Option<Windows> {
        use almoner_domain::decision::UseKind;
        if !matches!(call.target, crate::handle::Target::Subject(_)) {
            return None;
        }
        let now = self.clock.now();
        let handle = self.handles.find(by.realm, &call.target, now).await.ok()?;
        let (mut policy, mut limit) = (Vec::new(), Vec::new());
        for used in &answer.decision.uses {
            let (Some((_, line)), UseKind::Metered { remaining, .. }) = (handle.line(used.feature), &used.kind) else {
                continue;
            };
            let (Some(end), scale) = (line.line.window.end, line.meter.scale) else { continue };
            let whole = |units: almoner_domain::units::Units| units.get() / 10_i64.pow(u32::from(scale.places()));
            let span = end.saturating_since(line.line.window.start).as_secs();
            let key = &line.feature.key;
            policy.push(format!("\"{key}\";q={};w={span}", whole(line.line.granted)));
            limit.push(format!("\"{key}\";r={};t={}", whole(*remaining), end.saturating_since(now).as_secs()));
        }
        (!policy.is_empty()).then(|| Windows { policy: policy.join(", "), limit: limit.join(", ") })
    }
}
