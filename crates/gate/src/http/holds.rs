//! `commit`, `release`, `extend`.

use super::Door;
use super::body::{ExtendBody, SettleBody, UseBody, alone, read};
use super::calls::respond;
use super::parse::{Errors, Print, Zero, ttl};
use super::problem::Problem;
use crate::answered::short;
use crate::call::{CallKey, HoldCall};
use crate::credential::Credential;
use crate::decide::Answer;
use crate::gate::Gate;
use actix_web::{HttpRequest, HttpResponse, web};
use almoner_domain::decision::Operation;
use almoner_domain::id::HoldId;
use almoner_domain::text::IdempotencyKey;
use sha2::{Digest, Sha256};

type Body = Result<web::Bytes, actix_web::Error>;

pub(super) async fn commit(
    request: HttpRequest,
    door: web::Data<Door>,
    id: web::Path<String>,
    body: Body,
) -> HttpResponse {
    settle(&request, &door, &id, body, Operation::Commit).await
}

pub(super) async fn release(
    request: HttpRequest,
    door: web::Data<Door>,
    id: web::Path<String>,
    body: Body,
) -> HttpResponse {
    settle(&request, &door, &id, body, Operation::Release).await
}

async fn settle(request: &HttpRequest, door: &Door, id: &str, body: Body, operation: Operation) -> HttpResponse {
    let outcome = async {
        let visit = door.enter(request, body).await?;
        // A hold is settled as held by an empty body.
        let body: SettleBody = if visit.body.is_empty() { SettleBody::default() } else { read(&visit.body)? };
        alone(body.op.as_ref(), body.hold.as_ref())?;
        let answer = door.gate.settle(visit.by, operation, id, body).await?;
        Ok((door.gate.decision_body(visit.by.realm, &answer.decision).await?, answer.replayed))
    };
    match outcome.await {
        Ok((body, replayed)) => respond(&body, replayed, None),
        Err(problem) => Problem::respond(problem, request.path()),
    }
}

pub(super) async fn extend(
    request: HttpRequest,
    door: web::Data<Door>,
    id: web::Path<String>,
    body: Body,
) -> HttpResponse {
    let outcome = async {
        let visit = door.enter(&request, body).await?;
        let body: ExtendBody = read(&visit.body)?;
        alone(body.op.as_ref(), body.hold.as_ref())?;
        let answer = door.gate.extend(visit.by, &id, body).await?;
        door.gate.decision_body(visit.by.realm, &answer.decision).await
    };
    match outcome.await {
        Ok(body) => respond(&body, false, None),
        Err(problem) => Problem::respond(problem, request.path()),
    }
}

pub(super) fn hold_id(text: &str) -> Result<HoldId, Problem> {
    text.parse().map_err(|error| Problem::not_found(format!("There is no such hold: {error}.")))
}

impl Gate {
    /// Commits or releases a hold, whether alone or in a batch.
    pub(super) async fn settle(
        &self,
        by: Credential,
        operation: Operation,
        id: &str,
        body: SettleBody,
    ) -> Result<Answer, Problem> {
        let id = hold_id(id)?;
        let mut errors = Errors::default();
        let (pointer, named, foreign) = match operation {
            Operation::Commit => ("/uses", &body.uses, ("/floor", body.floor.is_some())),
            _ => ("/floor", &body.floor, ("/uses", body.uses.is_some())),
        };
        if foreign.1 {
            errors.add(foreign.0, format!("has no meaning here; name amounts in {pointer}"));
        }
        let named: &[UseBody] = named.as_deref().unwrap_or_default();
        let actual = self.parse_uses(by, pointer, named, Zero::Allowed, &mut errors).await?;
        let key = body.idempotency_key.as_deref().and_then(|key| {
            let key = errors.keep("/idempotency_key", IdempotencyKey::parse(key))?;
            let mut print = Print(Sha256::new());
            print.text(operation.as_str());
            print.text(&id.to_string());
            print.uses(named);
            Some(CallKey { key, body: short(print.0) })
        });
        errors.done()?;
        let settled = self.settle_hold(by, operation, id, &HoldCall { actual, key }).await;
        settled.map_err(|refusal| Problem::from(refusal).within(|at| at.replacen("/uses", pointer, 1)))
    }

    /// Extends a hold, whether alone or in a batch.
    pub(super) async fn extend(&self, by: Credential, id: &str, body: ExtendBody) -> Result<Answer, Problem> {
        let id = hold_id(id)?;
        let mut errors = Errors::default();
        let ttl = ttl(Some(body.ttl_s), &mut errors);
        errors.done()?;
        Ok(self.extend_hold(by, id, ttl).await?)
    }
}
