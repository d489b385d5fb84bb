//! `batch`: up to a thousand operations, answered in order, each as if alone.

use super::answer::DecisionBody;
use super::body::{OpBody, read};
use super::calls::Asked;
use super::problem::Problem;
use super::{Door, json};
use crate::credential::Credential;
use crate::gate::Gate;
use actix_web::{HttpRequest, HttpResponse, web};
use almoner_domain::decision::Operation;
use futures::future::join_all;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// The most operations in a batch.
const OPERATIONS_MAX: usize = 1_000;

/// The body of `batch`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BatchBody<'a> {
    /// Each has `op` (`check`, `consume`, `reserve`, `commit`, `release`, `extend`), the members of that operation, and for
    /// the last three the id of the `hold`.
    #[serde(borrow)]
    #[schema(value_type = Vec<Object>)]
    pub operations: Vec<&'a RawValue>,
}

/// The answers of a batch, in order: each a decision, or a problem.
#[derive(Serialize, ToSchema)]
pub(crate) struct BatchAnswer {
    answers: Vec<OneAnswer>,
}

/// One answer of a batch.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum OneAnswer {
    /// A decision.
    Decision(Box<DecisionBody>),
    /// A problem, with the status that it would have had alone.
    Problem(Problem),
}

pub(super) async fn batch(
    request: HttpRequest,
    door: web::Data<Door>,
    body: Result<web::Bytes, actix_web::Error>,
) -> HttpResponse {
    let outcome = async {
        let visit = door.enter(&request, body).await?;
        let batch: BatchBody<'_> = read(&visit.body)?;
        if batch.operations.is_empty() || batch.operations.len() > OPERATIONS_MAX {
            return Err(Problem::invalid("A batch has between 1 and 1,000 operations. Send several smaller ones.")
                .at("/operations", format!("has {} entries", batch.operations.len())));
        }
        // All at once: they are debited in order and wait for one sync together.
        let answers = join_all(batch.operations.iter().map(|one| door.gate.one(visit.by, one))).await;
        Ok(BatchAnswer { answers })
    };
    match outcome.await {
        Ok(answer) => json(200, &answer),
        Err(problem) => Problem::respond(problem, request.path()),
    }
}

impl Gate {
    async fn one(&self, by: Credential, operation: &RawValue) -> OneAnswer {
        match self.one_decision(by, operation).await {
            Ok(body) => OneAnswer::Decision(Box::new(body)),
            Err(problem) => OneAnswer::Problem(problem),
        }
    }

    async fn one_decision(&self, by: Credential, operation: &RawValue) -> Result<DecisionBody, Problem> {
        let bytes = operation.get().as_bytes();
        let OpBody { op, hold } = read(bytes)?;
        let answer = match op.as_deref().unwrap_or_default() {
            "check" => self.call(by, Asked::Check, read(bytes)?).await?.0,
            "consume" => self.call(by, Asked::Consume, read(bytes)?).await?.0,
            "reserve" => self.call(by, Asked::Reserve, read(bytes)?).await?.0,
            "commit" => self.settle(by, Operation::Commit, &need(hold)?, read(bytes)?).await.map_err(at_hold)?,
            "release" => self.settle(by, Operation::Release, &need(hold)?, read(bytes)?).await.map_err(at_hold)?,
            "extend" => self.extend(by, &need(hold)?, read(bytes)?).await.map_err(at_hold)?,
            _ => {
                let detail = "is none of check, consume, reserve, commit, release and extend";
                return Err(Problem::invalid(format!("/op: {detail}")).at("/op", detail));
            }
        };
        self.decision_body(by.realm, &answer.decision).await
    }
}

/// Where the hold itself is what is wrong: alone its id stands in the path, here it is a member.
fn at_hold(problem: Problem) -> Problem {
    if !matches!(problem.status, 404 | 409 | 410) || !problem.errors.is_empty() {
        return problem;
    }
    let detail = problem.detail.clone();
    problem.at("/hold", detail)
}

fn need(hold: Option<String>) -> Result<String, Problem> {
    let hold = hold.ok_or_else(|| Problem::malformed("/hold: is missing").at("/hold", "is missing"))?;
    super::holds::hold_id(&hold).map_err(|problem| problem.at("/hold", "names no hold here"))?;
    Ok(hold)
}
