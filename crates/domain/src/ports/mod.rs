//! Ports: what the doors need from the house. Adapters implement them; a contract suite in the testkit runs against each.

mod catalogue;
mod directory;
mod gates;
mod ledger;
mod lookup;

pub use catalogue::{Agents, Customers, Features, Installation, Keys, Plans, Store, Subscriptions, Work};
pub use directory::{AllocationFilter, DecisionFilter, Directory};
pub use gates::Gates;
pub use ledger::{
    CarveAnswer, CarveRequest, ExtendRequest, HoldAnswer, HoldRequest, LeaseBatch, Ledger, Source, SubjectName, Swept,
};
pub use lookup::{HoldStanding, Lookup, SubjectStanding};
