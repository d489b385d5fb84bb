//! Lists, page by page: all of each and nothing twice, from both ends, whatever is added meanwhile.

use super::World;
use super::deciding::decision;
use crate::image_shop::{external, name, session, units};
use almoner_domain::agent::Agent;
use almoner_domain::allocation::{Allocation, AllocationState};
use almoner_domain::customer::Customer;
use almoner_domain::decision::{Decision, Denial, Level, Operation, Reason, Verdict};
use almoner_domain::fault::Fault;
use almoner_domain::feature::{Feature, FeatureKind};
use almoner_domain::id::Id;
use almoner_domain::page::{PAGE_MAX, Page, Stretch, Take};
use almoner_domain::plan::Plan;
use almoner_domain::ports::{AllocationFilter, CarveRequest, DecisionFilter, LeaseBatch, Source};
use almoner_domain::text::{FeatureKey, Named};
use std::fmt::Debug;

/// As much as there is of a list, as far as it fits on a page.
pub(super) const ALL: Page = Page::first(PAGE_MAX);

/// What happens in the shop, a second apart.
pub(super) struct Scene {
    /// Ada's, for the catalogue agent, in the session "a".
    pub(super) ada: Allocation,
    /// Carved from Ada's, for the same.
    pub(super) below: Allocation,
    /// Ben's, for the support agent, in the session "b". It is closed.
    pub(super) ben: Allocation,
    /// Bolt's, nobody's in particular, for the catalogue agent, in the session "c".
    pub(super) bolt: Allocation,
    /// One on behalf of each in this order, Ben's denied, and one that is denied because nobody knows the caller.
    pub(super) decisions: Vec<Decision>,
}

impl Scene {
    pub(super) async fn of(w: &World) -> Self {
        let ada = carved(w, Source::Subject(w.shop.ada()), "a").await;
        let below = carved(w, Source::Allocation(ada.id), "a").await;
        let ben = carved(w, Source::Subject(w.shop.ben()), "b").await;
        let bolt = carved(w, Source::Subject(w.shop.bolt()), "c").await;
        w.close(ben.id).await;
        let [ada, below, ben, bolt] = [
            w.statement(ada.id).await.allocation,
            w.statement(below.id).await.allocation,
            w.statement(ben.id).await.allocation,
            w.statement(bolt.id).await.allocation,
        ];
        let mut decisions = Vec::new();
        for of in [Some(&ada), Some(&below), Some(&ben), Some(&bolt), None] {
            w.pass(1);
            let is_denied = of.is_none_or(|of| of.state != AllocationState::Active);
            decisions.push(Decision {
                on_behalf_of: of.map(|of| of.principals),
                allocation: of.map(|of| of.id),
                verdict: if is_denied { denied() } else { Verdict::Allow },
                ..decision(w, Operation::Consume)
            });
        }
        let batch = LeaseBatch { decisions: decisions.clone(), ..LeaseBatch::default() };
        w.gate().await.tell_all(w, &batch).await;
        Self { ada, below, ben, bolt, decisions }
    }

    fn allocations_newest_first(&self) -> Vec<Allocation> {
        [&self.bolt, &self.ben, &self.below, &self.ada].into_iter().cloned().collect()
    }
}

async fn carved(w: &World, source: Source, key: &str) -> Allocation {
    w.pass(1);
    let amount = if matches!(source, Source::Allocation(_)) { 4 } else { 10 };
    let agent = if key == "b" { &w.shop.support } else { &w.shop.catalogue };
    let request = w.shop.carve(w.id(), source, &[(w.shop.generate.id, amount)]);
    w.carved(&CarveRequest { agent: Named::Id(agent.id), session: session("task", key), ..request }).await.allocation
}

pub(super) fn denied() -> Verdict {
    Verdict::Deny(Denial {
        reason: Reason::Expired,
        level: Level::Allocation,
        message: "It was closed.".to_owned(),
        resets_at: None,
        retry_after_s: None,
        raise: Vec::new(),
    })
}

