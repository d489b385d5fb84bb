//! Windows: each opened once with its quota, each closed once with what nobody used; and users' shares of them.

use super::World;
use super::hand::{raise, settle};
use super::world::stands;
use crate::image_shop::{GENERATIONS, MONTH_END, RESOLUTION_MAX, at, units};
use almoner_domain::account::Pocket;
use almoner_domain::decision::Level;
use almoner_domain::feature::StaticValue;
use almoner_domain::id::{EntitlementId, UserId};
use almoner_domain::lease::LeaseReply;
use almoner_domain::period::{PeriodUnit, UsagePeriod};
use almoner_domain::plan::{Beyond, Offer};
use almoner_domain::ports::{QuotaWindow, SubjectName, SubjectStanding, Swept};
use almoner_domain::standing::Standing;
use almoner_domain::statement::Right;
use almoner_domain::subscription::Entitlement;
use std::sync::Arc;
use std::time::Duration;

async fn standing(w: &World, subject: &SubjectName) -> Standing {
    match w.lookup.subject(w.shop.realm, subject).await.unwrap() {
        SubjectStanding::Known(standing) => *standing,
        other => panic!("expected a standing, got {other:?}"),
    }
}

async fn share(w: &World, user: UserId, amount: i64) {
    let whole = w.shop.acme_entitlements.iter().find(|e| e.feature == w.shop.generate.id).expect("a quota");
    let share = Entitlement {
        id: w.id::<EntitlementId>(),
        user: Some(user),
        offer: Offer::Quota { amount: units(amount), period: UsagePeriod::MONTH, beyond: Default::default() },
        ..whole.clone()
    };
    let mut work = w.store.begin(w.shop.realm).await.unwrap();
    work.subscriptions().add_share(&share).await.unwrap();
    work.commit().await.unwrap();
}

/// Whoever asks first opens the window; everybody sees one quota.
pub async fn a_window_is_opened_once(w: &World) {
    let mut tasks = Vec::new();
    for subject in [w.shop.acme(), w.shop.ada(), w.shop.ben(), w.shop.acme()] {
        let (lookup, realm) = (Arc::clone(&w.lookup), w.shop.realm);
        tasks.push(tokio::spawn(async move { lookup.subject(realm, &subject).await.expect("the store answers") }));
    }
    let mut accounts = Vec::new();
    for task in tasks {
        let SubjectStanding::Known(standing) = task.await.expect("no task panics") else { panic!("acme is known") };
        let line = standing.lines.iter().find(|line| line.feature == w.shop.generate.id).expect("a quota");
        assert_eq!(
            (line.granted, line.window.end, line.resets_at),
            (units(1_000), Some(at(MONTH_END)), Some(at(MONTH_END)))
        );
        accounts.push(line.account);
    }
    accounts.dedup();
    assert_eq!(accounts.len(), 1);
    stands(&w.quota(w.shop.generate.id).await, &[(Pocket::Free, GENERATIONS)]);
}

/// What a plan grants beside quotas is told as it is.
pub async fn booleans_and_values_are_told(w: &World) {
    let standing = standing(w, &w.shop.ada()).await;
    let value = StaticValue::Integer(RESOLUTION_MAX);
    assert!(standing.rights.contains(&(w.shop.remove_background.id, None)));
    assert!(standing.rights.contains(&(w.shop.max_resolution.id, Some(value.clone()))));
    assert_eq!(standing.lines.len(), 3, "the three quotas");
    assert_eq!(standing.raise, [w.shop.ada.id], "only an owner or admin can raise a quota");
    let statement = w.lookup.entitlements(w.shop.realm, &w.shop.ada()).await.unwrap().expect("a subject");
    let right = |feature| statement.lines.iter().find(|line| line.feature == feature).map(|line| line.right.clone());
    assert_eq!(right(w.shop.remove_background.id), Some(Right::Included));
    assert_eq!(right(w.shop.max_resolution.id), Some(Right::Value(value)));
    assert_eq!(statement.principals.user, Some(w.shop.ada.id));
}

/// A new month has a new quota, and what nobody used of the old one lapses, once.
pub async fn a_new_month_has_a_new_quota(w: &World) {
    let old = w.quota(w.shop.generate.id).await.account;
    let gate = w.gate().await;
    let mut lease = gate.lease(w, old, 10).await;
    lease.used = 10;
    gate.say(w, &mut lease, settle()).await;
    w.clock.set(at(MONTH_END));
    let new = w.quota(w.shop.generate.id).await;
    assert_ne!(new.account, old);
    stands(&new, &[(Pocket::Free, GENERATIONS), (Pocket::Used, 0)]);
    assert_eq!(w.sweep().await.windows, 3);
    assert_eq!(w.sweep().await.windows, 0);
    stands(&w.quota(w.shop.generate.id).await, &[(Pocket::Free, GENERATIONS)]);
}

