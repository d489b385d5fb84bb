//! Windows of entitlements: opened when first asked about, exactly once; and whom a name means.

use super::catalogue::{Catalogue, Entitled};
use super::core::{Core, broken};
use super::rows::Rows;
use super::table::Eye;
use almoner_domain::account::{Account, AccountOwner};
use almoner_domain::customer::{Customer, User};
use almoner_domain::fault::Fault;
use almoner_domain::grant::{Grant, GrantStage};
use almoner_domain::id::{AccountId, CustomerId, FeatureId, UserId};
use almoner_domain::ledger::{self, Books, LedgerError};
use almoner_domain::notice::Event;
use almoner_domain::ports::SubjectName;
use almoner_domain::subscription::{Entitlement, Subscription};
use almoner_domain::tenant::Realm;
use almoner_domain::time::Timestamp;
use std::sync::Arc;

/// Whom a name means, and what that subject may use.
pub(super) enum Whom {
    Known(Box<Subject>),
    UnknownCustomer,
    UnknownUser,
}

/// A customer or user whose current windows are open.
pub(super) struct Subject {
    pub(super) customer: Customer,
    pub(super) user: Option<User>,
    pub(super) entitled: Entitled,
}

impl Subject {
    /// Does it give nothing for now?
    pub(super) fn is_paused(&self) -> bool {
        self.entitled.subscription.as_ref().is_some_and(Subscription::is_paused)
    }

    pub(super) fn user_id(&self) -> Option<UserId> {
        self.user.as_ref().map(|user| user.id)
    }
}

impl Rows {
    pub(super) fn catalogue(&self, realm: Realm) -> Option<&Catalogue> {
        self.catalogues.get(&realm)
    }

    /// The account of an entitlement in its current window, when it is open.
    pub(super) fn current(
        &self,
        eye: Eye,
        entitled: &Entitled,
        entitlement: &Entitlement,
        now: Timestamp,
    ) -> Option<&Account> {
        let window = entitled.window(entitlement, now)?;
        let here =
            |a: &&Account| a.owner == AccountOwner::Entitlement(entitlement.id) && a.window.start == window.start;
        self.accounts.seen(eye).find(here)
    }

    /// Those of these accounts that follow an earlier window of the same entitlement.
    fn following<'a>(&self, eye: Eye, accounts: impl Iterator<Item = &'a Account>) -> Vec<AccountId> {
        let follows = |new: &&Account| {
            self.accounts.seen(eye).any(|old| old.owner == new.owner && old.window.start < new.window.start)
        };
        accounts.filter(follows).map(|account| account.id).collect()
    }

    /// The account that a subject draws on for a feature.
    pub(super) fn account_of(
        &self,
        eye: Eye,
        subject: &Subject,
        feature: FeatureId,
        now: Timestamp,
    ) -> Option<&Account> {
        let entitlement = subject.entitled.of(feature, subject.user_id())?;
        self.current(eye, &subject.entitled, entitlement, now)
    }
}

impl Core {
    /// Whom a name means; the customer's current windows are opened when nobody has yet.
    pub(super) fn whom(&mut self, now: Timestamp, realm: Realm, name: &SubjectName) -> Result<Whom, Fault> {
        let Some(catalogue) = self.rows.catalogue(realm) else { return Ok(Whom::UnknownCustomer) };
        let Some(customer) = catalogue.customer(&name.customer).cloned() else { return Ok(Whom::UnknownCustomer) };
        let user = match &name.user {
            None => None,
            Some(name) => match catalogue.user(customer.id, name) {
                None => return Ok(Whom::UnknownUser),
                user => user.cloned(),
            },
        };
        self.open_windows(now, realm, customer.id)?;
        let Some(entitled) = self.rows.catalogue(realm).map(|known| known.entitled(customer.id, now)) else {
            return Ok(Whom::UnknownCustomer);
        };
        Ok(Whom::Known(Box::new(Subject { customer, user, entitled })))
    }

