//! Lists below many things: answered in the order asked, each as it would be alone.

use super::World;
use super::finding::elsewhere;
use super::listing::{ALL, Scene, oldest_first, walk};
use almoner_domain::account::Pocket;
use almoner_domain::agent::Session;
use almoner_domain::allocation::{Allocation, AllocationState};
use almoner_domain::customer::{Customer, User};
use almoner_domain::fault::Fault;
use almoner_domain::id::{AccountId, AllocationId, CustomerId, Id, UserId};
use almoner_domain::movement::Movement;
use almoner_domain::page::{Page, Stretch, Take};
use almoner_domain::plan::{Plan, PlanLine, PlanVersion};
use almoner_domain::ports::{AllocationFilter, DecisionFilter, MovementFilter, SessionFilter, SubjectName, TREE_MAX};
use almoner_domain::subscription::Subscription;
use almoner_domain::text::Named;
use almoner_domain::units::Units;
use std::fmt::Debug;

/// The whole list of each, when they are asked for together, the first of them once more at the end: each is what it is
/// when it is asked for alone and walked through, and so is each page of it.
async fn each<Q, T, I, A>(of: &[Q], ask: impl Fn(Vec<Q>, Page) -> A, id: impl Fn(&T) -> I) -> Vec<Vec<T>>
where
    Q: Clone,
    T: Clone + PartialEq + Debug,
    I: Id,
    A: Future<Output = Result<Vec<Stretch<T>>, Fault>>,
{
    let again = [of, &of[..1]].concat();
    let mut whole = Vec::new();
    for one in &again {
        let alone = async |page| ask(vec![one.clone()], page).await.map(|mut lists| lists.remove(0));
        whole.push(walk(alone, &id).await);
    }
    let told = ask(again.clone(), ALL).await.unwrap();
    assert_eq!(told, whole.iter().cloned().map(Stretch::whole).collect::<Vec<_>>());
    for take in [Take::First(1), Take::Last(1)] {
        let told = ask(again.clone(), Page { take, ..ALL }).await.unwrap();
        let page = |list: &Vec<T>| {
            let is_cut = list.len() > 1;
            match take {
                Take::First(_) => Stretch { entries: list[..list.len().min(1)].to_vec(), before: false, after: is_cut },
                Take::Last(_) => {
                    let entries = list[list.len().saturating_sub(1)..].to_vec();
                    Stretch { entries, before: is_cut, after: false }
                }
            }
        };
        assert_eq!(told, whole.iter().map(page).collect::<Vec<_>>());
    }
    whole.pop();
    whole
}

/// Users of customers, oldest first: in the order of the customers asked for, and of one that nobody has none.
pub async fn users_come_by_their_customers(w: &World) {
    let shop = &w.shop;
    let acmes: Vec<User> = oldest_first(&[&shop.ada, &shop.ben], |user| user.id);
    let of = [shop.bolt.id, shop.acme.id, w.id()];
    let told = each(&of, |of, page| w.lists.users_of(shop.realm, of, page), |user| user.id).await;
    assert_eq!(told, [vec![shop.cy.clone()], acmes, vec![]]);
    let nothing = w.lists.users_of(shop.realm, Vec::new(), ALL).await.unwrap();
    assert_eq!(nothing, []);
}

/// Subscriptions of customers, newest first, also those that have ended.
pub async fn subscriptions_come_newest_first(w: &World) {
    let shop = &w.shop;
    w.pass(1);
    let now = w.clock_now();
    let first = Subscription { ended_at: Some(now), ..shop.acme_subscription.clone() };
    let second = Subscription { id: w.id(), started_at: now, ..shop.acme_subscription.clone() };
    let mut work = w.store.begin(shop.realm).await.unwrap();
    assert!(work.subscriptions().end(first.id, now).await.unwrap());
    work.subscriptions().add(&second, &[]).await.unwrap();
    let bolts = work.subscriptions().running(shop.bolt.id).await.unwrap().unwrap();
    work.commit().await.unwrap();
    let of = [shop.acme.id, w.id(), shop.bolt.id];
    let told = each(&of, |of, page| w.lists.subscriptions_of(shop.realm, of, page), |one| one.id).await;
    assert_eq!(told, [vec![second, first], vec![], vec![bolts]]);
}

