//! What subscribers hear: each update with the instant or the place that it is of.

use super::balances::Frame;
use super::decisions::Batch;
use crate::object::{AllocationNode, BalanceObject, DecisionNode, FeatureNode, instant, there, wire_id};
use almoner_app::live::PictureLine;
use async_graphql::{ID, Object, Result, SimpleObject};
use std::sync::Arc;

/// An allocation and where its units stand.
pub(crate) struct AllocationBalance(pub(crate) Arc<Frame>);

#[Object]
impl AllocationBalance {
    /// Which state this is. A new subscription begins with the present state, so none is missed.
    async fn cursor(&self) -> ID {
        ID(instant(self.0.at))
    }

    /// When it was read.
    async fn at(&self) -> String {
        instant(self.0.at)
    }

    /// The allocation. Once it has ended this is the last update: what gates still hold of it returns when they settle.
    async fn allocation(&self) -> Result<AllocationNode> {
        Ok(AllocationNode(there(self.0.picture.allocation.clone())?))
    }

    /// One for each feature.
    async fn lines(&self) -> Vec<LineBalance> {
        self.0.picture.lines.iter().map(LineBalance::of).collect()
    }
}

/// Where the units of one feature of an allocation stand.
#[derive(SimpleObject)]
pub(crate) struct LineBalance {
    /// Of which feature.
    feature: FeatureNode,
    /// Where its units stand, as decimals in the feature's unit.
    balance: BalanceObject,
}

impl LineBalance {
    fn of(line: &PictureLine) -> Self {
        let balance = BalanceObject::of(&line.account.balance, &line.feature);
        Self { feature: FeatureNode(line.feature.clone()), balance }
    }
}

/// Where the units of all quotas of a customer or user stand.
pub(crate) struct EntitlementBalances(pub(crate) Arc<Frame>);

#[Object]
impl EntitlementBalances {
    /// Which state this is. A new subscription begins with the present state, so none is missed.
    async fn cursor(&self) -> ID {
        ID(instant(self.0.at))
    }

    /// When it was read.
    async fn at(&self) -> String {
        instant(self.0.at)
    }

    /// One for each metered feature.
    async fn entitlements(&self) -> Vec<EntitlementBalance> {
        self.0.picture.lines.iter().map(EntitlementBalance::of).collect()
    }
}

/// Where the units of one quota stand in its current window.
#[derive(SimpleObject)]
pub(crate) struct EntitlementBalance {
    /// Of which feature.
    feature: FeatureNode,
    /// Is it the user's own share of the customer's quota?
    is_own_share: bool,
    /// When the quota renews (RFC 3339); none where it never does.
    resets_at: Option<String>,
    /// Where its units stand, as decimals in the feature's unit.
    balance: BalanceObject,
}

impl EntitlementBalance {
    fn of(line: &PictureLine) -> Self {
        Self {
            feature: FeatureNode(line.feature.clone()),
            is_own_share: line.account.principals.user.is_some(),
            resets_at: line.account.window.end.map(instant),
            balance: BalanceObject::of(&line.account.balance, &line.feature),
        }
    }
}

/// Decisions that have come to the ledger.
pub(crate) struct Decisions(pub(crate) Batch);

#[Object]
impl Decisions {
    /// Where to resume after these: `after` of a new subscription.
    async fn cursor(&self) -> ID {
        wire_id(self.0.cursor)
    }

    /// They, oldest first; none in a first update that only says from where on.
    async fn decisions(&self) -> Vec<DecisionNode> {
        self.0.decisions.iter().map(|decision| DecisionNode((**decision).clone())).collect()
    }
}
