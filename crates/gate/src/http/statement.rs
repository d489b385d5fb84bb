//! Statements as the wire has them.

use super::answer::{OnBehalfOf, ValueAnswer};
use super::conditions::{HoursBody, PaceBody};
use super::problem::Problem;
use crate::gate::Gate;
use almoner_domain::account::Pocket;
use almoner_domain::allocation::AllocationState;
use almoner_domain::feature::Feature;
use almoner_domain::statement::{AllocationStatement, EntitlementLine, EntitlementStatement, LineStatement, Right};
use almoner_domain::tenant::Realm;
use almoner_domain::units::Units;
use serde::Serialize;
use utoipa::ToSchema;

/// An allocation and where its units stand.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AllocationBody {
    /// Our id of it, `alc_...`.
    allocation: String,
    /// `active`, `closed`, `expired` or `revoked`.
    state: &'static str,
    /// Line by line.
    lines: Vec<LineBody>,
    /// With which tools, on which resources; what is null is not restricted.
    scope: ScopeAnswer,
    not_before: Option<String>,
    expires_at: String,
    created_at: String,
    session: SessionAnswer,
    on_behalf_of: OnBehalfOf,
    /// The allocations it was carved from, nearest first.
    chain: Vec<ChainLink>,
    /// How its decisions are kept, where it says so itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    durability: Option<&'static str>,
    /// In which hours it may be used, where it says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    hours: Option<HoursBody>,
    /// How fast it may be used, where it says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pace: Option<PaceBody>,
    /// After how many seconds without use it ends, where it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    idle_timeout_s: Option<u64>,
    /// What has returned in the moment it ended, line by line.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    returned: Vec<ReturnedBody>,
}

/// Where the units of one feature stand: granted = free + carved + leased + held + used + lapsed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LineBody {
    feature: String,
    granted: String,
    free: String,
    carved: String,
    /// Units of gates that have fallen silent; they count as used until those gates are heard.
    leased: String,
    held: String,
    used: String,
    lapsed: String,
}

/// Units of one feature that have returned.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReturnedBody {
    feature: String,
    amount: String,
}

/// A scope.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ScopeAnswer {
    tools: Option<Vec<String>>,
    resources: Option<Vec<String>>,
}

/// A session by name.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SessionAnswer {
    kind: String,
    key: String,
}

/// An allocation above.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChainLink {
    allocation: String,
    state: &'static str,
}

/// What a subject may use.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EntitlementsBody {
    on_behalf_of: OnBehalfOf,
    entitlements: Vec<EntitlementBody>,
}

/// One entitlement.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EntitlementBody {
    feature: String,
    /// `boolean`, `static` or `metered`.
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    included: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<ValueAnswer>,
    /// Metered: `user` or `customer`.
    #[serde(skip_serializing_if = "Option::is_none")]
    level: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<String>,
    /// Metered: what may be used now.
    #[serde(skip_serializing_if = "Option::is_none")]
    remaining: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    window: Option<WindowBody>,
    /// Metered: when the quota renews.
    #[serde(skip_serializing_if = "Option::is_none")]
    resets_at: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<LineBody>,
}

/// A usage window.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WindowBody {
    start: String,
    end: Option<String>,
}

impl Gate {
    /// A statement as it is now.
    pub(super) async fn allocation_body(
        &self,
        realm: Realm,
        statement: &AllocationStatement,
    ) -> Result<AllocationBody, Problem> {
        let mut lines = Vec::with_capacity(statement.lines.len());
        for line in &statement.lines {
            lines.push(line_body(line, &*self.feature(realm, line.feature).await?));
        }
        self.allocation_with(realm, statement, lines).await
    }

    /// A statement as it was in the moment it was carved: the same whenever the carving is told again.
    pub(super) async fn carved_body(
        &self,
        realm: Realm,
        statement: &AllocationStatement,
    ) -> Result<AllocationBody, Problem> {
        let mut lines = Vec::with_capacity(statement.lines.len());
        for line in &statement.allocation.lines {
            let feature = self.feature(realm, line.feature).await?;
            let show = |units: Units| units.display(feature.scale());
            let none = show(Units::ZERO);
            lines.push(LineBody {
                feature: feature.key.to_string(),
                granted: show(line.carved),
                free: show(line.carved),
                carved: none.clone(),
                leased: none.clone(),
                held: none.clone(),
                used: none.clone(),
                lapsed: none,
            });
        }
        let mut then = statement.clone();
        then.allocation.state = AllocationState::Active;
        then.chain.iter_mut().for_each(|(_, state)| *state = AllocationState::Active);
        self.allocation_with(realm, &then, lines).await
    }