/// Versions of plans, newest first, each with its lines in their order.
pub async fn versions_come_newest_first(w: &World) {
    let shop = &w.shop;
    let empty = Plan { id: w.id(), external_id: crate::image_shop::external("basic"), name: shop.plan.name.clone() };
    let backwards: Vec<PlanLine> = shop.terms.lines.iter().rev().cloned().collect();
    let mut versions = vec![shop.terms.clone()];
    let mut work = w.store.begin(shop.realm).await.unwrap();
    work.plans().add(&empty).await.unwrap();
    for (number, lines) in [(2, backwards.clone()), (3, backwards[..2].to_vec())] {
        w.pass(1);
        let version = PlanVersion { id: w.id(), number, lines, ..shop.terms.clone() };
        work.plans().publish(&version).await.unwrap();
        versions.insert(0, version);
    }
    work.commit().await.unwrap();
    let of = [shop.plan.id, empty.id, w.id()];
    let told = each(&of, |of, page| w.lists.versions_of(shop.realm, of, page), |one| one.id).await;
    assert_eq!(told, [versions.clone(), vec![], vec![]]);
    let ids = versions.iter().map(|version| version.id).collect();
    let found = w.directory.plan_versions_among(shop.realm, ids).await.unwrap();
    let newest_first = oldest_first(&found.iter().collect::<Vec<_>>(), |version| version.id).into_iter().rev();
    assert_eq!(newest_first.collect::<Vec<_>>(), versions);
}

/// Sessions of agents, newest first; of a customer or a user those that something of theirs was carved for.
pub async fn sessions_come_by_whom_they_were_for(w: &World) {
    let (shop, scene) = (&w.shop, Scene::of(w).await);
    let whose = |agent, customer, user| SessionFilter { agent, customer, user };
    let (catalogue, support) = (shop.catalogue.id, shop.support.id);
    let (acme, ada, ben) = (Some(shop.acme.id), Some(shop.ada.id), Some(shop.ben.id));
    let cases = [
        (whose(catalogue, None, None), vec![&scene.bolt, &scene.ada]),
        (whose(support, None, None), vec![&scene.ben]),
        (whose(catalogue, acme, None), vec![&scene.ada]),
        (whose(catalogue, Some(shop.bolt.id), None), vec![&scene.bolt]),
        (whose(catalogue, acme, ada), vec![&scene.ada]),
        (whose(catalogue, None, ada), vec![&scene.ada]),
        (whose(catalogue, acme, ben), vec![]),
        (whose(support, acme, ben), vec![&scene.ben]),
        (whose(w.id(), None, None), vec![]),
    ];
    let of: Vec<SessionFilter> = cases.iter().map(|(filter, _)| *filter).collect();
    let told = each(&of, |of, page| w.lists.sessions_of(shop.realm, of, page), |one| one.id).await;
    for ((filter, expected), told) in cases.into_iter().zip(told) {
        let expected: Vec<_> = expected.into_iter().map(|allocation| allocation.principals.session).collect();
        let found: Vec<_> = told.iter().map(|session: &Session| Some(session.id)).collect();
        assert_eq!(found, expected, "{filter:?}");
        let among = told.iter().map(|session| session.id).collect();
        assert_eq!(w.directory.sessions_among(shop.realm, among).await.unwrap().len(), told.len());
    }
}

