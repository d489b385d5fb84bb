//! Windows of entitlements: opened when first asked about, or when the one before is closed, exactly once.

use crate::store::{Outcome, SqlStore};
use crate::trouble::Trouble;
use crate::tx::Tx;
use crate::{account, books, change_plan, entitlement, grant, maturing, subscription};
use almoner_domain::account::{Account, AccountOwner};
use almoner_domain::calendar::Window;
use almoner_domain::fault::Fault;
use almoner_domain::id::{AccountId, CustomerId, EntitlementId, FeatureId, SubscriptionId, UserId};
use almoner_domain::ledger;
use almoner_domain::notice::Event;
use almoner_domain::plan::Offer;
use almoner_domain::subscription::{Entitlement, Subscription};
use almoner_domain::tenant::Realm;
use almoner_domain::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// What a subject is entitled to at a transaction's instant.
#[derive(Debug, Clone)]
pub(crate) struct Subject {
    /// The subscription that gives it; none where the customer has none that runs.
    pub(crate) subscription: Option<Subscription>,
    /// The customer's entitlements, and the user's shares where a user is named.
    pub(crate) entitlements: Vec<Entitlement>,
    /// Accounts of the current windows, by entitlement.
    pub(crate) accounts: BTreeMap<EntitlementId, Account>,
    /// Is a window that should be open not, or a change that should be made?
    pub(crate) missing: bool,
}

impl Subject {
    /// Of a customer without a subscription that runs.
    fn none() -> Self {
        Self { subscription: None, entitlements: Vec::new(), accounts: BTreeMap::new(), missing: false }
    }

    /// Does it give nothing for now?
    pub(crate) fn is_paused(&self) -> bool {
        self.subscription.as_ref().is_some_and(Subscription::is_paused)
    }

    /// The account that the subject draws on for a feature: the user's share where there is one, else the customer's.
    pub(crate) fn account(&self, feature: FeatureId) -> Option<&Account> {
        let mut own = self.entitlements.iter().filter(|entitlement| entitlement.feature == feature);
        let share = own.clone().find(|entitlement| entitlement.user.is_some());
        self.accounts.get(&share.or_else(|| own.next())?.id)
    }
}

/// The window of a quota at an instant; none for what is not a quota, or before its calendar begins.
pub(crate) fn window_of(entitlement: &Entitlement, at: Timestamp) -> Option<Window> {
    match entitlement.offer {
        Offer::Quota { period, .. } => entitlement.calendar.window_at(period, at).ok(),
        Offer::Included | Offer::Value(_) => None,
    }
}

/// The window of a quota to open at an instant, after the one that was opened last.
fn next_window(entitlement: &Entitlement, last: Option<&Account>, at: Timestamp) -> Option<Window> {
    let last_end = last.and_then(|account| account.window.end);
    match entitlement.offer {
        Offer::Quota { period, .. } => entitlement.calendar.window_after(last_end, period, at).ok(),
        Offer::Included | Offer::Value(_) => None,
    }
}

/// Which accounts these entitlements should have: a quota's own window, and for a share the window of the quota it is of.
fn windows(entitlements: &[Entitlement], at: Timestamp) -> BTreeSet<(EntitlementId, Timestamp)> {
    let roots: BTreeMap<FeatureId, Window> = entitlements
        .iter()
        .filter(|entitlement| entitlement.user.is_none())
        .filter_map(|root| Some((root.feature, window_of(root, at)?)))
        .collect();
    let of = |entitlement: &Entitlement| Some((entitlement.id, roots.get(&entitlement.feature)?.start));
    entitlements.iter().filter_map(of).collect()
}

/// Reads what a subject is entitled to.
pub(crate) async fn subject(tx: &Tx, customer: CustomerId, user: Option<UserId>) -> Result<Subject, Trouble> {
    let Some(running) = subscription::running(tx, customer).await? else {
        return Ok(Subject::none());
    };
    let entitlements = entitlement::of_subject(tx, running.id, user).await?;
    let wanted = windows(&entitlements, tx.now());
    let accounts = by_entitlement(account::of_windows(tx, &wanted).await?);
    let missing = running.is_due(tx.now()) || wanted.iter().any(|(id, _)| !accounts.contains_key(id));
    Ok(Subject { subscription: Some(running), entitlements, accounts, missing })
}

