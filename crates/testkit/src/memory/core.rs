//! The store without its lock and without a runtime.

use super::laws::{Laws, Production};
use super::rows::{Node, Rows};
use super::table::Eye;
use crate::SeededEntropy;
use crate::books::BookRows;
use almoner_domain::account::Account;
use almoner_domain::allocation::AllocationState;
use almoner_domain::entropy::Entropy;
use almoner_domain::fault::{Fault, FaultKind};
use almoner_domain::hold::Hold;
use almoner_domain::id::{AllocationId, LeaseId, NodeId};
use almoner_domain::lease::{Incarnation, Lease, LeaseState};
use almoner_domain::ledger::{self, Books, LedgerError};
use almoner_domain::movement::Movement;
use almoner_domain::notice::Notice;
use almoner_domain::statement::AllocationStatement;
use almoner_domain::tenant::Realm;
use almoner_domain::time::Timestamp;
use std::sync::Arc;
use std::time::Duration;

/// A gate that has given no sign of life for so long does not count among those that share an account.
const ALIVE: Duration = Duration::from_secs(30);

/// The store: rows, the laws over them, and chance. Every method is one transaction at the instant it is given.
pub struct Core {
    pub(super) rows: Rows,
    pub(super) laws: Box<dyn Laws>,
    pub(super) entropy: Arc<dyn Entropy>,
    /// Chance of its own for the audit trail: what is signed must not change the story that a seed tells.
    pub(super) ink: SeededEntropy,
    /// Reports that a law could not apply. Gates that keep the rules never cause one.
    pub(super) contradictions: Vec<LedgerError>,
}

/// What a store had committed at one time.
pub struct Snapshot(Rows);

impl Core {
    /// An empty store under the domain's laws.
    pub fn new(entropy: Arc<dyn Entropy>) -> Self {
        Self::under(Box::new(Production), entropy)
    }

    /// An empty store under these laws.
    pub fn under(laws: Box<dyn Laws>, entropy: Arc<dyn Entropy>) -> Self {
        Self { rows: Rows::default(), laws, entropy, ink: SeededEntropy::default(), contradictions: Vec::new() }
    }

    pub(super) fn eye(&self, realm: Realm) -> Eye {
        Eye { realm, sees: self.laws.sees() }
    }

    /// Starts a new life of a gate.
    pub fn enlist(&mut self, now: Timestamp, node: NodeId) -> Incarnation {
        let row = self.rows.nodes.entry(node).or_insert(Node { number: 0, last_seen: now });
        row.number += 1;
        row.last_seen = now;
        Incarnation { node, number: row.number }
    }

    /// The latest life of a gate; 0 for one that never enlisted.
    pub(super) fn latest(&self, node: NodeId) -> u64 {
        self.rows.nodes.get(&node).map_or(0, |row| row.number)
    }

    /// How many gates are alive, at least one: whoever asks is.
    pub(super) fn alive(&self, now: Timestamp) -> u32 {
        let count = self.rows.nodes.values().filter(|node| now.saturating_since(node.last_seen) <= ALIVE).count();
        u32::try_from(count).unwrap_or(u32::MAX).max(1)
    }

    /// Leases of this life of a gate that others need; and its sign of life.
    pub fn recalled(&mut self, now: Timestamp, by: Incarnation) -> Vec<(Realm, LeaseId)> {
        if let Some(node) = self.rows.nodes.get_mut(&by.node).filter(|node| node.number == by.number) {
            node.last_seen = node.last_seen.max(now);
        }
        let needed = |lease: &&Lease| lease.holder == by && lease.state == LeaseState::Recalling;
        self.leases().filter(|(_, lease)| needed(lease)).map(|(realm, lease)| (realm, lease.id)).collect()
    }

    /// Leases of earlier lives of a gate that are not over.
    pub fn unsettled(&self, by: Incarnation) -> Vec<(Realm, Lease)> {
        let earlier =
            |lease: &&Lease| lease.holder.node == by.node && lease.holder.number < by.number && !lease.state.is_final();
        self.leases().filter(|(_, lease)| earlier(lease)).map(|(realm, lease)| (realm, lease.clone())).collect()
    }

