//! What gates and people read: standings and statements, the feed, keys and features.

use super::core::Core;
use super::table::Eye;
use super::windows::{Subject, Whom};
use almoner_domain::account::{Account, AccountOwner, Pocket};
use almoner_domain::allocation::AllocationState;
use almoner_domain::decision::Level;
use almoner_domain::fault::Fault;
use almoner_domain::feature::{Feature, StaticValue};
use almoner_domain::id::{AllocationId, CustomerId, FeatureId};
use almoner_domain::key::{ApiKey, KeyHash};
use almoner_domain::lease::LeaseState;
use almoner_domain::notice::Change;
use almoner_domain::plan::Offer;
use almoner_domain::ports::{QuotaWindow, SubjectName, SubjectStanding};
use almoner_domain::price::{self, PriceList};
use almoner_domain::principal::Principals;
use almoner_domain::scope::Scope;
use almoner_domain::standing::{Standing, StandingLine, Suspension};
use almoner_domain::statement::{
    AllocationStatement, EntitlementLine, EntitlementStatement, LineStatement, QuotaStatement, Right,
};
use almoner_domain::subscription::{Entitlement, Subscription};
use almoner_domain::tenant::Realm;
use almoner_domain::time::Timestamp;

impl Core {
    /// The key that hashes to this and is not revoked.
    pub fn credential(&self, hash: KeyHash) -> Option<ApiKey> {
        let mut keys = self.rows.catalogues.values().flat_map(|catalogue| &catalogue.keys);
        keys.find(|key| key.hash == hash && key.revoked_at.is_none()).cloned()
    }

    /// All features of a realm, by key.
    pub fn features(&self, realm: Realm) -> Vec<Feature> {
        let mut features = self.rows.catalogue(realm).map_or(Vec::new(), |catalogue| catalogue.features.clone());
        features.sort_by(|a, b| a.key.cmp(&b.key));
        features
    }

    /// What features cost: lists that are in effect, and those to come.
    pub fn prices(&self, now: Timestamp, realm: Realm) -> Vec<PriceList> {
        let all = self.rows.catalogue(realm).map_or(Vec::new(), |catalogue| catalogue.prices.clone());
        let to_come = all.iter().filter(|list| list.effective_from > now);
        price::in_effect(&all, now).chain(to_come).cloned().collect()
    }

    /// An allocation, as gates keep it.
    pub fn allocation(&self, now: Timestamp, realm: Realm, id: AllocationId) -> Option<Standing> {
        let eye = self.eye(realm);
        let allocation = self.rows.allocations.find(eye, id)?;
        let session = self.rows.sessions.find(eye, allocation.principals.session?)?;
        let accounts = allocation.lines.iter().filter_map(|line| self.rows.accounts.find(eye, line.account));
        let catalogue = self.rows.catalogue(realm)?;
        let customer = allocation.principals.customer;
        let mut raise: Vec<_> = allocation.principals.user.into_iter().collect();
        raise.extend(
            catalogue.who_raise(customer).into_iter().filter(|person| Some(*person) != allocation.principals.user),
        );
        let chain: Vec<AllocationId> = self.rows.chain(eye, allocation).into_iter().map(|(id, _)| id).collect();
        let above = chain.iter().filter_map(|id| self.rows.allocations.find(eye, *id));
        let conditions = std::iter::once(allocation).chain(above).filter(|one| !one.conditions.is_empty());
        let conditions = conditions.map(|one| (one.id, one.conditions.clone())).collect();
        let (guarded, guard) = self.guarding(eye, allocation);
        Some(Standing {
            principals: allocation.principals,
            allocation: Some(id),
            ancestors: chain,
            label: format!("The allocation for session {}", session.name.key),
            scope: allocation.scope.clone(),
            not_before: allocation.not_before,
            expires_at: Some(allocation.expires_at),
            state: allocation.state,
            conditions,
            suspension: paused(catalogue.running(customer, now)).or(guarded),
            changes_at: None,
            guard,
            durability: allocation.durability,
            lines: accounts.map(|account| standing_line(account, Level::Allocation, None)).collect(),
            rights: rights(catalogue.entitled(customer, now).roots()),
            raise,
        })
    }

    /// A subject's entitlements in the current windows.
    pub fn subject(&mut self, now: Timestamp, realm: Realm, name: &SubjectName) -> Result<SubjectStanding, Fault> {
        let subject = match self.whom(now, realm, name)? {
            Whom::UnknownCustomer => return Ok(SubjectStanding::UnknownCustomer),
            Whom::UnknownUser => return Ok(SubjectStanding::UnknownUser),
            Whom::Known(subject) => subject,
        };
        let eye = self.eye(realm);
        let accounts = subject.entitled.roots().filter_map(|e| self.rows.account_of(eye, &subject, e.feature, now));
        let lines: Vec<StandingLine> =
            accounts.map(|account| standing_line(account, level(account), account.window.end)).collect();
        let label = match &subject.user {
            Some(user) if lines.iter().any(|line| line.level == Level::User) => {
                format!("{}'s share at {}", user.external_id, subject.customer.external_id)
            }
            _ => format!("The quota of {}", subject.customer.external_id),
        };
        let raise = self.rows.catalogue(realm).map_or(Vec::new(), |c| c.who_raise(subject.customer.id));
        Ok(SubjectStanding::Known(Box::new(Standing {
            principals: principals(&subject),
            allocation: None,
            ancestors: Vec::new(),
            label,
            scope: Scope::default(),
            not_before: None,
            expires_at: subject.entitled.subscription.as_ref().and_then(|subscription| subscription.ended_at),
            state: AllocationState::Active,
            conditions: Vec::new(),
            suspension: paused(subject.entitled.subscription.as_ref()),
            changes_at: subject.entitled.subscription.as_ref().and_then(|subscription| subscription.changes_at),
            guard: None,
            durability: None,
            lines,
            rights: rights(subject.entitled.roots()),
            raise,
        })))
    }

