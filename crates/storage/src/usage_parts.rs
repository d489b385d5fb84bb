//! Usage as its tables have it: which of them can answer, and what they tell.

use crate::rows::{Picked, Rows, among_few};
use crate::tx::{Owned, Tx};
use crate::usage_set::OTHER;
use crate::{usage_day, usage_day_total, usage_hour, usage_hour_total, usage_session, usage_session_day};
use almoner_domain::id::Id;
use almoner_domain::text::DimensionName;
use almoner_domain::time::DAY;
use almoner_domain::usage::{Bucket, KEYS_MAX, UsageFilter, UsageKey, UsageQuery};
use sea_orm::entity::prelude::Uuid;
use sea_orm::sea_query::{Expr, ExprTrait, SelectStatement};
use sea_orm::{ColumnTrait, DbBackend};

/// Names of the columns that keys come in, and of those that say whether a dimension is not told apart.
pub(crate) const KEYS: [&str; KEYS_MAX] = ["k0", "k1", "k2"];
pub(crate) const OTHERS: [&str; KEYS_MAX] = ["o0", "o1", "o2"];

/// Some sessions, or some allocations: nothing is asked about any other.
pub(crate) struct Among {
    /// The key that tells them apart.
    pub(crate) key: UsageKey,
    pub(crate) ids: Vec<Uuid>,
}

/// What is known of the span, from the coarsest tables that tile it.
///
/// Columns are those of `KEYS` and `OTHERS` that the query has keys for, `start`, and sums of `calls`, `denied` and `units`: of
/// each group where rows are many to a group, else of each row.
pub(crate) fn parts<'t>(tx: &'t Tx, query: &UsageQuery, among: Option<&Among>) -> Vec<Picked<'t>> {
    let (since, until) = (query.span().since().as_micros(), query.span().until().as_micros());
    let look = Look { tx, query, among };
    let by_session = |span| {
        let rows = look.stretch(tx.rows::<usage_session::Entity>(), usage_session::Column::Hour, span);
        match among.map(|some| &some.key) {
            Some(UsageKey::Session) => rows.by_index("usage_sessions", "usage_sessions_session"),
            Some(UsageKey::Allocation) => rows.by_index("usage_sessions", "usage_sessions_allocation"),
            _ => rows,
        }
    };
    let grain = Grain::of(query);
    let hours = |span| match grain {
        Grain::Customers => look.stretch(tx.rows::<usage_hour_total::Entity>(), usage_hour_total::Column::Hour, span),
        Grain::Agents => look.stretch(tx.rows::<usage_hour::Entity>(), usage_hour::Column::Hour, span),
        Grain::Sessions | Grain::Finest => by_session(span),
    };
    let days = |span| match grain {
        Grain::Customers => look.stretch(tx.rows::<usage_day_total::Entity>(), usage_day_total::Column::Day, span),
        Grain::Agents => look.stretch(tx.rows::<usage_day::Entity>(), usage_day::Column::Day, span),
        Grain::Sessions | Grain::Finest => {
            look.stretch(tx.rows::<usage_session_day::Entity>(), usage_session_day::Column::Day, span)
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

/// Who looks, and at what.
struct Look<'t, 'q> {
    tx: &'t Tx,
    query: &'q UsageQuery,
    among: Option<&'q Among>,
}

impl<'t> Look<'t, '_> {
    /// What one table has of a stretch. All tables name their columns alike.
    fn stretch<E: Owned>(&self, rows: Rows<'t, E>, span: E::Column, [since, until]: [i64; 2]) -> Picked<'t> {
        let (query, backend) = (self.query, self.tx.backend());
        let says = says(query);
        let mut columns = vec![(Expr::cust("0"), "whole"), (start(backend, query.bucket(), span), "start")];
        let ids = || query.keys().iter().zip(KEYS).filter_map(|(key, name)| Some((id_column(key)?, name)));
        columns.extend(ids().map(|(column, name)| (Expr::col(column), name)));
        let is_summed = is_summed(query);
        for name in ["calls", "denied", "units"] {
            let sum = || Expr::cust(format!("CAST(sum({name}) AS BIGINT)"));
            columns.push((if is_summed { sum() } else { Expr::col(name) }, name));
        }
        columns.extend(says.then(|| (Expr::col("dimensions"), "dimensions")));
        let by = ids().map(|(_, name)| name).chain(query.bucket().map(|_| "start")).chain(says.then_some("dimensions"));
        let picked = self.wanted(rows.filter(span.gte(since)).filter(span.lt(until))).pick(columns);
        let sums = if is_summed { picked.by(by) } else { picked };
        if says { sums.over(|sums| told_apart(backend, query, sums)) } else { sums }
    }

    /// Those that are asked about; what was said is looked at later.
    fn wanted<E: Owned>(&self, mut rows: Rows<'t, E>) -> Rows<'t, E> {
        let filter = &self.query.filter;
        let named = [
            ("feature_id", filter.feature.map(Id::uuid)),
            ("customer_id", filter.customer.map(Id::uuid)),
            ("user_id", filter.user.map(Id::uuid)),
            ("agent_id", filter.agent.map(Id::uuid)),
            ("session_id", filter.session.map(Id::uuid)),
            ("allocation_id", filter.allocation.map(Id::uuid)),
        ];
        for (column, id) in named {
            if let Some(id) = id {
                rows = rows.filter(Expr::col(column).eq(id));
            }
        }
        match self.among.and_then(|some| Some((id_column(&some.key)?, some))) {
            None => rows,
            Some((column, some)) => rows.filter(among_few(self.tx.backend(), Expr::col(column), &some.ids)),
        }
    }
}

/// The column that has what a key tells apart; what was said has none of its own.
fn id_column(key: &UsageKey) -> Option<&'static str> {
    match key {
        UsageKey::Customer => Some("customer_id"),
        UsageKey::User => Some("user_id"),
        UsageKey::Agent => Some("agent_id"),
        UsageKey::Session => Some("session_id"),
        UsageKey::Allocation => Some("allocation_id"),
        UsageKey::Feature => Some("feature_id"),
        UsageKey::Dimension(_) => None,
    }
}

/// Does a table sum up each group? Where sessions are told apart there are hardly fewer groups than rows: to sum them up here, and
/// then what all tables have, would be to do it twice.
pub(crate) fn is_summed(query: &UsageQuery) -> bool {
    !of_sessions(query)
}

/// Does it matter what was said?
pub(crate) fn says(query: &UsageQuery) -> bool {
    !query.filter.dimensions.is_empty() || query.keys().iter().any(|key| matches!(key, UsageKey::Dimension(_)))
}

/// What each row, or sum of a set of dimensions, says under the names that are asked about.
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
