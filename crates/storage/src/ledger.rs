//! The ledger's port: one method a command, each one transaction.

use crate::store::{Outcome, SqlStore};
use crate::trouble::Trouble;
use crate::tx::Tx;
use crate::{account, audit, books, lease, node, settle};
use almoner_domain::allocation::AllocationState;
use almoner_domain::audit::{Action, Author};
use almoner_domain::fault::Fault;
use almoner_domain::guard::{GuardStep, Guarded};
use almoner_domain::id::{AllocationId, LeaseId, NodeId};
use almoner_domain::lease::{Incarnation, Lease, LeaseReply};
use almoner_domain::ledger;
use almoner_domain::ports::{
    CarveAnswer, CarveRequest, ExtendRequest, HoldAnswer, HoldRequest, LeaseBatch, Ledger, SessionAnswer,
    SessionRequest, Swept,
};
use almoner_domain::statement::AllocationStatement;
use almoner_domain::tenant::Realm;
use async_trait::async_trait;
use std::sync::Arc;

#[async_trait]
impl Ledger for SqlStore {
    async fn enlist(&self, node: NodeId) -> Result<Incarnation, Fault> {
        self.write_everywhere("enlist", move |tx| Box::pin(node::enlist(tx, node))).await
    }

    async fn settle(&self, realm: Realm, by: Incarnation, batch: &LeaseBatch) -> Result<Vec<LeaseReply>, Fault> {
        let batch = Arc::new(batch.clone());
        self.write("settle", realm, move |tx| {
            let batch = Arc::clone(&batch);
            Box::pin(async move { settle::settle(tx, by, &batch).await })
        })
        .await
    }

    async fn recalled(&self, by: Incarnation) -> Result<Vec<(Realm, LeaseId)>, Fault> {
        let asked = self.read_everywhere("recalled", move |tx| {
            Box::pin(async move { Ok((node::sign_due(tx, by).await?, lease::recalled(tx, by).await?)) })
        });
        let (due, recalled) = asked.await?;
        if due {
            self.write_everywhere("recalled", move |tx| Box::pin(node::sign(tx, by))).await?;
        }
        Ok(recalled)
    }

    async fn unsettled(&self, by: Incarnation) -> Result<Vec<(Realm, Lease)>, Fault> {
        self.read_everywhere("unsettled", move |tx| Box::pin(lease::unsettled(tx, by))).await
    }

    async fn carve(&self, realm: Realm, request: &CarveRequest) -> Result<CarveAnswer, Fault> {
        self.carve_allocation(realm, request).await
    }

    async fn carve_for_session(&self, realm: Realm, request: &SessionRequest) -> Result<SessionAnswer, Fault> {
        self.allocation_for_session(realm, request).await
    }

    async fn end(
        &self,
        realm: Realm,
        id: AllocationId,
        state: AllocationState,
        by: &Author,
    ) -> Result<Option<AllocationStatement>, Fault> {
        self.end_allocation(realm, id, state, by).await
    }

    async fn settle_hold(&self, realm: Realm, request: &HoldRequest) -> Result<HoldAnswer, Fault> {
        self.end_hold(realm, request).await
    }

    async fn extend_hold(&self, realm: Realm, request: &ExtendRequest) -> Result<HoldAnswer, Fault> {
        self.prolong_hold(realm, request).await
    }

    async fn sweep(&self, limit: u64) -> Result<Swept, Fault> {
        self.sweep_due(limit).await
    }

    async fn forfeit(&self, realm: Realm, lease: LeaseId, by: &Author) -> Result<bool, Fault> {
        let by = Arc::new(by.clone());
        self.write("forfeit", realm, move |tx| {
            let by = Arc::clone(&by);
            Box::pin(async move { forfeit(tx, lease, &by).await })
        })
        .await
    }

    async fn step_guard(&self, realm: Realm, step: &GuardStep) -> Result<bool, Fault> {
        self.take_guard_step(realm, step).await
    }

    async fn resume_guard(&self, realm: Realm, guarded: Guarded, by: &Author) -> Result<bool, Fault> {
        self.let_go_on(realm, guarded, by).await
    }
}

async fn forfeit(tx: &Tx, id: LeaseId, by: &Author) -> Result<Outcome<bool>, Trouble> {
    let Some(as_read) = lease::find(tx, id).await? else { return Ok(Outcome::Undo(false)) };
    let mut books = tx.books();
    for account in account::hold_with_ancestors(tx, &[as_read.account]).await? {
        books.accounts.load(account.id, account);
    }
    for lease in lease::hold(tx, &[id]).await? {
        books.leases.load(lease.id, lease);
    }
    let forfeited = ledger::forfeit(&mut books, id)?;
    if let Some(account) = books.accounts.find(as_read.account).filter(|_| forfeited) {
        audit::sign(tx, by, Action::ForfeitLease, id, account.principals.customer, String::new()).await?;
    }
    books::write_back(tx, &books, None).await?;
    Ok(Outcome::Keep(forfeited))
}
