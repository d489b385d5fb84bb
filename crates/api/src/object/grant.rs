//! Grants: units issued into a quota.

use super::{CustomerNode, FeatureNode, decimal, instant, there, wire_id};
use crate::asker::asker;
use almoner_domain::account::Account;
use almoner_domain::feature::Feature;
use almoner_domain::grant::{Grant, GrantKind, GrantStage};
use almoner_domain::units::Units;
use async_graphql::{Context, Enum, ID, Object, Result};

/// Why units were issued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(name = "GrantKind")]
pub(crate) enum GrantKindName {
    /// The plan's quota for a period.
    Renewal,
    /// Bought or given on top.
    TopUp,
    /// A promotion.
    Promotion,
    /// Left over from the period before.
    Rollover,
    /// What may be used beyond the quota, by the plan. It burns last.
    Overage,
}

/// How far a grant has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(name = "GrantStage", remote = "GrantStage")]
pub(crate) enum GrantStageName {
    /// Not effective yet: its units are nowhere.
    Pending,
    /// Its units are in the quota.
    Live,
    /// The same, and it was announced that it expires soon.
    Expiring,
    /// Its time is over. What was out then lapses when it comes back.
    Expired,
    /// Its period is over, and what was out then is carried over when it comes back.
    Rolling,
}

impl From<GrantKind> for GrantKindName {
    fn from(kind: GrantKind) -> Self {
        match kind {
            GrantKind::Renewal => Self::Renewal,
            GrantKind::TopUp => Self::TopUp,
            GrantKind::Promotion => Self::Promotion,
            GrantKind::Rollover => Self::Rollover,
            GrantKind::Overage => Self::Overage,
        }
    }
}

/// Units issued into one period of a quota. Voided, never edited.
pub(crate) struct GrantNode(pub(crate) Grant);

#[Object(name = "Grant")]
impl GrantNode {
    /// Its id.
    pub(crate) async fn id(&self) -> ID {
        wire_id(self.0.id)
    }

    /// The provider's own id of it, such as an order's number.
    async fn external_id(&self) -> Option<&str> {
        self.0.external_id.as_ref().map(|id| id.as_str())
    }

    /// Why it was issued.
    async fn kind(&self) -> GrantKindName {
        self.0.kind.into()
    }

    /// Into whose quota.
    async fn customer(&self, context: &Context<'_>) -> Result<CustomerNode> {
        let account = self.account(context).await?;
        Ok(CustomerNode(there(asker(context)?.loader.load_one(account.principals.customer).await?)?))
    }

    /// Of which feature.
    async fn feature(&self, context: &Context<'_>) -> Result<FeatureNode> {
        Ok(FeatureNode(self.find(context).await?))
    }

    /// Units issued, as a decimal in the feature's unit.
    async fn amount(&self, context: &Context<'_>) -> Result<String> {
        self.text(context, self.0.amount).await
    }

    /// Units taken back when it was voided, as a decimal in the feature's unit.
    async fn taken_back(&self, context: &Context<'_>) -> Result<String> {
        self.text(context, self.0.taken_back).await
    }

    /// Units that lapsed when it expired, so far, as a decimal in the feature's unit.
    async fn lapsed(&self, context: &Context<'_>) -> Result<String> {
        self.text(context, self.0.lapsed).await
    }

    /// How far it has come.
    async fn stage(&self) -> GrantStageName {
        self.0.stage.into()
    }

    /// The grant of an earlier period that it continues.
    async fn carried_from(&self) -> Option<ID> {
        self.0.carried_from.map(wire_id)
    }

    /// Lower burns first; then what expires earlier, then what was issued earlier.
    async fn priority(&self) -> i32 {
        i32::from(self.0.priority)
    }

    /// Usable from.
    async fn effective_at(&self) -> String {
        instant(self.0.effective_at)
    }

    /// Usable until; none where it never ends.
    async fn expires_at(&self) -> Option<String> {
        self.0.expires_at.map(instant)
    }

    /// When it was issued.
    async fn created_at(&self) -> String {
        instant(self.0.created_at)
    }

    /// When it was voided; none where it was not.
    async fn voided_at(&self) -> Option<String> {
        self.0.voided_at.map(instant)
    }
}

impl GrantNode {
    async fn account(&self, context: &Context<'_>) -> Result<Account> {
        there(asker(context)?.loader.load_one(self.0.account).await?)
    }

    async fn find(&self, context: &Context<'_>) -> Result<Feature> {
        let account = self.account(context).await?;
        there(asker(context)?.loader.load_one(account.feature).await?)
    }

    async fn text(&self, context: &Context<'_>, units: Units) -> Result<String> {
        Ok(decimal(units, &self.find(context).await?))
    }
}