/// Allocations and decisions below many things are those that the directory lists by the same filters.
pub async fn what_is_listed_below_is_what_the_directory_lists(w: &World) {
    let (shop, scene) = (&w.shop, Scene::of(w).await);
    let acme = Some(shop.acme.id);
    let filter = AllocationFilter::default;
    let of = [
        AllocationFilter { parent: Some(scene.ada.id), ..filter() },
        filter(),
        AllocationFilter { customer: acme, state: Some(AllocationState::Active), ..filter() },
        AllocationFilter { parent: Some(scene.below.id), ..filter() },
    ];
    let told = each(&of, |of, page| w.lists.allocations_of(shop.realm, of, page), |one| one.id).await;
    assert_eq!(told.iter().map(Vec::len).collect::<Vec<_>>(), [1, 4, 2, 0]);
    for (filter, told) in of.into_iter().zip(told) {
        assert_eq!(w.directory.allocations(shop.realm, filter, ALL).await.unwrap(), Stretch::whole(told));
    }
    let filter = DecisionFilter::default;
    let of = [
        DecisionFilter { allocation: Some(scene.ben.id), ..filter() },
        filter(),
        DecisionFilter { customer: acme, allowed: Some(true), ..filter() },
    ];
    let told = each(&of, |of, page| w.lists.decisions_of(shop.realm, of, page), |one| one.id).await;
    assert_eq!(told.iter().map(Vec::len).collect::<Vec<_>>(), [1, 5, 2]);
    for (filter, told) in of.into_iter().zip(told) {
        assert_eq!(w.directory.decisions(shop.realm, filter, ALL).await.unwrap(), Stretch::whole(told));
    }
}

/// Which movements a test expects of a filter.
type Expected<'e> = (MovementFilter, Box<dyn Fn(&Movement) -> bool + 'e>);

/// Movements are found by each member of a filter, and all of one account come to its balance.
pub async fn movements_come_to_the_balance(w: &World) {
    let (shop, scene) = (&w.shop, Scene::of(w).await);
    let list = |of, page| w.lists.movements_of(shop.realm, of, page);
    let filter = MovementFilter::default;
    let all = each(&[filter()], list, |one| one.id).await.remove(0);
    let (acme, ada, account) = (shop.acme.id, shop.ada.id, scene.ben.lines[0].account);
    let cases: [Expected<'_>; 6] = [
        (MovementFilter { customer: Some(acme), ..filter() }, Box::new(|one| one.principals.customer == acme)),
        (MovementFilter { user: Some(ada), ..filter() }, Box::new(|one| one.principals.user == Some(ada))),
        (MovementFilter { account: Some(account), ..filter() }, Box::new(|one| one.account == account)),
        (MovementFilter { allocation: Some(scene.ben.id), ..filter() }, Box::new(|one| one.account == account)),
        (MovementFilter { cause: Some("return"), ..filter() }, Box::new(|one| one.cause.parts().0 == "return")),
        (
            MovementFilter { customer: Some(acme), cause: Some("grant"), ..filter() },
            Box::new(|one| one.principals.customer == acme && one.cause.parts().0 == "grant"),
        ),
    ];
    let of: Vec<MovementFilter> = cases.iter().map(|(filter, _)| filter.clone()).collect();
    for ((filter, is_of), told) in cases.iter().zip(each(&of, list, |one| one.id).await) {
        let expected: Vec<Movement> = all.iter().filter(|one| is_of(one)).cloned().collect();
        assert!(!told.is_empty() && told.len() < all.len(), "{filter:?}");
        assert_eq!(told, expected, "{filter:?}");
    }
    let nobodys = MovementFilter { allocation: Some(w.id()), ..filter() };
    assert_eq!(list(vec![nobodys], ALL).await.unwrap()[0].entries, []);

    let quota = w.quota(shop.generate.id).await;
    let free = |pocket: Option<Pocket>, amount: Units| if pocket == Some(Pocket::Free) { amount.get() } else { 0 };
    let of_quota = all.iter().filter(|one| one.account == quota.account);
    let sum: i64 = of_quota.map(|one| free(one.to, one.amount) - free(one.from, one.amount)).sum();
    assert_eq!(sum, quota.balance.get(Pocket::Free).get());
}

