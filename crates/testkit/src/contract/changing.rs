//! Plans that change: the difference is granted or taken once, what is out is taken when it returns, a change is made once at its
//! time, and what is paused gives nothing and loses nothing.

use super::hand::{GateHand, LeaseHand, settle};
use super::world::stands;
use super::{World, delivering};
use crate::author;
use crate::image_shop::{GENERATIONS, MONTH_END, at, external, name, units};
use almoner_domain::account::Pocket;
use almoner_domain::allocation::AllocationState;
use almoner_domain::audit::AuthorRole;
use almoner_domain::feature::StaticValue;
use almoner_domain::grant::GrantKind;
use almoner_domain::happening::HappeningKind;
use almoner_domain::id::{EntitlementId, FeatureId, PlanId};
use almoner_domain::lease::Wish;
use almoner_domain::ledger::CarveRefusal;
use almoner_domain::notice::Change;
use almoner_domain::page::Page;
use almoner_domain::period::UsagePeriod;
use almoner_domain::plan::{Beyond, LiveRule, Offer, Plan, PlanLine, PlanVersion};
use almoner_domain::plan_change::{FeatureEffect, PlanChange, PlanChangeState, When, trial_end};
use almoner_domain::ports::{
    AuditFilter, CarveAnswer, PlanChangeAnswer, PlanChangeRequest, PlanChanged, Source, Steered, SubjectStanding,
};
use almoner_domain::standing::{Standing, Suspension};
use almoner_domain::statement::AllocationStatement;
use almoner_domain::subscription::{Entitlement, Subscription};
use almoner_domain::text::Named;
use almoner_domain::time::Timestamp;
use std::sync::Arc;
use std::time::Duration;

const DAY_S: u64 = 24 * 3_600;

fn monthly(amount: i64) -> Offer {
    Offer::Quota { amount: units(amount), period: UsagePeriod::MONTH, beyond: Default::default() }
}

/// Publishes a version of a plan, which comes into being with its first.
async fn publish(w: &World, plan: PlanId, number: u32, from: Timestamp, rule: LiveRule, lines: &[(FeatureId, Offer)]) {
    let lines = lines.iter().map(|(feature, offer)| PlanLine { feature: *feature, offer: offer.clone() }).collect();
    let mut work = w.store.begin(w.shop.realm).await.unwrap();
    if number == 1 {
        let called = plan.to_string();
        work.plans().add(&Plan { id: plan, external_id: external(&called), name: name(&called) }).await.unwrap();
    }
    let version = PlanVersion { id: w.id(), plan, number, effective_from: from, price: None, live_rule: rule, lines };
    work.plans().publish(&version).await.unwrap();
    work.commit().await.unwrap();
}

/// A plan of so many generations a month, and nothing else.
async fn plan_of(w: &World, generations: i64, rule: LiveRule) -> PlanId {
    let plan = w.id();
    publish(w, plan, 1, w.clock_now(), rule, &[(w.shop.generate.id, monthly(generations))]).await;
    plan
}

fn request(w: &World, to: Option<PlanId>, when: When) -> PlanChangeRequest {
    let to = to.map(|plan| external(&plan.to_string()));
    PlanChangeRequest { id: w.id(), customer: Named::Id(w.shop.acme.id), to, when, by: author() }
}

async fn ask(w: &World, to: Option<PlanId>, when: When) -> PlanChangeAnswer {
    w.plan_changes.change(w.shop.realm, &request(w, to, when)).await.unwrap()
}

async fn change(w: &World, to: Option<PlanId>, when: When) -> PlanChanged {
    match ask(w, to, when).await {
        PlanChangeAnswer::Done(changed) => *changed,
        other => panic!("expected a change, got {other:?}"),
    }
}

/// What a change did to generations.
fn effect<'c>(w: &World, changed: &'c PlanChanged) -> &'c FeatureEffect {
    changed.effects.features.iter().find(|effect| effect.feature == w.shop.generate.id).expect("generations")
}

/// Granted, taken back, pending and lapsed.
fn shifted(w: &World, changed: &PlanChanged) -> [i64; 4] {
    let shift = &effect(w, changed).shift;
    [shift.granted, shift.taken_back, shift.pending, shift.lapsed].map(|units| units.get())
}

