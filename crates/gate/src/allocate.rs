//! Allocations at the gate: carved just in time, read live, closed with the task.

use crate::courier::Want;
use crate::credential::Credential;
use crate::decide::Refusal;
use crate::gate::Gate;
use crate::handle::Target;
use crate::purse::Purse;
use almoner_domain::allocation::AllocationState;
use almoner_domain::audit::Author;
use almoner_domain::fault::Fault;
use almoner_domain::guard::Guarded;
use almoner_domain::id::{AccountId, AllocationId};
use almoner_domain::ledger::CarveRefusal;
use almoner_domain::ports::{CarveAnswer, CarveRequest, Gates, Source, SubjectName};
use almoner_domain::statement::{AllocationStatement, EntitlementStatement};
use almoner_domain::tenant::Realm;
use async_trait::async_trait;
use std::sync::Arc;

impl Gate {
    /// Carves an allocation. Units that this gate holds idle come back first where they are needed.
    pub async fn carve(&self, by: Credential, request: &CarveRequest) -> Result<CarveAnswer, Refusal> {
        let answer = self.ledger.carve(by.realm, request).await.map_err(away)?;
        let CarveAnswer::Refused(CarveRefusal::Short { account, leased, .. }) = &answer else {
            self.refresh(by, &request.source).await;
            return Ok(answer);
        };
        if leased.is_zero() || !self.give_back(*account).await {
            return Ok(answer);
        }
        let answer = self.ledger.carve(by.realm, request).await.map_err(away)?;
        self.refresh(by, &request.source).await;
        Ok(answer)
    }

    /// What was carved is no longer free above: the next `remaining` there must say so.
    pub(crate) async fn refresh(&self, by: Credential, source: &Source) {
        let target = match source {
            Source::Subject(subject) => Target::Subject(subject.clone()),
            Source::Allocation(id) => Target::Allocation(*id),
        };
        let Ok(handle) = self.handles.find(by.realm, &target, self.clock.now()).await else { return };
        let open = handle.lines.iter().map(|line| line.purse.clone());
        let leased = open.filter(|purse| purse.open().is_some_and(|state| state.tally.is_some()));
        // Only what answers say of the rest depends on it; a debit asks the ledger.
        let _ = self.courier.run(leased, Want::Tell).await;
    }

    /// Closes an allocation and all that was carved from it: what is free returns now, what is held when it settles. Once this
    /// has answered, nothing more comes out of any of them here. Closing again answers the same.
    pub async fn close(
        &self,
        by: Credential,
        id: AllocationId,
        author: &Author,
    ) -> Result<AllocationStatement, Refusal> {
        let known = self.lookup.allocation(by.realm, id).await.map_err(away)?;
        if known.is_none() {
            return Err(Refusal::UnknownAllocation);
        }
        let shut = self.shut(id);
        // What is idle here goes back first, so that the answer can say that it has returned.
        let settled = self.courier.run(self.purses.below(id), Want::Settle).await;
        let ended = match settled {
            Ok(()) => self.ledger.end(by.realm, id, AllocationState::Closed, author).await.map_err(away),
            Err(_) => Err(Refusal::Unavailable(None)),
        };
        self.handles.forget(by.realm, &Target::Allocation(id));
        match ended {
            Ok(Some(statement)) => {
                // A sub-allocation may have come into memory meanwhile, by a standing that was read before the end.
                for purse in self.shut(id) {
                    drop(self.courier.ask(purse, Want::Settle));
                }
                Ok(statement)
            }
            Ok(None) => Err(Refusal::UnknownAllocation),
            Err(refusal) => {
                for purse in shut {
                    if let Some(mut state) = purse.open() {
                        state.closed = false;
                    }
                }
                Err(refusal)
            }
        }
    }

    /// From now on nothing comes out of the allocation's purses and those below it. Answers which were open.
    fn shut(&self, id: AllocationId) -> Vec<Arc<Purse>> {
        let mut purses = self.purses.below(id);
        purses.retain(|purse| purse.open().is_some_and(|mut state| !std::mem::replace(&mut state.closed, true)));
        purses
    }

    /// An allocation and where its units stand, with every acknowledged decision in it.
    pub async fn statement(&self, by: Credential, id: AllocationId) -> Result<AllocationStatement, Refusal> {
        let purses = self.purses.of_allocation(id).into_iter().filter(|purse| purse.realm == by.realm);
        self.courier.run(purses, Want::Tell).await.map_err(|_| Refusal::Unavailable(None))?;
        self.lookup.statement(by.realm, id).await.map_err(away)?.ok_or(Refusal::UnknownAllocation)
    }

    /// What a subject may use, what remains and when it resets.
    pub async fn entitlements(&self, by: Credential, subject: &SubjectName) -> Result<EntitlementStatement, Refusal> {
        let target = Target::Subject(subject.clone());
        let handle = self.find(by, &target).await?;
        let purses = handle.lines.iter().map(|line| line.purse.clone());
        self.courier.run(purses, Want::Tell).await.map_err(|_| Refusal::Unavailable(None))?;
        let found = self.lookup.entitlements(by.realm, subject).await.map_err(away)?;
        found.ok_or(Refusal::UnknownCustomer)
    }
}

#[async_trait]
impl Gates for Gate {
    async fn give_back(&self, account: AccountId) -> bool {
        let Some(purse) = self.purses.find(account) else { return false };
        self.courier.run([purse], Want::GiveBack).await.is_ok()
    }

    async fn tell(&self, accounts: &[AccountId]) {
        let purses = accounts.iter().filter_map(|account| self.purses.find(*account));
        let unheard = purses.filter(|purse| purse.open().is_some_and(|state| state.dirty_since.is_some()));
        // What cannot be told now is told in a coming round.
        let _ = self.courier.run(unheard, Want::Tell).await;
    }

    async fn ended(&self, realm: Realm, id: AllocationId) {
        self.handles.forget(realm, &Target::Allocation(id));
        self.shut(id);
        // What cannot be told now is told in a coming round.
        let _ = self.courier.run(self.purses.below(id), Want::Settle).await;
    }

    async fn guard_changed(&self, realm: Realm, guarded: Guarded) {
        self.guards.forget(realm, guarded);
        self.guard_forgotten(realm, guarded);
    }
}

fn away(fault: Fault) -> Refusal {
    Refusal::Unavailable(Some(fault))
}
