//! Usage equals what the ledger charged, however decisions come.

use crate::support::{ADA, BACKGROUND, BOTH, CUSTOMER, GENERATE, Shop, down_to, id, mark, raise, units};
use almoner_domain::account::Pocket;
use almoner_domain::decision::{Decision, Denial, Level, Operation, Reason, Use, UseKind, Verdict};
use almoner_domain::id::{AccountId, AgentId, AllocationId, SessionId};
use almoner_domain::ports::{LeaseBatch, Lookup, Usage};
use almoner_domain::principal::Principals;
use almoner_domain::text::{DimensionName, DimensionValue};
use almoner_domain::usage::{Bucket, DIMENSION_SETS_MAX, Measure, Span, UsageFilter, UsageKey, UsageQuery, UsageRow};
use almoner_migrations::{Migrator, MigratorTrait};
use sea_orm::{ConnectionTrait, Database};
use std::time::Duration;

fn dimension(name: &str) -> DimensionName {
    DimensionName::parse(name).unwrap()
}

fn filter() -> UsageFilter {
    UsageFilter { feature: Some(id(GENERATE)), ..UsageFilter::default() }
}

impl Shop {
    async fn usage(&self, filter: UsageFilter, keys: Vec<UsageKey>, bucket: Option<Bucket>) -> Vec<UsageRow> {
        let query = UsageQuery::new(filter, Span::days_before(self.now(), 1)).unwrap();
        let query = query
            .grouped(keys, Some(Measure::Units), if bucket.is_some() { 10 } else { 100 })
            .unwrap()
            .series(bucket)
            .checked()
            .unwrap();
        self.store.usage(self.realm, query).await.unwrap()
    }

    async fn sums(&self) -> (i64, i64, i64) {
        match self.usage(filter(), Vec::new(), None).await.as_slice() {
            [] => (0, 0, 0),
            [row] => (row.calls, row.denied, row.units.get()),
            more => panic!("{more:?}"),
        }
    }

    /// The check of the books sees each table that says something else than the decisions.
    async fn spoilt_usage_is_found(&self) {
        let spoiler = Database::connect(self.keep.url()).await.unwrap();
        for (table, column) in [
            ("usage_hours", "units"),
            ("usage_days", "calls"),
            ("usage_sessions", "denied"),
            ("usage_session_days", "units"),
            ("usage_hour_totals", "calls"),
            ("usage_day_totals", "units"),
        ] {
            for step in ["+", "-"] {
                spoiler.execute_unprepared(&format!("UPDATE {table} SET {column} = {column} {step} 1")).await.unwrap();
                let broken = self.store.check_books().await.unwrap();
                let found =
                    broken.iter().any(|rule| rule.contains("usage by") && rule.contains(&format!("{column} are")));
                assert_eq!(found, step == "+", "{table}: {broken:?}");
            }
        }
        spoiler.close().await.unwrap();
    }

    /// An installation that has usage already gets the same table as one that tells of it now.
    async fn days_of_sessions_are_made_of_their_hours(&self) {
        let owner = Database::connect(self.keep.url()).await.unwrap();
        Migrator::down(&owner, Some(down_to("usage_session_days"))).await.unwrap();
        Migrator::up(&owner, None).await.unwrap();
        owner.close().await.unwrap();
        self.sound().await;
    }

    fn said(&self, account: AccountId, count: i64, said: &[(&str, &str)]) -> Decision {
        let mut decision = self.consumed(account, count, None);
        decision.dimensions = said.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        decision
    }

    fn denied(&self) -> Decision {
        let denial = Denial {
            reason: Reason::Exhausted,
            level: Level::Customer,
            message: "none left".to_owned(),
            resets_at: None,
            retry_after_s: None,
            raise: Vec::new(),
        };
        let use_of = Use { feature: id(BACKGROUND), kind: UseKind::Boolean { included: true } };
        let mut decision = self.consumed(id(1), 0, None);
        decision.verdict = Verdict::Deny(denial);
        decision.uses.push(use_of);
        decision
    }
}