async fn pending(w: &World) -> i64 {
    w.quota(w.shop.generate.id).await.pending.get()
}

async fn granted(w: &World) -> i64 {
    w.quota(w.shop.generate.id).await.balance.granted().get()
}

async fn card(w: &World, generations: i64) -> AllocationStatement {
    w.pass(1);
    w.allocation(&[(w.shop.generate.id, generations)]).await
}

/// A gate that holds so many of acme's generations, of which it has used some.
async fn holding(w: &World, n: i64, used: i64) -> (GateHand, LeaseHand) {
    let gate = w.gate().await;
    let account = w.quota(w.shop.generate.id).await.account;
    let mut lease = gate.lease(w, account, n).await;
    lease.used = used;
    gate.say(w, &mut lease, Wish::Keep).await;
    (gate, lease)
}

async fn standing(w: &World) -> Standing {
    match w.lookup.subject(w.shop.realm, &w.shop.acme()).await.unwrap() {
        SubjectStanding::Known(standing) => *standing,
        other => panic!("expected a standing, got {other:?}"),
    }
}

async fn running(w: &World) -> Option<Subscription> {
    w.store.begin(w.shop.realm).await.unwrap().subscriptions().running(w.shop.acme.id).await.unwrap()
}

async fn steer(w: &World, is_paused: bool) -> Steered {
    let customer = Named::Id(w.shop.acme.id);
    w.plan_changes.pause(w.shop.realm, &customer, is_paused, &author()).await.unwrap()
}

/// A plan with more grants the difference into the window that is open, once; what is used stays used, and gates hear of it.
pub async fn an_upgrade_grants_the_difference_once(w: &World) {
    let (gate, mut lease) = holding(w, 300, 200).await;
    let more = plan_of(w, 1_500, LiveRule::Keep).await;
    let before = w.lookup.changes(None, 1).await.unwrap().last().map_or(0, |(at, _, _)| *at);
    let changed = change(w, Some(more), When::Now).await;
    assert_eq!(shifted(w, &changed), [500, 0, 0, 0]);
    assert_eq!(changed.change.state, PlanChangeState::Applied);
    let told = w.lookup.changes(Some(before), 10).await.unwrap();
    assert!(told.iter().any(|(_, realm, change)| (*realm, *change) == (w.shop.realm, Change::Catalogue)));
    let quota = w.quota(w.shop.generate.id).await;
    assert_eq!(quota.account, lease.account, "the window goes on");
    stands(&quota, &[(Pocket::Used, 200), (Pocket::Leased, 100), (Pocket::Free, 1_200)]);
    assert_eq!(quota.balance.granted(), units(1_500));
    assert_eq!(ask(w, Some(more), When::Now).await, PlanChangeAnswer::Unchanged);
    let grants = w.directory.grants_into(w.shop.realm, vec![quota.account]).await.unwrap();
    assert_eq!(grants.iter().map(|grant| grant.amount.get()).sum::<i64>(), GENERATIONS + 500);
    assert_eq!(grants.len(), 2);
    gate.say(w, &mut lease, settle()).await;
    let now = running(w).await.expect("a subscription");
    assert_eq!((now.id, now.started_at), (changed.subscription.id, w.clock_now()));
    w.clock.set(at(MONTH_END));
    w.sweep().await;
    assert_eq!(granted(w).await, 1_500, "the next month has all of it");
}

/// A plan with less takes what is free. What gates and allocations have is pending, and is taken when it returns, before anybody
/// else has it; what is used stays used.
pub async fn a_downgrade_takes_what_is_free_and_the_rest_when_it_returns(w: &World) {
    let kept = card(w, 400).await;
    let (gate, mut lease) = holding(w, 300, 100).await;
    let less = plan_of(w, 250, LiveRule::Keep).await;
    let changed = change(w, Some(less), When::Now).await;
    // Of 750 that go 300 are free. Out are 200 in the gate and 400 in the allocation.
    assert_eq!(shifted(w, &changed), [0, 300, 450, 0]);
    let quota = w.quota(w.shop.generate.id).await;
    stands(&quota, &[(Pocket::Free, 0), (Pocket::Used, 100), (Pocket::Leased, 200), (Pocket::Carved, 400)]);
    let recalled = w.ledger.recalled(gate.life).await.unwrap();
    assert_eq!(recalled, [(w.shop.realm, lease.lease)], "the gate is asked for what it holds");
    lease.used = 150;
    gate.say(w, &mut lease, Wish::GiveBack).await;
    assert_eq!((w.free().await, pending(w).await), (0, 300), "150 of the gate's are taken");
    w.close(kept.allocation.id).await;
    assert_eq!((w.free().await, pending(w).await, granted(w).await), (100, 0, 250));
    gate.say(w, &mut lease, settle()).await;
    assert_eq!(w.free().await, 100, "of 250 a month 150 are used");
}