    /// An allocation and where its units stand.
    pub fn statement(&self, realm: Realm, id: AllocationId) -> Option<AllocationStatement> {
        let eye = self.eye(realm);
        let allocation = self.rows.allocations.find(eye, id)?.clone();
        let session = self.rows.sessions.find(eye, allocation.principals.session?)?.name.clone();
        let accounts = allocation.lines.iter().filter_map(|line| self.rows.accounts.find(eye, line.account));
        let lines = accounts.map(|account| self.line(eye, account)).collect();
        let chain = self.rows.chain(eye, &allocation);
        Some(AllocationStatement { allocation, session, lines, chain })
    }

    /// What a subject may use, what remains and when it resets.
    pub fn entitlements(
        &mut self,
        now: Timestamp,
        realm: Realm,
        name: &SubjectName,
    ) -> Result<Option<EntitlementStatement>, Fault> {
        let Whom::Known(subject) = self.whom(now, realm, name)? else { return Ok(None) };
        let eye = self.eye(realm);
        let right = |entitlement: &Entitlement| match &entitlement.offer {
            Offer::Included => Some(Right::Included),
            Offer::Value(value) => Some(Right::Value(value.clone())),
            Offer::Quota { .. } => {
                let account = self.rows.account_of(eye, &subject, entitlement.feature, now)?;
                Some(Right::Quota { level: level(account), window: account.window, line: self.line(eye, account) })
            }
        };
        let line = |e: &Entitlement| Some(EntitlementLine { feature: e.feature, right: right(e)? });
        let lines = subject.entitled.roots().filter_map(line).collect();
        Ok(Some(EntitlementStatement { principals: principals(&subject), lines }))
    }

    /// A customer's own quotas in their current or last windows, as far as these were opened.
    pub fn quotas(
        &self,
        now: Timestamp,
        realm: Realm,
        customer: CustomerId,
        which: QuotaWindow,
    ) -> Vec<QuotaStatement> {
        let eye = self.eye(realm);
        let of = |account: &&Account| {
            let whom = account.principals;
            matches!(account.owner, AccountOwner::Entitlement(_)) && whom.customer == customer && whom.user.is_none()
        };
        let own: Vec<&Account> = self.rows.accounts.seen(eye).filter(of).collect();
        let starts = |at: Timestamp| own.iter().filter(move |account| account.window.contains(at));
        let wanted: Vec<&&Account> = match which {
            QuotaWindow::Current => starts(now).filter(|account| !account.closed).collect(),
            QuotaWindow::Last => own
                .iter()
                .filter(|account| {
                    // The one that ends where the current one of its feature begins.
                    let current = starts(now).find(|current| current.owner == account.owner);
                    account.window.end.is_some() && account.window.end == current.map(|current| current.window.start)
                })
                .collect(),
        };
        let told = |account: &&&Account| QuotaStatement {
            feature: account.feature,
            window: account.window,
            line: self.line(eye, account),
        };
        let mut told: Vec<QuotaStatement> = wanted.iter().map(told).collect();
        told.sort_by_key(|quota| (quota.feature, quota.window.start));
        told
    }

    fn line(&self, eye: Eye, account: &Account) -> LineStatement {
        let leases = || self.rows.leases.seen(eye).filter(|l| l.account == account.id && !l.state.is_final());
        let doubtful = leases().filter(|lease| lease.state == LeaseState::InDoubt);
        LineStatement {
            feature: account.feature,
            account: account.id,
            balance: account.balance,
            held_by_gates: leases().map(|lease| lease.held).sum(),
            in_doubt: doubtful.map(|lease| lease.n.saturating_sub(lease.used).saturating_sub(lease.held)).sum(),
            pending: account.owed,
        }
    }

    /// Entries of the change feed after a position; without one, the latest alone.
    pub fn changes(&self, after: Option<i64>, limit: u64) -> Vec<(i64, Realm, Change)> {
        let first = i64::try_from(self.rows.changes_pruned).unwrap_or(i64::MAX).saturating_add(1);
        let all = self.rows.changes.iter().zip(first..).map(|((realm, change), at)| (at, *realm, *change));
        match after {
            None => all.last().into_iter().collect(),
            Some(after) => {
                all.filter(|(at, _, _)| *at > after).take(usize::try_from(limit).unwrap_or(usize::MAX)).collect()
            }
        }
    }
}

fn paused(subscription: Option<&Subscription>) -> Option<Suspension> {
    subscription.and_then(|subscription| subscription.paused_at).map(|_| Suspension::Paused)
}

fn principals(subject: &Subject) -> Principals {
    Principals { customer: subject.customer.id, user: subject.user_id(), agent: None, session: None }
}

fn level(account: &Account) -> Level {
    if account.principals.user.is_some() { Level::User } else { Level::Customer }
}

fn standing_line(account: &Account, level: Level, resets_at: Option<Timestamp>) -> StandingLine {
    let (feature, window) = (account.feature, account.window);
    let (granted, free) = (account.balance.granted(), account.balance.get(Pocket::Free));
    StandingLine { feature, account: account.id, level, granted, free, window, resets_at }
}

fn rights<'e>(roots: impl Iterator<Item = &'e Entitlement>) -> Vec<(FeatureId, Option<StaticValue>)> {
    let right = |entitlement: &Entitlement| match &entitlement.offer {
        Offer::Included => Some((entitlement.feature, None)),
        Offer::Value(value) => Some((entitlement.feature, Some(value.clone()))),
        Offer::Quota { .. } => None,
    };
    roots.filter_map(right).collect()
}
