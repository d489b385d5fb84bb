//! Metering without gating: usage that is told afterwards lands in the same record as decisions, and debits nothing.

use crate::answered::{self, Turn};
use crate::call::AskedUse;
use crate::credential::Credential;
use crate::decide::Refusal;
use crate::gate::Gate;
use crate::handle::Target;
use almoner_domain::decision::{Decision, KeyMark, Operation, Use, UseKind, Verdict};
use almoner_domain::id::{DecisionId, Id};
use almoner_domain::time::Timestamp;
use almoner_domain::units::Units;
use std::sync::Arc;

/// Usage that happened.
#[derive(Debug, Clone)]
pub struct Metered {
    /// Where the event comes from; with `id`, what it is known by.
    pub source: String,
    /// The event's id, unique in its source.
    pub id: String,
    /// When it happened; now where it does not say.
    pub at: Option<Timestamp>,
    /// Whose usage.
    pub target: Target,
    /// What was used.
    pub uses: Vec<AskedUse>,
    /// What else is said of it, sorted by name.
    pub dimensions: Vec<(String, String)>,
    /// Hash of the event, to tell a repetition from a contradiction.
    pub body: [u8; 16],
}

impl Gate {
    /// Records usage once, however often it is told. False when it was known.
    pub async fn meter(&self, by: Credential, event: &Metered) -> Result<bool, Refusal> {
        let mark = self.event_mark(by, event);
        let mut claim = match self.answered.begin(by.realm, mark).await {
            Ok(Turn::First(claim)) => claim,
            Ok(Turn::Again(_, position)) => {
                self.until_durable(position).await?;
                return Ok(false);
            }
            // Same source and id: by the CloudEvents specification it is the same event, whatever else it says.
            Ok(Turn::Reused) => return Ok(false),
            Ok(Turn::Full) => return Err(Refusal::Unavailable(None)),
            Err(fault) => return Err(Refusal::Unavailable(Some(fault))),
        };
        let handle = self.find(by, &event.target).await?;
        let now = self.clock.now();
        let decision = Arc::new(Decision {
            id: DecisionId::new(now, &*self.entropy),
            at: event.at.unwrap_or(now),
            operation: Operation::Meter,
            verdict: Verdict::Allow,
            on_behalf_of: Some(handle.standing.principals),
            allocation: handle.standing.allocation,
            uses: event.uses.iter().map(told).collect(),
            hold: None,
            hold_expires_at: None,
            key: Some(mark),
            dimensions: event.dimensions.clone(),
        });
        let ticket = self.scribe.decide(by.realm, &decision, &[]).map_err(|_| Refusal::Unavailable(None))?;
        claim.give(decision, ticket.position());
        ticket.durable().await.map_err(|_| Refusal::Unavailable(None))?;
        self.metrics.allowed(Operation::Meter);
        Ok(true)
    }

    /// An event is known by source and id, apart from the idempotency keys of calls: no key has a line break.
    fn event_mark(&self, by: Credential, event: &Metered) -> KeyMark {
        let key = format!("event\n{}\n{}", event.source, event.id);
        answered::mark(by.realm, by.key, &key, event.body)
    }
}

fn told(used: &AskedUse) -> Use {
    let kind = UseKind::Metered {
        account: None,
        requested: used.amount,
        granted: used.amount,
        remaining: Units::ZERO,
        blocked: false,
    };
    Use { feature: used.feature.id, kind }
}
