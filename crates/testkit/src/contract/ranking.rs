//! The largest groups, where there are more sessions than a report of a few groups looks into.

use super::World;
use super::deciding::tell;
use super::spending::{ask, call, dimension, generations, said};
use crate::image_shop::at;
use almoner_domain::decision::Decision;
use almoner_domain::id::{AllocationId, Id, SessionId};
use almoner_domain::text::DimensionValue;
use almoner_domain::usage::{Bucket, Measure, UsageKey, UsageRow};
use std::cmp::Reverse;
use std::collections::BTreeMap;

const SESSIONS: i64 = 60;
const TOOLS: [&str; 3] = ["draw", "paint", "print"];
/// The last instant of one day and the first of another.
const INSTANTS: [&str; 2] = ["2026-11-29T23:59:59.999999Z", "2026-11-30T00:00:00Z"];
const SPAN: [&str; 2] = ["2026-11-29T22:00:00Z", "2026-11-30T02:00:00Z"];
const TOP: u16 = 3;

/// A call, as the test that made it knows it.
#[derive(Clone, Copy)]
struct Told {
    session: SessionId,
    allocation: AllocationId,
    tool: &'static str,
    instant: usize,
    units: i64,
}

/// Each session uses each tool at each instant, for what `size` makes of the numbers of all three.
async fn calls(w: &World, size: fn(i64, i64, i64) -> i64) -> Vec<Told> {
    let mut sessions: Vec<SessionId> = (0..SESSIONS).map(|_| w.id()).collect();
    sessions.sort_unstable();
    let mut told = Vec::new();
    for (number, session) in (0..).zip(sessions) {
        let allocation = AllocationId::from_uuid(session.uuid());
        for (place, tool) in (0..).zip(TOOLS) {
            for (instant, day) in [(0, 0), (1, 1)] {
                told.push(Told { session, allocation, tool, instant, units: size(number, place, day) });
            }
        }
    }
    let decision = |one: &Told| {
        let mut call = said(call(w, one.units), "tool", one.tool);
        call.on_behalf_of = call.on_behalf_of.map(|mut whom| {
            whom.session = Some(one.session);
            whom
        });
        Decision { at: at(INSTANTS[one.instant]), allocation: Some(one.allocation), ..call }
    };
    tell(w, told.iter().map(decision).collect()).await;
    told
}

/// The largest groups of these calls: those that come to the same in the order of their keys.
fn largest<K: Ord + Copy>(told: &[Told], key: impl Fn(&Told) -> K) -> Vec<(K, i64)> {
    let mut groups: BTreeMap<K, i64> = BTreeMap::new();
    for one in told {
        *groups.entry(key(one)).or_default() += one.units;
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|(_, units)| Reverse(*units));
    groups.truncate(usize::from(TOP));
    groups
}

fn tool(row: &UsageRow) -> Option<&str> {
    row.dimensions.first().and_then(|said| said.value.as_deref())
}

/// What is answered is what comes to most, by whatever it is told apart.
async fn largest_are_told(w: &World, told: &[Told], shape: &str) {
    let by = |keys: &[UsageKey]| generations(w, SPAN).grouped(keys.to_vec(), Some(Measure::Units), TOP).unwrap();
    let said = || UsageKey::Dimension(dimension("tool"));

    let rows = ask(w, by(&[UsageKey::Session])).await;
    let found: Vec<_> = rows.iter().map(|row| (row.session.unwrap(), row.units.get())).collect();
    assert_eq!(found, largest(told, |one| one.session), "{shape}: by session");

    let expected = largest(told, |one| (one.session, one.tool));
    let rows = ask(w, by(&[UsageKey::Session, said()])).await;
    let found: Vec<_> = rows.iter().map(|row| ((row.session.unwrap(), tool(row).unwrap()), row.units.get())).collect();
    assert_eq!(found, expected, "{shape}: by session and tool");

    let rows = ask(w, by(&[said(), UsageKey::Allocation])).await;
    let found: Vec<_> =
        rows.iter().map(|row| ((tool(row).unwrap(), row.allocation.unwrap()), row.units.get())).collect();
    assert_eq!(found, largest(told, |one| (one.tool, one.allocation)), "{shape}: by tool and allocation");

    let mut query = by(&[UsageKey::Session]);
    query.filter.dimensions = vec![(dimension("tool"), DimensionValue::parse("print").unwrap())];
    let prints: Vec<Told> = told.iter().copied().filter(|one| one.tool == "print").collect();
    let rows = ask(w, query).await;
    let found: Vec<_> = rows.iter().map(|row| (row.session.unwrap(), row.units.get())).collect();
    assert_eq!(found, largest(&prints, |one| one.session), "{shape}: of a tool, by session");

    for bucket in [Bucket::Hour, Bucket::Day] {
        let rows = ask(w, by(&[UsageKey::Session, said()]).series(Some(bucket))).await;
        let found: Vec<_> =
            rows.iter().map(|row| (row.session.unwrap(), tool(row).unwrap(), row.units.get())).collect();
        let of = |instant: usize| {
            expected.iter().map(move |((session, tool), _)| {
                let mine = |one: &&Told| one.session == *session && one.tool == *tool && one.instant == instant;
                (*session, *tool, told.iter().filter(mine).map(|one| one.units).sum::<i64>())
            })
        };
        assert_eq!(found, of(0).chain(of(1)).collect::<Vec<_>>(), "{shape}: by session and tool, {bucket:?}");
    }
}

/// A few sessions have most of what was spent.
pub async fn the_largest_groups_of_few_large_sessions_are_told(w: &World) {
    let told = calls(w, |session, tool, day| 600 / (session * 7 % SESSIONS + 1) + 3 * tool + day).await;
    largest_are_told(w, &told, "few large").await;
}

/// All sessions spent the same, and in the last of them most of it went to one tool.
pub async fn the_largest_groups_of_many_equal_sessions_are_told(w: &World) {
    let told = calls(w, |session, tool, _| match (session == SESSIONS - 1, tool) {
        (false, _) => 5,
        (true, 2) => 9,
        (true, _) => 3,
    })
    .await;
    largest_are_told(w, &told, "all equal").await;
}
