//! The gates beside the control plane.

use crate::guard::Guarded;
use crate::id::{AccountId, AllocationId};
use crate::tenant::Realm;
use async_trait::async_trait;

/// What the control plane may ask of the gates it runs with. Gates elsewhere hear of everything by the change feed and recalls.
#[async_trait]
pub trait Gates: Send + Sync {
    /// What is held idle of this account goes back to the ledger now. False where there was nothing, or it could not.
    async fn give_back(&self, account: AccountId) -> bool;

    /// What was used and held of these accounts is told to the ledger now, as far as it can be reached. Costs nothing where the
    /// ledger knows it all.
    async fn tell(&self, accounts: &[AccountId]);

    /// An allocation, and with it all below it, has ended: nothing more comes out of any of them here, and what is held of them
    /// goes back to the ledger, as far as it can be reached.
    async fn ended(&self, realm: Realm, id: AllocationId);

    /// The guard of an agent or an allocation is not as it was: what is decided here from now on goes by what the store says.
    async fn guard_changed(&self, realm: Realm, guarded: Guarded);
}
