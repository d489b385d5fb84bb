//! Usage: what was charged and to whom, added up as people ask for it.

use super::World;
use super::deciding::{decision, serve, spend, tell};
use super::holding::{answer, commit, hold};
use super::listing;
use super::world::pocket;
use crate::image_shop::{at, units};
use almoner_domain::account::Pocket;
use almoner_domain::decision::{Decision, Operation, Use, UseKind};
use almoner_domain::feature::ExcessRule;
use almoner_domain::id::{AllocationId, FeatureId, SessionId};
use almoner_domain::principal::Principals;
use almoner_domain::tenant::{Environment, Realm};
use almoner_domain::text::{DimensionName, DimensionValue};
use almoner_domain::usage::{DIMENSION_SETS_MAX, Measure, Span, UsageFilter, UsageKey, UsageQuery, UsageRow};

/// The day on which the clock begins.
pub(super) const TODAY: [&str; 2] = ["2026-11-10T00:00:00Z", "2026-11-11T00:00:00Z"];

/// What so many units of a feature come to in a call. No account is named: whoever tells of a call here charges nothing.
fn used(feature: FeatureId, amount: i64) -> Use {
    let (granted, remaining) = (units(amount), units(0));
    Use { feature, kind: UseKind::Metered { account: None, requested: granted, granted, remaining, blocked: false } }
}

/// A call of Ada's for generations.
pub(super) fn call(w: &World, amount: i64) -> Decision {
    Decision { uses: vec![used(w.shop.generate.id, amount)], ..decision(w, Operation::Consume) }
}

/// The same call on behalf of somebody else.
fn by(call: Decision, change: impl FnOnce(&mut Principals)) -> Decision {
    let mut whom = call.on_behalf_of.unwrap();
    change(&mut whom);
    Decision { on_behalf_of: Some(whom), ..call }
}

fn denied(call: Decision) -> Decision {
    Decision { verdict: listing::denied(), ..call }
}

pub(super) fn dimension(name: &str) -> DimensionName {
    DimensionName::parse(name).unwrap()
}

/// A call of which something was said.
pub(super) fn said(call: Decision, name: &str, value: &str) -> Decision {
    let mut dimensions = call.dimensions;
    dimensions.push((name.to_owned(), value.to_owned()));
    Decision { dimensions, ..call }
}

/// Generations from one instant to another.
pub(super) fn generations(w: &World, span: [&str; 2]) -> UsageQuery {
    let filter = UsageFilter { feature: Some(w.shop.generate.id), ..UsageFilter::default() };
    UsageQuery::new(filter, Span::new(at(span[0]), at(span[1])).unwrap()).unwrap()
}

/// The largest groups of generations today, by units.
fn grouped(w: &World, keys: &[UsageKey], top: u16) -> UsageQuery {
    generations(w, TODAY).grouped(keys.to_vec(), Some(Measure::Units), top).unwrap()
}

pub(super) async fn ask(w: &World, query: UsageQuery) -> Vec<UsageRow> {
    w.usage.usage(w.shop.realm, query.checked().unwrap()).await.expect("the store answers")
}

/// Calls, denied calls and units of generations in a span.
pub(super) async fn sums(w: &World, span: [&str; 2]) -> (i64, i64, i64) {
    match ask(w, generations(w, span)).await.as_slice() {
        [] => (0, 0, 0),
        [row] => (row.calls, row.denied, row.units.get()),
        more => panic!("one sum: {more:?}"),
    }
}

/// What calls consumed and what settled holds came to is usage, to the unit. What is only set aside is not, nor what was refused.
pub async fn usage_is_what_was_charged(w: &World) {
    let generate = w.shop.generate.id;
    assert_eq!(sums(w, TODAY).await, (0, 0, 0), "nothing was spent yet");
    let account = w.quota(generate).await.account;
    serve(w, account, 3, spend(w, account, 3, 1, 1)).await;
    let committed = hold(w, 8).await;
    let reserved = Decision { hold: Some(committed), operation: Operation::Reserve, ..call(w, 8) };
    tell(w, vec![reserved, denied(call(w, 50))]).await;
    assert_eq!(sums(w, TODAY).await, (1, 1, 3), "a reserve has not spent");
    answer(w, &commit(w, committed, &[(generate, 5, ExcessRule::DenyExcess)])).await;
    let mut release = commit(w, hold(w, 8).await, &[(generate, 2, ExcessRule::DenyExcess)]);
    (release.order.spend_unnamed, release.decision.operation) = (false, Operation::Release);
    answer(w, &release).await;
    hold(w, 8).await;
    w.pass(60);
    w.sweep().await;
    assert_eq!(sums(w, TODAY).await, (3, 1, 10), "nor has a hold that ran out of time");
    assert_eq!(pocket(&w.quota(generate).await, Pocket::Used), 10);
}

