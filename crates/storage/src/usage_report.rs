//! The usage port: sums over the coarsest tables that can answer.

use crate::rows::{Picked, Rows};
use crate::store::SqlStore;
use crate::stored::units;
use crate::trouble::Trouble;
use crate::tx::{Owned, Tx};
use crate::usage_set::OTHER;
use crate::{usage_day, usage_day_total, usage_hour, usage_hour_total, usage_session, usage_session_day};
use almoner_domain::fault::Fault;
use almoner_domain::id::Id;
use almoner_domain::ports::Usage;
use almoner_domain::tenant::Realm;
use almoner_domain::text::DimensionName;
use almoner_domain::time::{DAY, Timestamp};
use almoner_domain::usage::{Bucket, Measure, UsageDimension, UsageFilter, UsageKey, UsageQuery, UsageRow};
use async_trait::async_trait;
use sea_orm::entity::prelude::Uuid;
use sea_orm::sea_query::{Expr, ExprTrait, SelectStatement};
use sea_orm::{ColumnTrait, DbBackend, QueryResult};

const NOUN: &str = "usage";

/// Names of the columns that keys come in, and of those that say whether a dimension is not told apart.
const KEYS: [&str; almoner_domain::usage::KEYS_MAX] = ["k0", "k1", "k2"];
const OTHERS: [&str; almoner_domain::usage::KEYS_MAX] = ["o0", "o1", "o2"];

#[async_trait]
impl Usage for SqlStore {
    async fn usage(&self, realm: Realm, query: UsageQuery) -> Result<Vec<UsageRow>, Fault> {
        self.read("usage", realm, move |tx| Box::pin(report(tx, query))).await
    }
}

async fn report(tx: &Tx, query: UsageQuery) -> Result<Vec<UsageRow>, Trouble> {
    let parts = parts(tx, &query);
    let sums = if parts.len() == 1 && !says(&query) { Sums::Whole } else { Sums::InParts };
    let Some(picked) = parts.into_iter().reduce(Picked::and) else { return Ok(Vec::new()) };
    let rows = picked.around(|picked| largest(&query, picked, sums)).await?;
    rows.iter().map(|row| read(&query, row)).collect()
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
    let names: Vec<&str> = key_columns(query).collect();
    // Something to order and to part by, where it is grouped by nothing.
    let names = if names.is_empty() { vec!["whole"] } else { names };
    // What comes to the same is in the order of its keys, of which the two databases put nothing at different ends.
    let order = names.iter().map(|name| format!("{name} NULLS FIRST")).collect::<Vec<_>>().join(", ");
    let names = names.join(", ");
    let measure = match query.measure() {
        Measure::Units => "units",
        Measure::Calls => "calls",
    };
    let top = query.top();
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

fn key_columns(query: &UsageQuery) -> impl Iterator<Item = &'static str> {
    let columns = |(at, key): (usize, &UsageKey)| match key {
        UsageKey::Dimension(_) => vec![KEYS[at], OTHERS[at]],
        _ => vec![KEYS[at]],
    };
    query.keys().iter().enumerate().flat_map(columns).collect::<Vec<_>>().into_iter()
}

/// Sums over the coarsest tables that tile the span.
fn parts<'t>(tx: &'t Tx, query: &UsageQuery) -> Vec<Picked<'t>> {
    let (since, until) = (query.span().since().as_micros(), query.span().until().as_micros());
    let by_session = |span| stretch(tx, query, tx.rows::<usage_session::Entity>(), usage_session::Column::Hour, span);
    let grain = Grain::of(query);
    let hours = |span| match grain {
        Grain::Customers => {
            stretch(tx, query, tx.rows::<usage_hour_total::Entity>(), usage_hour_total::Column::Hour, span)
        }
        Grain::Agents => stretch(tx, query, tx.rows::<usage_hour::Entity>(), usage_hour::Column::Hour, span),
        Grain::Sessions | Grain::Finest => by_session(span),
    };
    let days = |span| match grain {
        Grain::Customers => {
            stretch(tx, query, tx.rows::<usage_day_total::Entity>(), usage_day_total::Column::Day, span)
        }
        Grain::Agents => stretch(tx, query, tx.rows::<usage_day::Entity>(), usage_day::Column::Day, span),
        Grain::Sessions | Grain::Finest => {
            stretch(tx, query, tx.rows::<usage_session_day::Entity>(), usage_session_day::Column::Day, span)
        }
    };
    let (first, last) = ((since + DAY - 1).div_euclid(DAY) * DAY, until.div_euclid(DAY) * DAY);
    if query.bucket() == Some(Bucket::Hour) || first >= last || grain == Grain::Finest {
        return vec![hours([since, until])];
    }
    let parts = [
        (since < first).then(|| hours([since, first])),
        Some(days([first, last])),
        (last < until).then(|| hours([last, until])),
    ];
    parts.into_iter().flatten().collect()
}

/// How finely usage has to be told apart.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Grain {
    /// By customers alone.
    Customers,
    /// By users and agents, and by what was said.
    Agents,
    /// By sessions and allocations, whatever was said.
    Sessions,
    /// By all that is known, which days do not tell. So is one session or allocation: it has few rows, found by its own index.
    Finest,
}

impl Grain {
    fn of(query: &UsageQuery) -> Self {
        let is_one = query.filter.session.is_some() || query.filter.allocation.is_some();
        match of_sessions(query) {
            true if is_one || says(query) => Self::Finest,
            true => Self::Sessions,
            false if of_customers(query) => Self::Customers,
            false => Self::Agents,
        }
    }
}

fn of_sessions(query: &UsageQuery) -> bool {
    let UsageFilter { session, allocation, .. } = &query.filter;
    let by = |key: &UsageKey| matches!(key, UsageKey::Session | UsageKey::Allocation);
    session.is_some() || allocation.is_some() || query.keys().iter().any(by)
}

