//! The desk: what the use cases of people work with, beyond the catalogue: the ledger, lists, and the gates beside it.

use crate::app::App;
use almoner_domain::address::Callable;
use almoner_domain::happening::Described;
use almoner_domain::ports::{
    Deliveries, Directory, Gates, Ledger, Lists, Lookup, PlanChanges, Queues, Schedules, Seal, Treasury, Usage,
};
use std::sync::Arc;

/// The control plane's means for whoever looks and allocates. Cheap to clone; holds no state of its own.
#[derive(Clone)]
pub struct Desk {
    /// Catalogue, customers and keys.
    pub app: App,
    /// Where units move.
    pub ledger: Arc<dyn Ledger>,
    /// Where grants and adjustments are made.
    pub treasury: Arc<dyn Treasury>,
    /// Where customers change their plans.
    pub plan_changes: Arc<dyn PlanChanges>,
    /// Where units stand.
    pub lookup: Arc<dyn Lookup>,
    /// What there is.
    pub directory: Arc<dyn Directory>,
    /// The same lists below many things at once.
    pub lists: Arc<dyn Lists>,
    /// What was spent.
    pub usage: Arc<dyn Usage>,
    /// Who holds units in memory here.
    pub gates: Arc<dyn Gates>,
    /// Work that waits for a runner.
    pub queues: Arc<dyn Queues>,
    /// What recurs.
    pub schedules: Arc<dyn Schedules>,
    /// What is on its way to webhook endpoints.
    pub deliveries: Arc<dyn Deliveries>,
    /// Kinds of events, as they are written on the wire.
    pub events: Arc<[Described]>,
    /// What keeps secrets that are read again.
    pub seal: Arc<dyn Seal>,
    /// Which addresses webhook endpoints may have.
    pub callable: Callable,
}
