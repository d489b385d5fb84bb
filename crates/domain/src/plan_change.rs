//! Changes of plan: to other terms or to none, now or at the end of a period, and what each does to what the customer has.
//!
//! A customer's entitlement to a feature that both plans grant for the same period goes on: its window, what is used of it and what
//! was carved from it stay, and its quota is raised or lowered by the difference. All others end with the old plan, or begin with
//! the new one. A change that is scheduled is made once, by whoever comes first at or after its time, with the terms that are in
//! force at its time.

use crate::id::{AllocationId, CustomerId, EntitlementId, FeatureId, PlanChangeId, PlanId, SubscriptionId};
use crate::plan::{LiveRule, Offer, PlanLine};
use crate::subscription::{Entitlement, Subscription};
use crate::time::Timestamp;
use crate::units::Units;
use std::time::Duration;

/// The longest trial, in days.
pub const TRIAL_DAYS_MAX: u16 = 366;

/// When a change is to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum When {
    /// At once.
    Now,
    /// When the longest of the current windows ends.
    PeriodEnd,
}

/// A change of a subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanChange {
    /// Our id.
    pub id: PlanChangeId,
    /// Whose.
    pub customer: CustomerId,
    /// The subscription that ends with it.
    pub subscription: SubscriptionId,
    /// The plan that it changes to, in the version that is in force then; none where it ends.
    pub to: Option<PlanId>,
    /// When.
    pub at: Timestamp,
    /// Is it the end of a trial?
    pub ends_trial: bool,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// Made, to be made, or not to be made any more.
    pub state: PlanChangeState,
}

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PlanChangeState {
    /// Its time is to come, or has just come.
    Pending,
    /// It was made.
    Applied,
    /// Somebody withdrew it, or made another.
    Withdrawn,
}

impl PlanChangeState {
    /// The word in tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Applied => "applied",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Pending, Self::Applied, Self::Withdrawn].into_iter().find(|state| state.as_str() == text)
    }
}

/// When a trial of so many days ends that begins now. A day has 24 hours here, whatever clocks do.
pub fn trial_end(now: Timestamp, days: u16) -> Timestamp {
    now.saturating_add(Duration::from_secs(u64::from(days) * 24 * 3_600))
}

/// When the longest current window of these entitlements ends; none where none of them renews.
pub fn period_end(entitlements: &[Entitlement], at: Timestamp) -> Option<Timestamp> {
    let end = |entitlement: &Entitlement| match entitlement.offer {
        Offer::Quota { period, .. } => entitlement.calendar.window_at(period, at).ok()?.end,
        Offer::Included | Offer::Value(_) => None,
    };
    entitlements.iter().filter(|entitlement| entitlement.user.is_none()).filter_map(end).max()
}

/// What becomes of a customer's right to one feature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// To which feature.
    pub feature: FeatureId,
    /// The customer's own entitlement by the plan that is left; none where it grants nothing of the feature.
    pub old: Option<Entitlement>,
    /// Users' shares of it.
    pub shares: Vec<Entitlement>,
    /// What the plan that is taken grants; none where it grants nothing of the feature.
    pub new: Option<Offer>,
}

impl Turn {
    /// Does the entitlement go on as it is, with another offer at most? A quota whose period changes does not.
    pub fn goes_on(&self) -> bool {
        match (self.old.as_ref().map(|old| &old.offer), &self.new) {
            (Some(Offer::Quota { period: old, .. }), Some(Offer::Quota { period: new, .. })) => old == new,
            (Some(Offer::Quota { .. }), Some(_)) | (Some(_), Some(Offer::Quota { .. })) => false,
            (old, new) => old.is_some() && new.is_some(),
        }
    }

    /// Is there a quota by both plans, and the one begins where the other ends?
    pub fn restarts(&self) -> bool {
        self.old.is_some() && self.new.is_some() && !self.goes_on()
    }

    /// Units of a period by the old plan and by the new one, where the entitlement is a quota that goes on.
    pub fn amounts(&self) -> Option<(Units, Units)> {
        match (self.old.as_ref().map(|old| &old.offer), &self.new) {
            (Some(Offer::Quota { amount: old, .. }), Some(Offer::Quota { amount: new, .. })) if self.goes_on() => {
                Some((*old, *new))
            }
            _ => None,
        }
    }

