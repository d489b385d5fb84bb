//! The runaway guard: a step is kept once and only upwards, reaches every gate and all that hangs on it, and a person lets go on.

use super::World;
use super::delivering::{listen, payloads, wire};
use crate::author;
use almoner_domain::allocation::Allocation;
use almoner_domain::audit::Action;
use almoner_domain::guard::{Guard, GuardMark, GuardRules, GuardState, GuardStep, Guarded, Guarding, Trigger};
use almoner_domain::happening::HappeningKind;
use almoner_domain::id::{AgentId, AllocationId, PolicyId};
use almoner_domain::notice::Change;
use almoner_domain::page::Page;
use almoner_domain::policy::{AgentSelector, Policy, PolicyLine};
use almoner_domain::ports::{AuditFilter, SessionAnswer, SessionRequest};
use almoner_domain::scope::Scope;
use almoner_domain::standing::{Standing, Stopped, Suspension};
use almoner_domain::tenant::{Environment, Realm};
use almoner_domain::text::Named;
use almoner_domain::zone::Zone;
use std::collections::BTreeSet;
use std::time::Duration;

fn rules(stops: Stopped) -> GuardRules {
    let trigger = |watch, suspend| Trigger { span: Duration::from_secs(60), watch, throttle: Some(30), suspend };
    GuardRules {
        stops,
        interval: Duration::from_secs(7),
        repeats: Some(trigger(Some(20), Some(40))),
        denials: None,
        burn: Some(Trigger { throttle: None, ..trigger(None, Some(500)) }),
        burn_units_min: 3,
    }
}

async fn set(w: &World, agent: AgentId, rules: Option<GuardRules>) {
    let mut work = w.store.begin(w.shop.realm).await.unwrap();
    work.agents().set_guard(agent, rules.as_ref()).await.unwrap();
    work.commit().await.unwrap();
}

async fn card(w: &World) -> Allocation {
    w.allocation(&[(w.shop.generate.id, 10)]).await.allocation
}

fn step(w: &World, of: &Allocation, stops: Stopped, state: GuardState, epoch: u64) -> GuardStep {
    let guarded = match stops {
        Stopped::Agent => Guarded::Agent(of.agent),
        Stopped::Allocation => Guarded::Allocation(of.id),
    };
    let why = format!("{} of {epoch}", state.as_str());
    GuardStep { id: w.id(), guarded, agent: of.agent, allocation: Some(of.id), state, epoch, at: w.clock_now(), why }
}

async fn take(w: &World, step: &GuardStep) -> bool {
    w.ledger.step_guard(w.shop.realm, step).await.unwrap()
}

async fn resume(w: &World, guarded: Guarded) -> bool {
    w.ledger.resume_guard(w.shop.realm, guarded, &author()).await.unwrap()
}

async fn guard(w: &World, guarded: Guarded) -> Option<Guard> {
    w.directory.guards_among(w.shop.realm, vec![guarded]).await.unwrap().pop()
}

async fn standing(w: &World, id: AllocationId) -> Standing {
    w.lookup.allocation(w.shop.realm, id).await.unwrap().expect("an allocation")
}

async fn latest(w: &World) -> i64 {
    w.lookup.changes(None, 1).await.unwrap().last().map_or(0, |(at, _, _)| *at)
}

async fn changes_since(w: &World, position: i64) -> Vec<Change> {
    w.lookup.changes(Some(position), 100).await.unwrap().into_iter().map(|(_, _, change)| change).collect()
}

fn stopped(stopped: Stopped, why: &str) -> Option<Suspension> {
    Some(Suspension::Guarded { stopped, why: why.to_owned() })
}

/// However often a step is told, by however many gates and in whatever order, it is kept once and nothing goes down.
pub async fn a_step_is_kept_once_and_only_upwards(w: &World) {
    let card = card(w).await;
    let guarded = Guarded::Allocation(card.id);
    assert_eq!(guard(w, guarded).await, None);
    let watch = step(w, &card, Stopped::Allocation, GuardState::Watch, 0);
    let position = latest(w).await;
    assert!(take(w, &watch).await);
    assert!(!take(w, &watch).await, "told again");
    assert!(!take(w, &step(w, &card, Stopped::Allocation, GuardState::Watch, 0)).await, "seen by another gate");
    assert_eq!(changes_since(w, position).await, [Change::Allocation(card.id)], "every gate hears of it, once");
    w.pass(1);
    let suspend = step(w, &card, Stopped::Allocation, GuardState::Suspended, 0);
    assert!(take(w, &suspend).await);
    assert!(!take(w, &step(w, &card, Stopped::Allocation, GuardState::Throttled, 0)).await, "it is further already");
    let kept = guard(w, guarded).await.expect("a guard");
    let (state, epoch, since, why) = (GuardState::Suspended, 0, w.clock_now(), "suspended of 0".to_owned());
    assert_eq!(kept, Guard { guarded, state, epoch, since, why });
}

