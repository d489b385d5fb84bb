//! Do the books add up? Asked of all realms in one snapshot, by `almoner doctor` and by tests.
//!
//! Nothing here uses the laws that wrote the books, nor reads rows as they do: plain sums in SQL, so that a mistake in the one
//! does not hide in the other.

use crate::check_usage;
use crate::store::SqlStore;
use crate::trouble::Trouble;
use crate::tx::Everywhere;
use almoner_domain::fault::Fault;
use almoner_domain::id::{AccountId, Id};
use sea_orm::entity::prelude::Uuid;
use sea_orm::{DbBackend, QueryResult};

/// The most violations of one rule that are listed: more are the same mistake again.
const LISTED_MAX: usize = 100;

/// One rule that holds in every committed state.
struct Rule {
    /// What it says.
    says: &'static str,
    /// Accounts that break it: tenant, environment, account, what the account says, what it should say.
    broken: &'static str,
}

const RULES: [Rule; 9] = [
    Rule {
        says: "granted = free + carved + leased + held + used + lapsed",
        broken: "SELECT tenant, environment, id, granted, free + carved + leased + held + used + lapsed \
            FROM accounts WHERE granted <> free + carved + leased + held + used + lapsed",
    },
    Rule {
        says: "no pocket is below zero (which is the lowest)",
        broken: "SELECT tenant, environment, id, least_pocket, 0 FROM (SELECT tenant, environment, id, \
            {least}(free, carved, leased, held, used, lapsed) AS least_pocket FROM accounts) AS a WHERE least_pocket < 0",
    },
    Rule {
        says: "carved = what the accounts below were granted",
        broken: "SELECT a.tenant, a.environment, a.id, a.carved, coalesce(c.total, 0) FROM accounts a LEFT JOIN \
            (SELECT tenant, environment, parent_id, CAST(sum(granted) AS BIGINT) AS total FROM accounts \
             WHERE parent_id IS NOT NULL GROUP BY tenant, environment, parent_id) c \
            ON c.tenant = a.tenant AND c.environment = a.environment AND c.parent_id = a.id \
            WHERE a.carved <> coalesce(c.total, 0)",
    },
    Rule {
        says: "what is owed after a change of plan is out",
        broken: "SELECT tenant, environment, id, owed, leased + held + carved FROM accounts \
            WHERE owed < 0 OR spare < 0 OR owed > leased + held + carved",
    },
    Rule {
        says: "leased = what leases that are not over still have",
        broken: "SELECT a.tenant, a.environment, a.id, a.leased, coalesce(l.total, 0) FROM accounts a LEFT JOIN \
            (SELECT tenant, environment, account_id, CAST(sum(n - used) AS BIGINT) AS total FROM leases \
             WHERE state NOT IN ('settled', 'forfeited') GROUP BY tenant, environment, account_id) l \
            ON l.tenant = a.tenant AND l.environment = a.environment AND l.account_id = a.id \
            WHERE a.leased <> coalesce(l.total, 0)",
    },
    Rule {
        says: "held = what open holds set aside",
        broken: "SELECT a.tenant, a.environment, a.id, a.held, coalesce(h.total, 0) FROM accounts a LEFT JOIN \
            (SELECT p.tenant, p.environment, p.account_id, CAST(sum(p.amount) AS BIGINT) AS total FROM hold_parts p \
             JOIN holds h ON h.tenant = p.tenant AND h.environment = p.environment AND h.id = p.hold_id AND h.open \
             GROUP BY p.tenant, p.environment, p.account_id) h \
            ON h.tenant = a.tenant AND h.environment = a.environment AND h.account_id = a.id \
            WHERE a.held <> coalesce(h.total, 0)",
    },
    Rule {
        says: "granted = what moved in less what moved out",
        broken: "SELECT a.tenant, a.environment, a.id, a.granted, coalesce(m.total, 0) FROM accounts a LEFT JOIN \
            (SELECT tenant, environment, account_id, CAST(sum(CASE WHEN from_pocket IS NULL THEN amount ELSE 0 END \
             - CASE WHEN to_pocket IS NULL THEN amount ELSE 0 END) AS BIGINT) AS total FROM movements \
             GROUP BY tenant, environment, account_id) m \
            ON m.tenant = a.tenant AND m.environment = a.environment AND m.account_id = a.id \
            WHERE a.granted <> coalesce(m.total, 0)",
    },
    Rule {
        says: "each pocket = what moved into it less what moved out of it",
        broken: "SELECT a.tenant, a.environment, a.id, a.units, coalesce(m.total, 0) FROM ({pockets}) a LEFT JOIN \
            (SELECT tenant, environment, account_id, pocket, CAST(sum(amount) AS BIGINT) AS total FROM \
             (SELECT tenant, environment, account_id, to_pocket AS pocket, amount FROM movements \
              WHERE to_pocket IS NOT NULL UNION ALL \
              SELECT tenant, environment, account_id, from_pocket AS pocket, -amount FROM movements \
              WHERE from_pocket IS NOT NULL) AS both_ways GROUP BY tenant, environment, account_id, pocket) m \
            ON m.tenant = a.tenant AND m.environment = a.environment AND m.account_id = a.id AND m.pocket = a.pocket \
            WHERE a.units <> coalesce(m.total, 0)",
    },
    Rule {
        // Equality would be too much to ask: in `fast` mode a crash charges more than any decision names.
        says: "used is at least what allowed decisions spent",
        broken: "SELECT a.tenant, a.environment, a.id, a.used, d.total FROM accounts a JOIN \
            (SELECT tenant, environment, account, CAST(sum(granted) AS BIGINT) AS total FROM ({uses}) AS u \
             GROUP BY tenant, environment, account) d \
            ON d.tenant = a.tenant AND d.environment = a.environment AND {same_account} \
            WHERE a.used < d.total",
    },
];

