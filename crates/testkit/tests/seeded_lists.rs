//! The promises about lists can fail: the store in memory behind adapters with one bug each, and who notices.

use almoner_domain::account::Account;
use almoner_domain::agent::{Agent, Session};
use almoner_domain::allocation::Allocation;
use almoner_domain::audit::{Action, AuditEntry};
use almoner_domain::customer::{Customer, User};
use almoner_domain::decision::Decision;
use almoner_domain::entropy::Entropy;
use almoner_domain::fault::Fault;
use almoner_domain::feature::Feature;
use almoner_domain::grant::Grant;
use almoner_domain::guard::{Guard, GuardRules, Guarded};
use almoner_domain::id::{
    AccountId, AgentId, AllocationId, CustomerId, DecisionId, FeatureId, GrantId, PlanId, PlanVersionId, SessionId,
    SubscriptionId, UserId,
};
use almoner_domain::movement::Movement;
use almoner_domain::page::{PAGE_MAX, Page, Stretch, Take};
use almoner_domain::plan::{Plan, PlanVersion};
use almoner_domain::ports::{
    AllocationFilter, AuditFilter, DecisionFilter, Directory, Lists, MovementFilter, QuotaWindow,
    SessionDecisionFilter, SessionFilter,
};
use almoner_domain::statement::{EntitlementStatement, QuotaStatement};
use almoner_domain::subscription::Subscription;
use almoner_domain::tenant::Realm;
use almoner_domain::time::Clock;
use almoner_testkit::contract::{Audit, Fresh, World, finding, listing, nesting, trail};
use almoner_testkit::memory::{Laws, Production};
use almoner_testkit::{MemoryStore, MockClock, SeededEntropy};
use std::pin::Pin;
use std::sync::Arc;

/// What is wrong with an adapter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bug {
    /// Nothing: what is only passed on is as it was.
    None,
    /// Who asks in one realm sees the rows of all.
    ForgetsTheRealm,
    /// A page begins with the entry that it should begin after.
    RepeatsTheBound,
    /// A page is told from its end.
    TurnsTheOrder,
    /// Every page is the last.
    SaysThereIsNoMore,
    /// A filter's user is left out.
    ForgetsTheUser,
    /// The first of many lists is told last.
    AnswersOutOfTurn,
    /// A question that is asked twice is answered once.
    AnswersOnce,
    /// A tree is told from its leaves.
    PutsChildrenFirst,
    /// A carve is not signed.
    DropsAnEntry,
    /// The key is not written down.
    ForgetsTheKey,
}

/// What is asked or told, as a bug makes it.
trait Bent: Sized {
    const IS_LIST: bool = false;

    fn asked(self, _: Bug) -> Self {
        self
    }

    fn told(self, _: Bug) -> Self {
        self
    }

    fn is_lost(&self, _: Bug) -> bool {
        false
    }
}

macro_rules! straight {
    ($($noun:ty),* $(,)?) => { $(impl Bent for $noun {})* };
}

straight!(SessionDecisionFilter, Option<DecisionId>);
straight!(u64, AccountId, AgentId, AllocationId, CustomerId, DecisionId, FeatureId, GrantId, PlanId, PlanVersionId);
straight!(SessionId, SubscriptionId, UserId, (CustomerId, Option<UserId>), AuditFilter, SessionFilter, MovementFilter);
straight!(Account, Agent, Session, Allocation, Customer, User, Decision, Feature, Grant, Movement, Plan, PlanVersion);
straight!(
    Guarded,
    Guard,
    (AgentId, GuardRules),
    Subscription,
    Option<EntitlementStatement>,
    (CustomerId, QuotaWindow),
    QuotaStatement
);

impl Bent for Page {
    fn asked(self, bug: Bug) -> Self {
        let earlier = |bound: u128| format!("{:032x}", bound - 1).parse().expect("an id");
        match (bug, self.take) {
            (Bug::RepeatsTheBound, _) => Self { after: self.after.map(|after| earlier(after.as_u128())), ..self },
            // What is lost must not show by pages that are not full.
            (Bug::DropsAnEntry, Take::First(_)) => Self { take: Take::First(PAGE_MAX), ..self },
            (Bug::DropsAnEntry, Take::Last(_)) => Self { take: Take::Last(PAGE_MAX), ..self },
            _ => self,
        }
    }
}

impl Bent for AllocationFilter {
    fn asked(self, bug: Bug) -> Self {
        Self { user: self.user.filter(|_| bug != Bug::ForgetsTheUser), ..self }
    }
}

impl Bent for DecisionFilter {
    fn asked(self, bug: Bug) -> Self {
        Self { user: self.user.filter(|_| bug != Bug::ForgetsTheUser), ..self }
    }
}

