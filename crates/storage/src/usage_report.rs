//! The usage port: the groups that come to most.
//!
//! A tenant has ten thousand sessions in a month, and a report tells of a hundred: those are found first, by nothing but what they
//! are ranked by, and the rest is read of them alone.

use crate::rows::Picked;
use crate::store::SqlStore;
use crate::stored::units;
use crate::trouble::Trouble;
use crate::tx::Tx;
use crate::usage_parts::{Among, KEYS, OTHERS, is_summed, parts, says};
use almoner_domain::fault::Fault;
use almoner_domain::id::Id;
use almoner_domain::ports::Usage;
use almoner_domain::tenant::Realm;
use almoner_domain::time::Timestamp;
use almoner_domain::units::Units;
use almoner_domain::usage::{Measure, UsageDimension, UsageKey, UsageQuery, UsageRow};
use async_trait::async_trait;
use sea_orm::QueryResult;
use sea_orm::entity::prelude::Uuid;
use std::collections::HashMap;

const NOUN: &str = "usage";

/// Sessions that are looked into for each group that is asked for, where each is told apart by what was said in it: a few large
/// ones have all of the largest groups, unless all are of one size.
const SESSIONS_PER_GROUP: u16 = 4;

#[async_trait]
impl Usage for SqlStore {
    async fn usage(&self, realm: Realm, query: UsageQuery) -> Result<Vec<UsageRow>, Fault> {
        self.read("usage", realm, move |tx| Box::pin(report(tx, query))).await
    }
}

async fn report(tx: &Tx, query: UsageQuery) -> Result<Vec<UsageRow>, Trouble> {
    let is_one = query.filter.session.is_some() || query.filter.allocation.is_some();
    if is_one || !query.keys().iter().any(is_many) {
        return rows(tx, &query, None).await;
    }
    if says(&query) {
        // A group comes to no more than its session: that of the last one read bounds all that were not.
        let count = query.top() * SESSIONS_PER_GROUP;
        let leaders = leaders(tx, &query.whatever_was_said(), count).await?;
        let bound = if leaders.totals.len() < usize::from(count) { None } else { leaders.totals.last() };
        let rows = rows(tx, &query, Some(&leaders.among)).await?;
        if bound.is_none_or(|bound| least(&query, &rows).is_some_and(|least| least > *bound)) {
            return Ok(rows);
        }
    }
    let leaders = leaders(tx, &query, query.top()).await?;
    rows(tx, &query, Some(&leaders.among)).await
}

/// Does a key tell apart what a tenant has many thousands of?
fn is_many(key: &UsageKey) -> bool {
    matches!(key, UsageKey::Session | UsageKey::Allocation)
}

/// The groups that come to most.
struct Leaders {
    /// The sessions or allocations that they are of.
    among: Among,
    /// What each comes to, the most first.
    totals: Vec<i64>,
}

/// So many groups that come to most over the whole span.
async fn leaders(tx: &Tx, query: &UsageQuery, count: u16) -> Result<Leaders, Trouble> {
    let mut leaders = Leaders { among: Among { key: UsageKey::Session, ids: Vec::new() }, totals: Vec::new() };
    let found = query.keys().iter().zip(KEYS).find(|(key, _)| is_many(key));
    let Some(((key, id), picked)) = found.zip(parts(tx, query, None).into_iter().reduce(Picked::and)) else {
        return Ok(leaders);
    };
    leaders.among.key = key.clone();
    let (names, order, measure) = (names(query), order(query), measure(query));
    let ranked = |picked: &str| {
        format!(
            "SELECT {id} AS id, CAST(total AS BIGINT) AS total FROM (SELECT {names}, sum({measure}) AS total \
             FROM ({picked}) AS picked GROUP BY {names} ORDER BY total DESC, {order} LIMIT {count}) AS ranked \
             ORDER BY total DESC"
        )
    };
    for row in picked.around(ranked).await? {
        leaders.among.ids.push(row.try_get("", "id")?);
        leaders.totals.push(row.try_get("", "total")?);
    }
    Ok(leaders)
}

/// What the smallest group that is told of comes to, where there are as many as were asked for.
fn least(query: &UsageQuery, rows: &[UsageRow]) -> Option<i64> {
    let mut totals: HashMap<UsageRow, i64> = HashMap::new();
    for row in rows {
        let group = UsageRow { start: None, calls: 0, denied: 0, units: Units::ZERO, ..row.clone() };
        *totals.entry(group).or_default() += match query.measure() {
            Measure::Units => row.units.get(),
            Measure::Calls => row.calls,
        };
    }
    if totals.len() < usize::from(query.top()) { None } else { totals.into_values().min() }
}

