//! Allocations for sessions: made once by a policy, within its caps; and prices, as gates and the control plane read them.

use super::world::pocket;
use super::{World, conditions};
use crate::author;
use crate::image_shop::{at, units};
use almoner_domain::account::Pocket;
use almoner_domain::agent::SessionName;
use almoner_domain::id::{AllocationId, PolicyId};
use almoner_domain::ledger::CarveRefusal;
use almoner_domain::policy::{AgentSelector, Policy, PolicyLine, PolicyRefusal};
use almoner_domain::ports::{SessionAnswer, SessionRequest, SubjectName};
use almoner_domain::price::{PriceLine, PriceList, Rate};
use almoner_domain::scope::Scope;
use almoner_domain::tenant::{Environment, Realm};
use almoner_domain::text::{DimensionName, DimensionValue, ExternalId, Label, Name, Named, SessionKey, SessionKind};
use almoner_domain::units::Scale;
use almoner_domain::zone::Zone;
use std::collections::BTreeSet;
use std::time::Duration;

/// Up to 50 generations for each ticket, 120 a day, three at once.
fn policy(w: &World, name: &str) -> Policy {
    Policy {
        id: w.id(),
        external_id: ExternalId::parse(name).unwrap(),
        name: Name::parse(name).unwrap(),
        agents: AgentSelector::These([w.shop.support.id].into()),
        session_kind: SessionKind::parse("ticket").unwrap(),
        customer: None,
        lines: vec![PolicyLine { feature: w.shop.generate.id, up_to: units(50), a_day: Some(units(120)) }],
        scope: Scope::default(),
        lifetime: Duration::from_secs(3_600),
        live_max: Some(3),
        conditions: conditions::full(),
        zone: Zone::parse("Europe/Berlin").unwrap(),
        created_at: w.clock_now(),
        retired_at: None,
    }
}

async fn enact(w: &World, policy: &Policy) {
    let mut work = w.store.begin(w.shop.realm).await.unwrap();
    work.policies().add(policy).await.unwrap();
    work.commit().await.unwrap();
}

fn request(w: &World, key: &str) -> SessionRequest {
    SessionRequest {
        id: w.id(),
        subject: SubjectName { customer: Named::Id(w.shop.acme.id), user: Some(Named::Id(w.shop.ada.id)) },
        agent: Named::External(w.shop.support.external_id.clone()),
        session: SessionName { kind: SessionKind::parse("ticket").unwrap(), key: SessionKey::parse(key).unwrap() },
        only_look: false,
        takes_less: true,
        by: author(),
    }
}

async fn ask(w: &World, request: SessionRequest) -> SessionAnswer {
    w.ledger.carve_for_session(w.shop.realm, &request).await.expect("the ledger answers")
}

async fn made(w: &World, key: &str) -> AllocationId {
    match ask(w, request(w, key)).await {
        SessionAnswer::Allocation { id, is_new: true } => id,
        other => panic!("nothing was made: {other:?}"),
    }
}

/// A session gets one allocation, and every later call finds that one, also when it has ended.
pub async fn a_session_gets_one_allocation(w: &World) {
    enact(w, &policy(w, "tickets")).await;
    let id = made(w, "one").await;
    let found = SessionAnswer::Allocation { id, is_new: false };
    assert_eq!(ask(w, request(w, "one")).await, found);
    let statement = w.statement(id).await;
    assert_eq!(statement.allocation.principals.user, Some(w.shop.ada.id));
    assert_eq!(statement.allocation.expires_at, w.clock_now().saturating_add(Duration::from_secs(3_600)));
    assert_eq!(pocket(&statement.lines[0], Pocket::Free), 50);
    assert_eq!(statement.allocation.conditions, conditions::full());
    let of_acme = SubjectName { customer: Named::Id(w.shop.acme.id), user: None };
    let whole = ask(w, SessionRequest { subject: of_acme, ..request(w, "one") }).await;
    assert!(matches!(whole, SessionAnswer::Allocation { id: other, is_new: true } if other != id), "{whole:?}");
    w.close(id).await;
    assert_eq!(ask(w, request(w, "one")).await, found, "it was there, and is over");
    assert_eq!(ask(w, SessionRequest { only_look: true, ..request(w, "one") }).await, found);
}

