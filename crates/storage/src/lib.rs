//! The ledger and the catalogue on SQLite and PostgreSQL: rows in, domain types out.
//!
//! Promise: whatever a law of the ledger decides is committed whole or not at all, and no query reaches another realm's rows.
//! Each command loads the rows it needs into the domain's `Books`, calls one law, and writes back what changed, in one
//! transaction. Nothing is decided here.
//! It will never know a door, a use case, a wire format, or a rule of entitlement.

mod store;
mod options;
mod database;
mod tx;
mod rows;
mod bulk;
mod table;
mod stored;
mod trouble;

mod ledger;
mod settle;
mod carve;
mod end;
mod idle;
mod maturing;
mod hold_end;
mod sweep;
mod pump;
mod happening;
mod treasury;
mod change_plan;
mod window;
mod books;

mod lookup;
mod standing;
mod statement;
mod check;
mod check_usage;

mod work;
mod audit;
mod tenant;
mod just_in_time;
mod key;
mod feature;
mod plan;
mod plan_version;
mod plan_line;
mod offer;
mod customer;
mod user;
mod agent;
mod guard;
mod guard_rule;
mod guard_step;
mod session;
mod subscription;
mod plan_change;
mod entitlement;
mod grant;
mod account;
mod movement;
mod allocation;
mod allocation_line;
mod allocation_sequence;
mod scope;
mod conditions;
mod hold;
mod hold_part;
mod node;
mod lease;
mod decision;
mod directory;
mod lists;
mod entitled;
mod usage;
mod usage_hour;
mod usage_day;
mod usage_hour_total;
mod usage_day_total;
mod usage_session;
mod usage_session_day;
mod usage_set;
mod quota;
mod rollup;
mod usage_parts;
mod usage_report;
mod notice;
mod webhook;
mod delivery;
mod attempt;
mod change;
mod schedule;
mod policy;
mod policy_allocation;
mod policy_line;
mod price_line;
mod price_list;
mod prune;

pub use options::{
    ANSWER_WAIT, ATTEMPTS_MAX, BUSY_WAIT, IDLE_TIME, PAUSE_FIRST, POOL_WAIT, STATEMENT_TIME, StoreOptions, TURN_WAIT,
};
pub use store::SqlStore;