/// Accounts that were carved from accounts, newest first.
pub async fn accounts_come_by_what_they_were_carved_from(w: &World) {
    let (shop, scene) = (&w.shop, Scene::of(w).await);
    let line = |of: &Allocation| of.lines[0].account;
    let [acmes, bolts] =
        [shop.acme(), shop.bolt()].map(|name| async move { w.quota_of(&name, shop.generate.id).await });
    let of = [line(&scene.ada), acmes.await.account, line(&scene.ben), bolts.await.account, w.id()];
    let told = each(&of, |of, page| w.lists.accounts_below(shop.realm, of, page), |one| one.id).await;
    let ids: Vec<Vec<AccountId>> = told.iter().map(|list| list.iter().map(|account| account.id).collect()).collect();
    let (ada, below, ben) = (line(&scene.ada), line(&scene.below), line(&scene.ben));
    assert_eq!(ids, [vec![below], vec![ben, ada], vec![], vec![line(&scene.bolt)], vec![]]);
    assert_eq!(w.directory.accounts_among(shop.realm, ids.concat()).await.unwrap().len(), 4);
}

/// All that was carved from an allocation, parents before children, whatever became of it; a tree within another as well.
pub async fn a_tree_has_parents_before_children(w: &World) {
    let generate = w.shop.generate.id;
    let mut nested = vec![w.allocation(&[(generate, 20)]).await.allocation.id];
    for depth in 0..3 {
        w.pass(1);
        nested.push(w.below(nested[depth], &[(generate, 8 - 2 * i64::try_from(depth).unwrap())]).await.allocation.id);
    }
    w.pass(1);
    let sibling = w.below(nested[0], &[(generate, 1)]).await.allocation.id;
    w.close(nested[2]).await;
    let of = vec![nested[1], nested[0], sibling, w.id(), nested[1]];
    let trees = w.lists.trees(w.shop.realm, of.clone()).await.unwrap();
    let ids = |tree: &Vec<Allocation>| tree.iter().map(|allocation| allocation.id).collect::<Vec<_>>();
    let within = vec![nested[2], nested[3]];
    assert_eq!([&trees[0], &trees[2], &trees[3], &trees[4]].map(ids), [within.clone(), vec![], vec![], within]);
    let whole = ids(&trees[1]);
    assert_eq!(whole.len(), 4, "{whole:?}");
    let place = |id: AllocationId| whole.iter().position(|one| *one == id).expect("it is in the tree");
    assert!(place(nested[1]) < place(nested[2]) && place(nested[2]) < place(nested[3]) && place(sibling) < 4);
    for told in trees.concat() {
        assert_eq!(told, w.statement(told.id).await.allocation);
    }
}

/// A tree is told up to so many, and a larger one beside it takes nothing from a smaller one.
pub async fn a_tree_is_told_up_to_a_limit(w: &World) {
    let generate = w.shop.generate.id;
    let large = w.allocation(&[(generate, 200)]).await.allocation.id;
    let small = w.allocation(&[(generate, 5)]).await.allocation.id;
    for _ in 0..=TREE_MAX {
        w.below(large, &[(generate, 1)]).await;
    }
    let leaf = w.below(small, &[(generate, 2)]).await.allocation.id;
    let trees = w.lists.trees(w.shop.realm, vec![large, small, large]).await.unwrap();
    assert_eq!(trees.iter().map(Vec::len).collect::<Vec<_>>(), [TREE_MAX.into(), 1, TREE_MAX.into()]);
    assert_eq!(trees[1][0].id, leaf);
}