impl Bent for AuditEntry {
    fn told(mut self, bug: Bug) -> Self {
        self.author.key = self.author.key.filter(|_| bug != Bug::ForgetsTheKey);
        self
    }

    fn is_lost(&self, bug: Bug) -> bool {
        bug == Bug::DropsAnEntry && self.action == Action::CarveAllocation
    }
}

impl<T: Bent> Bent for Stretch<T> {
    const IS_LIST: bool = true;

    fn told(self, bug: Bug) -> Self {
        let mut entries: Vec<T> = self.entries.into_iter().filter(|entry| !entry.is_lost(bug)).collect();
        if bug == Bug::TurnsTheOrder {
            entries.reverse();
        }
        let entries = entries.into_iter().map(|entry| entry.told(bug)).collect();
        Self { entries, before: self.before, after: self.after && bug != Bug::SaysThereIsNoMore }
    }
}

impl<T: Bent + PartialEq> Bent for Vec<T> {
    const IS_LIST: bool = true;

    fn asked(self, bug: Bug) -> Self {
        let mut asked = Vec::new();
        for one in self.into_iter().map(|one| one.asked(bug)) {
            if bug != Bug::AnswersOnce || !asked.contains(&one) {
                asked.push(one);
            }
        }
        asked
    }

    fn told(mut self, bug: Bug) -> Self {
        match bug {
            Bug::AnswersOutOfTurn if T::IS_LIST && !self.is_empty() => self.rotate_left(1),
            Bug::PutsChildrenFirst if !T::IS_LIST => self.reverse(),
            _ => {}
        }
        self.into_iter().map(|one| one.told(bug)).collect()
    }
}

/// The store in memory, and what comes between it and who asks.
struct Wrong {
    store: MemoryStore,
    bug: Bug,
}

macro_rules! passed_on {
    ($port:ident: $($name:ident($($given:ident: $asked:ty),*) -> $told:ty;)*) => {
        #[async_trait::async_trait]
        impl $port for Wrong {
            $(async fn $name(&self, realm: Realm, $($given: $asked),*) -> Result<$told, Fault> {
                $(let $given = $given.asked(self.bug);)*
                Ok($port::$name(&self.store, realm, $($given),*).await?.told(self.bug))
            })*
        }
    };
}

passed_on! { Directory:
    features(page: Page) -> Stretch<Feature>;
    plans(page: Page) -> Stretch<Plan>;
    customers(page: Page) -> Stretch<Customer>;
    agents(page: Page) -> Stretch<Agent>;
    allocations(filter: AllocationFilter, page: Page) -> Stretch<Allocation>;
    audit(filter: AuditFilter, page: Page) -> Stretch<AuditEntry>;
    decisions(filter: DecisionFilter, page: Page) -> Stretch<Decision>;
    session_decisions(filter: SessionDecisionFilter, after: Option<DecisionId>, limit: u64) -> Vec<Decision>;
    decision_ids(from: DecisionId, limit: u64) -> Vec<DecisionId>;
    features_among(ids: Vec<FeatureId>) -> Vec<Feature>;
    plans_among(ids: Vec<PlanId>) -> Vec<Plan>;
    plan_versions_among(ids: Vec<PlanVersionId>) -> Vec<PlanVersion>;
    customers_among(ids: Vec<CustomerId>) -> Vec<Customer>;
    users_among(ids: Vec<UserId>) -> Vec<User>;
    agents_among(ids: Vec<AgentId>) -> Vec<Agent>;
    sessions_among(ids: Vec<SessionId>) -> Vec<Session>;
    allocations_among(ids: Vec<AllocationId>) -> Vec<Allocation>;
    decisions_among(ids: Vec<DecisionId>) -> Vec<Decision>;
    grants_among(ids: Vec<GrantId>) -> Vec<Grant>;
    subscriptions_among(ids: Vec<SubscriptionId>) -> Vec<Subscription>;
    guards_among(of: Vec<Guarded>) -> Vec<Guard>;
    guard_rules_among(agents: Vec<AgentId>) -> Vec<(AgentId, GuardRules)>;
    grants_into(accounts: Vec<AccountId>) -> Vec<Grant>;
    accounts_among(ids: Vec<AccountId>) -> Vec<Account>;
}

passed_on! { Lists:
    users_of(of: Vec<CustomerId>, page: Page) -> Vec<Stretch<User>>;
    subscriptions_of(of: Vec<CustomerId>, page: Page) -> Vec<Stretch<Subscription>>;
    versions_of(of: Vec<PlanId>, page: Page) -> Vec<Stretch<PlanVersion>>;
    sessions_of(of: Vec<SessionFilter>, page: Page) -> Vec<Stretch<Session>>;
    allocations_of(of: Vec<AllocationFilter>, page: Page) -> Vec<Stretch<Allocation>>;
    decisions_of(of: Vec<DecisionFilter>, page: Page) -> Vec<Stretch<Decision>>;
    movements_of(of: Vec<MovementFilter>, page: Page) -> Vec<Stretch<Movement>>;
    accounts_below(of: Vec<AccountId>, page: Page) -> Vec<Stretch<Account>>;
    trees(of: Vec<AllocationId>) -> Vec<Vec<Allocation>>;
    quotas_of(of: Vec<(CustomerId, QuotaWindow)>) -> Vec<Vec<QuotaStatement>>;
    entitlements_of(of: Vec<(CustomerId, Option<UserId>)>) -> Vec<Option<EntitlementStatement>>;
}