/// A month turns though nobody asks: the sweep that closes a window opens the one that follows, once however many sweep, and
/// after an absence of any length the current one alone.
pub async fn a_month_turns_by_itself(w: &World) {
    let first = w.quota(w.shop.generate.id).await.account;
    for months in [1, 5] {
        w.clock.set(at(MONTH_END).saturating_add(Duration::from_secs((months - 1) * 31 * 24 * 3_600)));
        let sweeps = (0..4).map(|_| {
            let ledger = Arc::clone(&w.ledger);
            tokio::spawn(async move { ledger.sweep(1_000).await.expect("the ledger sweeps") })
        });
        let (mut closed, mut opened) = (0, 0);
        for sweep in sweeps.collect::<Vec<_>>() {
            let swept = sweep.await.expect("no task panics");
            closed += swept.windows;
            opened += swept.resets;
        }
        // One that had to give way has left what it found.
        let last = w.sweep().await;
        assert_eq!((closed + last.windows, opened + last.resets), (3, 3), "{months}");
        assert_eq!(w.sweep().await, Swept::default(), "{months}");
        let new = w.quota(w.shop.generate.id).await;
        assert_ne!(new.account, first);
        stands(&new, &[(Pocket::Free, GENERATIONS), (Pocket::Used, 0)]);
    }
}

/// After forty days without a runner, eight that come at once beside those who ask open the current day once, and nothing of the days
/// between.
pub async fn forty_days_are_caught_up_once(w: &World) {
    const DAY_S: u64 = 24 * 3_600;
    let day = UsagePeriod::every(PeriodUnit::Day);
    super::timing::terms(w, 100, day, Beyond::default()).await;
    let first = w.quota(w.shop.generate.id).await.account;
    w.pass(40 * DAY_S);
    let mut tasks = Vec::new();
    for _ in 0..8 {
        let (ledger, lookup) = (Arc::clone(&w.ledger), Arc::clone(&w.lookup));
        let (realm, acme) = (w.shop.realm, w.shop.acme());
        tasks.push(tokio::spawn(async move { ledger.sweep(1_000).await.expect("the ledger sweeps").windows }));
        tasks.push(tokio::spawn(async move {
            lookup.entitlements(realm, &acme).await.expect("the store answers").map_or(0, |_| 0)
        }));
    }
    let mut closed = 0;
    for task in tasks {
        closed += task.await.expect("no task panics");
    }
    closed += w.sweep().await.windows;
    assert_eq!(closed, 1, "one day was open");
    let now = w.quota(w.shop.generate.id).await;
    assert_ne!(now.account, first);
    stands(&now, &[(Pocket::Free, 100), (Pocket::Used, 0)]);
    let grants = w.directory.grants_into(w.shop.realm, vec![now.account]).await.unwrap();
    assert_eq!(grants.len(), 1, "one renewal: {grants:?}");
}

/// Where somebody has asked for the new month already, the sweep opens nothing.
pub async fn a_month_that_was_asked_for_is_not_opened_again(w: &World) {
    w.quota(w.shop.generate.id).await;
    w.clock.set(at(MONTH_END));
    let asked = w.quota(w.shop.generate.id).await.account;
    let swept = w.sweep().await;
    assert_eq!((swept.windows, swept.resets), (3, 0));
    assert_eq!(w.quota(w.shop.generate.id).await.account, asked);
}

/// A gate that asks for units of a month that is over gets none and hears so.
pub async fn a_month_that_is_over_is_not_leased(w: &World) {
    let old = w.quota(w.shop.generate.id).await.account;
    let gate = w.gate().await;
    let mut lease = gate.lease(w, old, 10).await;
    w.clock.set(at(MONTH_END));
    for swept in [false, true] {
        if swept {
            w.sweep().await;
        }
        let reply = gate.say(w, &mut lease, raise(1)).await;
        assert!(matches!(reply, LeaseReply::Applied { n, closed: true, .. } if n == units(10)), "{reply:?}");
    }
    // What comes back now lapses: it is of no use to the new month.
    gate.say(w, &mut lease, settle()).await;
    stands(&w.quota(w.shop.generate.id).await, &[(Pocket::Free, GENERATIONS)]);
}

/// An allocation that ends after its month gives nothing to the new one.
pub async fn what_comes_back_after_the_month_lapses(w: &World) {
    let task = w.carved(&w.shop.task(w.id())).await.allocation.id;
    w.clock.set(at(MONTH_END));
    w.sweep().await;
    let ended = w.close(task).await;
    assert_eq!(ended.allocation.lines[0].returned, units(10));
    stands(&w.quota(w.shop.generate.id).await, &[(Pocket::Free, GENERATIONS), (Pocket::Carved, 0)]);
}