/// All of a list, two entries at a time, from its beginning to its end and back. Both ways come to the same.
pub(super) async fn walk<T, I, A>(ask: impl Fn(Page) -> A, id: impl Fn(&T) -> I) -> Vec<T>
where
    T: Clone + PartialEq + Debug,
    I: Id,
    A: Future<Output = Result<Stretch<T>, Fault>>,
{
    let mut there: Vec<T> = Vec::new();
    loop {
        let after = there.last().map(|last| id(last).uuid());
        let page = ask(Page { after, before: None, take: Take::First(2) }).await.unwrap();
        assert_eq!(page.before, after.is_some(), "what was read stands before it");
        assert!(page.entries.len() == 2 || !page.after, "a page is full while there is more: {page:?}");
        there.extend(page.entries);
        if !page.after {
            break;
        }
    }
    let mut back: Vec<T> = Vec::new();
    loop {
        let before = back.first().map(|first| id(first).uuid());
        let page = ask(Page { after: None, before, take: Take::Last(2) }).await.unwrap();
        assert_eq!(page.after, before.is_some(), "what was read stands after it");
        assert!(page.entries.len() == 2 || !page.before, "a page is full while there is more: {page:?}");
        back.splice(0..0, page.entries);
        if !page.before {
            break;
        }
    }
    assert_eq!(there, back);
    there
}

/// In the order of the ids, which is the order in which things came into being.
pub(super) fn oldest_first<T: Clone, I: Id>(things: &[&T], id: impl Fn(&T) -> I) -> Vec<T> {
    let mut sorted: Vec<T> = things.iter().map(|thing| (*thing).clone()).collect();
    sorted.sort_by_key(|thing| id(thing));
    sorted
}

fn customer(w: &World, called: &str) -> Customer {
    Customer { id: w.id(), external_id: external(called), name: name(called) }
}

async fn add_customer(w: &World, called: &str) -> Customer {
    w.pass(1);
    let added = customer(w, called);
    let mut work = w.store.begin(w.shop.realm).await.unwrap();
    work.customers().add(&added).await.unwrap();
    work.commit().await.unwrap();
    added
}

/// Features, plans, customers and agents: what was added last comes last, and each as it was added.
pub async fn the_catalogue_comes_oldest_first(w: &World) {
    let (shop, realm) = (&w.shop, w.shop.realm);
    w.pass(1);
    let key = FeatureKey::parse("a.late.one").unwrap();
    let feature = Feature { id: w.id(), key, name: name("Late"), kind: FeatureKind::Boolean };
    let plan = Plan { id: w.id(), external_id: external("a-late-plan"), name: name("Late") };
    let (late, agent) = (customer(w, "a-late-customer"), Agent { id: w.id(), ..shop.support.clone() });
    let agent = Agent { external_id: external("a-late-agent"), ..agent };
    let mut work = w.store.begin(realm).await.unwrap();
    work.features().add(&feature).await.unwrap();
    work.plans().add(&plan).await.unwrap();
    work.customers().add(&late).await.unwrap();
    work.agents().add(&agent).await.unwrap();
    work.commit().await.unwrap();

    let ours = [&shop.generate, &shop.describe, &shop.upload, &shop.remove_background, &shop.max_resolution];
    let features = walk(|page| w.directory.features(realm, page), |feature| feature.id).await;
    assert_eq!(features, [oldest_first(&ours, |feature| feature.id), vec![feature]].concat());
    assert_eq!(walk(|page| w.directory.plans(realm, page), |plan| plan.id).await, [shop.plan.clone(), plan]);
    let customers = walk(|page| w.directory.customers(realm, page), |customer| customer.id).await;
    assert_eq!(customers, [oldest_first(&[&shop.acme, &shop.bolt], |one| one.id), vec![late]].concat());
    let agents = walk(|page| w.directory.agents(realm, page), |agent| agent.id).await;
    assert_eq!(agents, [oldest_first(&[&shop.catalogue, &shop.support], |one| one.id), vec![agent]].concat());
}

/// Allocations and decisions: what was last comes first, and each as it stands.
pub async fn what_happens_comes_newest_first(w: &World) {
    let scene = Scene::of(w).await;
    let realm = w.shop.realm;
    let allocations = |page| w.directory.allocations(realm, AllocationFilter::default(), page);
    assert_eq!(walk(allocations, |allocation| allocation.id).await, scene.allocations_newest_first());
    let decisions = |page| w.directory.decisions(realm, DecisionFilter::default(), page);
    let newest_first: Vec<Decision> = scene.decisions.into_iter().rev().collect();
    assert_eq!(walk(decisions, |decision| decision.id).await, newest_first);
}

