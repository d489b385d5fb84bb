//! Filters and sets: what is asked for and nothing else, in the realm that asks.

use super::World;
use super::deciding::decision;
use super::granting::issued;
use super::listing::{ALL, Scene, oldest_first, walk};
use crate::author;
use crate::image_shop::{GENERATIONS, units};
use almoner_domain::allocation::AllocationState;
use almoner_domain::decision::{Decision, KeyMark, Operation};
use almoner_domain::fault::Fault;
use almoner_domain::feature::Feature;
use almoner_domain::grant::GrantKind;
use almoner_domain::id::{AllocationId, DecisionId, GrantId, Id, SessionId};
use almoner_domain::ledger::RETENTION;
use almoner_domain::page::Page;
use almoner_domain::ports::{
    AllocationFilter, AuditFilter, DecisionFilter, Directory, LeaseBatch, SessionDecisionFilter,
};
use almoner_domain::tenant::{Environment, Realm};
use almoner_domain::text::SessionKind;
use almoner_domain::time::Timestamp;
use std::fmt::Debug;
use std::time::Duration;

/// Two realms that have nothing of the shop's: another tenant's, who has a shop like it, and the shop's own for trials.
pub(super) async fn elsewhere(w: &World) -> [Realm; 2] {
    [w.other_shop().await.realm, Realm { environment: Environment::Test, ..w.shop.realm }]
}

/// Each member of a filter leaves out what is not of it; two leave out what is not of both.
pub async fn allocations_are_found_by_each_member_of_a_filter(w: &World) {
    let Scene { ada, below, ben, bolt, .. } = Scene::of(w).await;
    let shop = &w.shop;
    let filter = AllocationFilter::default;
    let (customer, user) = (Some(shop.acme.id), Some(shop.ada.id));
    let (agent, session) = (Some(shop.catalogue.id), ben.principals.session);
    let (parent, state) = (Some(ada.id), Some(AllocationState::Active));
    let cases = [
        (AllocationFilter { customer, ..filter() }, vec![ben.id, below.id, ada.id]),
        (AllocationFilter { user, ..filter() }, vec![below.id, ada.id]),
        (AllocationFilter { agent, ..filter() }, vec![bolt.id, below.id, ada.id]),
        (AllocationFilter { session, ..filter() }, vec![ben.id]),
        (AllocationFilter { parent, ..filter() }, vec![below.id]),
        (AllocationFilter { state, ..filter() }, vec![bolt.id, below.id, ada.id]),
        (AllocationFilter { state: Some(AllocationState::Closed), ..filter() }, vec![ben.id]),
        (AllocationFilter { customer, agent, ..filter() }, vec![below.id, ada.id]),
        (AllocationFilter { customer: Some(shop.bolt.id), user, ..filter() }, vec![]),
        (AllocationFilter { user: Some(w.id()), ..filter() }, vec![]),
    ];
    for (filter, expected) in cases {
        let list = |page| w.directory.allocations(shop.realm, filter.clone(), page);
        let found: Vec<AllocationId> = walk(list, |one| one.id).await.iter().map(|one| one.id).collect();
        assert_eq!(found, expected, "{filter:?}");
    }
}

/// The same of decisions. Those of callers that nobody knows are nobody's.
pub async fn decisions_are_found_by_each_member_of_a_filter(w: &World) {
    let Scene { ada, ben, decisions, .. } = Scene::of(w).await;
    let shop = &w.shop;
    let filter = DecisionFilter::default;
    let (customer, user) = (Some(shop.acme.id), Some(shop.ada.id));
    let (agent, session, allocation) = (Some(shop.catalogue.id), ben.principals.session, Some(ada.id));
    let (since, until) = (Some(decisions[1].at), Some(decisions[3].at));
    let cases = [
        (DecisionFilter { customer, ..filter() }, vec![2, 1, 0]),
        (DecisionFilter { user, ..filter() }, vec![1, 0]),
        (DecisionFilter { agent, ..filter() }, vec![3, 1, 0]),
        (DecisionFilter { session, ..filter() }, vec![2]),
        (DecisionFilter { allocation, ..filter() }, vec![0]),
        (DecisionFilter { allowed: Some(true), ..filter() }, vec![3, 1, 0]),
        (DecisionFilter { allowed: Some(false), ..filter() }, vec![4, 2]),
        (DecisionFilter { since, ..filter() }, vec![4, 3, 2, 1]),
        (DecisionFilter { until, ..filter() }, vec![2, 1, 0]),
        (DecisionFilter { since, until, ..filter() }, vec![2, 1]),
        (DecisionFilter { customer, allowed: Some(false), ..filter() }, vec![2]),
        (DecisionFilter { session: Some(w.id::<SessionId>()), ..filter() }, vec![]),
    ];
    for (filter, expected) in cases {
        let list = |page| w.directory.decisions(shop.realm, filter.clone(), page);
        let found = walk(list, |one| one.id).await;
        let expected: Vec<_> = expected.into_iter().map(|at: usize| decisions[at].clone()).collect();
        assert_eq!(found, expected, "{filter:?}");
    }
}