/// By its rule a plan takes back what is free in live allocations, of the newest first, and no more than it has to.
pub async fn a_downgrade_shrinks_the_newest_allocations_first(w: &World) {
    let shrinking = plan_of(w, GENERATIONS, LiveRule::Shrink).await;
    change(w, Some(shrinking), When::Now).await;
    let (old, new) = (card(w, 300).await, card(w, 300).await);
    let below = w.below(new.allocation.id, &[(w.shop.generate.id, 100)]).await;
    let gate = w.gate().await;
    gate.lease(w, w.generations(&new), 50).await;
    let less = plan_of(w, 150, LiveRule::Keep).await;
    let changed = change(w, Some(less), When::Now).await;
    // 850 go: 400 are free, 100 in the youngest, 150 beside what its parent's gate holds; then 200 of the oldest.
    assert_eq!(shifted(w, &changed), [0, 850, 0, 0]);
    let told: Vec<_> =
        effect(w, &changed).shift.allocations.iter().map(|it| (it.allocation, it.returned.get(), it.ends)).collect();
    let [bottom, middle, top] = [&below, &new, &old].map(|statement| statement.allocation.id);
    assert_eq!(told, [(bottom, 100, false), (middle, 150, false), (top, 200, false)]);
    stands(&w.line(top, w.shop.generate.id).await, &[(Pocket::Free, 100)]);
    stands(&w.line(middle, w.shop.generate.id).await, &[(Pocket::Free, 0), (Pocket::Leased, 50)]);
    for id in [bottom, middle, top] {
        assert_eq!(w.statement(id).await.allocation.state, AllocationState::Active);
    }
    assert_eq!(granted(w).await, 150);
}

/// By its rule a plan ends live allocations, the newest first, as many as it takes; what gates hold of them is taken when it returns.
pub async fn a_downgrade_ends_the_newest_allocations_first(w: &World) {
    let ending = plan_of(w, GENERATIONS, LiveRule::End).await;
    change(w, Some(ending), When::Now).await;
    let (old, new) = (card(w, 300).await, card(w, 300).await);
    let gate = w.gate().await;
    let mut lease = gate.lease(w, w.generations(&new), 50).await;
    let less = plan_of(w, 320, LiveRule::Keep).await;
    let changed = change(w, Some(less), When::Now).await;
    // 680 go: 400 are free, 250 return with the newest, and 30 are wanting: the oldest ends as well.
    assert_eq!(shifted(w, &changed), [0, 680, 0, 0]);
    let ended: Vec<_> = effect(w, &changed).shift.allocations.iter().map(|it| (it.allocation, it.ends)).collect();
    assert_eq!(ended, [(new.allocation.id, true), (old.allocation.id, true)]);
    assert_eq!(w.statement(new.allocation.id).await.allocation.state, AllocationState::Closed);
    assert_eq!(w.free().await, 270);
    lease.used = 20;
    gate.say(w, &mut lease, settle()).await;
    assert_eq!((w.free().await, granted(w).await), (300, 320));
}