/// A call counts once: told again, or served a second time under its key. Another call under its key was charged, and counts.
pub async fn a_call_that_is_told_twice_counts_once(w: &World) {
    let account = w.quota(w.shop.generate.id).await.account;
    let first = spend(w, account, 3, 1, 1);
    serve(w, account, 3, first.clone()).await;
    tell(w, vec![first.clone(), first]).await;
    assert_eq!(sums(w, TODAY).await, (1, 0, 3), "it was told before");
    serve(w, account, 3, spend(w, account, 3, 1, 1)).await;
    assert_eq!(sums(w, TODAY).await, (1, 0, 3), "its second debit went back");
    serve(w, account, 4, spend(w, account, 4, 1, 2)).await;
    assert_eq!(sums(w, TODAY).await, (2, 0, 7), "this one asked for something else");
    tell(w, vec![denied(spend(w, account, 4, 1, 3))]).await;
    assert_eq!(sums(w, TODAY).await, (2, 1, 7), "and so did this, in vain");
    assert_eq!(pocket(&w.quota(w.shop.generate.id).await, Pocket::Used), 7);
}

/// Four calls of acme's: in each respect some are alike and some are not.
async fn four_calls(w: &World) -> [(SessionId, AllocationId); 2] {
    let mut runs = [(w.id::<SessionId>(), w.id::<AllocationId>()), (w.id(), w.id())];
    runs.sort_unstable();
    let run = |call: Decision, (session, allocation): (SessionId, AllocationId)| Decision {
        allocation: Some(allocation),
        ..by(call, |whom| whom.session = Some(session))
    };
    let paint = |call| said(said(call, "it's \"odd\"", "yes"), "tool", "paint");
    let bens = by(call(w, 2), |whom| (whom.user, whom.agent) = (Some(w.shop.ben.id), Some(w.shop.support.id)));
    let nobodys = by(call(w, 1), |whom| (whom.user, whom.agent) = (None, None));
    let unknown = Decision { on_behalf_of: None, ..call(w, 500) };
    let calls = [
        run(said(call(w, 8), "tool", "draw"), runs[0]),
        run(paint(call(w, 4)), runs[0]),
        run(paint(bens), runs[1]),
        nobodys,
        denied(unknown),
    ];
    tell(w, calls.to_vec()).await;
    runs
}

/// Usage is told by whoever spent it, from where and for what; who is not named is none, and a group of their own.
pub async fn usage_is_told_by_each_key(w: &World) {
    let [(first, carved), (second, carved_then)] = four_calls(w).await;
    let rows = async |key: UsageKey| ask(w, grouped(w, &[key], 10)).await;
    let told = |rows: &[UsageRow]| rows.iter().map(|row| (row.units.get(), row.calls)).collect::<Vec<_>>();

    for (key, of) in [(UsageKey::Customer, Some(w.shop.acme.id)), (UsageKey::Feature, None)] {
        let found = rows(key).await;
        assert_eq!((told(&found), found[0].customer), (vec![(15, 4)], of), "whom nobody knows has no usage");
        assert_eq!(found[0].feature, of.is_none().then_some(w.shop.generate.id));
    }
    let users = rows(UsageKey::User).await;
    assert_eq!(told(&users), [(12, 2), (2, 1), (1, 1)]);
    assert_eq!([users[0].user, users[1].user, users[2].user], [Some(w.shop.ada.id), Some(w.shop.ben.id), None]);
    let agents = rows(UsageKey::Agent).await;
    assert_eq!([agents[0].agent, agents[1].agent], [Some(w.shop.catalogue.id), Some(w.shop.support.id)]);
    assert_eq!(told(&agents), told(&users));
    let sessions = rows(UsageKey::Session).await;
    assert_eq!([sessions[0].session, sessions[1].session, sessions[2].session], [Some(first), Some(second), None]);
    let allocations = rows(UsageKey::Allocation).await;
    let ids: Vec<_> = allocations.iter().map(|row| row.allocation).collect();
    assert_eq!((ids, told(&allocations)), (vec![Some(carved), Some(carved_then), None], told(&sessions)));

    let keys = [UsageKey::Dimension(dimension("tool")), UsageKey::User, UsageKey::Dimension(dimension("it's \"odd\""))];
    let found = ask(w, grouped(w, &keys, 10)).await;
    let said = |row: &UsageRow, at: usize| row.dimensions[at].value.clone();
    let told: Vec<_> = found.iter().map(|row| (said(row, 0), row.user, said(row, 1), row.units.get())).collect();
    let text = |text: &str| Some(text.to_owned());
    let (ada, ben) = (Some(w.shop.ada.id), Some(w.shop.ben.id));
    let paint = |user, units| (text("paint"), user, text("yes"), units);
    assert_eq!(told, [(text("draw"), ada, None, 8), paint(ada, 4), paint(ben, 2), (None, None, None, 1)]);
    assert!(found.iter().flat_map(|row| &row.dimensions).all(|dimension| !dimension.is_other));
}