/// What is stopped is so for all that was carved from it, and for nothing else.
pub async fn what_is_stopped_is_stopped_with_all_below_it(w: &World) {
    let top = card(w).await;
    let other = card(w).await;
    let below = w.below(top.id, &[(w.shop.generate.id, 5)]).await.allocation;
    let lowest = w.below(below.id, &[(w.shop.generate.id, 2)]).await.allocation;
    assert!(take(w, &step(w, &below, Stopped::Allocation, GuardState::Suspended, 0)).await);
    for id in [below.id, lowest.id] {
        assert_eq!(standing(w, id).await.suspension, stopped(Stopped::Allocation, "suspended of 0"));
    }
    for id in [top.id, other.id] {
        assert_eq!(standing(w, id).await.suspension, None);
    }
}

/// A stopped agent is stopped in all its allocations, and no policy makes it another one.
pub async fn a_stopped_agent_is_stopped_everywhere(w: &World) {
    let one = card(w).await;
    let policy = Policy {
        id: w.id::<PolicyId>(),
        external_id: crate::image_shop::external("tasks"),
        name: crate::image_shop::name("Tasks"),
        agents: AgentSelector::Any,
        session_kind: crate::image_shop::session("chat", "x").kind,
        customer: None,
        lines: vec![PolicyLine { feature: w.shop.generate.id, up_to: crate::image_shop::units(5), a_day: None }],
        scope: Scope::default(),
        conditions: Default::default(),
        lifetime: Duration::from_secs(600),
        live_max: None,
        zone: Zone::parse("UTC").unwrap(),
        created_at: w.clock_now(),
        retired_at: None,
    };
    let mut work = w.store.begin(w.shop.realm).await.unwrap();
    work.policies().add(&policy).await.unwrap();
    work.commit().await.unwrap();
    let ask = async |key: &str, agent: AgentId| {
        let request = SessionRequest {
            id: w.id(),
            subject: w.shop.ada(),
            agent: Named::Id(agent),
            session: crate::image_shop::session("chat", key),
            only_look: false,
            takes_less: true,
            by: author(),
        };
        w.ledger.carve_for_session(w.shop.realm, &request).await.unwrap()
    };
    let before = ask("before", one.agent).await;
    let SessionAnswer::Allocation { id, is_new: true } = before else { panic!("{before:?}") };
    let position = latest(w).await;
    assert!(take(w, &step(w, &one, Stopped::Agent, GuardState::Suspended, 0)).await);
    assert_eq!(changes_since(w, position).await, [Change::Agent(one.agent)]);
    for id in [one.id, id] {
        assert_eq!(standing(w, id).await.suspension, stopped(Stopped::Agent, "suspended of 0"));
    }
    assert_eq!(
        ask("before", one.agent).await,
        SessionAnswer::Allocation { id, is_new: false },
        "it has it, and is stopped"
    );
    let after = ask("after", one.agent).await;
    assert!(
        matches!(&after, SessionAnswer::Stopped(Suspension::Guarded { .. }, whom) if whom.agent == Some(one.agent))
    );
    let others = ask("after", w.shop.support.id).await;
    assert!(matches!(others, SessionAnswer::Allocation { is_new: true, .. }), "another agent goes on: {others:?}");
    assert!(resume(w, Guarded::Agent(one.agent)).await);
    assert!(matches!(ask("after", one.agent).await, SessionAnswer::Allocation { is_new: true, .. }));
}

/// Who is let go on is not held for what was seen before, and it is signed once.
pub async fn who_is_let_go_on_begins_anew(w: &World) {
    let card = card(w).await;
    set(w, card.agent, Some(rules(Stopped::Allocation))).await;
    let guarded = Guarded::Allocation(card.id);
    assert!(!resume(w, guarded).await, "nothing holds it");
    take(w, &step(w, &card, Stopped::Allocation, GuardState::Suspended, 0)).await;
    w.pass(1);
    let position = latest(w).await;
    assert!(resume(w, guarded).await);
    assert!(!resume(w, guarded).await, "it goes on already");
    assert_eq!(changes_since(w, position).await, [Change::Allocation(card.id)]);
    let told = standing(w, card.id).await;
    assert_eq!(told.suspension, None);
    let mark = GuardMark { state: GuardState::Calm, epoch: 1 };
    assert_eq!(told.guard.map(|guard| (guard.agent, guard.allocation)), Some((GuardMark::default(), mark)));
    assert!(!take(w, &step(w, &card, Stopped::Allocation, GuardState::Suspended, 0)).await, "seen before");
    assert!(take(w, &step(w, &card, Stopped::Allocation, GuardState::Watch, 1)).await, "seen after");
    let filter = AuditFilter { subject: Some(card.id.to_string()), ..AuditFilter::default() };
    let trail = w.directory.audit(w.shop.realm, filter, Page::first(9)).await.unwrap().entries;
    let resumed: Vec<_> = trail.iter().filter(|entry| entry.action == Action::ResumeAllocation).collect();
    let [entry] = resumed.as_slice() else { panic!("signed once: {trail:?}") };
    assert_eq!((entry.customer, entry.note.as_str()), (Some(w.shop.acme.id), "suspended of 0"));
}