/// What is used is never taken, nor is what was bought on top; and whoever goes down and up again gets nothing twice.
pub async fn down_and_up_again_grants_nothing_twice(w: &World) {
    let (gate, mut lease) = holding(w, 700, 600).await;
    let less = plan_of(w, 500, LiveRule::Keep).await;
    let whole = plan_of(w, GENERATIONS, LiveRule::Keep).await;
    for _ in 0..2 {
        let down = change(w, Some(less), When::Now).await;
        // 300 are free and 100 with the gate; 600 are used, 100 more than there are now.
        assert_eq!(shifted(w, &down), [0, 300, 100, 0]);
        let up = change(w, Some(whole), When::Now).await;
        assert_eq!(shifted(w, &up), [300, 0, 0, 0]);
        assert_eq!((granted(w).await, pending(w).await), (GENERATIONS, 0));
    }
    change(w, Some(less), When::Now).await;
    lease.used = 650;
    gate.say(w, &mut lease, Wish::Keep).await;
    assert_eq!(pending(w).await, 50, "what is used returns no more");
    gate.say(w, &mut lease, settle()).await;
    assert_eq!((granted(w).await, w.free().await, pending(w).await), (650, 0, 0));
    w.clock.set(at(MONTH_END));
    assert_eq!(granted(w).await, 500);
}

/// What the new plan does not grant ends; what it grants for another period begins anew; what it grants in addition begins.
pub async fn what_both_plans_do_not_grant_ends_or_begins(w: &World) {
    let uploads = w.quota(w.shop.upload.id).await.account;
    let carved = w.allocation(&[(w.shop.upload.id, 40)]).await;
    let (daily, plan) = (UsagePeriod::parse("day").unwrap(), w.id());
    let lines = [
        (w.shop.generate.id, Offer::Quota { amount: units(30), period: daily, beyond: Default::default() }),
        (w.shop.max_resolution.id, Offer::Value(StaticValue::Integer(512))),
    ];
    publish(w, plan, 1, w.clock_now(), LiveRule::Keep, &lines).await;
    let changed = change(w, Some(plan), When::Now).await;
    let effect = effect(w, &changed);
    assert!(effect.restarts);
    assert_eq!(effect.shift.lapsed, units(GENERATIONS));
    stands(&w.quota(w.shop.generate.id).await, &[(Pocket::Free, 30)]);
    let standing = standing(w).await;
    assert_eq!(standing.rights, [(w.shop.max_resolution.id, Some(StaticValue::Integer(512)))]);
    assert_eq!(standing.lines.len(), 1, "uploads are no more");
    // What was carved before lives to its own end, and lapses with what it came from.
    assert_eq!(w.statement(carved.allocation.id).await.allocation.state, AllocationState::Active);
    w.close(carved.allocation.id).await;
    let ended = w.directory.accounts_among(w.shop.realm, vec![uploads]).await.unwrap().pop().expect("it is history");
    assert!(ended.closed);
    assert_eq!((ended.balance.get(Pocket::Lapsed), ended.balance.get(Pocket::Carved)), (units(500), units(0)));
    w.pass(DAY_S);
    w.sweep().await;
    stands(&w.quota(w.shop.generate.id).await, &[(Pocket::Free, 30)]);
}

/// A user's share goes on with its feature, and what is free of it goes where its quota has too little.
pub async fn a_share_follows_its_feature(w: &World) {
    let whole = w.shop.acme_entitlements.iter().find(|e| e.feature == w.shop.generate.id).expect("a quota");
    let share =
        Entitlement { id: w.id::<EntitlementId>(), user: Some(w.shop.ben.id), offer: monthly(200), ..whole.clone() };
    let mut work = w.store.begin(w.shop.realm).await.unwrap();
    work.subscriptions().add_share(&share).await.unwrap();
    work.commit().await.unwrap();
    let bens = w.quota_of(&w.shop.ben(), w.shop.generate.id).await;
    let gate = w.gate().await;
    let mut lease = gate.lease(w, bens.account, 60).await;
    let less = plan_of(w, 150, LiveRule::Keep).await;
    let changed = change(w, Some(less), When::Now).await;
    // 850 go: 800 of the quota's own, 50 of the 140 that are free in the share.
    assert_eq!(shifted(w, &changed), [0, 850, 0, 0]);
    let now = w.quota_of(&w.shop.ben(), w.shop.generate.id).await;
    assert_eq!(now.account, bens.account);
    stands(&now, &[(Pocket::Free, 90), (Pocket::Leased, 60)]);
    let least = plan_of(w, 20, LiveRule::Keep).await;
    assert_eq!(shifted(w, &change(w, Some(least), When::Now).await), [0, 90, 40, 0]);
    lease.used = 10;
    gate.say(w, &mut lease, settle()).await;
    stands(&w.quota_of(&w.shop.ben(), w.shop.generate.id).await, &[(Pocket::Free, 10), (Pocket::Used, 10)]);
    assert_eq!((granted(w).await, pending(w).await), (20, 0));
}

