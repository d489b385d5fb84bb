//! Holds that stand in the ledger: committed, released, given more time.

use super::core::{Core, broken};
use super::decisions::filled;
use super::table::Eye;
use almoner_domain::decision::{Decision, Operation};
use almoner_domain::fault::Fault;
use almoner_domain::id::{DecisionId, HoldId};
use almoner_domain::ledger::{self, Books, HoldOrder, HoldRefusal};
use almoner_domain::ports::{ExtendRequest, HoldAnswer, HoldRequest, HoldStanding};
use almoner_domain::tenant::Realm;
use almoner_domain::time::Timestamp;
use std::sync::Arc;

impl Core {
    /// Commits or releases a hold.
    pub fn settle_hold(&mut self, now: Timestamp, realm: Realm, request: &HoldRequest) -> Result<HoldAnswer, Fault> {
        let (eye, entropy) = (self.eye(realm), Arc::clone(&self.entropy));
        let id = request.order.hold;
        let mut books = Books::new(now, &*entropy);
        self.rows.load_hold(eye, &mut books, id);
        if books.holds.find(id).is_none() {
            return Ok(HoldAnswer::Unknown);
        }
        let settled =
            ledger::settle_hold(&mut books, &with_rules(request)).map_err(|error| broken("settle_hold", error))?;
        Ok(match settled {
            Err(refusal) => self.refused(eye, id, &refusal, request.decision.id),
            Ok(spent) => {
                let decision = filled(&books, &request.decision, &spent);
                self.keep(eye, books, decision)
            }
        })
    }

    /// Gives a hold more time.
    pub fn extend_hold(&mut self, now: Timestamp, realm: Realm, request: &ExtendRequest) -> Result<HoldAnswer, Fault> {
        let (eye, entropy) = (self.eye(realm), Arc::clone(&self.entropy));
        let mut books = Books::new(now, &*entropy);
        self.rows.load_hold(eye, &mut books, request.hold);
        if books.holds.find(request.hold).is_none() {
            return Ok(HoldAnswer::Unknown);
        }
        let extended = ledger::extend_hold(&mut books, request.hold, request.until)
            .map_err(|error| broken("extend_hold", error))?;
        Ok(match extended {
            Err(refusal) => self.refused(eye, request.hold, &refusal, request.decision.id),
            Ok(()) => {
                let hold_expires_at = books.holds.find(request.hold).map(|hold| hold.expires_at);
                self.keep(eye, books, Decision { hold_expires_at, ..request.decision.clone() })
            }
        })
    }

    fn keep(&mut self, eye: Eye, books: Books<'_>, decision: Decision) -> HoldAnswer {
        self.rows.write_back(eye, books);
        self.store_decisions(eye, std::slice::from_ref(&decision));
        let kept = self.rows.decisions.find(eye, decision.id).map(|kept| kept.decision.clone());
        HoldAnswer::Done(kept.unwrap_or(decision))
    }

    fn refused(&self, eye: Eye, hold: HoldId, refusal: &HoldRefusal, by: DecisionId) -> HoldAnswer {
        if *refusal == HoldRefusal::Expired {
            return HoldAnswer::Expired;
        }
        // The same request once more, its first answer lost on the way.
        if let Some(same) = self.of_hold(eye, hold).into_iter().find(|decision| decision.id == by) {
            return HoldAnswer::Done(same.clone());
        }
        match self.that_ended(eye, hold) {
            Some(decision) if decision.operation == Operation::Expire => HoldAnswer::Expired,
            decision => HoldAnswer::Settled(decision.cloned()),
        }
    }

    /// What is known of a hold.
    pub fn hold(&self, now: Timestamp, realm: Realm, id: HoldId) -> HoldStanding {
        let eye = self.eye(realm);
        let standing = self.rows.holds.find(eye, id);
        let opened = self.of_hold(eye, id).into_iter().find(|decision| decision.operation == Operation::Reserve);
        if let Some(hold) = standing.filter(|hold| hold.open) {
            if hold.expires_at <= now {
                return HoldStanding::Expired;
            }
            return HoldStanding::Open(hold.clone(), opened.cloned().map(Box::new));
        }
        match self.that_ended(eye, id) {
            Some(decision) if decision.operation == Operation::Expire => return HoldStanding::Expired,
            Some(decision) => return HoldStanding::Settled(decision.clone()),
            None if standing.is_some() => return HoldStanding::Expired,
            None => {}
        }
        opened.cloned().map_or(HoldStanding::Unknown, HoldStanding::Elsewhere)
    }
}

/// The order, with the rules of features that the request states beside it.
fn with_rules(request: &HoldRequest) -> HoldOrder {
    let mut order = request.order.clone();
    for (feature, _, rule) in &mut order.actual {
        if let Some((_, stated)) = request.excess.iter().find(|(named, _)| named == feature) {
            *rule = *stated;
        }
    }
    order
}