/// Is nobody below a customer asked about, nor what was said?
fn of_customers(query: &UsageQuery) -> bool {
    let UsageFilter { user, agent, dimensions, .. } = &query.filter;
    let of = |key: &UsageKey| matches!(key, UsageKey::Customer | UsageKey::Feature);
    user.is_none() && agent.is_none() && dimensions.is_empty() && query.keys().iter().all(of)
}

/// Sums of one table within a stretch. All tables name their columns alike.
fn stretch<'t, E: Owned>(
    tx: &Tx,
    query: &UsageQuery,
    rows: Rows<'t, E>,
    span: E::Column,
    [since, until]: [i64; 2],
) -> Picked<'t> {
    let filter = &query.filter;
    let named = [
        ("feature_id", filter.feature.map(Id::uuid)),
        ("customer_id", filter.customer.map(Id::uuid)),
        ("user_id", filter.user.map(Id::uuid)),
        ("agent_id", filter.agent.map(Id::uuid)),
        ("session_id", filter.session.map(Id::uuid)),
        ("allocation_id", filter.allocation.map(Id::uuid)),
    ];
    let mut rows = rows.filter(span.gte(since)).filter(span.lt(until));
    for (column, id) in named {
        if let Some(id) = id {
            rows = rows.filter(Expr::col(column).eq(id));
        }
    }
    let says = says(query);
    let mut columns = vec![(Expr::cust("0"), "whole"), (start(tx.backend(), query.bucket(), span), "start")];
    for (at, key) in query.keys().iter().enumerate() {
        let column = match key {
            UsageKey::Customer => "customer_id",
            UsageKey::User => "user_id",
            UsageKey::Agent => "agent_id",
            UsageKey::Session => "session_id",
            UsageKey::Allocation => "allocation_id",
            UsageKey::Feature => "feature_id",
            UsageKey::Dimension(_) => continue,
        };
        columns.push((Expr::col(column), KEYS[at]));
    }
    // Where sessions are told apart there are hardly fewer sets than rows: to sum them up first would be to do it twice.
    let is_summed = !(says && of_sessions(query));
    for name in ["calls", "denied", "units"] {
        let sum = || Expr::cust(format!("CAST(sum({name}) AS BIGINT)"));
        columns.push((if is_summed { sum() } else { Expr::col(name) }, name));
    }
    columns.extend(says.then(|| (Expr::col("dimensions"), "dimensions")));
    let ids = query.keys().iter().zip(KEYS).filter(|(key, _)| !matches!(key, UsageKey::Dimension(_)));
    let by = ids.map(|(_, name)| name).chain(query.bucket().map(|_| "start")).chain(says.then_some("dimensions"));
    let picked = rows.pick(columns);
    let sums = if is_summed { picked.by(by) } else { picked };
    if says { sums.over(|sums| told_apart(tx.backend(), query, sums)) } else { sums }
}

/// Does it matter what was said?
fn says(query: &UsageQuery) -> bool {
    !query.filter.dimensions.is_empty() || query.keys().iter().any(|key| matches!(key, UsageKey::Dimension(_)))
}

/// Sums by set of dimensions, each taken apart: there are far fewer sets than rows.
fn told_apart(backend: DbBackend, query: &UsageQuery, sums: &mut SelectStatement) {
    sums.columns(["whole", "start", "calls", "denied", "units"]);
    for (at, key) in query.keys().iter().enumerate() {
        match key {
            UsageKey::Dimension(name) => {
                sums.expr_as(said(backend, name), KEYS[at]);
                sums.expr_as(Expr::col("dimensions").eq(OTHER), OTHERS[at]);
            }
            _ => {
                sums.column(KEYS[at]);
            }
        }
    }
    for (name, value) in &query.filter.dimensions {
        sums.and_where(said(backend, name).eq(value.as_str()));
    }
}

/// What was said under a name, whatever letters it has; compared byte by byte, whatever language the database speaks.
fn said(backend: DbBackend, name: &DimensionName) -> Expr {
    let name = name.as_str();
    match backend {
        DbBackend::Postgres => Expr::cust_with_values("((dimensions::jsonb ->> $1) COLLATE \"C\")", [name]),
        // A path is quicker, and cannot hold a quote.
        _ if name.contains(['"', '\\']) => {
            Expr::cust_with_values("(SELECT value FROM json_each(dimensions) WHERE key = ?)", [name])
        }
        _ => Expr::cust_with_values("json_extract(dimensions, ?)", [format!("$.\"{name}\"")]),
    }
}

/// Where the stretch begins that a row falls into; 0 where the whole span is one.
fn start<C: ColumnTrait>(backend: DbBackend, bucket: Option<Bucket>, span: C) -> Expr {
    let name = span.as_str();
    Expr::cust(match (bucket, backend) {
        (None, _) => "CAST(0 AS BIGINT)".to_owned(),
        (Some(Bucket::Hour), _) => name.to_owned(),
        // As it is, so that rows come grouped where they are in the order of days.
        (Some(Bucket::Day), _) if name == "day" => name.to_owned(),
        (Some(Bucket::Day), _) => format!("{name} - {name} % {DAY}"),
        (Some(Bucket::Month), DbBackend::Postgres) => format!(
            "CAST(extract(epoch FROM date_trunc('month', to_timestamp({name} / 1000000) AT TIME ZONE 'UTC')) AS BIGINT) * 1000000"
        ),
        (Some(Bucket::Month), _) => {
            format!("CAST(strftime('%s', {name} / 1000000, 'unixepoch', 'start of month') AS BIGINT) * 1000000")
        }
    })
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