/// Reads what many subjects are entitled to, as [`subject`] does of one.
pub(crate) async fn subjects(
    tx: &Tx,
    of: &BTreeSet<(CustomerId, Option<UserId>)>,
) -> Result<Vec<((CustomerId, Option<UserId>), Subject)>, Trouble> {
    let customers: BTreeSet<CustomerId> = of.iter().map(|(customer, _)| *customer).collect();
    let running = subscription::running_of(tx, &customers).await?;
    let users: BTreeSet<UserId> = of.iter().filter_map(|(_, user)| *user).collect();
    let all = entitlement::of_subjects(tx, running.values().map(|running| running.id).collect(), &users).await?;
    let accounts = by_entitlement(account::of_windows(tx, &windows_of(&running, &all, tx.now())).await?);
    let subjects = of.iter().map(|who| {
        let (customer, user) = *who;
        let Some(subscription) = running.get(&customer).cloned() else { return (*who, Subject::none()) };
        let is_own = |entitlement: &&Entitlement| {
            entitlement.subscription == subscription.id && (entitlement.user.is_none() || entitlement.user == user)
        };
        let entitlements: Vec<Entitlement> = all.iter().filter(is_own).cloned().collect();
        let wanted = windows(&entitlements, tx.now());
        let account = |(id, _): &(EntitlementId, Timestamp)| Some((*id, accounts.get(id)?.clone()));
        let accounts: BTreeMap<EntitlementId, Account> = wanted.iter().filter_map(account).collect();
        let missing = subscription.is_due(tx.now()) || accounts.len() < wanted.len();
        (*who, Subject { subscription: Some(subscription), entitlements, accounts, missing })
    });
    Ok(subjects.collect())
}

/// The windows of many subscriptions' entitlements, each subscription's by itself.
fn windows_of(
    running: &BTreeMap<CustomerId, Subscription>,
    all: &[Entitlement],
    at: Timestamp,
) -> BTreeSet<(EntitlementId, Timestamp)> {
    let of_one = |subscription: &Subscription| {
        let own: Vec<Entitlement> = all.iter().filter(|one| one.subscription == subscription.id).cloned().collect();
        windows(&own, at)
    };
    running.values().flat_map(of_one).collect()
}

fn by_entitlement(accounts: Vec<Account>) -> BTreeMap<EntitlementId, Account> {
    let owned = |account: Account| match account.owner {
        AccountOwner::Entitlement(id) => Some((id, account)),
        AccountOwner::Allocation(_) => None,
    };
    accounts.into_iter().filter_map(owned).collect()
}

impl SqlStore {
    /// Opens the current windows of a customer that nobody has opened yet.
    pub(crate) async fn open_windows(&self, realm: Realm, customer: CustomerId) -> Result<(), Fault> {
        self.write("open_windows", realm, move |tx| Box::pin(open_all(tx, customer))).await
    }
}

/// Opens what is missing. The customer's entitlements are held first, so that of all who come at once one opens and the others
/// then find it open; the unique index on entitlement and window stands behind that.
async fn open_all(tx: &Tx, customer: CustomerId) -> Result<Outcome<()>, Trouble> {
    change_plan::make_due(tx, customer).await?;
    for running in hold_running(tx, &BTreeSet::from([customer])).await? {
        open_missing(tx, &running).await?;
    }
    Ok(Outcome::Keep(()))
}

/// The running subscriptions of customers, with their entitlements held, in the order of the customers' ids. One that is due to
/// change is left out: no window opens by terms that have ended.
pub(crate) async fn hold_running(tx: &Tx, customers: &BTreeSet<CustomerId>) -> Result<Vec<Subscription>, Trouble> {
    let mut held = Vec::new();
    for customer in customers {
        let mut found = subscription::running(tx, *customer).await?;
        while let Some(running) = found.filter(|running| !running.is_due(tx.now())) {
            entitlement::hold_roots(tx, running.id).await?;
            // Somebody may have put another in its place, who had held the entitlements until then.
            found = subscription::running(tx, *customer).await?;
            if found.as_ref() == Some(&running) {
                held.push(running);
                break;
            }
        }
    }
    Ok(held)
}

