//! Is usage what decisions spent? Its tables against the decisions and each other, each measure by itself.

use crate::check::SPENDING;
use crate::key::realm_of;
use crate::trouble::Trouble;
use crate::tx::Everywhere;
use almoner_domain::id::{CustomerId, Id};
use almoner_domain::ports::DECISIONS_KEPT_MIN;
use sea_orm::entity::prelude::Uuid;
use sea_orm::{DbBackend, QueryResult};

/// The most violations of one rule that are listed: more are the same mistake again.
const LISTED_MAX: usize = 100;

/// Decisions that refused something.
const DENYING: &str = "reason IS NOT NULL AND duplicate_of IS NULL";

/// What is summed up: a column of usage, and what one use of a decision adds to it.
const MEASURES: [(&str, &str); 3] = [
    ("units", "CASE WHEN {spending} THEN coalesce({granted}, 0) ELSE 0 END"),
    ("calls", "CASE WHEN {spending} THEN 1 ELSE 0 END"),
    ("denied", "CASE WHEN {denying} THEN 1 ELSE 0 END"),
];

/// One side of a comparison against another: what it says, its rows, those of the other side, what both are told apart by, and
/// when their sums contradict each other.
struct Rule {
    says: &'static str,
    left: &'static str,
    right: &'static str,
    by: &'static str,
    broken: &'static str,
}

const UNEQUAL: &str = "sum(is_amount) <> sum(should_amount)";

const RULES: [Rule; 6] = [
    Rule {
        says: "usage by sessions = what decisions spent",
        left: "SELECT {common}, {feature} AS feature, hour AS span, session_id, allocation_id, {measure} AS amount FROM usage_sessions",
        right: "{uses}",
        by: "feature, span, user_id, agent_id, session_id, allocation_id",
        // Usage outlives its decisions: once they may have been pruned there can be more of it than they say, never less.
        broken: "sum(is_amount) < sum(should_amount) OR (span >= {pruned_before} AND sum(is_amount) > sum(should_amount))",
    },
    Rule {
        says: "usage by sessions and days = usage by sessions",
        left: "SELECT {common}, {feature} AS feature, day AS span, session_id, allocation_id, {measure} AS amount FROM usage_session_days",
        right: "SELECT {common}, {feature} AS feature, hour - hour % 86400000000 AS span, session_id, allocation_id, {measure} AS amount FROM usage_sessions",
        by: "feature, span, user_id, agent_id, session_id, allocation_id",
        broken: UNEQUAL,
    },
    Rule {
        says: "usage by hours = usage by sessions",
        left: "SELECT {common}, {feature} AS feature, hour AS span, set_id, {measure} AS amount FROM usage_hours",
        right: "SELECT {common}, {feature} AS feature, hour AS span, set_id, {measure} AS amount FROM usage_sessions",
        by: "feature, span, user_id, agent_id, set_id",
        broken: UNEQUAL,
    },
    Rule {
        says: "usage by days = usage by hours",
        left: "SELECT {common}, {feature} AS feature, day AS span, set_id, {measure} AS amount FROM usage_days",
        right: "SELECT {common}, {feature} AS feature, hour - hour % 86400000000 AS span, set_id, {measure} AS amount FROM usage_hours",
        by: "feature, span, user_id, agent_id, set_id",
        broken: UNEQUAL,
    },
    Rule {
        says: "totals by hours = usage by hours",
        left: "SELECT {whose}, hour AS span, {measure} AS amount FROM usage_hour_totals",
        right: "SELECT {whose}, hour AS span, {measure} AS amount FROM usage_hours",
        by: "feature, span",
        broken: UNEQUAL,
    },
    Rule {
        says: "totals by days = usage by days",
        left: "SELECT {whose}, day AS span, {measure} AS amount FROM usage_day_totals",
        right: "SELECT {whose}, day AS span, {measure} AS amount FROM usage_days",
        by: "feature, span",
        broken: UNEQUAL,
    },
];