/// Gates hear of rules as they were set, and of their end.
pub async fn rules_are_told_to_gates_as_they_were_set(w: &World) {
    let card = card(w).await;
    let below = w.below(card.id, &[(w.shop.generate.id, 5)]).await.allocation;
    assert_eq!(standing(w, card.id).await.guard, None, "nobody is guarded unless somebody says so");
    let position = latest(w).await;
    let rules = rules(Stopped::Allocation);
    set(w, card.agent, Some(rules)).await;
    assert_eq!(changes_since(w, position).await, [Change::Agent(card.agent)]);
    let kept = w.directory.guard_rules_among(w.shop.realm, vec![card.agent, w.shop.support.id]).await.unwrap();
    assert_eq!(kept, [(card.agent, rules)]);
    let calm =
        Guarding { rules: Some(rules), agent: GuardMark::default(), allocation: GuardMark::default(), throttled: None };
    assert_eq!(standing(w, card.id).await.guard, Some(Box::new(calm)));
    take(w, &step(w, &card, Stopped::Allocation, GuardState::Throttled, 0)).await;
    let throttled = Some((Guarded::Allocation(card.id), rules.interval));
    assert_eq!(standing(w, below.id).await.guard, Some(Box::new(Guarding { throttled, ..calm })), "and all below it");
    let other = GuardRules { denials: rules.repeats, repeats: None, ..rules };
    set(w, card.agent, Some(other)).await;
    assert_eq!(standing(w, card.id).await.guard.and_then(|guard| guard.rules), Some(other), "these and no others");
    set(w, card.agent, None).await;
    assert_eq!(standing(w, below.id).await.guard, None, "without rules nobody is slowed down");
}

/// Each step leaves the house once, in their order.
pub async fn each_step_is_announced_with_whom_it_is_about(w: &World) {
    use HappeningKind as Kind;
    listen(w, [Kind::AgentWatched, Kind::AgentThrottled, Kind::AgentSuspended, Kind::AgentResumed]).await;
    let card = card(w).await;
    for state in [GuardState::Watch, GuardState::Throttled, GuardState::Suspended] {
        let step = step(w, &card, Stopped::Allocation, state, 0);
        take(w, &step).await;
        take(w, &step).await;
    }
    resume(w, Guarded::Allocation(card.id)).await;
    take(w, &step(w, &card, Stopped::Agent, GuardState::Watch, 0)).await;
    resume(w, Guarded::Agent(card.agent)).await;
    w.deliveries.pump(100, wire).await.unwrap();
    let told = [
        "agent.watched: catalogue for acme-shop: watch of 0",
        "agent.throttled: catalogue for acme-shop: throttled of 0",
        "agent.suspended: catalogue for acme-shop: suspended of 0",
        "agent.resumed: catalogue for acme-shop: suspended of 0",
        "agent.resumed: catalogue for nobody: watch of 0",
    ];
    assert_eq!(payloads(w).await, told.map(str::to_owned).into_iter().collect::<BTreeSet<_>>());
    let all = super::delivering::all(w).await;
    assert_eq!(all.len(), 6, "two were watched, each once");
}

/// Gates that see the same at once are one in it.
pub async fn first_steps_at_once_are_one(w: &World) {
    let card = card(w).await;
    let steps = [0; 4].map(|_| step(w, &card, Stopped::Agent, GuardState::Watch, 0));
    let [a, b, c, d] = &steps;
    let (a, b, c, d) = tokio::join!(take(w, a), take(w, b), take(w, c), take(w, d));
    assert_eq!([a, b, c, d].iter().filter(|taken| **taken).count(), 1);
}

/// No realm steps on another's agents and allocations, or lets them go on.
pub async fn another_realms_guard_is_its_own(w: &World) {
    let card = card(w).await;
    set(w, card.agent, Some(rules(Stopped::Agent))).await;
    let other = w.other_shop().await.realm;
    let guarded = Guarded::Agent(card.agent);
    for realm in [other, Realm { environment: Environment::Test, ..w.shop.realm }] {
        let step = step(w, &card, Stopped::Agent, GuardState::Suspended, 0);
        assert!(!w.ledger.step_guard(realm, &step).await.unwrap(), "{realm}");
        assert_eq!(w.directory.guard_rules_among(realm, vec![card.agent]).await.unwrap(), []);
    }
    assert_eq!(standing(w, card.id).await.suspension, None);
    take(w, &step(w, &card, Stopped::Agent, GuardState::Suspended, 0)).await;
    for realm in [other, Realm { environment: Environment::Test, ..w.shop.realm }] {
        assert_eq!(w.directory.guards_among(realm, vec![guarded]).await.unwrap(), [], "{realm}");
        assert!(!w.ledger.resume_guard(realm, guarded, &author()).await.unwrap());
    }
    assert!(standing(w, card.id).await.suspension.is_some());
}