/// What is added between two pages is at the end of what comes oldest first, and before all of what comes newest first.
pub async fn a_list_does_not_shift_under_who_pages_through_it(w: &World) {
    let realm = w.shop.realm;
    let first = w.directory.customers(realm, Page::first(1)).await.unwrap();
    let after = first.entries.last().map(|last| last.id.uuid());
    let late = add_customer(w, "a-late-customer").await;
    let rest = w.directory.customers(realm, Page { after, ..ALL }).await.unwrap();
    let both = oldest_first(&[&w.shop.acme, &w.shop.bolt], |one| one.id);
    assert_eq!([first.entries, rest.entries].concat(), [both, vec![late]].concat());

    let scene = Scene::of(w).await;
    let list = |page| w.directory.allocations(realm, AllocationFilter::default(), page);
    let first = list(Page::first(2)).await.unwrap();
    let late = carved(w, Source::Subject(w.shop.ada()), "a").await;
    let after = first.entries.last().map(|last| last.id.uuid());
    let rest = list(Page { after, ..ALL }).await.unwrap();
    assert_eq!([first.entries.clone(), rest.entries].concat(), scene.allocations_newest_first());
    let before = first.entries.first().map(|first| first.id.uuid());
    let new = list(Page { before, ..ALL }).await.unwrap();
    assert_eq!((new.entries, new.before, new.after), (vec![late], false, false));
}

/// Between two bounds are neither of them; a bound is a place, whether or not an entry stands there.
pub async fn a_page_keeps_within_its_bounds(w: &World) {
    let gone = {
        w.pass(1);
        w.id::<almoner_domain::id::CustomerId>()
    };
    let mut late = Vec::new();
    for called in ["d", "c", "b", "a"] {
        late.push(add_customer(w, called).await);
    }
    let list = |page| w.directory.customers(w.shop.realm, page);
    let place = |at: usize| Some(late[at].id.uuid());
    let between = Page { after: place(0), before: place(3), take: Take::First(PAGE_MAX) };
    assert_eq!(list(between).await.unwrap().entries, late[1..3]);
    assert_eq!(list(Page { take: Take::First(1), ..between }).await.unwrap().entries, late[1..2]);
    assert_eq!(list(Page { take: Take::Last(1), ..between }).await.unwrap().entries, late[2..3]);
    let nothing = list(Page { after: place(3), ..ALL }).await.unwrap();
    assert_eq!((nothing.entries, nothing.before, nothing.after), (Vec::new(), true, false));
    assert_eq!(list(Page { after: Some(gone.uuid()), ..ALL }).await.unwrap().entries, late);
    let before = list(Page { before: Some(gone.uuid()), ..ALL }).await.unwrap();
    assert_eq!(before.entries, oldest_first(&[&w.shop.acme, &w.shop.bolt], |one| one.id));
}

/// However many are asked for, a page has at most a hundred, and says that there are more.
pub async fn a_page_has_at_most_a_hundred(w: &World) {
    let mut work = w.store.begin(w.shop.realm).await.unwrap();
    for number in 0..PAGE_MAX {
        work.customers().add(&customer(w, &format!("customer-{number}"))).await.unwrap();
    }
    work.commit().await.unwrap();
    let list = |take| w.directory.customers(w.shop.realm, Page { take, ..ALL });
    let first = list(Take::First(u16::MAX)).await.unwrap();
    assert_eq!((first.entries.len(), first.before, first.after), (100, false, true));
    let last = list(Take::Last(u16::MAX)).await.unwrap();
    assert_eq!((last.entries.len(), last.before, last.after), (100, true, false));
    assert_eq!(first.entries[2..], last.entries[..98], "two more than a page");
    let none = list(Take::First(0)).await.unwrap();
    assert_eq!((none.entries.len(), none.before, none.after), (0, false, true));
}

/// What an allocation's list says of it is what its statement says, also once it was used.
pub async fn a_list_says_what_a_statement_says(w: &World) {
    let scene = Scene::of(w).await;
    let gate = w.gate().await;
    gate.lease(w, scene.ada.lines[0].account, 2).await;
    w.close(scene.ada.id).await;
    let list = w.directory.allocations(w.shop.realm, AllocationFilter::default(), ALL).await.unwrap();
    for told in list.entries {
        assert_eq!(told, w.statement(told.id).await.allocation);
        assert!(told.lines[0].carved > units(0));
    }
}
