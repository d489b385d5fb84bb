//! Windows: opened when first asked about, once whoever asks, closed once when they are over.

use crate::support::{ADA, BOB, BOTH, DESCRIBE, GENERATE, On, QUOTA, Shop, external, id, share, subscription, units};
use almoner_domain::account::Pocket;
use almoner_domain::customer::{Customer, Role};
use almoner_domain::decision::Level;
use almoner_domain::fault::FaultKind;
use almoner_domain::feature::StaticValue;
use almoner_domain::ports::{Ledger, Lookup, Source, Store, SubjectName, SubjectStanding};
use almoner_domain::statement::Right;
use almoner_domain::subscription::Subscription;
use almoner_domain::text::Named;
use almoner_domain::time::Timestamp;
use sea_orm::{ConnectionTrait, Database};
use std::sync::Arc;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn a_subject_is_told_what_it_may_use_and_who_can_raise_it() {
    for on in BOTH {
        let shop = Shop::open(on).await;
        let standing = shop.standing(&shop.customer()).await;
        assert_eq!(standing.label, "The quota of acme-shop");
        assert_eq!(standing.raise, [id(BOB)], "owners and admins");
        let line = standing.lines[0];
        assert_eq!((line.feature, line.level, line.granted), (id(GENERATE), Level::Customer, units(QUOTA)));
        let end = Timestamp::parse("2026-12-01T00:00:00Z").unwrap();
        assert_eq!((line.window.end, line.resets_at), (Some(end), Some(end)));
        assert_eq!(standing.lines.len(), 2);
        let values: Vec<_> = standing.rights.iter().map(|(_, value)| value.clone()).collect();
        assert_eq!(values, [None, Some(StaticValue::Integer(4_096))]);
        shop.sound().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_32_who_ask_at_once_one_opens_the_window() {
    for on in BOTH {
        let shop = Arc::new(Shop::open(on).await);
        let mut work = shop.store.begin(shop.realm).await.unwrap();
        work.subscriptions().add_share(&share(0x91, ADA, 200)).await.unwrap();
        work.commit().await.unwrap();
        let ask = |shop: Arc<Shop>, number: u32| async move {
            let subject = if number.is_multiple_of(2) { shop.customer() } else { shop.ada() };
            let standing = shop.standing(&subject).await;
            (number % 2, standing.lines[0].account)
        };
        let tasks: Vec<_> = (0..32).map(|number| tokio::spawn(ask(Arc::clone(&shop), number))).collect();
        let mut found = std::collections::BTreeSet::new();
        for task in tasks {
            found.insert(task.await.unwrap());
        }
        assert_eq!(found.len(), 2, "{on:?}: one account for the customer and one for ada's share: {found:?}");
        shop.sound().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_share_is_carved_when_the_window_opens_or_at_once_where_it_is_open() {
    for on in BOTH {
        let shop = Shop::open(on).await;
        let mut work = shop.store.begin(shop.realm).await.unwrap();
        work.subscriptions().add_share(&share(0x91, ADA, 200)).await.unwrap();
        let again = work.subscriptions().add_share(&share(0x92, ADA, 300)).await.unwrap_err();
        assert_eq!(again.kind, FaultKind::Exists);
        work.commit().await.unwrap();

        let ada = shop.standing(&shop.ada()).await;
        assert_eq!(ada.label, "ada's share at acme-shop");
        assert_eq!((ada.lines[0].level, ada.lines[0].granted), (Level::User, units(200)));
        assert_eq!(
            (ada.lines[1].level, ada.lines[1].feature),
            (Level::Customer, id(DESCRIBE)),
            "no share: the customer's"
        );

        let mut work = shop.store.begin(shop.realm).await.unwrap();
        work.subscriptions().add_share(&share(0x93, BOB, 5_000)).await.unwrap();
        work.commit().await.unwrap();
        let bob = SubjectName { user: Some(Named::Id(id(BOB))), ..shop.customer() };
        assert_eq!(shop.standing(&bob).await.lines[0].granted, units(800), "as much as was free");
        let lines = shop.store.entitlements(shop.realm, &shop.customer()).await.unwrap().unwrap().lines;
        let Right::Quota { level, line, .. } = &lines[0].right else { panic!("{lines:?}") };
        assert_eq!(
            (*level, line.balance.get(Pocket::Free), line.balance.get(Pocket::Carved)),
            (Level::Customer, units(0), units(1_000))
        );
        shop.sound().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_month_is_a_new_account_and_the_old_one_closes_once() {
    for on in BOTH {
        let shop = Shop::open(on).await;
        let mut work = shop.store.begin(shop.realm).await.unwrap();
        work.subscriptions().add_share(&share(0x91, ADA, 200)).await.unwrap();
        work.commit().await.unwrap();
        let gate = shop.gate(1).await;
        let november = shop.account().await;
        shop.lease(gate, november, 30).await;

        shop.clock.set(Timestamp::parse("2026-12-02T00:00:00Z").unwrap());
        let december = shop.account().await;
        assert_ne!(december, november);
        let swept = shop.store.sweep(100).await.unwrap();
        assert_eq!(swept.windows, 3, "{on:?}: generations, ada's share of them, descriptions: {swept:?}");
        assert_eq!(shop.store.sweep(100).await.unwrap(), Default::default());
        shop.sound().await;
        assert_eq!(shop.account().await, december);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_that_has_ended_or_not_begun_gives_nothing() {
    for on in BOTH {
        let shop = Shop::open(on).await;
        let later = Timestamp::parse("2027-01-01T00:00:00Z").unwrap();
        let mut work = shop.store.begin(shop.realm).await.unwrap();
        let zoe = Customer { id: id(0x22), external_id: external("zoe"), name: crate::support::name("Zoe") };
        work.customers().add(&zoe).await.unwrap();
        let future = Subscription { id: id(0x52), customer: zoe.id, started_at: later, ..subscription() };
        work.subscriptions().add(&future, &[]).await.unwrap();
        let second = Subscription { id: id(0x53), customer: zoe.id, ..subscription() };
        assert_eq!(work.subscriptions().add(&second, &[]).await.unwrap_err().kind, FaultKind::Exists, "two at once");
        assert_eq!(work.subscriptions().running(zoe.id).await.unwrap(), None);
        work.commit().await.unwrap();
        let subject = SubjectName { customer: Named::Id(zoe.id), user: None };
        let standing = shop.standing(&subject).await;
        assert!(standing.lines.is_empty() && standing.rights.is_empty());
        let asked = shop.store.carve(shop.realm, &shop.request(Source::Subject(subject), 1)).await.unwrap();
        assert!(format!("{asked:?}").contains("NotEntitled"), "{asked:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_known_is_named() {
    let shop = Shop::open(On::Sqlite).await;
    let nobody = SubjectName { customer: Named::External(external("nobody")), user: None };
    assert_eq!(shop.store.subject(shop.realm, &nobody).await.unwrap(), SubjectStanding::UnknownCustomer);
    let eve = SubjectName { user: Some(Named::External(external("eve"))), ..shop.customer() };
    assert_eq!(shop.store.subject(shop.realm, &eve).await.unwrap(), SubjectStanding::UnknownUser);
    assert_eq!(shop.store.entitlements(shop.realm, &eve).await.unwrap(), None);
    assert!(Role::Owner.raises());
    shop.clock.advance(Duration::from_secs(1));
}

/// What was opened before the zone's rules changed keeps its end, and the next window begins there: no second quota meanwhile.
#[tokio::test]
async fn a_window_of_older_rules_is_followed_where_it_ends() {
    const HOUR: i64 = 3_600_000_000;
    for on in BOTH {
        let shop = Shop::open(on).await;
        let first = shop.standing(&shop.customer()).await.lines[0];
        let database = Database::connect(shop.keep.url()).await.unwrap();
        let older =
            format!("UPDATE accounts SET window_start = window_start - {HOUR}, window_end = window_end + {HOUR}");
        database.execute_unprepared(&older).await.unwrap();
        database.close().await.unwrap();
        let end = Timestamp::from_micros(first.window.end.unwrap().as_micros() + HOUR);

        let same = shop.standing(&shop.customer()).await.lines[0];
        assert_eq!((same.account, same.window.end), (first.account, Some(end)), "{on:?}");
        shop.clock.set(Timestamp::from_micros(end.as_micros() - 1));
        assert_eq!(
            shop.standing(&shop.customer()).await.lines[0].account,
            first.account,
            "{on:?}: to its last instant"
        );
        shop.clock.set(end);
        let next = shop.standing(&shop.customer()).await.lines[0];
        assert_ne!(next.account, first.account);
        let january = Timestamp::parse("2027-01-01T00:00:00Z").unwrap();
        assert_eq!((next.window.start, next.window.end), (end, Some(january)), "{on:?}");
        assert_eq!(next.granted, units(QUOTA));
    }
}