/// Decisions that spent something. What a duplicate spent went back; a reserve has not spent yet.
pub(crate) const SPENDING: &str =
    "reason IS NULL AND duplicate_of IS NULL AND operation IN ('consume', 'commit', 'release')";

impl SqlStore {
    /// Violations of the rules that hold in every committed state, in words; none when the books add up.
    ///
    /// # Errors
    /// [`almoner_domain::fault::FaultKind::Unavailable`] when the database does not answer.
    pub async fn check_books(&self) -> Result<Vec<String>, Fault> {
        self.read_everywhere("check_books", |tx| Box::pin(check(tx))).await
    }
}

async fn check(tx: &Everywhere) -> Result<Vec<String>, Trouble> {
    let mut violations = Vec::new();
    for rule in &RULES {
        let rows = tx.query(&spelled(rule.broken, tx.backend())).await?;
        for row in rows.iter().take(LISTED_MAX) {
            violations.push(told(rule, row)?);
        }
        if rows.len() > LISTED_MAX {
            violations.push(format!("{} more accounts break: {}", rows.len() - LISTED_MAX, rule.says));
        }
    }
    violations.extend(check_usage::check(tx).await?);
    Ok(violations)
}

/// Fills in what the two databases spell differently.
fn spelled(sql: &str, backend: DbBackend) -> String {
    let pockets: Vec<String> = ["free", "carved", "leased", "held", "used", "lapsed"]
        .iter()
        .map(|p| format!("SELECT tenant, environment, id, '{p}' AS pocket, {p} AS units FROM accounts"))
        .collect();
    let (least, uses, same_account) = match backend {
        DbBackend::Postgres => (
            "least",
            format!(
                "SELECT tenant, environment, u.value ->> 'account' AS account, (u.value ->> 'granted')::bigint AS granted \
                 FROM decisions, jsonb_array_elements(uses::jsonb) AS u(value) \
                 WHERE {SPENDING} AND u.value ->> 'account' IS NOT NULL"
            ),
            "d.account = a.id::text",
        ),
        _ => (
            "min",
            format!(
                "SELECT tenant, environment, json_extract(u.value, '$.account') AS account, \
                 json_extract(u.value, '$.granted') AS granted FROM decisions, json_each(decisions.uses) AS u \
                 WHERE {SPENDING} AND json_extract(u.value, '$.account') IS NOT NULL"
            ),
            "replace(d.account, '-', '') = lower(hex(a.id))",
        ),
    };
    sql.replace("{pockets}", &pockets.join(" UNION ALL "))
        .replace("{least}", least)
        .replace("{uses}", &uses)
        .replace("{same_account}", same_account)
}

fn told(rule: &Rule, row: &QueryResult) -> Result<String, Trouble> {
    let tenant: Uuid = row.try_get_by_index(0)?;
    let environment: String = row.try_get_by_index(1)?;
    let account = AccountId::from_uuid(row.try_get_by_index(2)?);
    let (is, should): (i64, i64) = (row.try_get_by_index(3)?, row.try_get_by_index(4)?);
    let realm = crate::key::realm_of(tenant, &environment)?;
    Ok(format!("{realm}: account {account}: {}: it has {is}, the rest says {should}", rule.says))
}