/// Each filter leaves what fulfils it, and several what fulfils all.
pub async fn usage_is_found_by_each_filter(w: &World) {
    let [(session, _), (_, allocation)] = four_calls(w).await;
    let tool = |value: &str| (dimension("tool"), DimensionValue::parse(value).unwrap());
    let odd = (dimension("it's \"odd\""), DimensionValue::parse("yes").unwrap());
    let none = UsageFilter { feature: Some(w.shop.generate.id), ..UsageFilter::default() };
    for (filter, expected) in [
        (none.clone(), 15),
        (UsageFilter { feature: Some(w.shop.describe.id), ..none.clone() }, 0),
        (UsageFilter { customer: Some(w.shop.acme.id), ..none.clone() }, 15),
        (UsageFilter { customer: Some(w.shop.bolt.id), ..none.clone() }, 0),
        (UsageFilter { user: Some(w.shop.ben.id), ..none.clone() }, 2),
        (UsageFilter { agent: Some(w.shop.catalogue.id), ..none.clone() }, 12),
        (UsageFilter { session: Some(session), ..none.clone() }, 12),
        (UsageFilter { allocation: Some(allocation), ..none.clone() }, 2),
        (UsageFilter { dimensions: vec![tool("paint")], ..none.clone() }, 6),
        (UsageFilter { dimensions: vec![tool("pain")], ..none.clone() }, 0),
        (UsageFilter { dimensions: vec![tool("paint"), tool("draw")], ..none.clone() }, 0),
        (UsageFilter { session: Some(session), dimensions: vec![odd, tool("paint")], ..none.clone() }, 4),
        (UsageFilter { user: Some(w.shop.ben.id), agent: Some(w.shop.catalogue.id), ..none.clone() }, 0),
    ] {
        let query = UsageQuery::new(filter.clone(), Span::new(at(TODAY[0]), at(TODAY[1])).unwrap()).unwrap();
        let found: i64 = ask(w, query).await.iter().map(|row| row.units.get()).sum();
        assert_eq!(found, expected, "{filter:?}");
    }
}

/// The largest groups are told, by units or by calls. Those that come to the same are in the order of their keys, nobody and
/// nothing first, so that who asks again sees the same ones.
pub async fn the_largest_groups_are_told_first(w: &World) {
    let of = |amount, user, tool: &str| {
        let call = by(call(w, amount), |whom| whom.user = user);
        if tool.is_empty() { call } else { said(call, "tool", tool) }
    };
    let mut people = [w.shop.ada.id, w.shop.ben.id, w.shop.cy.id];
    people.sort_unstable();
    let [one, two, three] = people.map(Some);
    tell(w, vec![of(9, three, "B"), of(2, one, "a"), of(2, one, "a"), of(4, two, ""), of(4, None, "ä")]).await;

    let by_user = async |measure, top| {
        let query = generations(w, TODAY).grouped(vec![UsageKey::User], Some(measure), top).unwrap();
        ask(w, query).await.iter().map(|row| row.user).collect::<Vec<_>>()
    };
    assert_eq!(by_user(Measure::Units, 100).await, [three, None, one, two]);
    assert_eq!(by_user(Measure::Units, 2).await, [three, None]);
    assert_eq!(by_user(Measure::Calls, 100).await, [one, None, two, three]);
    assert_eq!(by_user(Measure::Calls, 1).await, [one]);
    let tools = ask(w, grouped(w, &[UsageKey::Dimension(dimension("tool"))], 100)).await;
    let told: Vec<_> = tools.iter().map(|row| row.dimensions[0].value.as_deref()).collect();
    assert_eq!(told, [Some("B"), None, Some("a"), Some("ä")]);
    let tools = ask(w, grouped(w, &[UsageKey::Dimension(dimension("tool"))], 2)).await;
    assert_eq!((tools.len(), tools[1].dimensions[0].value.as_deref()), (2, None));
}