/// A window that begins with a change opens with the new quota, whoever opens it, however many race, and however long nobody came.
pub async fn a_window_that_begins_with_a_change_has_the_new_quota(w: &World) {
    for (late_s, quota) in [(0, 70), (40 * DAY_S, 60)] {
        let old = w.quota(w.shop.generate.id).await;
        let next = plan_of(w, quota, LiveRule::Keep).await;
        let scheduled = change(w, Some(next), When::PeriodEnd).await;
        let due = scheduled.change.at;
        assert_eq!(shifted(w, &scheduled), [0, 0, 0, 0], "the old window is over then");
        assert_eq!(standing(w).await.changes_at, Some(due));
        assert_eq!(granted(w).await, old.balance.granted().get(), "until then nothing changes");
        w.clock.set(due.saturating_add(Duration::from_secs(late_s)));
        let mut racing = Vec::new();
        for number in 0..6 {
            let (lookup, ledger) = (Arc::clone(&w.lookup), Arc::clone(&w.ledger));
            let (realm, subject) = (w.shop.realm, w.shop.acme());
            racing.push(tokio::spawn(async move {
                if number % 3 == 2 {
                    ledger.sweep(100).await.expect("the ledger sweeps");
                    return None;
                }
                match lookup.subject(realm, &subject).await.expect("the store answers") {
                    SubjectStanding::Known(standing) => Some(standing.lines),
                    other => panic!("acme is known: {other:?}"),
                }
            }));
        }
        for racer in racing {
            if let Some(lines) = racer.await.expect("no task panics") {
                assert_eq!(lines.iter().map(|line| line.granted.get()).collect::<Vec<_>>(), [quota]);
            }
        }
        w.sweep().await;
        let quotas: Vec<i64> = accounts(w, due).await;
        assert_eq!(quotas, [quota], "since the change one window was opened, with the new quota");
        let now = running(w).await.expect("a subscription");
        assert_eq!((now.started_at, now.changes_at), (due, None));
        assert_eq!(w.sweep().await.changes, 0, "it was made once");
    }
}

/// What was granted in acme's own windows of generations that begin at or after an instant.
async fn accounts(w: &World, since: Timestamp) -> Vec<i64> {
    let account = w.quota(w.shop.generate.id).await.account;
    let page = Page::first(100);
    let movements = w.lists.movements_of(
        w.shop.realm,
        vec![almoner_domain::ports::MovementFilter {
            customer: Some(w.shop.acme.id),
            cause: Some("grant"),
            ..Default::default()
        }],
        page,
    );
    let movements = movements.await.unwrap().pop().expect("a list").entries;
    let of_generations = w.directory.accounts_among(w.shop.realm, movements.iter().map(|m| m.account).collect()).await;
    let ids: Vec<_> = of_generations
        .unwrap()
        .into_iter()
        .filter(|account| account.feature == w.shop.generate.id && account.window.start >= since)
        .map(|account| account.id)
        .collect();
    assert!(ids.contains(&account), "the current one is among them");
    movements.iter().filter(|m| ids.contains(&m.account)).map(|m| m.amount.get()).collect()
}

/// A change is made with the terms that are in force at its time, though others are when it is made.
pub async fn a_change_is_made_with_the_terms_of_its_time(w: &World) {
    let plan = plan_of(w, 10, LiveRule::Keep).await;
    let due = change(w, Some(plan), When::PeriodEnd).await.change.at;
    let later = |seconds| due.saturating_add(Duration::from_secs(seconds));
    publish(w, plan, 2, due, LiveRule::Keep, &[(w.shop.generate.id, monthly(20))]).await;
    publish(w, plan, 3, later(1), LiveRule::Keep, &[(w.shop.generate.id, monthly(30))]).await;
    w.clock.set(later(9 * DAY_S));
    assert_eq!(granted(w).await, 20);
}