/// Who comes at once finds what the first made.
pub async fn those_who_race_for_a_session_share_its_allocation(w: &World) {
    enact(w, &policy(w, "tickets")).await;
    let race = || ask(w, request(w, "race"));
    let (a, b, c, d) = tokio::join!(race(), race(), race(), race());
    let answers = [a, b, c, d];
    let ids: BTreeSet<_> = answers
        .iter()
        .map(|answer| match answer {
            SessionAnswer::Allocation { id, .. } => *id,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(ids.len(), 1, "{answers:?}");
    let new = answers.iter().filter(|answer| matches!(answer, SessionAnswer::Allocation { is_new: true, .. }));
    assert_eq!(new.count(), 1);
}

/// A day's cap holds to the unit. What returned may be handed out again, and the next day begins anew.
pub async fn a_day_has_so_many_units(w: &World) {
    enact(w, &policy(w, "tickets")).await;
    made(w, "a").await;
    made(w, "b").await;
    let last = made(w, "c").await;
    assert_eq!(pocket(&w.statement(last).await.lines[0], Pocket::Free), 20);
    w.pass(3_601);
    w.sweep().await;
    // Nothing of them was spent, so nothing of them counts.
    assert_eq!(pocket(&w.statement(made(w, "d").await).await.lines[0], Pocket::Free), 50);
    let day = policy(w, "x").zone.day(w.clock_now()).unwrap();
    made(w, "e").await;
    made(w, "f").await;
    let whom = |answer: &SessionAnswer| match answer {
        SessionAnswer::Held { whom, .. } => *whom,
        other => panic!("{other:?}"),
    };
    // Three are live, which comes first; when one ends, the day's units are looked at.
    let held = ask(w, request(w, "g")).await;
    assert!(matches!(&held, SessionAnswer::Held { refusal: PolicyRefusal::Live { live_max: 3 }, .. }), "{held:?}");
    assert_eq!((whom(&held).user, whom(&held).agent), (Some(w.shop.ada.id), Some(w.shop.support.id)));
    let mut unbounded = policy(w, "more");
    (unbounded.live_max, unbounded.customer) = (None, Some(w.shop.acme.id));
    unbounded.lines[0].a_day = Some(units(50));
    enact(w, &unbounded).await;
    made(w, "h").await;
    let held = ask(w, request(w, "i")).await;
    let refusal = PolicyRefusal::Day { feature: w.shop.generate.id, a_day: units(50), resets_at: day.end };
    assert!(matches!(&held, SessionAnswer::Held { refusal: r, .. } if *r == refusal), "{held:?}");
    let bolt = SubjectName { customer: Named::Id(w.shop.bolt.id), user: None };
    let other = ask(w, SessionRequest { subject: bolt, ..request(w, "i") }).await;
    assert!(matches!(other, SessionAnswer::Allocation { is_new: true, .. }), "another customer's day: {other:?}");
}

/// Looking makes nothing, and says what would be made.
pub async fn looking_makes_nothing(w: &World) {
    enact(w, &policy(w, "tickets")).await;
    let before = w.quota(w.shop.generate.id).await;
    let look = SessionRequest { only_look: true, ..request(w, "look") };
    let SessionAnswer::Would(standing) = ask(w, look.clone()).await else { panic!("it would be made") };
    assert_eq!((standing.lines.len(), standing.lines[0].free), (1, units(50)));
    assert_eq!(w.quota(w.shop.generate.id).await, before);
    assert!(matches!(ask(w, look).await, SessionAnswer::Would(_)), "still");
    made(w, "look").await;
}

/// Where less is free than a policy gives, a session gets that; where nothing is, it is refused with when there is more.
pub async fn a_session_gets_what_is_free(w: &World) {
    enact(w, &policy(w, "tickets")).await;
    let quota = w.quota(w.shop.generate.id).await;
    let gate = w.gate().await;
    let mut lease = gate.lease(w, quota.account, 970).await;
    let answer = ask(w, SessionRequest { takes_less: false, ..request(w, "less") }).await;
    assert!(
        matches!(&answer, SessionAnswer::Refused(CarveRefusal::Short { leased, .. }, _) if *leased == units(970)),
        "what is leased may come back: {answer:?}"
    );
    let rest = made(w, "less").await;
    assert_eq!(pocket(&w.statement(rest).await.lines[0], Pocket::Free), 30);
    let answer = ask(w, request(w, "none")).await;
    assert!(matches!(&answer, SessionAnswer::Refused(CarveRefusal::Short { resets_at: Some(_), .. }, _)), "{answer:?}");
    lease.used = 0;
    gate.settle(w, &mut lease, &[], 0).await;
}

/// A retired policy makes no new ones; labels find agents; names that nobody has are told.
pub async fn policies_are_found_by_agents_and_labels(w: &World) {
    let none = ask(w, request(w, "early")).await;
    assert!(matches!(none, SessionAnswer::NoPolicy(whom) if whom.agent == Some(w.shop.support.id)), "{none:?}");
    let label = Label::parse("triage").unwrap();
    let labelled = Policy { agents: AgentSelector::Labelled(label.clone()), ..policy(w, "labelled") };
    enact(w, &labelled).await;
    assert!(matches!(ask(w, request(w, "early")).await, SessionAnswer::NoPolicy(_)), "it bears no label");
    let mut work = w.store.begin(w.shop.realm).await.unwrap();
    assert!(work.agents().label(w.shop.support.id, &[label].into()).await.unwrap());
    assert!(!work.agents().label(w.id(), &BTreeSet::new()).await.unwrap());
    work.commit().await.unwrap();
    made(w, "early").await;
    let mut work = w.store.begin(w.shop.realm).await.unwrap();
    assert!(work.policies().retire(labelled.id, w.clock_now()).await.unwrap());
    assert!(!work.policies().retire(labelled.id, w.clock_now()).await.unwrap(), "once");
    assert!(!work.policies().retire(w.id::<PolicyId>(), w.clock_now()).await.unwrap());
    let kept = work.policies().named(&Named::External(labelled.external_id.clone())).await.unwrap();
    assert_eq!(kept, Some(Policy { retired_at: Some(w.clock_now()), ..labelled.clone() }));
    assert_eq!(work.policies().all().await.unwrap(), Vec::from_iter(kept));
    work.commit().await.unwrap();
    assert!(matches!(ask(w, request(w, "late")).await, SessionAnswer::NoPolicy(_)));

    let unknown = |change: fn(&mut SessionRequest)| {
        let mut request = request(w, "who");
        change(&mut request);
        request
    };
    let answer = ask(w, unknown(|r| r.subject.customer = Named::External(ExternalId::parse("nobody").unwrap()))).await;
    assert_eq!(answer, SessionAnswer::UnknownCustomer);
    let answer =
        ask(w, unknown(|r| r.subject.user = Some(Named::External(ExternalId::parse("nobody").unwrap())))).await;
    assert_eq!(answer, SessionAnswer::UnknownUser);
    let answer = ask(w, unknown(|r| r.agent = Named::External(ExternalId::parse("nobody").unwrap()))).await;
    assert_eq!(answer, SessionAnswer::UnknownAgent);
}

/// Neither policies nor prices of a realm are seen by another.
pub async fn another_realm_has_none_of_the_policies(w: &World) {
    enact(w, &policy(w, "tickets")).await;
    publish(w, 1, "2026-11-01T00:00:00Z", 100).await;
    let other = w.other_shop().await;
    for realm in [other.realm, Realm { environment: Environment::Test, ..w.shop.realm }] {
        let mut work = w.store.begin(realm).await.unwrap();
        assert_eq!(work.policies().all().await.unwrap(), []);
        assert_eq!(work.prices().latest(w.shop.describe.id).await.unwrap(), None);
        assert_eq!(w.lookup.prices(realm).await.unwrap(), []);
    }
    let theirs = w.ledger.carve_for_session(other.realm, &request(w, "theirs")).await.unwrap();
    assert_eq!(theirs, SessionAnswer::UnknownCustomer);
}

async fn publish(w: &World, number: u32, from: &str, cost: i64) -> PriceList {
    let said = |name, value| (DimensionName::parse(name).unwrap(), DimensionValue::parse(value).unwrap());
    let list = PriceList {
        id: w.id(),
        currency: w.shop.describe.id,
        number,
        effective_from: at(from),
        lines: vec![
            PriceLine { feature: w.shop.generate.id, when: Vec::new(), rate: Rate::new(units(cost), Scale::WHOLE) },
            PriceLine {
                feature: w.shop.generate.id,
                when: vec![said("it's \"odd\"", "yes"), said("model", "xl")],
                rate: Rate::new(units(cost * 5), Scale::new(3).unwrap()),
            },
        ],
    };
    let mut work = w.store.begin(w.shop.realm).await.unwrap();
    work.prices().publish(&list).await.unwrap();
    work.commit().await.unwrap();
    list
}

/// Gates read the lists that are in effect and those to come; the control plane the newest.
pub async fn prices_are_read_as_they_were_published(w: &World) {
    assert_eq!(w.lookup.prices(w.shop.realm).await.unwrap(), []);
    let old = publish(w, 1, "2026-11-01T00:00:00Z", 100).await;
    assert_eq!(w.lookup.prices(w.shop.realm).await.unwrap(), [old]);
    let current = publish(w, 2, "2026-11-02T00:00:00Z", 200).await;
    let coming = publish(w, 3, "2027-01-01T00:00:00Z", 300).await;
    let by_number = |mut lists: Vec<PriceList>| {
        lists.sort_by_key(|list| list.number);
        lists
    };
    assert_eq!(by_number(w.lookup.prices(w.shop.realm).await.unwrap()), [current, coming.clone()]);
    let mut work = w.store.begin(w.shop.realm).await.unwrap();
    assert_eq!(work.prices().latest(w.shop.describe.id).await.unwrap(), Some(coming.clone()));
    let again = work.prices().publish(&coming).await.unwrap_err();
    assert_eq!(again.kind, almoner_domain::fault::FaultKind::Exists);
}