/// A key is told with the decision that has it: not with one that came later under it, nor with the earlier one once its
/// retention is over and another has it.
pub async fn a_decision_is_told_with_the_key_that_is_its_own(w: &World) {
    let key = Some(KeyMark { principal: w.shop.gate_key.1.id, key: [4; 16], body: [4; 16] });
    let gate = w.gate().await;
    let mut told = Vec::new();
    for wait in [Duration::from_secs(1), Duration::from_secs(1), RETENTION] {
        w.clock.advance(wait);
        told.insert(0, Decision { key, ..decision(w, Operation::Reserve) });
        let decisions = vec![told[0].clone()];
        gate.tell_all(w, &LeaseBatch { decisions, ..LeaseBatch::default() }).await;
    }
    (told[1].key, told[2].key) = (None, None);
    let list = w.directory.decisions(w.shop.realm, DecisionFilter::default(), ALL).await.unwrap();
    assert_eq!(list.entries, told);
}

/// Who follows decisions is told all ids from one on, that one with them, oldest first and not more than asked for.
pub async fn ids_of_decisions_follow_from_one_on(w: &World) {
    let ids: Vec<DecisionId> = Scene::of(w).await.decisions.iter().map(|decision| decision.id).collect();
    let told = |from, limit| w.directory.decision_ids(w.shop.realm, from, limit);
    assert_eq!(told(ids[1], 100).await.unwrap(), ids[1..]);
    assert_eq!(told(ids[1], 2).await.unwrap(), ids[1..3]);
    w.pass(1);
    assert_eq!(told(w.id(), 100).await.unwrap(), []);
}

/// What was decided in sessions of a kind comes oldest first, page by page, and each member of the filter leaves out what is not of
/// it.
pub async fn decisions_in_sessions_come_oldest_first(w: &World) {
    let since = w.clock_now();
    let Scene { ada, decisions, .. } = Scene::of(w).await;
    let session = ada.principals.session.expect("a session");
    let named = w.directory.sessions_among(w.shop.realm, vec![session]).await.unwrap();
    let kind = named[0].name.kind.clone();
    let until = w.in_seconds(1);
    let all = SessionDecisionFilter { kind, agents: None, customer: None, since, until };
    let ask = async |filter: &SessionDecisionFilter, after, limit| {
        let told = w.directory.session_decisions(w.shop.realm, filter.clone(), after, limit).await.unwrap();
        told.iter().map(|one| decisions.iter().position(|other| other == one).expect("one of them")).collect::<Vec<_>>()
    };
    assert_eq!(ask(&all, None, 9).await, [0, 1, 2, 3], "the last one was in no session");
    assert_eq!(ask(&all, Some(decisions[0].id), 2).await, [1, 2]);
    assert_eq!(ask(&all, Some(decisions[4].id), 9).await, [0; 0]);
    let by = |change: fn(&mut SessionDecisionFilter, &World)| {
        let mut filter = all.clone();
        change(&mut filter, w);
        filter
    };
    assert_eq!(ask(&by(|f, w| f.agents = Some([w.shop.support.id].into())), None, 9).await, [2]);
    assert_eq!(ask(&by(|f, w| f.customer = Some(w.shop.bolt.id)), None, 9).await, [3]);
    assert_eq!(ask(&by(|f, _| f.kind = SessionKind::parse("other").unwrap()), None, 9).await, [0; 0]);
    let within = SessionDecisionFilter { since: decisions[1].at, until: decisions[3].at, ..all.clone() };
    assert_eq!(ask(&within, None, 9).await, [1, 2]);
    for realm in elsewhere(w).await {
        assert_eq!(w.directory.session_decisions(realm, all.clone(), None, 9).await.unwrap(), []);
    }
}

