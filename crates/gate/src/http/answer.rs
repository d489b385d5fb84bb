//! Answers: decisions and statements as the wire has them. The same decision is always written the same, byte for byte.

use super::problem::Problem;
use crate::decide::Refusal;
use crate::gate::Gate;
use almoner_domain::decision::{Decision, Denial, Use, UseKind, Verdict};
use almoner_domain::feature::{Feature, StaticValue};
use almoner_domain::principal::Principals;
use almoner_domain::tenant::Realm;
use almoner_domain::units::Units;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// A decision.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DecisionBody {
    /// `allow` or `deny`.
    decision: &'static str,
    /// Our id of it, `dec_...`.
    decision_id: String,
    /// A stable code of why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    /// The level that said no.
    #[serde(skip_serializing_if = "Option::is_none")]
    level: Option<&'static str>,
    /// One sentence for people and models.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    /// The allocation that it drew on.
    #[serde(skip_serializing_if = "Option::is_none")]
    allocation: Option<String>,
    /// The hold that it opened or settled.
    #[serde(skip_serializing_if = "Option::is_none")]
    hold: Option<String>,
    /// When the hold releases itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
    /// Feature by feature, in the order asked.
    uses: Vec<UseAnswer>,
    /// On whose behalf.
    #[serde(skip_serializing_if = "Option::is_none")]
    on_behalf_of: Option<OnBehalfOf>,
    /// Denials: when it opens or renews by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    resets_at: Option<Option<String>>,
    /// Denials: seconds after which a retry can succeed without anybody doing anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_s: Option<Option<u32>>,
    /// Denials: who can raise it, and where.
    #[serde(skip_serializing_if = "Option::is_none")]
    raise: Option<Raise>,
}

/// One feature of a decision.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UseAnswer {
    /// The feature's key.
    feature: String,
    /// Units asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    requested: Option<String>,
    /// Units spent or set aside.
    #[serde(skip_serializing_if = "Option::is_none")]
    granted: Option<String>,
    /// Units left afterwards where they came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    remaining: Option<String>,
    /// What it is paid with, where it has no units of its own here.
    #[serde(skip_serializing_if = "Option::is_none")]
    price: Option<PriceAnswer>,
    /// This feature stopped the call.
    #[serde(skip_serializing_if = "Option::is_none")]
    blocked: Option<bool>,
    /// Commits: units above the hold that were not spent.
    #[serde(skip_serializing_if = "Option::is_none")]
    excess_denied: Option<String>,
    /// Boolean features: is it there?
    #[serde(skip_serializing_if = "Option::is_none")]
    included: Option<bool>,
    /// Static features: the value.
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<ValueAnswer>,
}

/// What a use is paid with.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PriceAnswer {
    /// The key of the feature that pays, such as `credits`.
    feature: String,
    /// What the granted units cost; where nothing was granted, what was asked for costs.
    amount: String,
    /// Units of it left afterwards.
    remaining: String,
}

/// The value of a static feature.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum ValueAnswer {
    /// A whole number.
    Integer(i64),
    /// A text.
    Text(String),
}

/// On whose behalf.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OnBehalfOf {
    customer: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<String>,
}

/// Who can raise it, and where.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Raise {
    who: Vec<String>,
    url: Option<String>,
}

impl From<&Principals> for OnBehalfOf {
    fn from(principals: &Principals) -> Self {
        Self {
            customer: principals.customer.to_string(),
            user: principals.user.map(|id| id.to_string()),
            agent: principals.agent.map(|id| id.to_string()),
            session: principals.session.map(|id| id.to_string()),
        }
    }
}

impl From<&StaticValue> for ValueAnswer {
    fn from(value: &StaticValue) -> Self {
        match value {
            StaticValue::Integer(number) => Self::Integer(*number),
            StaticValue::Text(text) => Self::Text(text.to_string()),
        }
    }
}

