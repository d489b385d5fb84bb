//! The ledger's laws: pure functions from loaded books to changed books.
//!
//! An adapter loads the rows that a command needs into [`Books`], calls one function of this module, and writes
//! back what changed, all in one transaction. The in-memory, SQLite and PostgreSQL adapters and the simulation
//! run these same functions; none decides anything itself. Nothing here knows a database, a clock or a network.

mod books;
mod adjust;
mod carve;
mod change;
mod end;
mod grant;
mod hold;
mod roll;
mod settle;
mod window;

pub use adjust::{AdjustRefusal, Adjustment, adjust};
pub use books::{Books, LedgerError, Shelf};
pub use carve::{CarveOrder, CarveRefusal, SPAN_MAX, carve};
pub use change::change_plan;
pub use end::end;
pub use grant::{issue, mature, void};
pub use hold::{HoldOrder, HoldRefusal, expire_hold, extend_hold, settle_hold};
pub use roll::{goes_on, roll};
pub use settle::{RETENTION, doubt, forfeit, lease_size, refund, settle};
pub use window::{close_window, open_share, open_window};