/// One change is scheduled at a time. It may be withdrawn, and a change that is made now takes its place.
pub async fn one_change_is_scheduled_at_a_time(w: &World) {
    let (first, second) = (plan_of(w, 10, LiveRule::Keep).await, plan_of(w, 20, LiveRule::Keep).await);
    let scheduled = change(w, Some(first), When::PeriodEnd).await;
    assert_eq!(scheduled.change.at, at(MONTH_END));
    assert_eq!(ask(w, Some(second), When::PeriodEnd).await, PlanChangeAnswer::Scheduled(scheduled.change.clone()));
    let of = vec![scheduled.subscription.id];
    assert_eq!(w.plan_changes.scheduled(w.shop.realm, of.clone()).await.unwrap(), [scheduled.change]);
    let customer = Named::Id(w.shop.acme.id);
    let by = author();
    let withdraw = || w.plan_changes.withdraw(w.shop.realm, &customer, &by);
    assert!(matches!(withdraw().await.unwrap(), Steered::Done(_)));
    assert_eq!(withdraw().await.unwrap(), Steered::Already);
    assert_eq!(w.plan_changes.scheduled(w.shop.realm, of).await.unwrap(), []);
    change(w, None, When::PeriodEnd).await;
    change(w, Some(second), When::Now).await;
    w.clock.set(at(MONTH_END));
    w.sweep().await;
    assert_eq!(granted(w).await, 20, "neither was made");
    let nobody = PlanChangeRequest { customer: Named::External(external("nobody")), ..request(w, None, When::Now) };
    let answer = w.plan_changes.change(w.shop.realm, &nobody).await.unwrap();
    assert_eq!(answer, PlanChangeAnswer::UnknownCustomer);
    assert_eq!(ask(w, Some(w.id()), When::Now).await, PlanChangeAnswer::UnknownPlan);
    change(w, None, When::Now).await;
    assert_eq!(ask(w, None, When::Now).await, PlanChangeAnswer::NotSubscribed);
    assert!(standing(w).await.lines.is_empty());
}

/// Where no quota renews no period ends.
pub async fn without_a_period_nothing_ends_with_it(w: &World) {
    let plan = w.id();
    let never = Offer::Quota { amount: units(5), period: UsagePeriod::Never, beyond: Default::default() };
    publish(w, plan, 1, w.clock_now(), LiveRule::Keep, &[(w.shop.generate.id, never)]).await;
    change(w, Some(plan), When::Now).await;
    assert_eq!(ask(w, None, When::PeriodEnd).await, PlanChangeAnswer::NeverRenews);
}

/// A subscription that ends at its period's end opens nothing then, and what the runner did is in the trail.
pub async fn a_cancelled_subscription_ends_with_its_period(w: &World) {
    w.quota(w.shop.generate.id).await;
    change(w, None, When::PeriodEnd).await;
    assert_eq!(standing(w).await.lines.len(), 3);
    w.clock.set(at(MONTH_END));
    let swept = w.sweep().await;
    assert_eq!((swept.changes, swept.resets, swept.windows), (1, 0, 3));
    assert!(standing(w).await.lines.is_empty());
    assert_eq!(running(w).await, None);
    let trail = w.directory.audit(w.shop.realm, AuditFilter::default(), Page::first(1)).await.unwrap();
    let entry = trail.entries.first().expect("an entry");
    assert_eq!((entry.author.role, entry.action.as_str()), (AuthorRole::Runner, "subscription.cancel"));
}

/// By its rule a plan that is left ends what was carved by it, of earlier windows too, whoever has closed them; and says so before.
pub async fn a_plan_that_ends_ends_allocations_by_its_rule(w: &World) {
    let ending = plan_of(w, GENERATIONS, LiveRule::End).await;
    change(w, Some(ending), When::Now).await;
    let long = |w: &World| {
        let lines = [(w.shop.generate.id, 10)];
        let expires_at = Some(at(MONTH_END).saturating_add(Duration::from_secs(100 * DAY_S)));
        almoner_domain::ports::CarveRequest {
            expires_at,
            ..w.shop.carve(w.id(), Source::Subject(w.shop.ada()), &lines)
        }
    };
    let first = w.carved(&long(w)).await.allocation.id;
    w.clock.set(at(MONTH_END));
    w.sweep().await;
    let second = w.carved(&long(w)).await.allocation.id;
    let scheduled = change(w, None, When::PeriodEnd).await;
    let mut told: Vec<_> = effect(w, &scheduled).shift.allocations.iter().map(|it| (it.allocation, it.ends)).collect();
    told.sort();
    let mut both = [(first, true), (second, true)];
    both.sort();
    assert_eq!(told, both, "as it is foreseen");
    w.clock.set(scheduled.change.at);
    w.sweep().await;
    for id in [first, second] {
        assert_eq!(w.statement(id).await.allocation.state, AllocationState::Closed);
    }
}

