//! All rows that the store has committed, and the way of rows into books and back.

use super::catalogue::Catalogue;
use super::decisions::Kept;
use super::deliveries::Parcel;
use super::policies::Made;
use super::table::{Eye, Table};
use almoner_domain::account::Account;
use almoner_domain::agent::Session;
use almoner_domain::allocation::{Allocation, AllocationState};
use almoner_domain::audit::AuditEntry;
use almoner_domain::decision::Decision;
use almoner_domain::delivery::Attempt;
use almoner_domain::grant::Grant;
use almoner_domain::guard::{Guard, GuardStep, Guarded};
use almoner_domain::hold::Hold;
use almoner_domain::id::{
    AccountId, AllocationId, AttemptId, AuditId, DecisionId, DeliveryId, GrantId, GuardStepId, HoldId, LeaseId, NodeId,
    NoticeId, SessionId,
};
use almoner_domain::lease::Lease;
use almoner_domain::ledger::Books;
use almoner_domain::movement::Movement;
use almoner_domain::notice::{Change, Notice};
use almoner_domain::tenant::{Realm, Tenant};
use almoner_domain::time::Timestamp;
use std::collections::BTreeMap;

/// A gate, and its latest life.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node {
    pub(super) number: u64,
    pub(super) last_seen: Timestamp,
}

/// An allocation's idempotency key: the allocation, and the body it was asked for with.
#[derive(Debug, Clone, Copy)]
pub(super) struct CarveKey {
    pub(super) allocation: AllocationId,
    pub(super) body: [u8; 16],
}

/// What is committed.
#[derive(Clone, Default)]
pub(super) struct Rows {
    pub(super) tenants: Vec<Tenant>,
    pub(super) catalogues: BTreeMap<Realm, Catalogue>,
    pub(super) accounts: Table<AccountId, Account>,
    pub(super) leases: Table<LeaseId, Lease>,
    pub(super) allocations: Table<AllocationId, Allocation>,
    pub(super) holds: Table<HoldId, Hold>,
    /// What policies made, in the order in which they did.
    pub(super) made: Vec<(Realm, Made)>,
    pub(super) sessions: Table<SessionId, Session>,
    pub(super) carve_keys: Table<[u8; 16], CarveKey>,
    pub(super) decisions: Table<DecisionId, Kept>,
    pub(super) answered: Table<[u8; 16], DecisionId>,
    /// Decisions that count as usage, in the order in which they came. They are not pruned.
    pub(super) counted: Vec<(Realm, Decision)>,
    pub(super) grants: Table<GrantId, Grant>,
    pub(super) audit: Table<AuditId, AuditEntry>,
    /// How far the runaway guard has gone, and each step of it.
    pub(super) guards: Table<Guarded, Guard>,
    pub(super) guard_steps: Table<GuardStepId, GuardStep>,
    pub(super) movements: Vec<(Realm, Movement)>,
    pub(super) notices: Vec<(Realm, Notice)>,
    /// When a pump went through an entry of the outbox.
    pub(super) sent: Table<NoticeId, Timestamp>,
    /// Numbers of what happened to allocations: the last one of each, and that of each entry.
    pub(super) sequences: Table<AllocationId, u64>,
    pub(super) numbers: Table<NoticeId, u64>,
    pub(super) parcels: Table<DeliveryId, Parcel>,
    pub(super) attempts: Table<AttemptId, Attempt>,
    pub(super) changes: Vec<(Realm, Change)>,
    /// Entries of the feed that were before those.
    pub(super) changes_pruned: usize,
    pub(super) nodes: BTreeMap<NodeId, Node>,
}

impl Rows {
    /// Catalogues that are seen: a realm's own.
    pub(super) fn catalogues_seen(&self, eye: Eye) -> impl Iterator<Item = &Catalogue> {
        self.catalogues.iter().filter(move |(owner, _)| (eye.sees)(eye.realm, **owner)).map(|(_, there)| there)
    }

    /// Loads an account and all accounts above it.
    pub(super) fn load_chain(&self, eye: Eye, books: &mut Books<'_>, account: AccountId) {
        let mut next = Some(account);
        while let Some(id) = next {
            let Some(row) = self.accounts.find(eye, id) else { return };
            books.accounts.load(id, row.clone());
            next = row.parent;
        }
    }

    /// The allocations that it was carved from, nearest first, and what became of them.
    pub(super) fn chain(&self, eye: Eye, allocation: &Allocation) -> Vec<(AllocationId, AllocationState)> {
        let mut chain = Vec::new();
        let mut next = allocation.parent;
        while let Some(above) = next.and_then(|id| self.allocations.find(eye, id)) {
            chain.push((above.id, above.state));
            next = above.parent;
        }
        chain
    }

    /// Loads an allocation, all active ones below it, and their accounts with all above.
    pub(super) fn load_family(&self, eye: Eye, books: &mut Books<'_>, root: AllocationId) {
        let mut found = vec![root];
        let mut next = 0;
        while next < found.len() {
            let parent = found[next];
            let active = |a: &&Allocation| a.parent == Some(parent) && a.state == AllocationState::Active;
            found.extend(self.allocations.seen(eye).filter(active).map(|a| a.id));
            next += 1;
        }
        for id in found {
            let Some(allocation) = self.allocations.find(eye, id) else { continue };
            for line in &allocation.lines {
                self.load_chain(eye, books, line.account);
            }
            books.allocations.load(id, allocation.clone());
        }
    }

    /// Loads a hold and the accounts of its parts with all above.
    pub(super) fn load_hold(&self, eye: Eye, books: &mut Books<'_>, id: HoldId) {
        let Some(hold) = self.holds.find(eye, id) else { return };
        for part in &hold.parts {
            self.load_chain(eye, books, part.account);
        }
        books.holds.load(id, hold.clone());
    }

    /// Writes entries to the outbox, each with the next number of its allocation.
    pub(super) fn announce(&mut self, eye: Eye, notices: Vec<Notice>) {
        for notice in notices {
            if let Some(allocation) = notice.allocation {
                let number = self.sequences.find(eye, allocation).copied().unwrap_or_default() + 1;
                self.sequences.put(eye, allocation, number);
                self.numbers.put(eye, notice.id, number);
            }
            self.notices.push((eye.realm, notice));
        }
    }

    /// Writes back what books added and changed.
    pub(super) fn write_back(&mut self, eye: Eye, books: Books<'_>) {
        for row in books.accounts.added().chain(books.accounts.changed()) {
            self.accounts.put(eye, row.id, row.clone());
        }
        for row in books.leases.added().chain(books.leases.changed()) {
            self.leases.put(eye, row.id, row.clone());
        }
        for row in books.allocations.added().chain(books.allocations.changed()) {
            self.allocations.put(eye, row.id, row.clone());
        }
        for row in books.holds.added().chain(books.holds.changed()) {
            self.holds.put(eye, row.id, row.clone());
        }
        let owned = |owner| move |row| (owner, row);
        for grant in books.grants {
            self.grants.put(eye, grant.id, grant);
        }
        self.movements.extend(books.movements.into_iter().map(owned(eye.realm)));
        self.announce(eye, books.notices);
        self.changes.extend(books.changes.into_iter().map(|row| (eye.realm, row)));
    }
}