/// What many may use is what each may use: windows are open when it is told, and strangers have none.
pub async fn entitlements_of_many_are_those_of_each(w: &World) {
    let shop = &w.shop;
    let late = Customer { id: w.id(), external_id: crate::image_shop::external("late"), ..shop.acme.clone() };
    let whole = shop.acme_entitlements.iter().find(|one| one.feature == shop.generate.id).unwrap();
    let mut share = whole.clone();
    (share.id, share.user) = (w.id(), Some(shop.ben.id));
    let mut work = w.store.begin(shop.realm).await.unwrap();
    work.customers().add(&late).await.unwrap();
    work.subscriptions().add_share(&share).await.unwrap();
    work.commit().await.unwrap();
    let of: Vec<(CustomerId, Option<UserId>)> = vec![
        (shop.acme.id, Some(shop.ben.id)),
        (w.id(), None),
        (shop.bolt.id, None),
        (shop.acme.id, None),
        (shop.acme.id, Some(shop.cy.id)),
        (shop.acme.id, Some(w.id())),
        (shop.acme.id, Some(shop.ada.id)),
        (late.id, None),
        (shop.acme.id, Some(shop.ben.id)),
    ];
    let told = w.lists.entitlements_of(shop.realm, of.clone()).await.unwrap();
    let known: Vec<bool> = told.iter().map(Option::is_some).collect();
    assert_eq!(known, [true, false, true, true, false, false, true, true, true]);
    for ((customer, user), told) in of.into_iter().zip(told) {
        let name = SubjectName { customer: Named::Id(customer), user: user.map(Named::Id) };
        assert_eq!(told, w.lookup.entitlements(shop.realm, &name).await.unwrap(), "{name:?}");
    }
}

/// Hundreds of lists are answered like one.
pub async fn hundreds_of_lists_are_answered_each(w: &World) {
    let shop = &w.shop;
    let two = [shop.acme.id, shop.bolt.id];
    let of: Vec<CustomerId> = two.into_iter().cycle().take(250).collect();
    let told = w.lists.users_of(shop.realm, of, Page::first(1)).await.unwrap();
    let alone = w.lists.users_of(shop.realm, two.to_vec(), Page::first(1)).await.unwrap();
    assert_eq!(told, alone.into_iter().cycle().take(250).collect::<Vec<_>>());
}

/// What is below another realm's things is nothing.
pub async fn lists_below_are_their_realms_alone(w: &World) {
    let (shop, scene) = (&w.shop, Scene::of(w).await);
    let (acme, ada) = (shop.acme.id, scene.ada.id);
    let quota = w.quota(shop.generate.id).await.account;
    let sessions = SessionFilter { agent: shop.catalogue.id, customer: None, user: None };
    let allocations = AllocationFilter { customer: Some(acme), ..AllocationFilter::default() };
    let decisions = DecisionFilter { customer: Some(acme), ..DecisionFilter::default() };
    let movements = [
        MovementFilter { account: Some(quota), ..MovementFilter::default() },
        MovementFilter { allocation: Some(ada), ..MovementFilter::default() },
    ];
    for realm in elsewhere(w).await {
        let lists = &w.lists;
        assert_eq!(lists.users_of(realm, vec![acme], ALL).await.unwrap(), [Stretch::whole(vec![])]);
        assert_eq!(lists.subscriptions_of(realm, vec![acme], ALL).await.unwrap(), [Stretch::whole(vec![])]);
        assert_eq!(lists.versions_of(realm, vec![shop.plan.id], ALL).await.unwrap(), [Stretch::whole(vec![])]);
        assert_eq!(lists.sessions_of(realm, vec![sessions], ALL).await.unwrap(), [Stretch::whole(vec![])]);
        let told = lists.allocations_of(realm, vec![allocations.clone()], ALL).await.unwrap();
        assert_eq!(told, [Stretch::whole(vec![])]);
        let told = lists.decisions_of(realm, vec![decisions.clone()], ALL).await.unwrap();
        assert_eq!(told, [Stretch::whole(vec![])]);
        let told = lists.movements_of(realm, movements.to_vec(), ALL).await.unwrap();
        assert_eq!(told, [Stretch::whole(vec![]), Stretch::whole(vec![])]);
        assert_eq!(lists.accounts_below(realm, vec![quota], ALL).await.unwrap(), [Stretch::whole(vec![])]);
        assert_eq!(lists.trees(realm, vec![ada]).await.unwrap(), [vec![]]);
        assert_eq!(lists.entitlements_of(realm, vec![(acme, None)]).await.unwrap(), [None]);
    }
    let below = w.lists.allocations_of(shop.realm, vec![allocations], ALL).await.unwrap();
    assert_eq!(below[0].entries.len(), 3, "they are there in their own");
}
