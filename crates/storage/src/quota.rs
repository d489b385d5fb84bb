//! Where the units of a customer's quotas stand, or stood, window by window.

use crate::trouble::Trouble;
use crate::tx::Tx;
use crate::{account, entitlement, statement, window};
use almoner_domain::account::{Account, AccountOwner};
use almoner_domain::id::{CustomerId, EntitlementId, FeatureId};
use almoner_domain::ports::QuotaWindow;
use almoner_domain::statement::QuotaStatement;
use almoner_domain::subscription::Entitlement;
use almoner_domain::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// Customers' own quotas in the windows that are asked for, as far as these were opened, of each by feature.
pub(crate) async fn of(tx: &Tx, of: Vec<(CustomerId, QuotaWindow)>) -> Result<Vec<Vec<QuotaStatement>>, Trouble> {
    let mut told = Vec::with_capacity(of.len());
    for (customer, which) in of {
        told.push(of_one(tx, customer, which).await?);
    }
    Ok(told)
}

async fn of_one(tx: &Tx, customer: CustomerId, which: QuotaWindow) -> Result<Vec<QuotaStatement>, Trouble> {
    let own = entitlement::of_customer(tx, customer).await?.into_iter().filter(|one| one.user.is_none());
    let own: BTreeMap<EntitlementId, Entitlement> = own.map(|one| (one.id, one)).collect();
    let wanted = |one: &Entitlement| Some((one.id, start(one, which, tx.now())?));
    let wanted: BTreeSet<(EntitlementId, Timestamp)> = own.values().filter_map(wanted).collect();
    let mut accounts = account::that_begin(tx, &wanted).await?;
    // One that ended with its plan is nobody's current quota, though its time is not over.
    accounts.retain(|account| which == QuotaWindow::Last || !account.closed);
    let lines = statement::lines(tx, &accounts.iter().collect::<Vec<&Account>>()).await?;
    let feature = |account: &Account| match account.owner {
        AccountOwner::Entitlement(id) => own.get(&id).map(|one| one.feature),
        AccountOwner::Allocation(_) => None,
    };
    let told = accounts.iter().zip(lines).filter_map(|(account, line)| {
        Some(QuotaStatement { feature: feature(account)?, window: account.window, line })
    });
    let mut told: Vec<QuotaStatement> = told.collect();
    told.sort_by_key(|quota| -> (FeatureId, Timestamp) { (quota.feature, quota.window.start) });
    Ok(told)
}

/// When the window begins that is asked for; none where there is none.
fn start(one: &Entitlement, which: QuotaWindow, now: Timestamp) -> Option<Timestamp> {
    let current = window::window_of(one, now)?.start;
    match which {
        QuotaWindow::Current => Some(current),
        QuotaWindow::Last => {
            let just_before = Timestamp::from_micros(current.as_micros().checked_sub(1)?);
            Some(window::window_of(one, just_before)?.start)
        }
    }
}
