//! What there is to tell of an entry of the outbox, as it stands when it is told.

use super::rows::Rows;
use super::table::Eye;
use almoner_domain::account::{Account, AccountOwner};
use almoner_domain::happening::{
    About, Granted, Happening, HappeningKind, Holder, Line, SeenIn, Stepped, Subscribed, Topic,
};
use almoner_domain::id::{AccountId, AllocationId, GrantId, GuardStepId, SubscriptionId};
use almoner_domain::notice::{Event, Notice};
use almoner_domain::principal::Principals;
use almoner_domain::subscription::SubscriptionStep;
use almoner_domain::time::Timestamp;

impl Rows {
    /// What an entry tells of; none of what no webhook does.
    pub(super) fn tell(&self, eye: Eye, notice: &Notice) -> Option<Happening> {
        use HappeningKind as Kind;
        let (kind, topic) = match notice.event {
            Event::Test(id) => (Kind::Test, Topic::Trial(id)),
            Event::LeaseInDoubt(_) => return None,
            Event::EndpointDisabled(id) => {
                let endpoint = self.catalogue(eye.realm)?.webhooks.iter().find(|endpoint| endpoint.id == id)?;
                (Kind::EndpointDisabled, Topic::Endpoint(Box::new(endpoint.clone())))
            }
            Event::SubscriptionChanged(id, step) => {
                (Kind::SubscriptionChanged, Topic::Subscription(Box::new(self.subscribed(eye, id, step)?)))
            }
            Event::Guarded(id, state) => (Kind::of_guard(state), Topic::Guard(Box::new(self.stepped(eye, id)?))),
            Event::AllocationCreated(id) | Event::AllocationEnded(id, _) => {
                (Kind::parse(notice.event.parts().0)?, Topic::Units(Box::new(self.about_allocation(eye, id)?)))
            }
            Event::ThresholdReached(id) => {
                self.of_account(eye, id, Kind::AllocationThreshold, Kind::EntitlementThreshold)?
            }
            Event::Exhausted(id) => self.of_account(eye, id, Kind::AllocationExhausted, Kind::EntitlementExhausted)?,
            Event::GrantExpiring(id) => (Kind::GrantExpiring, Topic::Grant(Box::new(self.granted(eye, id)?))),
            Event::GrantExpired(id) => (Kind::GrantExpired, Topic::Grant(Box::new(self.granted(eye, id)?))),
            Event::OverageBegun(id) => self.of_account(eye, id, Kind::EntitlementOverage, Kind::EntitlementOverage)?,
            Event::EntitlementReset(id) => self.of_account(eye, id, Kind::EntitlementReset, Kind::EntitlementReset)?,
        };
        let sequence = self.numbers.find(eye, notice.id).copied();
        Some(Happening { notice: notice.id, kind, at: notice.at, sequence, topic })
    }

    fn granted(&self, eye: Eye, id: GrantId) -> Option<Granted> {
        let known = self.catalogue(eye.realm)?;
        let grant = self.grants.find(eye, id)?.clone();
        let account = self.accounts.find(eye, grant.account)?;
        let customer = known.customers.iter().find(|customer| customer.id == account.principals.customer)?.clone();
        let feature = known.features.iter().find(|feature| feature.id == account.feature)?.clone();
        Some(Granted { customer, feature, grant })
    }

    fn subscribed(&self, eye: Eye, id: SubscriptionId, step: SubscriptionStep) -> Option<Subscribed> {
        let known = self.catalogue(eye.realm)?;
        let subscription = known.subscriptions.iter().find(|subscription| subscription.id == id)?.clone();
        let version = known.versions.iter().find(|version| version.id == subscription.plan_version)?;
        Some(Subscribed {
            customer: known.customers.iter().find(|customer| customer.id == subscription.customer)?.clone(),
            plan: known.plans.iter().find(|plan| plan.id == version.plan)?.clone(),
            version: version.number,
            subscription,
            step: Some(step),
        })
    }

    fn stepped(&self, eye: Eye, id: GuardStepId) -> Option<Stepped> {
        let known = self.catalogue(eye.realm)?;
        let step = self.guard_steps.find(eye, id)?.clone();
        let seen_in = step.allocation.and_then(|id| {
            let allocation = self.allocations.find(eye, id)?.clone();
            let whom = allocation.principals;
            Some(SeenIn {
                customer: known.customers.iter().find(|customer| customer.id == whom.customer)?.clone(),
                user: known.users.iter().find(|user| Some(user.id) == whom.user).cloned(),
                session: whom.session.and_then(|id| self.sessions.find(eye, id).cloned()),
                allocation,
            })
        });
        Some(Stepped { agent: known.agents.iter().find(|agent| agent.id == step.agent)?.clone(), seen_in, step })
    }

    /// Of one kind where an allocation owns the account, else of the other.
    fn of_account(
        &self,
        eye: Eye,
        id: AccountId,
        allocations: HappeningKind,
        entitlements: HappeningKind,
    ) -> Option<(HappeningKind, Topic)> {
        let account = self.accounts.find(eye, id)?;
        let (kind, holder, window_end) = match account.owner {
            AccountOwner::Entitlement(id) => (entitlements, Holder::Entitlement(id), account.window.end),
            AccountOwner::Allocation(id) => {
                let allocation = self.allocations.find(eye, id)?.clone();
                let expires_at = allocation.expires_at;
                (allocations, Holder::Allocation(Box::new(allocation)), Some(expires_at))
            }
        };
        let about = self.about(eye, account.principals, holder, &[account], window_end)?;
        Some((kind, Topic::Units(Box::new(about))))
    }

    fn about_allocation(&self, eye: Eye, id: AllocationId) -> Option<About> {
        let allocation = self.allocations.find(eye, id)?.clone();
        let accounts: Vec<&Account> =
            allocation.lines.iter().filter_map(|line| self.accounts.find(eye, line.account)).collect();
        let (whom, expires_at) = (allocation.principals, allocation.expires_at);
        self.about(eye, whom, Holder::Allocation(Box::new(allocation)), &accounts, Some(expires_at))
    }

    fn about(
        &self,
        eye: Eye,
        whom: Principals,
        holder: Holder,
        accounts: &[&Account],
        window_end: Option<Timestamp>,
    ) -> Option<About> {
        let known = self.catalogue(eye.realm)?;
        let line = |account: &&Account| {
            let feature = known.features.iter().find(|feature| feature.id == account.feature)?.clone();
            Some(Line { feature, balance: account.balance })
        };
        Some(About {
            customer: known.customers.iter().find(|customer| customer.id == whom.customer)?.clone(),
            user: known.users.iter().find(|user| Some(user.id) == whom.user).cloned(),
            agent: known.agents.iter().find(|agent| Some(agent.id) == whom.agent).cloned(),
            session: whom.session.and_then(|id| self.sessions.find(eye, id).cloned()),
            holder,
            lines: accounts.iter().filter_map(line).collect(),
            window_end,
        })
    }
}
