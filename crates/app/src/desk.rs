//! The desk: what the use cases of people work with, beyond the catalogue: the ledger, lists, and the gates beside it.

use crate::app::App;
use almoner_domain::ports::{Directory, Gates, Ledger, Lookup};
use std::sync::Arc;

/// The control plane's means for whoever looks and allocates. Cheap to clone; holds no state of its own.
#[derive(Clone)]
pub struct Desk {
    /// Catalogue, customers and keys.
    pub app: App,
    /// Where units move.
    pub ledger: Arc<dyn Ledger>,
    /// Where units stand.
    pub lookup: Arc<dyn Lookup>,
    /// What there is.
    pub directory: Arc<dyn Directory>,
    /// Who holds units in memory here.
    pub gates: Arc<dyn Gates>,
}
