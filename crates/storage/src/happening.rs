//! Happenings: entries of the outbox with what there is to tell of them, read in as many statements as there are kinds of things.

use crate::notice::Unsent;
use crate::stored::number;
use crate::trouble::Trouble;
use crate::tx::{Owned, Tx};
use crate::{
    account, agent, allocation, allocation_sequence, customer, feature, grant, guard_step, plan, plan_version, session,
    subscription, user, webhook,
};
use almoner_domain::account::{Account, AccountOwner};
use almoner_domain::agent::{Agent, Session};
use almoner_domain::allocation::Allocation;
use almoner_domain::customer::{Customer, User};
use almoner_domain::feature::Feature;
use almoner_domain::grant::Grant;
use almoner_domain::guard::GuardStep;
use almoner_domain::happening::{
    About, Granted, Happening, HappeningKind, Holder, Line, SeenIn, Stepped, Subscribed, Topic,
};
use almoner_domain::id::{
    AccountId, AgentId, AllocationId, CustomerId, EndpointId, FeatureId, GrantId, GuardStepId, Id, PlanId,
    PlanVersionId, SessionId, SubscriptionId, UserId,
};
use almoner_domain::notice::{ACCOUNT_EXHAUSTED, ACCOUNT_THRESHOLD};
use almoner_domain::plan::Plan;
use almoner_domain::principal::Principals;
use almoner_domain::subscription::{Subscription, SubscriptionStep};
use almoner_domain::webhook::WebhookEndpoint;
use sea_orm::entity::prelude::Uuid;
use std::collections::{BTreeMap, BTreeSet};

/// What an entry is about.
enum Subject {
    Account(Box<Account>),
    Allocation(AllocationId),
    Grant(GrantId),
    Subscription(SubscriptionId, Option<SubscriptionStep>),
    Step(GuardStepId),
    Endpoint(EndpointId),
    Trial(EndpointId),
}

/// Entries that are wanted, in the order given, with what there is to tell of them.
pub(crate) async fn tell(
    tx: &Tx,
    entries: &[Unsent],
    wanted: &(dyn Fn(HappeningKind) -> bool + Sync),
) -> Result<Vec<Happening>, Trouble> {
    let about_accounts = entries.iter().filter(|entry| is_of_account(&entry.event));
    let ids: Vec<AccountId> = about_accounts.map(|entry| Id::from_uuid(entry.subject)).collect();
    let accounts = account::by_ids(tx, &ids).await?;
    let mut told = Vec::new();
    for entry in entries {
        if let Some((kind, subject)) = read(entry, &accounts).filter(|(kind, _)| wanted(*kind)) {
            told.push((entry, kind, subject));
        }
    }
    let subjects: Vec<&Subject> = told.iter().map(|(_, _, subject)| subject).collect();
    let known = Known::of(tx, &subjects).await?;
    let mut happenings = Vec::new();
    for (entry, kind, subject) in told {
        // What units point to is never deleted, so it is there; a notice of something that is not tells nothing.
        if let Some(topic) = known.topic(&subject) {
            let sequence = allocation_sequence::told(entry.sequence)?;
            happenings.push(Happening { notice: entry.id, kind, at: entry.at, sequence, topic });
        }
    }
    Ok(happenings)
}

fn is_of_account(event: &str) -> bool {
    let kinds = [HappeningKind::EntitlementReset, HappeningKind::EntitlementOverage];
    matches!(event, ACCOUNT_THRESHOLD | ACCOUNT_EXHAUSTED) || kinds.iter().any(|kind| kind.as_str() == event)
}

/// What an entry tells of; none of what no webhook does.
fn read(entry: &Unsent, accounts: &[Account]) -> Option<(HappeningKind, Subject)> {
    use HappeningKind as Kind;
    if !is_of_account(&entry.event) {
        let step = SubscriptionStep::of_event(&entry.event);
        let kind = if step.is_some() { Kind::SubscriptionChanged } else { Kind::parse(&entry.event)? };
        let subject = match kind {
            Kind::Test => Subject::Trial(Id::from_uuid(entry.subject)),
            Kind::EndpointDisabled => Subject::Endpoint(Id::from_uuid(entry.subject)),
            Kind::GrantExpiring | Kind::GrantExpired => Subject::Grant(Id::from_uuid(entry.subject)),
            Kind::SubscriptionChanged => Subject::Subscription(Id::from_uuid(entry.subject), step),
            Kind::AgentWatched | Kind::AgentThrottled | Kind::AgentSuspended | Kind::AgentResumed => {
                Subject::Step(Id::from_uuid(entry.subject))
            }
            _ => Subject::Allocation(Id::from_uuid(entry.subject)),
        };
        return Some((kind, subject));
    }
    let account = accounts.iter().find(|account| account.id.uuid() == entry.subject)?.clone();
    let of_allocation = matches!(account.owner, AccountOwner::Allocation(_));
    let kind = match (entry.event.as_str(), of_allocation) {
        (ACCOUNT_THRESHOLD, true) => Kind::AllocationThreshold,
        (ACCOUNT_EXHAUSTED, true) => Kind::AllocationExhausted,
        (ACCOUNT_THRESHOLD, false) => Kind::EntitlementThreshold,
        (ACCOUNT_EXHAUSTED, false) => Kind::EntitlementExhausted,
        (other, _) => Kind::parse(other)?,
    };
    Some((kind, Subject::Account(Box::new(account))))
}

