//! The truth: what customers were told, by their own record, whatever gates and ledger believe.

use almoner_domain::id::{AccountId, LeaseId};
use almoner_domain::tenant::Realm;
use almoner_domain::units::Units;
use std::collections::BTreeMap;

/// Units that customers were told they may use.
#[derive(Debug, Default)]
pub(crate) struct Truth {
    /// In each account and everything below it.
    pub(crate) below: BTreeMap<AccountId, i64>,
    /// Under each lease.
    pub(crate) under: BTreeMap<LeaseId, i64>,
    /// Altogether.
    pub(crate) told: i64,
    /// Asked for, by the tenant whose customer did.
    pub(crate) asked: BTreeMap<Realm, i64>,
    /// Units that gates and ledger debited, told or not: the most that can ever be charged for use.
    pub(crate) debited: i64,
    /// Units that recovery charged without a decision, because a synced mark ran ahead.
    pub(crate) unattributed: i64,
    /// Units of lost gates that were declared spent.
    pub(crate) forfeited: i64,
}

impl Truth {
    /// A customer hears "allowed".
    pub(crate) fn tell(&mut self, chain: &[AccountId], lease: Option<LeaseId>, amount: Units) {
        self.told += amount.get();
        for account in chain {
            *self.below.entry(*account).or_default() += amount.get();
        }
        if let Some(lease) = lease {
            *self.under.entry(lease).or_default() += amount.get();
        }
    }
}