/// Asked by id for two things, one of them twice, and for one that nobody has. The two are told in their realm, each once,
/// and nowhere else.
async fn told_once<'w, T, I, A>(
    w: &'w World,
    elsewhere: [Realm; 2],
    two: [&T; 2],
    id: impl Fn(&T) -> I,
    ask: impl Fn(&'w dyn Directory, Realm, Vec<I>) -> A,
) where
    T: Clone + PartialEq + Debug,
    I: Id,
    A: Future<Output = Result<Vec<T>, Fault>>,
{
    let ids = vec![id(two[0]), id(two[1]), w.id(), id(two[0])];
    let told = ask(&*w.directory, w.shop.realm, ids.clone()).await.unwrap();
    assert_eq!(oldest_first(&told.iter().collect::<Vec<_>>(), &id), oldest_first(&two, &id));
    for realm in elsewhere {
        assert_eq!(ask(&*w.directory, realm, ids.clone()).await.unwrap(), []);
    }
    assert_eq!(ask(&*w.directory, w.shop.realm, Vec::new()).await.unwrap(), []);
}

/// What is asked for by id is told once, in the realm that has it and in no other.
pub async fn what_is_asked_for_by_id_is_told_once(w: &World) {
    let (shop, scene, away) = (&w.shop, Scene::of(w).await, elsewhere(w).await);
    told_once(w, away, [&shop.generate, &shop.upload], |one| one.id, |d, at, ids| d.features_among(at, ids)).await;
    told_once(w, away, [&shop.acme, &shop.bolt], |one| one.id, |d, at, ids| d.customers_among(at, ids)).await;
    told_once(w, away, [&shop.ada, &shop.cy], |one| one.id, |d, at, ids| d.users_among(at, ids)).await;
    told_once(w, away, [&shop.catalogue, &shop.support], |one| one.id, |d, at, ids| d.agents_among(at, ids)).await;
    told_once(w, away, [&scene.ada, &scene.ben], |one| one.id, |d, at, ids| d.allocations_among(at, ids)).await;
    let two = [&scene.decisions[0], &scene.decisions[2]];
    told_once(w, away, two, |one| one.id, |d, at, ids| d.decisions_among(at, ids)).await;
    let grants = [issued(w, 1).await, issued(w, 2).await];
    told_once(w, away, [&grants[0], &grants[1]], |one| one.id, |d, at, ids| d.grants_among(at, ids)).await;

    let found = w.directory.plans_among(shop.realm, vec![shop.plan.id, w.id()]).await.unwrap();
    assert_eq!(found, std::slice::from_ref(&shop.plan));
    let found = w.directory.plan_versions_among(shop.realm, vec![w.id(), shop.terms.id]).await.unwrap();
    assert_eq!(found, std::slice::from_ref(&shop.terms));
    let subscription = &shop.acme_subscription;
    let found =
        w.directory.subscriptions_among(shop.realm, vec![subscription.id, w.id(), subscription.id]).await.unwrap();
    assert_eq!(found, std::slice::from_ref(subscription));
    let sessions = [scene.ada.principals.session.unwrap(), scene.below.principals.session.unwrap(), w.id()];
    let found = w.directory.sessions_among(shop.realm, sessions.to_vec()).await.unwrap();
    assert_eq!(found.iter().map(|session| session.agent).collect::<Vec<_>>(), [shop.catalogue.id], "both in one");
    let account = scene.bolt.lines[0].account;
    let found = w.directory.accounts_among(shop.realm, vec![account, w.id(), account]).await.unwrap();
    assert_eq!(
        found.iter().map(|account| (account.id, account.balance.granted())).collect::<Vec<_>>(),
        [(account, units(10))]
    );
    for realm in away {
        assert_eq!(w.directory.plans_among(realm, vec![shop.plan.id]).await.unwrap(), []);
        assert_eq!(w.directory.plan_versions_among(realm, vec![shop.terms.id]).await.unwrap(), []);
        assert_eq!(w.directory.subscriptions_among(realm, vec![subscription.id]).await.unwrap(), []);
        assert_eq!(w.directory.sessions_among(realm, sessions.to_vec()).await.unwrap(), []);
        assert_eq!(w.directory.accounts_among(realm, vec![account]).await.unwrap(), []);
    }
}