impl Gate {
    /// A decision as the wire has it.
    pub(super) async fn decision_body(&self, realm: Realm, decision: &Decision) -> Result<DecisionBody, Problem> {
        let mut uses = Vec::with_capacity(decision.uses.len());
        for used in &decision.uses {
            // What priced uses drew is told with each of them.
            if matches!(used.kind, UseKind::Drawn { .. }) {
                continue;
            }
            let feature = self.feature(realm, used.feature).await?;
            let mut answer = use_answer(used, &feature);
            if let UseKind::Priced { currency, .. } = used.kind {
                answer.price = Some(price_answer(used, decision, &*self.feature(realm, currency).await?));
            }
            uses.push(answer);
        }
        let denial = match &decision.verdict {
            Verdict::Allow => None,
            Verdict::Deny(denial) => Some(denial),
        };
        Ok(DecisionBody {
            decision: if denial.is_none() { "allow" } else { "deny" },
            decision_id: decision.id.to_string(),
            reason: denial.map(|d| d.reason.as_str()),
            level: denial.map(|d| d.level.as_str()),
            message: denial.map(|d| d.message.clone()),
            allocation: decision.allocation.map(|id| id.to_string()),
            hold: decision.hold.map(|id| id.to_string()),
            expires_at: decision.hold_expires_at.map(|at| at.to_string()),
            uses,
            on_behalf_of: decision.on_behalf_of.as_ref().map(Into::into),
            resets_at: denial.map(|d| d.resets_at.map(|at| at.to_string())),
            retry_after_s: denial.map(|d| d.retry_after_s),
            raise: denial.map(|d| self.raise(decision, d)),
        })
    }

    fn raise(&self, decision: &Decision, denial: &Denial) -> Raise {
        let page = match decision.allocation {
            Some(id) => format!("allocations/{id}"),
            None => "entitlements".to_owned(),
        };
        let url = self.config.public_url.as_ref().map(|base| format!("{}/{page}", base.trim_end_matches('/')));
        Raise { who: denial.raise.iter().map(|id| id.to_string()).collect(), url }
    }

    /// A feature that a decision or account names.
    pub(super) async fn feature(
        &self,
        realm: Realm,
        id: almoner_domain::id::FeatureId,
    ) -> Result<Arc<Feature>, Problem> {
        if let Some(feature) = self.catalogue.known(realm, id) {
            return Ok(feature);
        }
        match self.catalogue.by_id(realm, id).await {
            Ok(Some(feature)) => Ok(feature),
            Ok(None) => Err(Refusal::Unavailable(None).into()),
            Err(fault) => Err(Refusal::Unavailable(Some(fault)).into()),
        }
    }
}

fn price_answer(used: &Use, decision: &Decision, currency: &Feature) -> PriceAnswer {
    let cost = match used.kind {
        UseKind::Priced { rate, requested, granted, .. } => {
            rate.charge(if granted.is_zero() { requested } else { granted })
        }
        _ => Units::ZERO,
    };
    let left = decision.uses.iter().find_map(|other| match other.kind {
        UseKind::Drawn { remaining, .. } if other.feature == currency.id => Some(remaining),
        _ => None,
    });
    let show = |units: Units| units.display(currency.scale());
    PriceAnswer { feature: currency.key.to_string(), amount: show(cost), remaining: show(left.unwrap_or(Units::ZERO)) }
}

fn use_answer(used: &Use, feature: &Feature) -> UseAnswer {
    let scale = feature.scale();
    let show = |units: &Units| Some(units.display(scale));
    let mut answer = UseAnswer {
        feature: feature.key.to_string(),
        requested: None,
        granted: None,
        remaining: None,
        price: None,
        blocked: None,
        excess_denied: None,
        included: None,
        value: None,
    };
    match &used.kind {
        UseKind::Metered { requested, granted, remaining, blocked, .. }
        | UseKind::Priced { requested, granted, remaining, blocked, .. } => {
            answer.requested = show(requested);
            answer.granted = show(granted);
            answer.remaining = show(remaining);
            answer.blocked = blocked.then_some(true);
            let denied = requested.saturating_sub(*granted);
            // Some was granted and some was not: only a commit above its hold comes out so.
            answer.excess_denied = (!granted.is_zero() && !denied.is_zero()).then(|| denied.display(scale));
        }
        UseKind::Drawn { .. } => {}
        UseKind::Boolean { included } => answer.included = Some(*included),
        UseKind::Static { value } => answer.value = value.as_ref().map(Into::into),
    }
    answer
}