    async fn allocation_with(
        &self,
        realm: Realm,
        statement: &AllocationStatement,
        lines: Vec<LineBody>,
    ) -> Result<AllocationBody, Problem> {
        let allocation = &statement.allocation;
        let names = |set: Option<Vec<String>>| set;
        let tools = allocation.scope.tools.as_ref().map(|set| set.iter().map(ToString::to_string).collect());
        let resources = allocation.scope.resources.as_ref().map(|set| set.iter().map(ToString::to_string).collect());
        let mut returned = Vec::new();
        if allocation.state != AllocationState::Active {
            for line in &allocation.lines {
                let feature = self.feature(realm, line.feature).await?;
                let amount = line.returned.display(feature.scale());
                returned.push(ReturnedBody { feature: feature.key.to_string(), amount });
            }
        }
        Ok(AllocationBody {
            allocation: allocation.id.to_string(),
            state: allocation.state.as_str(),
            lines,
            scope: ScopeAnswer { tools: names(tools), resources: names(resources) },
            not_before: allocation.not_before.map(|at| at.to_string()),
            expires_at: allocation.expires_at.to_string(),
            created_at: allocation.created_at.to_string(),
            session: SessionAnswer { kind: statement.session.kind.to_string(), key: statement.session.key.to_string() },
            on_behalf_of: (&allocation.principals).into(),
            chain: statement
                .chain
                .iter()
                .map(|(id, state)| ChainLink { allocation: id.to_string(), state: state.as_str() })
                .collect(),
            durability: allocation.durability.map(|durability| durability.as_str()),
            hours: allocation.conditions.hours.as_ref().map(HoursBody::from),
            pace: allocation.conditions.pace.map(PaceBody::from),
            idle_timeout_s: allocation.conditions.idle_timeout.map(|timeout| timeout.span().as_secs()),
            returned,
        })
    }

    /// What a subject may use.
    pub(super) async fn entitlements_body(
        &self,
        realm: Realm,
        statement: &EntitlementStatement,
    ) -> Result<EntitlementsBody, Problem> {
        let mut entitlements = Vec::with_capacity(statement.lines.len());
        for line in &statement.lines {
            entitlements.push(entitlement_body(line, &*self.feature(realm, line.feature).await?));
        }
        entitlements.sort_by(|a, b| a.feature.cmp(&b.feature));
        Ok(EntitlementsBody { on_behalf_of: (&statement.principals).into(), entitlements })
    }
}

/// Units that a gate has leased and not used are free as far as anybody outside can tell; only those of a gate that has
/// fallen silent are not.
fn line_body(line: &LineStatement, feature: &Feature) -> LineBody {
    let show = |units: Units| units.display(feature.scale());
    let balance = &line.balance;
    let idle = balance.get(Pocket::Leased).saturating_sub(line.held_by_gates).saturating_sub(line.in_doubt);
    LineBody {
        feature: feature.key.to_string(),
        granted: show(balance.granted()),
        free: show(balance.get(Pocket::Free).saturating_add(idle)),
        carved: show(balance.get(Pocket::Carved)),
        leased: show(line.in_doubt),
        held: show(balance.get(Pocket::Held).saturating_add(line.held_by_gates)),
        used: show(balance.get(Pocket::Used)),
        lapsed: show(balance.get(Pocket::Lapsed)),
    }
}

fn entitlement_body(line: &EntitlementLine, feature: &Feature) -> EntitlementBody {
    let mut body = EntitlementBody {
        feature: feature.key.to_string(),
        kind: "boolean",
        included: None,
        value: None,
        level: None,
        unit: None,
        remaining: None,
        window: None,
        resets_at: None,
        line: None,
    };
    match &line.right {
        Right::Included => body.included = Some(true),
        Right::Value(value) => {
            body.kind = "static";
            body.value = Some(value.into());
        }
        Right::Quota { level, window, line } => {
            let shown = line_body(line, feature);
            body.kind = "metered";
            body.level = Some(level.as_str());
            body.unit = feature.meter().map(|meter| meter.unit.to_string());
            body.remaining = Some(shown.free.clone());
            let end = window.end.map(|at| at.to_string());
            body.window = Some(WindowBody { start: window.start.to_string(), end: end.clone() });
            body.resets_at = Some(end);
            body.line = Some(shown);
        }
    }
    body
}