/// What is paused is said so to gates, for the customer and for each allocation; nothing is carved, months go on, and what there was
/// is there when it is resumed.
pub async fn a_pause_gives_nothing_and_loses_nothing(w: &World) {
    let carved = card(w, 10).await.allocation.id;
    assert!(matches!(steer(w, true).await, Steered::Done(_)));
    assert_eq!(steer(w, true).await, Steered::Already);
    assert_eq!(standing(w).await.suspension, Some(Suspension::Paused));
    let of_card = async || w.lookup.allocation(w.shop.realm, carved).await.unwrap().expect("a standing").suspension;
    assert_eq!(of_card().await, Some(Suspension::Paused));
    for source in [Source::Subject(w.shop.ada()), Source::Allocation(carved)] {
        let refused = w.carve(&w.shop.carve(w.id(), source, &[(w.shop.generate.id, 1)])).await;
        assert_eq!(refused, CarveAnswer::Refused(CarveRefusal::Paused));
    }
    let more = plan_of(w, 1_100, LiveRule::Keep).await;
    change(w, Some(more), When::Now).await;
    assert_eq!(standing(w).await.suspension, Some(Suspension::Paused), "another plan is paused as well");
    assert!(matches!(steer(w, false).await, Steered::Done(_)));
    assert_eq!(steer(w, false).await, Steered::Already);
    assert_eq!((standing(w).await.suspension, of_card().await), (None, None));
    stands(&w.quota(w.shop.generate.id).await, &[(Pocket::Free, 1_090), (Pocket::Carved, 10)]);
    steer(w, true).await;
    w.clock.set(at(MONTH_END));
    let swept = w.sweep().await;
    assert_eq!(swept.resets, 1, "a month turns though it is paused");
    steer(w, false).await;
    assert_eq!(w.free().await, 1_100);
}

/// A trial changes by itself when it is over, in the middle of a window too: what was used of it stays used.
pub async fn a_trial_ends_by_itself(w: &World) {
    let (gate, mut lease) = holding(w, 100, 100).await;
    gate.say(w, &mut lease, settle()).await;
    let paid = plan_of(w, 400, LiveRule::Keep).await;
    let change = PlanChange {
        id: w.id(),
        customer: w.shop.acme.id,
        subscription: w.shop.acme_subscription.id,
        to: Some(paid),
        at: trial_end(w.clock_now(), 7),
        ends_trial: true,
        created_at: w.clock_now(),
        state: PlanChangeState::Pending,
    };
    let mut work = w.store.begin(w.shop.realm).await.unwrap();
    work.subscriptions().schedule(&change).await.unwrap();
    work.commit().await.unwrap();
    let of = vec![change.subscription];
    assert_eq!(w.plan_changes.scheduled(w.shop.realm, of).await.unwrap(), [change]);
    w.pass(7 * DAY_S - 1);
    assert_eq!((w.sweep().await.changes, granted(w).await), (0, GENERATIONS));
    w.pass(1);
    stands(&w.quota(w.shop.generate.id).await, &[(Pocket::Used, 100), (Pocket::Free, 300)]);
}

/// A preview says what the change then does, and changes nothing.
pub async fn a_preview_of_a_change_changes_nothing(w: &World) {
    let ending = plan_of(w, GENERATIONS, LiveRule::End).await;
    change(w, Some(ending), When::Now).await;
    let card = card(w, 800).await.allocation.id;
    let less = plan_of(w, 100, LiveRule::Keep).await;
    let before = (w.quota(w.shop.generate.id).await, w.statement(card).await, running(w).await);
    let asked = request(w, Some(less), When::Now);
    let PlanChangeAnswer::Done(seen) = w.plan_changes.preview(w.shop.realm, &asked).await.unwrap() else {
        panic!("expected a preview")
    };
    assert_eq!((w.quota(w.shop.generate.id).await, w.statement(card).await, running(w).await), before);
    let done = change(w, Some(less), When::Now).await;
    assert_eq!(done.effects, seen.effects);
    assert_eq!(seen.effects.rule, LiveRule::End);
    assert_eq!(effect(w, &done).shift.allocations.len(), 1);
}