    /// What may be used beyond the quota before and after, where it goes on.
    pub fn overages(&self) -> Option<(Units, Units)> {
        match (self.old.as_ref().map(|old| &old.offer), &self.new) {
            (Some(Offer::Quota { beyond: old, .. }), Some(Offer::Quota { beyond: new, .. })) if self.goes_on() => {
                Some((old.overage, new.overage))
            }
            _ => None,
        }
    }

    /// May units have to be taken back?
    pub fn takes(&self) -> bool {
        match self.amounts().zip(self.overages()) {
            Some(((old, new), (old_beyond, new_beyond))) => new < old || new_beyond < old_beyond,
            None => self.old.is_some() && !self.goes_on(),
        }
    }
}

/// What becomes of each feature, in the order of the features' ids.
pub fn turns(entitlements: &[Entitlement], lines: &[PlanLine]) -> Vec<Turn> {
    let mut features: Vec<FeatureId> = entitlements.iter().map(|one| one.feature).collect();
    features.extend(lines.iter().map(|line| line.feature));
    features.sort_unstable();
    features.dedup();
    let turn = |feature: FeatureId| {
        let own = || entitlements.iter().filter(move |one| one.feature == feature);
        Turn {
            feature,
            old: own().find(|one| one.user.is_none()).cloned(),
            shares: own().filter(|one| one.user.is_some()).cloned().collect(),
            new: lines.iter().find(|line| line.feature == feature).map(|line| line.offer.clone()),
        }
    };
    features.into_iter().map(turn).collect()
}

/// Entitlements of the subscription that takes the place of another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Moved {
    /// Those that go on, by their ids.
    pub going_on: Vec<Entitlement>,
    /// Those that begin.
    pub begun: Vec<Entitlement>,
}

/// What a new subscription gives. Users' shares follow their feature.
pub fn entitle(turns: &[Turn], new: &Subscription, new_id: &dyn Fn() -> EntitlementId) -> Moved {
    let mut moved = Moved::default();
    for turn in turns {
        let Some(offer) = &turn.new else { continue };
        let as_before = |one: &Entitlement, offer: Offer| Entitlement { subscription: new.id, offer, ..one.clone() };
        match &turn.old {
            Some(old) if turn.goes_on() => {
                moved.going_on.push(as_before(old, offer.clone()));
                moved.going_on.extend(turn.shares.iter().map(|share| as_before(share, share.offer.clone())));
            }
            _ => {
                let own = Entitlement {
                    id: new_id(),
                    customer: new.customer,
                    user: None,
                    feature: turn.feature,
                    subscription: new.id,
                    offer: offer.clone(),
                    calendar: new.calendar.clone(),
                };
                let share = |share: &Entitlement| Entitlement {
                    id: new_id(),
                    user: share.user,
                    offer: as_many(offer.clone(), &share.offer),
                    ..own.clone()
                };
                moved.begun.extend(turn.shares.iter().map(share));
                moved.begun.push(own);
            }
        }
    }
    moved
}

/// An offer, of as many units as another.
fn as_many(mut offer: Offer, other: &Offer) -> Offer {
    if let (Offer::Quota { amount, .. }, Offer::Quota { amount: as_many, .. }) = (&mut offer, other) {
        *amount = *as_many;
    }
    offer
}

/// What a change does, or would.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effects {
    /// What becomes of live allocations, as the plan says that is left.
    pub rule: LiveRule,
    /// Feature by feature.
    pub features: Vec<FeatureEffect>,
}

impl Effects {
    /// Live allocations that end.
    pub fn ended(&self) -> Vec<AllocationId> {
        let all = self.features.iter().flat_map(|feature| &feature.shift.allocations);
        all.filter(|effect| effect.ends).map(|effect| effect.allocation).collect()
    }
}

/// What a change does to one feature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeatureEffect {
    /// Of which feature.
    pub feature: FeatureId,
    /// What the plan that is left grants.
    pub before: Option<Offer>,
    /// What the plan that is taken grants.
    pub after: Option<Offer>,
    /// The quota's period changes: the current window ends, and one of the new period begins with its own quota.
    pub restarts: bool,
    /// What it does to the units of the current window.
    pub shift: Shift,
}

/// What a change does to the units of one window.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shift {
    /// Issued into it.
    pub granted: Units,
    /// Taken back now.
    pub taken_back: Units,
    /// Taken back when they return.
    pub pending: Units,
    /// Let go, because the window ends with the plan.
    pub lapsed: Units,
    /// What becomes of live allocations, the newest first; those that stay as they are are left out.
    pub allocations: Vec<AllocationEffect>,
}