/// So many different things said within an hour are told apart, the first ones, for each customer; the rest is "other". What is
/// told apart stays so, the next hour begins anew, and nothing is lost.
pub async fn what_is_said_is_told_apart_up_to_a_bound(w: &World) {
    let requests = |from: usize, count: usize| -> Vec<Decision> {
        (from..from + count).map(|number| said(call(w, 1), "request", &format!("no-{number}"))).collect()
    };
    let long = (0..5).fold(call(w, 1), |call, at| said(call, &format!("d{at}"), &"x".repeat(450)));
    tell(w, vec![long, call(w, 1)]).await;
    tell(w, requests(0, DIMENSION_SETS_MAX)).await;
    tell(w, requests(0, DIMENSION_SETS_MAX + 5)).await;
    let bolts = |decision| by(decision, |whom| (whom.customer, whom.user) = (w.shop.bolt.id, None));
    tell(w, requests(900, 1).into_iter().map(bolts).collect()).await;

    let query = || grouped(w, &[UsageKey::Customer, UsageKey::Dimension(dimension("request"))], 100);
    let rows = ask(w, query()).await;
    let other: Vec<_> = rows.iter().filter(|row| row.dimensions[0].is_other).collect();
    let [other] = other.as_slice() else { panic!("acme has one group of the rest: {other:?}") };
    assert_eq!((other.customer, other.units.get()), (Some(w.shop.acme.id), 6), "the long one, and five that came late");
    assert_eq!(other.dimensions[0].value, None);
    assert!(rows.iter().filter(|row| row.dimensions[0].value.is_some()).all(|row| row.units.get() == 2), "{rows:?}");
    let wanted = |number: usize| (dimension("request"), DimensionValue::parse(&format!("no-{number}")).unwrap());
    for (number, found) in [(0, 2), (DIMENSION_SETS_MAX, 0), (900, 1)] {
        let mut query = generations(w, TODAY);
        query.filter.dimensions = vec![wanted(number)];
        assert_eq!(ask(w, query).await.iter().map(|row| row.units.get()).sum::<i64>(), found, "{number}");
    }
    w.pass(3_600);
    tell(w, requests(DIMENSION_SETS_MAX, 1)).await;
    let mut query = generations(w, TODAY);
    query.filter.dimensions = vec![wanted(DIMENSION_SETS_MAX)];
    assert_eq!(ask(w, query).await[0].units.get(), 1);
    let all = 2 + 2 * DIMENSION_SETS_MAX + 5 + 1 + 1;
    assert_eq!(sums(w, TODAY).await.2, i64::try_from(all).unwrap());
}

/// Nobody sees what another tenant's customers spent, nor what was spent in the tenant's other environment.
pub async fn another_realms_usage_is_never_seen(w: &World) {
    let other = w.other_shop().await;
    tell(w, vec![call(w, 3)]).await;
    assert_eq!(sums(w, TODAY).await, (1, 0, 3));
    for realm in [other.realm, Realm { environment: Environment::Test, ..w.shop.realm }] {
        let found = w.usage.usage(realm, generations(w, TODAY).checked().unwrap()).await.unwrap();
        assert_eq!(found, [], "{realm}");
        let mut query = grouped(w, &[UsageKey::Feature], 100);
        query.filter = UsageFilter { feature: query.filter.feature, customer: Some(w.shop.acme.id), ..query.filter };
        assert_eq!(w.usage.usage(realm, query).await.unwrap(), [], "{realm}");
    }
}