/// A change reaches nothing of another realm, and nobody of one changes another's.
pub async fn a_change_is_its_realms_alone(w: &World) {
    let other = w.other_shop().await;
    let asked = request(w, None, When::Now);
    assert_eq!(w.plan_changes.change(other.realm, &asked).await.unwrap(), PlanChangeAnswer::UnknownCustomer);
    assert_eq!(w.plan_changes.preview(other.realm, &asked).await.unwrap(), PlanChangeAnswer::UnknownCustomer);
    let customer = Named::Id(w.shop.acme.id);
    let steered = w.plan_changes.pause(other.realm, &customer, true, &author()).await.unwrap();
    assert_eq!(steered, Steered::UnknownCustomer);
    let plan = plan_of(w, 10, LiveRule::Keep).await;
    let theirs = PlanChangeRequest { customer: Named::Id(other.acme.id), ..request(w, Some(plan), When::Now) };
    assert_eq!(w.plan_changes.change(other.realm, &theirs).await.unwrap(), PlanChangeAnswer::UnknownPlan);
    change(w, None, When::PeriodEnd).await;
    let steered = w.plan_changes.withdraw(other.realm, &customer, &author()).await.unwrap();
    assert_eq!(steered, Steered::UnknownCustomer);
    let of = vec![w.shop.acme_subscription.id];
    assert_eq!(w.plan_changes.scheduled(other.realm, of).await.unwrap(), []);
    assert_eq!(granted(w).await, GENERATIONS);
}

/// What may be used beyond a quota is raised, lowered and renewed with the plan, and told apart from the quota all the time.
pub async fn what_may_be_used_beyond_follows_the_plan(w: &World) {
    let offer = |amount, overage| {
        let beyond = Beyond { rollover: None, overage: units(overage) };
        Offer::Quota { amount: units(amount), period: UsagePeriod::MONTH, beyond }
    };
    let (wide, narrow): (PlanId, PlanId) = (w.id(), w.id());
    for (plan, offer) in [(wide, offer(100, 20)), (narrow, offer(150, 5))] {
        publish(w, plan, 1, w.clock_now(), LiveRule::Keep, &[(w.shop.generate.id, offer)]).await;
    }
    let told = async |account| -> Vec<(GrantKind, i64)> {
        let grants = w.directory.grants_into(w.shop.realm, vec![account]).await.unwrap();
        let mut sums: Vec<(GrantKind, i64)> = Vec::new();
        for kind in [GrantKind::Renewal, GrantKind::Overage] {
            let of = grants.iter().filter(|grant| grant.kind == kind);
            sums.push((kind, of.map(|grant| grant.there().get()).sum()));
        }
        sums
    };
    w.quota(w.shop.generate.id).await;
    for (plan, amount, overage) in [(wide, 100, 20), (narrow, 150, 5), (wide, 100, 20)] {
        w.pass(1);
        change(w, Some(plan), When::Now).await;
        let quota = w.quota(w.shop.generate.id).await;
        stands(&quota, &[(Pocket::Free, amount + overage)]);
        let expected = [(GrantKind::Renewal, amount), (GrantKind::Overage, overage)];
        assert_eq!(told(quota.account).await, expected);
    }
    delivering::listen(w, [HappeningKind::EntitlementOverage]).await;
    let gate = w.gate().await;
    let mut lease = gate.lease(w, w.quota(w.shop.generate.id).await.account, 101).await;
    lease.used = 101;
    gate.say(w, &mut lease, settle()).await;
    w.deliveries.pump(1_000, delivering::wire).await.unwrap();
    assert_eq!(delivering::all(w).await.len(), 1, "one more than the quota is used");
    w.clock.set(at(MONTH_END));
    let quota = w.quota(w.shop.generate.id).await;
    assert_eq!(told(quota.account).await, [(GrantKind::Renewal, 100), (GrantKind::Overage, 20)]);
}
