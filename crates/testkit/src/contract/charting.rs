//! Usage over time: by hours, days and months in UTC, and over spans that begin and end at any hour.

use super::World;
use super::deciding::tell;
use super::spending::{ask, call, dimension, generations, said, sums};
use crate::image_shop::at;
use almoner_domain::decision::Decision;
use almoner_domain::time::Timestamp;
use almoner_domain::usage::{Bucket, Measure, UsageKey, UsageRow};

/// Calls around the ends of hours, days, months and a year: units, and when.
const CALLS: [(i64, &str); 7] = [
    (1, "2026-11-29T23:59:59.999999Z"),
    (2, "2026-11-30T00:00:00Z"),
    (4, "2026-11-30T23:59:59Z"),
    (8, "2026-12-01T00:00:00Z"),
    (16, "2026-12-01T00:59:59Z"),
    (32, "2026-12-31T23:30:00Z"),
    (64, "2027-01-01T00:00:00Z"),
];

async fn told_of(w: &World) {
    let calls = CALLS.map(|(amount, when)| Decision { at: at(when), ..said(call(w, amount), "tool", "draw") });
    tell(w, calls.to_vec()).await;
}

fn starts(rows: &[UsageRow]) -> Vec<(Option<Timestamp>, i64)> {
    rows.iter().map(|row| (row.start, row.units.get())).collect()
}

/// A series has a row for each hour, day or month in which something was spent, and each ends where the next begins.
pub async fn a_series_is_told_by_hours_days_and_months(w: &World) {
    told_of(w).await;
    for (span, bucket, expected) in [
        (
            ["2026-11-29T23:00:00Z", "2026-12-01T01:00:00Z"],
            Bucket::Hour,
            vec![
                ("2026-11-29T23:00:00Z", 1),
                ("2026-11-30T00:00:00Z", 2),
                ("2026-11-30T23:00:00Z", 4),
                ("2026-12-01T00:00:00Z", 24),
            ],
        ),
        (
            ["2026-11-01T00:00:00Z", "2027-01-02T00:00:00Z"],
            Bucket::Day,
            vec![
                ("2026-11-29T00:00:00Z", 1),
                ("2026-11-30T00:00:00Z", 6),
                ("2026-12-01T00:00:00Z", 24),
                ("2026-12-31T00:00:00Z", 32),
                ("2027-01-01T00:00:00Z", 64),
            ],
        ),
        (
            ["2026-11-01T00:00:00Z", "2027-01-02T00:00:00Z"],
            Bucket::Month,
            vec![("2026-11-01T00:00:00Z", 7), ("2026-12-01T00:00:00Z", 56), ("2027-01-01T00:00:00Z", 64)],
        ),
        // A stretch that the span cuts is told from where it begins, with what lies within the span.
        (
            ["2026-11-30T23:00:00Z", "2026-12-31T00:00:00Z"],
            Bucket::Month,
            vec![("2026-11-01T00:00:00Z", 4), ("2026-12-01T00:00:00Z", 24)],
        ),
    ] {
        let expected: Vec<_> = expected.into_iter().map(|(start, units)| (Some(at(start)), units)).collect();
        for keys in
            [vec![], vec![UsageKey::User], vec![UsageKey::Session], vec![UsageKey::Dimension(dimension("tool"))]]
        {
            let query = generations(w, span).grouped(keys.clone(), None, 1).unwrap().series(Some(bucket));
            assert_eq!(starts(&ask(w, query).await), expected, "{bucket:?} by {keys:?}");
        }
    }
}

/// A span holds its first hour and not the one after its last, whatever it is asked by.
pub async fn a_span_is_told_to_the_hour(w: &World) {
    told_of(w).await;
    for (since, until, expected) in [
        ("2026-11-29T23:00:00Z", "2027-01-01T01:00:00Z", 127),
        ("2026-11-30T00:00:00Z", "2027-01-01T00:00:00Z", 62),
        ("2026-11-30T01:00:00Z", "2026-12-31T23:00:00Z", 28),
        ("2026-11-30T01:00:00Z", "2026-11-30T23:00:00Z", 0),
        ("2026-12-01T00:00:00Z", "2026-12-01T01:00:00Z", 24),
    ] {
        assert_eq!(sums(w, [since, until]).await.2, expected, "{since} to {until}");
        let tool = UsageKey::Dimension(dimension("tool"));
        for keys in
            [vec![UsageKey::Customer], vec![UsageKey::User], vec![UsageKey::Session], vec![UsageKey::Agent, tool]]
        {
            let query = generations(w, [since, until]).grouped(keys.clone(), None, 10).unwrap();
            let found: i64 = ask(w, query).await.iter().map(|row| row.units.get()).sum();
            assert_eq!(found, expected, "{since} to {until} by {keys:?}");
        }
    }
}

/// In a series the groups are those that are largest in all, in each stretch the largest in all first.
pub async fn the_groups_of_a_series_are_the_largest_in_all(w: &World) {
    let of = |amount, hour: &str, tool: &str| Decision {
        at: at(&format!("2026-11-10T{hour}:15:00Z")),
        ..said(call(w, amount), "tool", tool)
    };
    // The third is the largest of its hour, and the smallest in all.
    tell(w, vec![of(6, "08", "draw"), of(2, "09", "draw"), of(7, "09", "paint"), of(3, "08", "trace")]).await;
    tell(w, vec![of(2, "10", "draw"), of(1, "10", "paint"), of(3, "10", "trace")]).await;
    let keys = vec![UsageKey::Dimension(dimension("tool"))];
    let query = generations(w, super::spending::TODAY).grouped(keys, Some(Measure::Units), 2).unwrap();
    let rows = ask(w, query.series(Some(Bucket::Hour))).await;
    let told: Vec<_> = rows.iter().map(|row| (row.dimensions[0].value.as_deref(), row.units.get())).collect();
    let (draw, paint) = (Some("draw"), Some("paint"));
    assert_eq!(told, [(draw, 6), (draw, 2), (paint, 7), (draw, 2), (paint, 1)]);
}