    /// Opens what is missing of a customer's current windows: the customer's own, then its users' shares. Answers how many.
    pub(super) fn open_windows(&mut self, now: Timestamp, realm: Realm, customer: CustomerId) -> Result<u64, Fault> {
        self.make_due(now, realm, customer)?;
        let (eye, entropy) = (self.eye(realm), Arc::clone(&self.entropy));
        let Some(entitled) = self.rows.catalogue(realm).map(|c| c.entitled(customer, now)) else { return Ok(0) };
        let mut books = Books::new(now, &*entropy);
        for root in entitled.roots() {
            let Some(window) = entitled.window(root, now) else { continue };
            let parent = match self.rows.current(eye, &entitled, root, now) {
                Some(account) => {
                    books.accounts.load(account.id, account.clone());
                    account.id
                }
                None => {
                    let opened = ledger::open_window(&mut books, root, window);
                    let opened = opened.map_err(|error| broken("open_windows", error))?;
                    self.carry_over(eye, &mut books, root, opened).map_err(|error| broken("open_windows", error))?;
                    opened
                }
            };
            let shares = entitled.entitlements.iter().filter(|e| e.user.is_some() && e.feature == root.feature);
            for share in shares {
                if self.rows.current(eye, &entitled, share, now).is_none() {
                    ledger::open_share(&mut books, share, parent).map_err(|error| broken("open_windows", error))?;
                }
            }
        }
        for account in self.rows.following(eye, books.accounts.added()) {
            books.announce(Event::EntitlementReset(account));
        }
        let opened = books.accounts.added().count() as u64;
        self.rows.write_back(eye, books);
        Ok(opened)
    }

    /// Carries over what is left of an entitlement's last window.
    fn carry_over(
        &self,
        eye: Eye,
        books: &mut Books<'_>,
        root: &Entitlement,
        into: AccountId,
    ) -> Result<(), LedgerError> {
        let owner = AccountOwner::Entitlement(root.id);
        let before = self.rows.accounts.seen(eye).filter(|account| account.owner == owner);
        let Some(last) = before.max_by_key(|account| account.window.start) else { return Ok(()) };
        let old = self.grants_of(eye, last.id);
        let rollover = root.beyond().rollover;
        if ledger::goes_on(rollover, last, &old) {
            books.accounts.load(last.id, last.clone());
            ledger::close_window(books, last.id)?;
            ledger::roll(books, last.id, into, rollover, old, &[])?;
        }
        Ok(())
    }

    pub(super) fn grants_of(&self, eye: Eye, account: AccountId) -> Vec<Grant> {
        self.rows.grants.seen(eye).filter(|grant| grant.account == account).cloned().collect()
    }

    /// Does what grants of an account want.
    pub(super) fn mature(&mut self, now: Timestamp, realm: Realm, id: AccountId) -> Result<(), Fault> {
        let (eye, entropy) = (self.eye(realm), Arc::clone(&self.entropy));
        let mut books = Books::new(now, &*entropy);
        let own = self.grants_of(eye, id);
        let Some(account) = self.rows.accounts.find(eye, id).cloned() else { return Ok(()) };
        books.accounts.load(id, account.clone());
        for lease in self.rows.leases.seen(eye).filter(|lease| lease.account == id) {
            books.leases.load(lease.id, lease.clone());
        }
        let done = if account.closed {
            self.roll_on(eye, &mut books, &account, own)
        } else {
            ledger::mature(&mut books, id, own)
        };
        done.map_err(|error| broken("sweep", error))?;
        self.rows.write_back(eye, books);
        Ok(())
    }

    fn roll_on(&self, eye: Eye, books: &mut Books<'_>, closed: &Account, own: Vec<Grant>) -> Result<(), LedgerError> {
        let newest = self.rows.accounts.seen(eye).filter(|account| account.owner == closed.owner);
        let newest = newest.max_by_key(|account| account.window.start).filter(|newest| newest.id != closed.id);
        let mut known = self.rows.catalogues_seen(eye).flat_map(|known| &known.entitlements);
        let entitlement = known.find(|one| AccountOwner::Entitlement(one.id) == closed.owner);
        let (Some(newest), Some(entitlement)) = (newest, entitlement) else { return Ok(()) };
        if own.iter().all(|grant| grant.stage != GrantStage::Rolling) {
            return Ok(());
        }
        books.accounts.load(newest.id, newest.clone());
        let carried = self.grants_of(eye, newest.id);
        ledger::roll(books, closed.id, newest.id, entitlement.beyond().rollover, own, &carried)
    }
}