/// All that is named.
struct Known {
    allocations: BTreeMap<AllocationId, Allocation>,
    accounts: BTreeMap<AccountId, Account>,
    customers: BTreeMap<CustomerId, Customer>,
    users: BTreeMap<UserId, User>,
    agents: BTreeMap<AgentId, Agent>,
    sessions: BTreeMap<SessionId, Session>,
    steps: BTreeMap<GuardStepId, GuardStep>,
    features: BTreeMap<FeatureId, Feature>,
    subscriptions: BTreeMap<SubscriptionId, Subscription>,
    /// Versions of plans: of which, and its number.
    versions: BTreeMap<PlanVersionId, (PlanId, u32)>,
    plans: BTreeMap<PlanId, Plan>,
    endpoints: BTreeMap<EndpointId, WebhookEndpoint>,
    grants: BTreeMap<GrantId, Grant>,
}

impl Known {
    async fn of(tx: &Tx, subjects: &[&Subject]) -> Result<Self, Trouble> {
        let steps = steps(tx, subjects).await?;
        let allocation_of = |subject: &&Subject| match subject {
            Subject::Allocation(id) => Some(*id),
            Subject::Account(account) => match account.owner {
                AccountOwner::Allocation(id) => Some(id),
                AccountOwner::Entitlement(_) => None,
            },
            Subject::Step(id) => steps.get(id)?.allocation,
            _ => None,
        };
        let ids: BTreeSet<AllocationId> = subjects.iter().filter_map(allocation_of).collect();
        let found = rows::<allocation::Entity, _>(tx, allocation::Column::Id, ids).await?;
        let allocations = keyed(allocation::with_lines(tx, found).await?, |allocation| allocation.id);

        let grant_of = |subject: &&Subject| match subject {
            Subject::Grant(id) => Some(*id),
            _ => None,
        };
        let ids: BTreeSet<GrantId> = subjects.iter().filter_map(grant_of).collect();
        let found = rows::<grant::Entity, _>(tx, grant::Column::Id, ids).await?;
        let grants = keyed(found.into_iter().map(grant::read).collect::<Result<_, _>>()?, |grant| grant.id);
        let lines = allocations.values().flat_map(|allocation| allocation.lines.iter().map(|line| line.account));
        let lines: Vec<AccountId> = lines.chain(grants.values().map(|grant| grant.account)).collect();
        let mut accounts = keyed(account::by_ids(tx, &lines).await?, |account| account.id);
        for subject in subjects {
            if let Subject::Account(account) = subject {
                accounts.insert(account.id, (**account).clone());
            }
        }
        let whom: BTreeSet<Principals> = accounts.values().map(|account| account.principals).collect();
        macro_rules! named {
            ($noun:ident, $ids:expr) => {{
                let found = rows::<$noun::Entity, _>(tx, $noun::Column::Id, $ids.collect()).await?;
                let read: Result<Vec<_>, Trouble> = found.into_iter().map($noun::read).collect();
                keyed(read?, |noun| noun.id)
            }};
        }
        let subscription_of = |subject: &&Subject| match subject {
            Subject::Subscription(id, _) => Some(*id),
            _ => None,
        };
        let endpoint_of = |subject: &&Subject| match subject {
            Subject::Endpoint(id) => Some(*id),
            _ => None,
        };
        let subscriptions = named!(subscription, subjects.iter().filter_map(subscription_of));
        let terms = subscriptions.values().map(|subscription| subscription.plan_version).collect();
        let mut versions = BTreeMap::new();
        for row in rows::<plan_version::Entity, _>(tx, plan_version::Column::Id, terms).await? {
            versions.insert(Id::from_uuid(row.id), (Id::from_uuid(row.plan_id), number("plan version", row.number)?));
        }
        let subscribers = subscriptions.values().map(|subscription| subscription.customer);
        Ok(Self {
            customers: named!(customer, whom.iter().map(|whom| whom.customer).chain(subscribers)),
            users: named!(user, whom.iter().filter_map(|whom| whom.user)),
            agents: named!(
                agent,
                whom.iter().filter_map(|whom| whom.agent).chain(steps.values().map(|step: &GuardStep| step.agent))
            ),
            sessions: named!(session, whom.iter().filter_map(|whom| whom.session)),
            features: named!(feature, accounts.values().map(|account| account.feature)),
            plans: named!(plan, versions.values().map(|(plan, _): &(PlanId, u32)| *plan)),
            endpoints: named!(webhook, subjects.iter().filter_map(endpoint_of)),
            steps,
            subscriptions,
            versions,
            allocations,
            accounts,
            grants,
        })
    }