/// Sums of the groups that come to most in all, stretch by stretch.
async fn rows(tx: &Tx, query: &UsageQuery, among: Option<&Among>) -> Result<Vec<UsageRow>, Trouble> {
    let parts = parts(tx, query, among);
    let sums = if parts.len() == 1 && is_summed(query) && !says(query) { Sums::Whole } else { Sums::InParts };
    let Some(picked) = parts.into_iter().reduce(Picked::and) else { return Ok(Vec::new()) };
    let rows = picked.around(|picked| largest(query, picked, sums)).await?;
    rows.iter().map(|row| read(query, row)).collect()
}

/// What the database has summed up before groups are compared.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sums {
    /// All of each group.
    Whole,
    /// What each of several tables, or sets of dimensions, has of a group.
    InParts,
}

/// Sums of the groups that come to most in all. All names in here are our own, and the only number is of a narrow type; what the
/// caller named is bound in `picked`.
fn largest(query: &UsageQuery, picked: &str, sums: Sums) -> String {
    let (names, order, measure, top) = (names(query), order(query), measure(query), query.top());
    let sums = match sums {
        Sums::Whole => picked.to_owned(),
        Sums::InParts => format!(
            "SELECT {names}, start, CAST(sum(calls) AS BIGINT) AS calls, CAST(sum(denied) AS BIGINT) AS denied, \
             CAST(sum(units) AS BIGINT) AS units FROM ({picked}) AS picked GROUP BY {names}, start"
        ),
    };
    if query.bucket().is_none() {
        return format!("SELECT * FROM ({sums}) AS summed ORDER BY {measure} DESC, {order} LIMIT {top}");
    }
    format!(
        "SELECT * FROM (SELECT ranked.*, dense_rank() OVER (ORDER BY total DESC, {order}) AS place FROM \
         (SELECT summed.*, sum({measure}) OVER (PARTITION BY {names}) AS total FROM ({sums}) AS summed) AS ranked) \
         AS placed WHERE place <= {top} ORDER BY start, place"
    )
}

/// What groups are told apart by.
fn names(query: &UsageQuery) -> String {
    key_columns(query).join(", ")
}

/// The order of those that come to the same, of which the two databases put nothing at different ends.
fn order(query: &UsageQuery) -> String {
    let ends: Vec<String> = key_columns(query).iter().map(|name| format!("{name} NULLS FIRST")).collect();
    ends.join(", ")
}

fn measure(query: &UsageQuery) -> &'static str {
    match query.measure() {
        Measure::Units => "units",
        Measure::Calls => "calls",
    }
}

/// The columns of keys; something to order and to part by, where it is grouped by nothing.
fn key_columns(query: &UsageQuery) -> Vec<&'static str> {
    let columns = |(at, key): (usize, &UsageKey)| match key {
        UsageKey::Dimension(_) => vec![KEYS[at], OTHERS[at]],
        _ => vec![KEYS[at]],
    };
    let names: Vec<&str> = query.keys().iter().enumerate().flat_map(columns).collect();
    if names.is_empty() { vec!["whole"] } else { names }
}

fn read(query: &UsageQuery, row: &QueryResult) -> Result<UsageRow, Trouble> {
    let start: i64 = row.try_get("", "start")?;
    let mut read = UsageRow {
        start: query.bucket().map(|_| Timestamp::from_micros(start)),
        calls: row.try_get("", "calls")?,
        denied: row.try_get("", "denied")?,
        units: units(NOUN, row.try_get("", "units")?)?,
        ..UsageRow::default()
    };
    for (at, key) in query.keys().iter().enumerate() {
        match key {
            UsageKey::Customer => read.customer = id(row, at)?,
            UsageKey::User => read.user = id(row, at)?,
            UsageKey::Agent => read.agent = id(row, at)?,
            UsageKey::Session => read.session = id(row, at)?,
            UsageKey::Allocation => read.allocation = id(row, at)?,
            UsageKey::Feature => read.feature = id(row, at)?,
            UsageKey::Dimension(name) => read.dimensions.push(UsageDimension {
                name: name.clone(),
                value: row.try_get("", KEYS[at])?,
                is_other: row.try_get("", OTHERS[at])?,
            }),
        }
    }
    Ok(read)
}

/// The id in a key; what nobody is named by is the nil one.
fn id<I: Id>(row: &QueryResult, at: usize) -> Result<Option<I>, Trouble> {
    let id: Uuid = row.try_get("", KEYS[at])?;
    Ok((!id.is_nil()).then(|| I::from_uuid(id)))
}