fn batch(decisions: Vec<Decision>) -> LeaseBatch {
    LeaseBatch { decisions, ..LeaseBatch::default() }
}

#[tokio::test]
async fn usage_is_what_the_ledger_charged_whatever_is_repeated() {
    for on in BOTH {
        let shop = Shop::open(on).await;
        let account = shop.account().await;
        let gate = shop.gate(1).await;
        let lease = shop.lease(gate, account, 100).await;

        let first = shop.consumed(account, 3, Some(mark(1, 1)));
        let told = vec![first.clone(), shop.consumed(account, 4, None), shop.denied()];
        let report = LeaseBatch { reports: vec![raise(lease, account, 2, 7, 0)], ..batch(told.clone()) };
        shop.settle(gate, &report).await;
        assert_eq!(shop.sums().await, (2, 1, 7), "{on:?}");
        // The same flush once more, its answer lost on the way.
        shop.settle(gate, &report).await;
        // And a part of it beside something new.
        let mut more = shop.consumed(account, 1, None);
        more.operation = Operation::Release;
        let report = LeaseBatch {
            reports: vec![raise(lease, account, 3, 8, 0)],
            ..batch(vec![told[1].clone(), more, shop.consumed(account, 9, None).meant(Operation::Reserve)])
        };
        shop.settle(gate, &report).await;
        assert_eq!(shop.sums().await, (3, 1, 8), "{on:?}: a reserve has not spent");

        // Another gate answered the same key: with the same body it goes back, with another it stays.
        let other = shop.gate(2).await;
        let lease = shop.lease(other, account, 50).await;
        let report = LeaseBatch {
            reports: vec![raise(lease, account, 2, 5, 0)],
            ..batch(vec![shop.consumed(account, 3, Some(mark(1, 1))), shop.consumed(account, 2, Some(mark(1, 2)))])
        };
        shop.settle(other, &report).await;
        assert_eq!(shop.sums().await, (4, 1, 10), "{on:?}");
        let line = shop.store.entitlements(shop.realm, &shop.customer()).await.unwrap().unwrap();
        let almoner_domain::statement::Right::Quota { line, .. } = &line.lines[0].right else { panic!("{line:?}") };
        assert_eq!(line.balance.get(Pocket::Used), units(10), "{on:?}");
        shop.sound().await;
        shop.spoilt_usage_is_found().await;
        shop.days_of_sessions_are_made_of_their_hours().await;
    }
}

trait Meant {
    fn meant(self, operation: Operation) -> Self;
}

impl Meant for Decision {
    fn meant(mut self, operation: Operation) -> Self {
        self.operation = operation;
        self
    }
}