/// A share comes out of the quota, is its user's alone, and others draw on what is left.
pub async fn a_share_is_its_users_alone(w: &World) {
    w.quota(w.shop.generate.id).await;
    share(w, w.shop.ben.id, 200).await;
    let bens = w.quota_of(&w.shop.ben(), w.shop.generate.id).await;
    stands(&bens, &[(Pocket::Free, 200)]);
    stands(&w.quota(w.shop.generate.id).await, &[(Pocket::Free, 800), (Pocket::Carved, 200)]);
    assert_eq!(w.quota_of(&w.shop.ada(), w.shop.generate.id).await.account, w.quota(w.shop.generate.id).await.account);

    let line = |standing: &Standing| *standing.lines.iter().find(|l| l.feature == w.shop.generate.id).expect("a line");
    let bens_line = line(&standing(w, &w.shop.ben()).await);
    assert_eq!((bens_line.level, bens_line.account, bens_line.granted), (Level::User, bens.account, units(200)));
    assert_eq!(line(&standing(w, &w.shop.ada()).await).level, Level::Customer);

    // An allocation by Ben comes out of his share.
    let source = almoner_domain::ports::Source::Subject(w.shop.ben());
    w.carved(&w.shop.carve(w.id(), source, &[(w.shop.generate.id, 50)])).await;
    stands(&w.quota_of(&w.shop.ben(), w.shop.generate.id).await, &[(Pocket::Free, 150), (Pocket::Carved, 50)]);
    assert_eq!(w.free().await, 800);
}

/// A share is as much as is free, not more; and in the next month it is whole.
pub async fn a_share_is_as_much_as_is_free(w: &World) {
    w.allocation(&[(w.shop.generate.id, 900)]).await;
    share(w, w.shop.ben.id, 200).await;
    stands(&w.quota_of(&w.shop.ben(), w.shop.generate.id).await, &[(Pocket::Free, 100)]);
    assert_eq!(w.free().await, 0);
    w.clock.set(at(MONTH_END));
    stands(&w.quota_of(&w.shop.ben(), w.shop.generate.id).await, &[(Pocket::Free, 200)]);
    assert_eq!(w.free().await, 800);
}

/// What is left of a share lapses with its month, like everything else.
pub async fn a_share_lapses_with_its_month(w: &World) {
    share(w, w.shop.ben.id, 200).await;
    let bens = w.quota_of(&w.shop.ben(), w.shop.generate.id).await.account;
    let gate = w.gate().await;
    let mut lease = gate.lease(w, bens, 30).await;
    w.clock.set(at(MONTH_END));
    w.sweep().await;
    lease.used = 10;
    gate.say(w, &mut lease, settle()).await;
    w.sweep().await;
    let new = w.quota_of(&w.shop.ben(), w.shop.generate.id).await;
    assert_ne!(new.account, bens);
    stands(&new, &[(Pocket::Free, 200)]);
}

/// Who is not known is told apart from who has nothing.
pub async fn unknown_subjects_are_told_apart(w: &World) {
    use crate::image_shop::external;
    use almoner_domain::text::Named;
    let nobody = SubjectName { customer: Named::External(external("nobody")), user: None };
    let stranger = SubjectName { customer: Named::Id(w.shop.acme.id), user: Some(Named::Id(w.shop.cy.id)) };
    let asked = |subject| w.lookup.subject(w.shop.realm, subject);
    assert_eq!(asked(&nobody).await.unwrap(), SubjectStanding::UnknownCustomer);
    assert_eq!(asked(&stranger).await.unwrap(), SubjectStanding::UnknownUser);
    for subject in [&nobody, &stranger] {
        assert_eq!(w.lookup.entitlements(w.shop.realm, subject).await.unwrap(), None);
    }
}

/// What a quota came to is told after its window has ended, as it ended; and that of the current one beside it.
pub async fn the_last_window_is_told_as_it_ended(w: &World) {
    let quotas = async |which| {
        let of = vec![(w.shop.bolt.id, QuotaWindow::Last), (w.shop.acme.id, which)];
        w.lists.quotas_of(w.shop.realm, of).await.unwrap().pop().expect("one for each")
    };
    assert_eq!(quotas(QuotaWindow::Current).await, [], "nobody has opened it");
    let account = w.quota(w.shop.generate.id).await.account;
    let gate = w.gate().await;
    let mut lease = gate.lease(w, account, 10).await;
    lease.used = 3;
    gate.settle(w, &mut lease, &[], 0).await;
    assert_eq!(quotas(QuotaWindow::Last).await, [], "it is the first");
    let end = at(MONTH_END);
    w.pass(end.saturating_since(w.clock_now()).as_secs() + 1);
    w.sweep().await;
    let now = w.quota(w.shop.generate.id).await;
    for (which, account, pockets) in [
        (QuotaWindow::Last, account, [(Pocket::Used, 3), (Pocket::Lapsed, GENERATIONS - 3)]),
        (QuotaWindow::Current, now.account, [(Pocket::Used, 0), (Pocket::Free, GENERATIONS)]),
    ] {
        let told = quotas(which).await;
        let generations = told.iter().find(|quota| quota.feature == w.shop.generate.id).expect("a quota");
        assert_eq!(generations.line.account, account, "{which:?}");
        assert_eq!(generations.window.contains(end), which == QuotaWindow::Current);
        stands(&generations.line, &pockets);
    }
    let of = vec![(w.shop.acme.id, QuotaWindow::Last)];
    let elsewhere = w.lists.quotas_of(w.other_shop().await.realm, of).await.unwrap();
    assert_eq!(elsewhere, [Vec::new()]);
}