    /// Ends an allocation and all below it.
    pub fn end(
        &mut self,
        now: Timestamp,
        realm: Realm,
        id: AllocationId,
        state: AllocationState,
    ) -> Result<Option<AllocationStatement>, Fault> {
        let (eye, entropy) = (self.eye(realm), Arc::clone(&self.entropy));
        let mut books = Books::new(now, &*entropy);
        self.rows.load_family(eye, &mut books, id);
        if books.allocations.find(id).is_none() {
            return Ok(None);
        }
        ledger::end(&mut books, id, state).map_err(|error| broken("end", error))?;
        self.rows.write_back(eye, books);
        Ok(self.statement(realm, id))
    }

    /// Declares a lease in doubt as spent.
    pub fn forfeit(&mut self, now: Timestamp, realm: Realm, id: LeaseId) -> Result<bool, Fault> {
        let (eye, entropy) = (self.eye(realm), Arc::clone(&self.entropy));
        let mut books = Books::new(now, &*entropy);
        let Some(lease) = self.rows.leases.find(eye, id) else { return Ok(false) };
        self.rows.load_chain(eye, &mut books, lease.account);
        books.leases.load(id, lease.clone());
        let done = ledger::forfeit(&mut books, id).map_err(|error| broken("forfeit", error))?;
        if done {
            self.rows.write_back(eye, books);
        }
        Ok(done)
    }

    /// What is committed now, as a standby would have it.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot(self.rows.clone())
    }

    /// A standby takes over: what was committed since is gone.
    pub fn fail_over(&mut self, to: Snapshot) {
        self.rows = to.0;
    }

    /// All leases of all realms, whatever became of them.
    pub fn leases(&self) -> impl Iterator<Item = (Realm, &Lease)> {
        self.rows.leases.all()
    }

    /// All accounts of all realms.
    pub fn accounts(&self) -> impl Iterator<Item = (Realm, &Account)> {
        self.rows.accounts.all()
    }

    /// All holds of all realms that stand in the ledger, or stood.
    pub fn holds(&self) -> impl Iterator<Item = (Realm, &Hold)> {
        self.rows.holds.all()
    }

    /// The lines of the ledger from the given one on, in the order in which they were written.
    pub fn movements_from(&self, start: usize) -> &[(Realm, Movement)] {
        self.rows.movements.get(start..).unwrap_or(&[])
    }

    /// Entries of the outbox of a realm.
    pub fn notices(&self, realm: Realm) -> Vec<Notice> {
        self.rows.notices.iter().filter(|(owner, _)| *owner == realm).map(|(_, notice)| notice.clone()).collect()
    }

    /// Reports that a law could not apply, oldest first.
    pub fn contradictions(&self) -> &[LedgerError] {
        &self.contradictions
    }

    /// Realms that somebody has worked in.
    pub fn realms(&self) -> Vec<Realm> {
        self.rows.catalogues.keys().copied().collect()
    }

    /// Everything of a realm that the books' equations are about.
    pub fn book_rows(&self, realm: Realm) -> BookRows {
        let eye = self.eye(realm);
        let kept = self.rows.decisions.seen(eye).filter(|kept| !kept.given_back);
        BookRows {
            accounts: self.rows.accounts.seen(eye).cloned().collect(),
            leases: self.rows.leases.seen(eye).cloned().collect(),
            holds: self.rows.holds.seen(eye).cloned().collect(),
            movements: self.rows.movements.iter().filter(|(o, _)| *o == realm).map(|(_, m)| m.clone()).collect(),
            decisions: kept.map(|kept| kept.decision.clone()).collect(),
        }
    }
}

/// A law of the ledger could not be applied.
pub(super) fn broken(operation: &'static str, error: LedgerError) -> Fault {
    Fault::new(operation, FaultKind::Broken, error)
}
