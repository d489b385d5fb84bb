//! What every use case works with: the store, and time and chance as arguments.

use almoner_domain::entropy::Entropy;
use almoner_domain::fault::{Fault, FaultKind};
use almoner_domain::id::Id;
use almoner_domain::ports::Store;
use almoner_domain::time::{Clock, Timestamp};
use std::sync::Arc;

/// The control plane's means. Cheap to clone; holds no state of its own.
#[derive(Clone)]
pub struct App {
    /// Where units of work begin.
    pub store: Arc<dyn Store>,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
    /// Where ids and keys come from.
    pub entropy: Arc<dyn Entropy>,
}

impl App {
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn new_id<I: Id>(&self) -> I {
        I::new(self.now(), &*self.entropy)
    }
}

/// A name that is taken is a refusal, said in the words of the use case; anything else stays a fault.
pub(crate) fn or_taken<E: From<Fault>>(fault: Fault, taken: impl FnOnce() -> E) -> E {
    if fault.kind == FaultKind::Exists { taken() } else { fault.into() }
}
