//! A gate's flush: reports of leases and decisions, in one transaction.

use super::core::{Core, broken};
use super::decisions::Refund;
use super::table::Eye;
use almoner_domain::fault::Fault;
use almoner_domain::hold::Hold;
use almoner_domain::id::HoldId;
use almoner_domain::lease::{Incarnation, Lease, LeaseReply, LeaseReport, Wish};
use almoner_domain::ledger::{self, Books};
use almoner_domain::ports::LeaseBatch;
use almoner_domain::tenant::Realm;
use almoner_domain::time::Timestamp;
use almoner_domain::units::Units;
use std::collections::BTreeSet;
use std::sync::Arc;

impl Core {
    /// Applies a batch of one gate. Answers report by report, in order.
    pub fn settle(
        &mut self,
        now: Timestamp,
        realm: Realm,
        by: Incarnation,
        batch: &LeaseBatch,
    ) -> Result<Vec<LeaseReply>, Fault> {
        let (eye, entropy) = (self.eye(realm), Arc::clone(&self.entropy));
        let refunds = self.store_decisions(eye, &batch.decisions);
        let mut wrong = BTreeSet::new();
        // A report that the laws cannot apply is left out, and the others are applied again without it.
        let (mut books, replies) = loop {
            let mut books = Books::new(now, &*entropy);
            self.load_reports(eye, &mut books, &batch.reports);
            refunds.iter().for_each(|refund| self.rows.load_chain(eye, &mut books, refund.account));
            let before = wrong.len();
            let replies = self.apply(now, by, batch, &mut books, &mut wrong);
            if wrong.len() == before {
                break (books, replies);
            }
        };
        for Refund { decision, account, amount } in refunds {
            if let Err(error) = ledger::refund(&mut books, account, amount, decision) {
                self.contradictions.push(error);
            }
        }
        self.rows.write_back(eye, books);
        Ok(replies)
    }

    fn apply(
        &mut self,
        now: Timestamp,
        by: Incarnation,
        batch: &LeaseBatch,
        books: &mut Books<'_>,
        wrong: &mut BTreeSet<usize>,
    ) -> Vec<LeaseReply> {
        let (current, gates) = (self.latest(by.node), self.alive(now));
        let facts = |id: HoldId| batch.holds.iter().find(|hold| hold.id == id).cloned();
        let mut replies = Vec::with_capacity(batch.reports.len());
        for (index, report) in batch.reports.iter().enumerate() {
            let refusal = LeaseReply::Overdrawn { n: books.leases.find(report.lease).map_or(Units::ZERO, |l| l.n) };
            if wrong.contains(&index) {
                replies.push(refusal);
                continue;
            }
            match self.laws.settle(books, by, current, gates, report, &facts) {
                Ok(reply) => replies.push(reply),
                Err(error) => {
                    self.contradictions.push(error);
                    wrong.insert(index);
                    replies.push(refusal);
                }
            }
        }
        replies
    }

    fn load_reports(&self, eye: Eye, books: &mut Books<'_>, reports: &[LeaseReport]) {
        for report in reports {
            self.rows.load_chain(eye, books, report.account);
            if let Some(lease) = self.rows.leases.find(eye, report.lease) {
                books.leases.load(lease.id, lease.clone());
            }
            if matches!(report.wish, Wish::Raise { .. }) {
                let beside = |lease: &&Lease| lease.account == report.account && !lease.state.is_final();
                self.rows.leases.seen(eye).filter(beside).for_each(|lease| books.leases.load(lease.id, lease.clone()));
            }
            if let Wish::Settle { holds } = &report.wish {
                holds.iter().for_each(|(hold, _)| self.rows.load_hold(eye, books, *hold));
            }
        }
    }

    /// Holds of a realm that are open and past their time are freed; a decision says so of each.
    pub(super) fn expire_hold(&mut self, now: Timestamp, realm: Realm, id: HoldId) -> Result<bool, Fault> {
        let (eye, entropy) = (self.eye(realm), Arc::clone(&self.entropy));
        let mut books = Books::new(now, &*entropy);
        self.rows.load_hold(eye, &mut books, id);
        let due = |hold: &&Hold| hold.open && hold.expires_at <= now;
        let Some(hold) = books.holds.find(id).filter(due).cloned() else { return Ok(false) };
        ledger::expire_hold(&mut books, id).map_err(|error| broken("sweep", error))?;
        let decision = self.expiry(now, &books, &hold);
        self.rows.write_back(eye, books);
        self.store_decisions(eye, std::slice::from_ref(&decision));
        Ok(true)
    }
}