/// Opens what is missing of a subscription whose entitlements are held, and answers how many windows that was. One that follows
/// an earlier window is announced.
pub(crate) async fn open_missing(tx: &Tx, running: &Subscription) -> Result<u64, Trouble> {
    let entitlements = entitlement::of_subscription(tx, running.id).await?;
    let wanted = windows(&entitlements, tx.now());
    let mut open = by_entitlement(account::of_windows(tx, &wanted).await?);
    let mut books = tx.books();
    let roots: Vec<&Entitlement> = entitlements.iter().filter(|e| e.user.is_none()).collect();
    let missing = wanted.iter().map(|(id, _)| *id).filter(|id| !open.contains_key(id)).collect();
    let last = account::last_of(tx, &missing).await?;
    let before = roots.iter().filter_map(|root| open.get(&root.id).or_else(|| last.get(&root.id)));
    let held = before.map(|account| account.id).collect::<Vec<_>>();
    for account in account::hold(tx, &held).await? {
        books.accounts.load(account.id, account);
    }
    let ids: Vec<AccountId> = last.values().map(|account| account.id).collect();
    let grants = grant::of_accounts(tx, &ids).await?;
    for root in roots {
        let Some(window) = next_window(root, last.get(&root.id), tx.now()) else { continue };
        let parent = match open.remove(&root.id) {
            Some(account) => account.id,
            None => {
                let opened = ledger::open_window(&mut books, root, window)?;
                if let Some(last) = last.get(&root.id) {
                    maturing::carry_over(&mut books, root, last, opened, &grants)?;
                }
                opened
            }
        };
        let shares = entitlements.iter().filter(|e| e.user.is_some() && e.feature == root.feature);
        for share in shares.filter(|share| !open.contains_key(&share.id)) {
            ledger::open_share(&mut books, share, parent)?;
        }
    }
    let opened: Vec<(AccountId, AccountOwner)> = books.accounts.added().map(|one| (one.id, one.owner)).collect();
    for (account, owner) in &opened {
        if matches!(owner, AccountOwner::Entitlement(id) if last.contains_key(id)) {
            books.announce(Event::EntitlementReset(*account));
        }
    }
    books::write_back(tx, &books, None).await?;
    Ok(opened.len() as u64)
}

/// Adds a user's share. Where the customer's current window is open already, it is carved from what is free there.
pub(crate) async fn add_share(tx: &Tx, share: &Entitlement) -> Result<(), Trouble> {
    // Held, so that a window that opens at the same time either sees the share or is seen here.
    entitlement::hold_roots(tx, share.subscription).await?;
    let running = subscription::running(tx, share.customer).await?;
    if running.is_some_and(|running| running.id != share.subscription) {
        // The customer's plan changed meanwhile: its entitlements are another subscription's.
        return Err(Trouble::Overtaken);
    }
    entitlement::add(tx, std::slice::from_ref(share)).await?;
    let Some(parent) = current_root(tx, share.subscription, share.feature).await? else { return Ok(()) };
    let mut books = tx.books();
    for account in account::hold(tx, &[parent]).await? {
        books.accounts.load(account.id, account);
    }
    ledger::open_share(&mut books, share, parent)?;
    books::write_back(tx, &books, None).await
}

/// The account of the customer's own quota of a feature in its current window, where that is open.
async fn current_root(tx: &Tx, subscription: SubscriptionId, feature: FeatureId) -> Result<Option<AccountId>, Trouble> {
    let roots = entitlement::of_subject(tx, subscription, None).await?;
    let Some(root) = roots.into_iter().find(|root| root.feature == feature) else { return Ok(None) };
    let Some(window) = window_of(&root, tx.now()) else { return Ok(None) };
    let accounts = account::of_windows(tx, &BTreeSet::from([(root.id, window.start)])).await?;
    Ok(accounts.first().map(|account| account.id))
}
