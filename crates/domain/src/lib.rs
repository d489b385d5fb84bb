//! Nouns, rules and ports of entitlement: how much may this agent consume, for which task, until when, on whose behalf.
//!
//! Promise: every law of the ledger is a pure function here, and a value that exists is valid.
//! It will never know a database, a network, a runtime, a clock of its own, or how anything is written on a wire.

pub mod address;
pub mod agent;
pub mod allocation;
pub mod audit;
pub mod caller;
pub mod customer;
pub mod decision;
pub mod delivery;
pub mod entropy;
pub mod fault;
pub mod feature;
pub mod grant;
pub mod guard;
pub mod guard_tally;
pub mod happening;
pub mod hold;
pub mod id;
pub mod key;
pub mod account;
pub mod lease;
pub mod ledger;
pub mod movement;
pub mod notice;
pub mod page;
pub mod period;
pub mod calendar;
pub mod zone;
pub mod hours;
pub mod conditions;
pub mod plan;
pub mod plan_change;
pub mod policy;
pub mod policy_trial;
pub mod ports;
pub mod price;
pub mod principal;
pub mod queue;
pub mod schedule;
pub mod scope;
pub mod standing;
pub mod statement;
pub mod subscription;
pub mod tenant;
pub mod text;
pub mod time;
pub mod units;
pub mod usage;
pub mod webhook;