/// Laws under which all realms are one.
struct OneRealm;

impl Laws for OneRealm {
    fn sees(&self) -> fn(asked: Realm, owner: Realm) -> bool {
        |_, _| true
    }
}

/// Nobody looks at the books: none of these bugs is in them.
struct Nobody;

#[async_trait::async_trait]
impl Audit for Nobody {
    async fn audit(&self) -> Vec<String> {
        Vec::new()
    }
}

fn fresh(bug: Bug) -> Fresh {
    let clock = MockClock::default();
    let (time, chance): (Arc<dyn Clock>, Arc<dyn Entropy>) =
        (Arc::new(clock.clone()), Arc::new(SeededEntropy::default()));
    let laws: Box<dyn Laws> = if bug == Bug::ForgetsTheRealm { Box::new(OneRealm) } else { Box::new(Production) };
    let store = MemoryStore::under(laws, time, chance);
    let wrong = Arc::new(Wrong { store: store.clone(), bug });
    let store = Arc::new(store);
    Fresh {
        ledger: store.clone(),
        lookup: store.clone(),
        treasury: store.clone(),
        plan_changes: store.clone(),
        store: store.clone(),
        directory: wrong.clone(),
        lists: wrong,
        usage: store.clone(),
        deliveries: store.clone(),
        pruning: store,
        clock,
        audit: Arc::new(Nobody),
        keep: Box::new(()),
    }
}

/// A promise, by its name.
type Promise = (&'static str, fn(&World) -> Pin<Box<dyn Future<Output = ()> + '_>>);

macro_rules! promise {
    ($topic:ident::$promise:ident) => {
        (stringify!($promise), |world| Box::pin($topic::$promise(world)))
    };
}

/// Is a promise kept by an adapter with this bug?
fn is_kept(bug: Bug, (_, promise): Promise) -> bool {
    let run = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async { promise(&World::on(fresh(bug)).await).await });
    };
    std::thread::spawn(run).join().is_ok()
}

#[test]
fn each_bug_in_a_list_is_noticed() {
    let seeded: &[(Bug, Promise)] = &[
        (Bug::ForgetsTheRealm, promise!(finding::a_directory_is_its_realms_alone)),
        (Bug::ForgetsTheRealm, promise!(finding::what_is_asked_for_by_id_is_told_once)),
        (Bug::ForgetsTheRealm, promise!(nesting::lists_below_are_their_realms_alone)),
        (Bug::ForgetsTheRealm, promise!(trail::entries_are_found_by_each_member_of_a_filter)),
        (Bug::RepeatsTheBound, promise!(listing::the_catalogue_comes_oldest_first)),
        (Bug::RepeatsTheBound, promise!(listing::a_page_keeps_within_its_bounds)),
        (Bug::TurnsTheOrder, promise!(listing::what_happens_comes_newest_first)),
        (Bug::TurnsTheOrder, promise!(nesting::subscriptions_come_newest_first)),
        (Bug::SaysThereIsNoMore, promise!(listing::a_page_has_at_most_a_hundred)),
        (Bug::ForgetsTheUser, promise!(finding::allocations_are_found_by_each_member_of_a_filter)),
        (Bug::ForgetsTheUser, promise!(finding::decisions_are_found_by_each_member_of_a_filter)),
        (Bug::AnswersOutOfTurn, promise!(nesting::users_come_by_their_customers)),
        (Bug::AnswersOutOfTurn, promise!(nesting::movements_come_to_the_balance)),
        (Bug::AnswersOnce, promise!(nesting::accounts_come_by_what_they_were_carved_from)),
        (Bug::AnswersOnce, promise!(nesting::entitlements_of_many_are_those_of_each)),
        (Bug::PutsChildrenFirst, promise!(nesting::a_tree_has_parents_before_children)),
        (Bug::DropsAnEntry, promise!(trail::each_command_is_signed_once)),
        (Bug::ForgetsTheKey, promise!(trail::an_entry_is_told_as_it_was_written)),
    ];
    for (bug, promise) in seeded {
        assert!(is_kept(Bug::None, *promise), "without a bug `{}` is kept", promise.0);
        assert!(!is_kept(*bug, *promise), "{bug:?} is not noticed by `{}`", promise.0);
    }
}