impl Shift {
    /// And this as well, done after it.
    pub fn add(&mut self, more: Self) {
        self.granted = self.granted.saturating_add(more.granted);
        self.taken_back = self.taken_back.saturating_add(more.taken_back);
        // Each says what is owed in all by then; what owes nothing may not have looked.
        self.pending = self.pending.max(more.pending);
        self.lapsed = self.lapsed.saturating_add(more.lapsed);
        self.allocations.extend(more.allocations);
    }
}

/// What a change does to a live allocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AllocationEffect {
    /// Which.
    pub allocation: AllocationId,
    /// Units of the feature that go back.
    pub returned: Units,
    /// Does it end?
    pub ends: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::Calendar;
    use crate::id::Id;
    use crate::period::UsagePeriod;

    fn id<I: Id>(number: u128) -> I {
        I::from_uuid(uuid::Uuid::from_u128(number))
    }

    fn quota(amount: i64, period: UsagePeriod) -> Offer {
        Offer::Quota { amount: Units::new(amount).unwrap(), period, beyond: Default::default() }
    }

    fn entitlement(number: u128, feature: u128, user: Option<u128>, offer: Offer) -> Entitlement {
        Entitlement {
            id: id(number),
            customer: id(1),
            user: user.map(id),
            feature: id(feature),
            subscription: id(2),
            offer,
            calendar: Calendar::new(Timestamp::parse("2026-11-15T00:00:00Z").unwrap(), "UTC").unwrap(),
        }
    }

    #[test]
    fn what_both_plans_grant_for_one_period_goes_on_and_shares_follow() {
        let (day, month) = (UsagePeriod::parse("day").unwrap(), UsagePeriod::MONTH);
        let old = [
            entitlement(10, 1, None, quota(100, month)),
            entitlement(11, 1, Some(7), quota(20, month)),
            entitlement(12, 2, None, quota(100, month)),
            entitlement(13, 2, Some(7), quota(30, month)),
            entitlement(14, 3, None, Offer::Included),
        ];
        let line = |feature, offer| PlanLine { feature: id(feature), offer };
        let lines = [line(1, quota(40, month)), line(2, quota(5, day)), line(4, Offer::Included)];
        let turns = turns(&old, &lines);
        let told: Vec<_> = turns.iter().map(|turn| (turn.goes_on(), turn.restarts(), turn.takes())).collect();
        assert_eq!(told, [(true, false, true), (false, true, true), (false, false, true), (false, false, false)]);
        let new = Subscription {
            id: id(3),
            customer: id(1),
            plan_version: id(4),
            calendar: old[0].calendar.clone(),
            started_at: Timestamp::from_micros(0),
            ended_at: None,
            paused_at: None,
            changes_at: None,
        };
        let next = std::cell::Cell::new(100);
        let moved = entitle(&turns, &new, &|| id(next.replace(next.get() + 1)));
        let told = |all: &[Entitlement]| -> Vec<_> {
            all.iter().map(|one| (one.id.uuid().as_u128(), one.user, one.offer.clone())).collect()
        };
        let user = Some(id(7));
        assert_eq!(told(&moved.going_on), [(10, None, quota(40, month)), (11, user, quota(20, month))]);
        let begun = [(101, user, quota(30, day)), (100, None, quota(5, day)), (102, None, Offer::Included)];
        assert_eq!(told(&moved.begun), begun);
        assert!(moved.begun.iter().chain(&moved.going_on).all(|one| one.subscription == new.id));
    }

    #[test]
    fn a_period_ends_with_the_longest_window_that_renews() {
        let of = |period| entitlement(1, 1, None, quota(1, period));
        let at = |text| Timestamp::parse(text).unwrap();
        let now = at("2026-11-20T10:00:00Z");
        let (day, never) = (UsagePeriod::parse("day").unwrap(), UsagePeriod::Never);
        assert_eq!(period_end(&[of(day), of(UsagePeriod::MONTH), of(never)], now), Some(at("2026-12-15T00:00:00Z")));
        assert_eq!(period_end(&[of(day), of(never)], now), Some(at("2026-11-21T00:00:00Z")));
        assert_eq!(period_end(&[of(never), entitlement(2, 2, None, Offer::Included)], now), None);
    }
}