/// The quota of a window is a grant like those that follow it; a void one is told as such.
pub async fn grants_into_an_account_come_oldest_first(w: &World) {
    let account = w.quota(w.shop.generate.id).await.account;
    let (first, second) = (issued(w, 7).await, issued(w, 5).await);
    w.treasury.void(w.shop.realm, first.id, &author()).await.unwrap();
    let uploads = w.quota(w.shop.upload.id).await.account;
    let told = w.directory.grants_into(w.shop.realm, vec![account, account, w.id()]).await.unwrap();
    assert!(told[0].kind != GrantKind::TopUp && told[0].amount == units(GENERATIONS), "{told:?}");
    let ids: Vec<GrantId> = told[1..].iter().map(|grant| grant.id).collect();
    assert_eq!(ids, [first.id, second.id]);
    assert_eq!((told[1].taken_back, told[1].voided_at), (units(7), Some(w.clock_now())));
    let both = w.directory.grants_into(w.shop.realm, vec![uploads, account]).await.unwrap();
    assert_eq!(both.iter().filter(|grant| grant.account == account).cloned().collect::<Vec<_>>(), told);
    assert_eq!(both.len(), told.len() + 1);
    for realm in elsewhere(w).await {
        assert_eq!(w.directory.grants_into(realm, vec![account]).await.unwrap(), []);
    }
}

/// No list of a realm has anything of another, whatever is named in it: a filter's ids lead nowhere, and a place in another
/// realm's list is a place and no more.
pub async fn a_directory_is_its_realms_alone(w: &World) {
    let (shop, scene) = (&w.shop, Scene::of(w).await);
    let other = w.other_shop().await;
    let trial = Realm { environment: Environment::Test, ..shop.realm };
    let after = Page { after: Some(shop.catalogue.id.uuid()), ..ALL };
    let theirs = oldest_first(&[&other.catalogue, &other.support], |agent| agent.id);
    assert_eq!(w.directory.agents(other.realm, after).await.unwrap().entries, theirs);
    let keys = |features: Vec<Feature>| features.into_iter().map(|feature| feature.id).collect::<Vec<_>>();
    let features = keys(w.directory.features(other.realm, ALL).await.unwrap().entries);
    assert_eq!(features.len(), keys(w.lookup.features(other.realm).await.unwrap()).len());
    assert!(!features.contains(&shop.generate.id));
    assert_eq!(w.directory.plans(other.realm, ALL).await.unwrap().entries, [other.plan]);
    assert_eq!(w.directory.customers(other.realm, ALL).await.unwrap().entries.len(), 2);
    for realm in [other.realm, trial] {
        for customer in [None, Some(shop.acme.id)] {
            let filter = AllocationFilter { customer, ..AllocationFilter::default() };
            assert_eq!(w.directory.allocations(realm, filter, ALL).await.unwrap().entries, []);
            let filter = DecisionFilter { customer, ..DecisionFilter::default() };
            assert_eq!(w.directory.decisions(realm, filter, ALL).await.unwrap().entries, []);
            let filter = AuditFilter { customer, ..AuditFilter::default() };
            assert_eq!(w.directory.audit(realm, filter, ALL).await.unwrap().entries, []);
        }
        let first = DecisionId::least_at(Timestamp::from_micros(0));
        assert_eq!(w.directory.decision_ids(realm, first, 100).await.unwrap(), []);
    }
    assert_eq!(w.directory.features(trial, ALL).await.unwrap().entries, []);
    let parent = AllocationFilter { parent: Some(scene.ada.id), ..AllocationFilter::default() };
    assert_eq!(w.directory.allocations(shop.realm, parent, ALL).await.unwrap().entries, [scene.below]);
}