    fn topic(&self, subject: &Subject) -> Option<Topic> {
        Some(match subject {
            Subject::Trial(id) => Topic::Trial(*id),
            Subject::Endpoint(id) => Topic::Endpoint(Box::new(self.endpoints.get(id)?.clone())),
            Subject::Grant(id) => Topic::Grant(Box::new(self.granted(*id)?)),
            Subject::Subscription(id, step) => Topic::Subscription(Box::new(self.subscribed(*id, *step)?)),
            Subject::Step(id) => Topic::Guard(Box::new(self.stepped(*id)?)),
            Subject::Allocation(_) | Subject::Account(_) => Topic::Units(Box::new(self.about(subject)?)),
        })
    }

    fn granted(&self, id: GrantId) -> Option<Granted> {
        let grant = self.grants.get(&id)?.clone();
        let account = self.accounts.get(&grant.account)?;
        let customer = self.customers.get(&account.principals.customer)?.clone();
        Some(Granted { customer, feature: self.features.get(&account.feature)?.clone(), grant })
    }

    fn subscribed(&self, id: SubscriptionId, step: Option<SubscriptionStep>) -> Option<Subscribed> {
        let subscription = self.subscriptions.get(&id)?.clone();
        let (plan, version) = self.versions.get(&subscription.plan_version)?;
        Some(Subscribed {
            customer: self.customers.get(&subscription.customer)?.clone(),
            plan: self.plans.get(plan)?.clone(),
            version: *version,
            subscription,
            step,
        })
    }

    fn stepped(&self, id: GuardStepId) -> Option<Stepped> {
        let step = self.steps.get(&id)?.clone();
        let seen_in = step.allocation.and_then(|id| {
            let allocation = self.allocations.get(&id)?.clone();
            let whom = allocation.principals;
            Some(SeenIn {
                customer: self.customers.get(&whom.customer)?.clone(),
                user: whom.user.and_then(|id| self.users.get(&id).cloned()),
                session: whom.session.and_then(|id| self.sessions.get(&id).cloned()),
                allocation,
            })
        });
        Some(Stepped { agent: self.agents.get(&step.agent)?.clone(), seen_in, step })
    }

    fn about(&self, subject: &Subject) -> Option<About> {
        let (whom, holder, accounts, window_end) = match subject {
            Subject::Grant(_)
            | Subject::Subscription(..)
            | Subject::Step(_)
            | Subject::Endpoint(_)
            | Subject::Trial(_) => return None,
            Subject::Allocation(id) => {
                let allocation = self.allocations.get(id)?;
                let accounts: Vec<&Account> =
                    allocation.lines.iter().filter_map(|line| self.accounts.get(&line.account)).collect();
                let holder = Holder::Allocation(Box::new(allocation.clone()));
                (allocation.principals, holder, accounts, Some(allocation.expires_at))
            }
            Subject::Account(account) => {
                let holder = match account.owner {
                    AccountOwner::Allocation(id) => Holder::Allocation(Box::new(self.allocations.get(&id)?.clone())),
                    AccountOwner::Entitlement(id) => Holder::Entitlement(id),
                };
                let window_end = match &holder {
                    Holder::Allocation(allocation) => Some(allocation.expires_at),
                    Holder::Entitlement(_) => account.window.end,
                };
                (account.principals, holder, vec![&**account], window_end)
            }
        };
        let line = |account: &&Account| {
            Some(Line { feature: self.features.get(&account.feature)?.clone(), balance: account.balance })
        };
        Some(About {
            customer: self.customers.get(&whom.customer)?.clone(),
            user: whom.user.and_then(|id| self.users.get(&id).cloned()),
            agent: whom.agent.and_then(|id| self.agents.get(&id).cloned()),
            session: whom.session.and_then(|id| self.sessions.get(&id).cloned()),
            holder,
            lines: accounts.iter().filter_map(line).collect(),
            window_end,
        })
    }
}

async fn steps(tx: &Tx, subjects: &[&Subject]) -> Result<BTreeMap<GuardStepId, GuardStep>, Trouble> {
    let step_of = |subject: &&Subject| match subject {
        Subject::Step(id) => Some(*id),
        _ => None,
    };
    let ids = subjects.iter().filter_map(step_of).collect();
    let found = rows::<guard_step::Entity, _>(tx, guard_step::Column::Id, ids).await?;
    let steps: Result<Vec<GuardStep>, Trouble> = found.into_iter().map(guard_step::read).collect();
    Ok(keyed(steps?, |step| step.id))
}

fn keyed<I: Ord, T>(found: Vec<T>, id: impl Fn(&T) -> I) -> BTreeMap<I, T> {
    found.into_iter().map(|noun| (id(&noun), noun)).collect()
}

async fn rows<E: Owned, I: Id>(tx: &Tx, id: E::Column, ids: BTreeSet<I>) -> Result<Vec<E::Model>, Trouble> {
    let ids: Vec<Uuid> = ids.into_iter().map(Id::uuid).collect();
    tx.all_among::<E, _>(id, &ids, |rows| rows).await
}