#[tokio::test]
async fn usage_is_told_by_whoever_spent_it_for_what_and_when() {
    for on in BOTH {
        let shop = Shop::open(on).await;
        let account = shop.account().await;
        let gate = shop.gate(1).await;
        let lease = shop.lease(gate, account, 100).await;
        let by = |count, tool: &str, user: Option<u128>, session: u128| {
            let mut decision = shop.said(account, count, &[("tool", tool), ("it's \"odd\"", "yes")]);
            decision.on_behalf_of = Some(Principals {
                customer: id(CUSTOMER),
                user: user.map(id),
                agent: Some(id::<AgentId>(7)),
                session: Some(id::<SessionId>(session)),
            });
            decision.allocation = Some(id::<AllocationId>(session + 100));
            decision
        };
        let told = vec![by(5, "draw", Some(ADA), 1), by(2, "draw", None, 2), by(4, "paint", Some(ADA), 1)];
        let flush = LeaseBatch { reports: vec![raise(lease, account, 2, 11, 0)], ..batch(told) };
        shop.settle(gate, &flush).await;
        shop.clock.advance(Duration::from_secs(3_600));
        let later =
            LeaseBatch { reports: vec![raise(lease, account, 3, 12, 0)], ..batch(vec![by(1, "paint", None, 2)]) };
        shop.settle(gate, &later).await;

        let tools = shop.usage(filter(), vec![UsageKey::Dimension(dimension("tool"))], None).await;
        let told: Vec<(Option<&str>, i64)> =
            tools.iter().map(|row| (row.dimensions[0].value.as_deref(), row.units.get())).collect();
        assert_eq!(told, [(Some("draw"), 7), (Some("paint"), 5)], "{on:?}");
        let keys = vec![UsageKey::Session, UsageKey::User, UsageKey::Feature];
        let sessions = shop.usage(filter(), keys, None).await;
        let told: Vec<_> = sessions.iter().map(|row| (row.session, row.user, row.units.get(), row.calls)).collect();
        assert_eq!(told, [(Some(id(1)), Some(id(ADA)), 9, 2), (Some(id(2)), None, 3, 2)], "{on:?}");
        let by_hour = shop.usage(filter(), vec![UsageKey::Agent], Some(Bucket::Hour)).await;
        let told: Vec<_> = by_hour.iter().map(|row| (row.agent, row.units.get())).collect();
        assert_eq!(told, [(Some(id(7)), 11), (Some(id(7)), 1)], "{on:?}");
        assert!(by_hour[0].start < by_hour[1].start);
        for bucket in [Bucket::Day, Bucket::Month] {
            let whole = shop.usage(filter(), Vec::new(), Some(bucket)).await;
            assert_eq!((whole.len(), whole[0].units), (1, units(12)), "{on:?} {bucket:?}");
        }
        let odd = (dimension("it's \"odd\""), DimensionValue::parse("yes").unwrap());
        let paint = (dimension("tool"), DimensionValue::parse("paint").unwrap());
        let of = UsageFilter { session: Some(id(1)), dimensions: vec![odd, paint], ..filter() };
        assert_eq!(shop.usage(of, Vec::new(), None).await[0].units, units(4), "{on:?}");
        let of = UsageFilter { allocation: Some(id(102)), ..filter() };
        assert_eq!(shop.usage(of, Vec::new(), None).await[0].units, units(3), "{on:?}");
        shop.sound().await;
    }
}

#[tokio::test]
async fn whatever_callers_say_an_hour_stays_small() {
    for on in BOTH {
        let shop = Shop::open(on).await;
        let account = shop.account().await;
        let gate = shop.gate(1).await;
        let sets = i64::try_from(DIMENSION_SETS_MAX).unwrap();
        let lease = shop.lease(gate, account, 2 * sets + 3).await;
        let long = "x".repeat(500);
        let mut told = 0;
        for half in 0..2 {
            let mut decisions: Vec<Decision> =
                (0..sets).map(|number| shop.said(account, 1, &[("request", &format!("{half}-{number}"))])).collect();
            let names = ["a", "b", "c", "d", "e"];
            decisions.push(shop.said(account, 1, &names.map(|name| (name, long.as_str()))));
            told += sets + 1;
            let flush = LeaseBatch { reports: vec![raise(lease, account, 2 + half, told, 0)], ..batch(decisions) };
            shop.settle(gate, &flush).await;
        }
        let plain = shop.said(account, 1, &[]);
        let flush = LeaseBatch { reports: vec![raise(lease, account, 4, told + 1, 0)], ..batch(vec![plain]) };
        shop.settle(gate, &flush).await;
        let requests = shop.usage(filter(), vec![UsageKey::Dimension(dimension("request"))], None).await;
        let other: Vec<&UsageRow> = requests.iter().filter(|row| row.dimensions[0].is_other).collect();
        assert_eq!((other.len(), other[0].units), (1, units(sets + 2)), "{on:?}");
        assert_eq!(shop.sums().await.2, told + 1, "{on:?}: nothing is lost");
        shop.sound().await;
    }
}