/// What is wrong with usage, in words.
pub(crate) async fn check(tx: &Everywhere) -> Result<Vec<String>, Trouble> {
    let mut violations = Vec::new();
    let kept = i64::try_from(DECISIONS_KEPT_MIN.as_micros()).unwrap_or(i64::MAX);
    let pruned_before = tx.now().as_micros().saturating_sub(kept).to_string();
    for rule in &RULES {
        for (measure, adds) in MEASURES {
            let rows = tx
                .query(&spelled(rule, measure, adds, tx.backend()).replace("{pruned_before}", &pruned_before))
                .await?;
            for row in rows.iter().take(LISTED_MAX) {
                violations.push(told(rule, measure, row)?);
            }
        }
    }
    Ok(violations)
}

/// Rows of both sides in one pile, the other side's below zero: what does not come to nothing is wrong.
fn spelled(rule: &Rule, measure: &str, adds: &str, backend: DbBackend) -> String {
    let Rule { left, right, by, broken, .. } = rule;
    let spoken = Spoken::of(backend);
    let sql = format!(
        "SELECT tenant, environment, customer_id, CAST(sum(is_amount) AS BIGINT), CAST(sum(should_amount) AS BIGINT) FROM \
         (SELECT l.*, amount AS is_amount, 0 AS should_amount FROM ({left}) AS l \
          UNION ALL SELECT r.*, 0 AS is_amount, amount AS should_amount FROM ({right}) AS r) AS pile \
         GROUP BY tenant, environment, customer_id, {by} HAVING {broken}"
    );
    sql.replace("{uses}", spoken.uses)
        .replace("{adds}", adds)
        .replace("{spending}", SPENDING)
        .replace("{denying}", DENYING)
        .replace("{granted}", spoken.granted)
        .replace("{whose}", "tenant, environment, customer_id, {feature} AS feature")
        .replace("{common}", "tenant, environment, customer_id, user_id, agent_id")
        .replace("{feature}", spoken.feature)
        .replace("{measure}", measure)
}

/// What the two databases spell differently.
struct Spoken {
    /// A feature's id as text.
    feature: &'static str,
    /// Units of one use.
    granted: &'static str,
    /// Uses of decisions on behalf of somebody who is known.
    uses: &'static str,
}

impl Spoken {
    fn of(backend: DbBackend) -> Self {
        match backend {
            DbBackend::Postgres => Self {
                feature: "feature_id::text",
                granted: "(u.value ->> 'granted')::bigint",
                uses: "SELECT tenant, environment, customer_id, coalesce(user_id, '00000000-0000-0000-0000-000000000000') AS user_id, \
                    coalesce(agent_id, '00000000-0000-0000-0000-000000000000') AS agent_id, u.value ->> 'feature' AS feature, \
                    at - at % 3600000000 AS span, coalesce(session_id, '00000000-0000-0000-0000-000000000000') AS session_id, \
                    coalesce(allocation_id, '00000000-0000-0000-0000-000000000000') AS allocation_id, {adds} AS amount \
                    FROM decisions, jsonb_array_elements(uses::jsonb) AS u(value) WHERE customer_id IS NOT NULL",
            },
            _ => Self {
                feature: "lower(hex(feature_id))",
                granted: "json_extract(u.value, '$.granted')",
                uses: "SELECT tenant, environment, customer_id, coalesce(user_id, zeroblob(16)) AS user_id, \
                    coalesce(agent_id, zeroblob(16)) AS agent_id, \
                    replace(json_extract(u.value, '$.feature'), '-', '') AS feature, \
                    at - at % 3600000000 AS span, coalesce(session_id, zeroblob(16)) AS session_id, \
                    coalesce(allocation_id, zeroblob(16)) AS allocation_id, {adds} AS amount \
                    FROM decisions, json_each(decisions.uses) AS u WHERE customer_id IS NOT NULL",
            },
        }
    }
}

fn told(rule: &Rule, measure: &str, row: &QueryResult) -> Result<String, Trouble> {
    let (tenant, environment): (Uuid, String) = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
    let customer = CustomerId::from_uuid(row.try_get_by_index(2)?);
    let (is, should): (i64, i64) = (row.try_get_by_index(3)?, row.try_get_by_index(4)?);
    let realm = realm_of(tenant, &environment)?;
    Ok(format!("{realm}: customer {customer}: {}: {measure} are {is}, the rest says {should}", rule.says))
}
