//! A policy tried on past usage: who would have been denied, when first, and by which of its caps.
//!
//! The trial goes through past calls in their order and gives each session what the policy would have given it, by the same rule
//! as in earnest ([`Policy::amounts`]). What a plan leaves free is not looked at, nor is which policy would have been chosen: it
//! says what this one's own terms would have done. A session keeps its allocation for as long as the policy lets one live, since
//! nobody knows when it would have been closed.

use crate::calendar::Window;
use crate::decision::{Decision, Operation, Use, UseKind, Verdict};
use crate::id::{AgentId, CustomerId, FeatureId, SessionId, UserId};
use crate::policy::{Policy, PolicyRefusal};
use crate::price::{PriceList, Rate};
use crate::principal::Principals;
use crate::time::{DAY, Timestamp};
use crate::units::Units;
use std::collections::BTreeMap;
use std::time::Duration;
use thiserror::Error;

/// The longest stretch of the past that a policy is tried on.
pub const TRIAL_SPAN_MAX: Duration = Duration::from_micros(31 * DAY.unsigned_abs());
/// The most sessions that one trial goes through.
pub const TRIAL_SESSIONS_MAX: usize = 10_000;
/// The most calls that one trial goes through.
pub const TRIAL_CALLS_MAX: u64 = 200_000;
/// The most sessions that are told one by one of those that would have been denied.
pub const TRIAL_DENIED_MAX: usize = 100;

/// Something that was asked for in the past: granted, or denied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastCall {
    /// When.
    pub at: Timestamp,
    /// By which agent.
    pub agent: AgentId,
    /// On behalf of which customer.
    pub customer: CustomerId,
    /// On behalf of which user of it, where one is named.
    pub user: Option<UserId>,
    /// In which session.
    pub session: SessionId,
    /// How many units of which metered features.
    pub uses: Vec<(FeatureId, Units)>,
    /// What was said of the call.
    pub dimensions: Vec<(String, String)>,
}

impl PastCall {
    /// What a decision says that was asked for; none of one that asks for no units in a session, or that tells again what another
    /// one does: a hold counts by what it came to.
    pub fn of(decision: &Decision) -> Option<Self> {
        let is_denied = decision.verdict != Verdict::Allow;
        let counts = match decision.operation {
            Operation::Consume | Operation::Commit | Operation::Release => true,
            Operation::Reserve => is_denied,
            Operation::Extend | Operation::Expire | Operation::Meter => false,
        };
        let Principals { customer, user, agent, session } = decision.on_behalf_of?;
        let units = |used: &Use| {
            let (UseKind::Metered { requested, granted, .. } | UseKind::Priced { requested, granted, .. }) = used.kind
            else {
                return None;
            };
            let units = if is_denied { requested } else { granted };
            (!units.is_zero()).then_some((used.feature, units))
        };
        let uses: Vec<_> = decision.uses.iter().filter_map(units).collect();
        let (agent, session) = (agent?, session?);
        let dimensions = decision.dimensions.clone();
        (counts && !uses.is_empty()).then_some(Self {
            at: decision.at,
            agent,
            customer,
            user,
            session,
            uses,
            dimensions,
        })
    }
}

/// What would have stopped a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TrialCap {
    /// What one session gets.
    Session,
    /// What one day has.
    Day,
    /// How many may be live at once.
    Live,
    /// How long an allocation lasts.
    Lifetime,
    /// It hands out nothing of the feature, and nothing that pays for it.
    Feature,
}

/// A session that would have been denied something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrialDenied {
    /// Which.
    pub session: SessionId,
    /// Whose agent's.
    pub agent: AgentId,
    /// On behalf of which customer.
    pub customer: CustomerId,
    /// On behalf of which user of it.
    pub user: Option<UserId>,
    /// When first.
    pub first_at: Timestamp,
    /// By which cap then.
    pub cap: TrialCap,
    /// What all its calls asked for that would have been denied, in the features that the policy hands out.
    pub units: BTreeMap<FeatureId, Units>,
}

/// What one day in the policy's zone would have come to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TrialDay {
    /// Sessions whose first call was on it.
    pub sessions: u64,
    /// Calls.
    pub calls: u64,
    /// Of which denied.
    pub denied_calls: u64,
    /// Units that would have been spent.
    pub served: BTreeMap<FeatureId, Units>,
    /// Units that denied calls asked for.
    pub denied: BTreeMap<FeatureId, Units>,
}

/// What a policy would have done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrialOutcome {
    /// Sessions that asked for something.
    pub sessions: u64,
    /// Of which all was served.
    pub served: u64,
    /// Those that would have been denied something, the earliest denied first; [`TRIAL_DENIED_MAX`] at most.
    pub denied: Vec<TrialDenied>,
    /// Days on which something was asked for, each by the instant at which it began.
    pub days: BTreeMap<Timestamp, TrialDay>,
}

/// Why a policy is not tried on so much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TrialError {
    /// No stretch of time, or too long a one.
    #[error("a policy is tried on more than nothing and at most 31 days")]
    Span,
    /// More sessions than are gone through.
    #[error("there were more than {TRIAL_SESSIONS_MAX} sessions; try a shorter time, one customer, or fewer agents")]
    Sessions,
    /// More calls than are gone through.
    #[error("there were more than {TRIAL_CALLS_MAX} calls; try a shorter time, one customer, or fewer agents")]
    Calls,
    /// A day that the calendar does not know.
    #[error("there is no such day in its zone")]
    Calendar,
}

/// Tries a policy on past calls, which come in their order. `prices` are those in effect: they say what features cost that it hands
/// out nothing of.
pub fn try_policy<'p>(
    policy: &'p Policy,
    prices: &'p [PriceList],
    calls: impl IntoIterator<Item = PastCall>,
) -> Result<TrialOutcome, TrialError> {
    let mut trial = PolicyTrial::new(policy, prices);
    calls.into_iter().try_for_each(|call| trial.see(&call))?;
    Ok(trial.outcome())
}

/// A trial under way.
pub struct PolicyTrial<'p> {
    policy: &'p Policy,
    prices: &'p [PriceList],
    calls: u64,
    sessions: BTreeMap<(SessionId, CustomerId, Option<UserId>), Tried>,
    made: BTreeMap<CustomerId, Shelf>,
    days: BTreeMap<Timestamp, TrialDay>,
}

/// What became of a session.
#[derive(Default)]
struct Tried {
    /// Which of its customer's it has.
    made: Option<usize>,
    denied: Option<TrialDenied>,
}

/// What was made for one customer, in the order in which it was, which is that in which it ends: all lives equally long.
#[derive(Default)]
struct Shelf {
    made: Vec<Made>,
    /// How many of them are over.
    over: usize,
    /// What is out of the units of a day: all that was given and is live, and what was used of the rest.
    out: BTreeMap<(Timestamp, FeatureId), Units>,
}

/// An allocation that would have been made.
struct Made {
    day: Timestamp,
    ends_at: Timestamp,
    lines: Vec<MadeLine>,
}

struct MadeLine {
    feature: FeatureId,
    given: Units,
    used: Units,
}

/// What a call would have drawn.
type Draws = BTreeMap<FeatureId, Units>;

impl<'p> PolicyTrial<'p> {
    /// Nothing was seen yet.
    pub fn new(policy: &'p Policy, prices: &'p [PriceList]) -> Self {
        let (sessions, made, days) = Default::default();
        Self { policy, prices, calls: 0, sessions, made, days }
    }

    /// Sees the next call.
    pub fn see(&mut self, call: &PastCall) -> Result<(), TrialError> {
        self.calls += 1;
        if self.calls > TRIAL_CALLS_MAX {
            return Err(TrialError::Calls);
        }
        let key = (call.session, call.customer, call.user);
        let day = self.policy.zone.day(call.at).map_err(|_| TrialError::Calendar)?;
        let is_new = !self.sessions.contains_key(&key);
        if is_new && self.sessions.len() >= TRIAL_SESSIONS_MAX {
            return Err(TrialError::Sessions);
        }
        let (draws, is_handed_out) = self.draws(call);
        let place = self.sessions.entry(key).or_default().made;
        let shelf = self.made.entry(call.customer).or_default();
        let made = match place {
            Some(place) => Ok(place),
            None => shelf.make(self.policy, call.at, day),
        };
        let fate = made.and_then(|place| match shelf.made.get_mut(place) {
            Some(made) if is_handed_out => take(self.policy, made, call.at, &draws),
            _ => Err(TrialCap::Feature),
        });
        let tried = self.sessions.entry(key).or_default();
        tried.made = made.ok();
        let total = self.days.entry(day.start).or_default();
        total.calls += 1;
        total.sessions += u64::from(is_new);
        match fate {
            Ok(()) => add(&mut total.served, &draws),
            Err(cap) => {
                total.denied_calls += 1;
                add(&mut total.denied, &draws);
                let PastCall { at: first_at, agent, customer, user, session, .. } = *call;
                let fresh = || TrialDenied { session, agent, customer, user, first_at, cap, units: BTreeMap::new() };
                add(&mut tried.denied.get_or_insert_with(fresh).units, &draws);
            }
        }
        Ok(())
    }

    /// What it came to.
    pub fn outcome(self) -> TrialOutcome {
        let sessions = self.sessions.len() as u64;
        let mut denied: Vec<TrialDenied> = self.sessions.into_values().filter_map(|tried| tried.denied).collect();
        let served = sessions - denied.len() as u64;
        denied.sort_by_key(|one| (one.first_at, one.session, one.customer, one.user));
        denied.truncate(TRIAL_DENIED_MAX);
        TrialOutcome { sessions, served, denied, days: self.days }
    }

    /// What a call draws, and whether the policy hands all of it out: a feature of its own, else what pays for it in the first
    /// currency that it hands out.
    fn draws(&self, call: &PastCall) -> (Draws, bool) {
        let mut draws = Draws::new();
        let mut all = true;
        let has = |feature: FeatureId| self.policy.lines.iter().any(|line| line.feature == feature);
        for (feature, units) in &call.uses {
            let paid = || -> Option<(FeatureId, Rate)> {
                let lists = self.prices.iter().filter(|list| has(list.currency));
                lists.filter_map(|list| Some((list.currency, list.rate(*feature, &call.dimensions)?))).next()
            };
            let (feature, units) = match has(*feature) {
                true => (*feature, *units),
                false => match paid() {
                    Some((currency, rate)) => (currency, rate.charge(*units)),
                    None => {
                        all = false;
                        (*feature, *units)
                    }
                },
            };
            add(&mut draws, &BTreeMap::from([(feature, units)]));
        }
        (draws, all)
    }
}

fn add(into: &mut BTreeMap<FeatureId, Units>, more: &BTreeMap<FeatureId, Units>) {
    for (feature, units) in more {
        let there = into.entry(*feature).or_default();
        *there = there.saturating_add(*units);
    }
}

impl Shelf {
    /// Makes what a session would be given, and answers its place.
    fn make(&mut self, policy: &Policy, at: Timestamp, day: Window) -> Result<usize, TrialCap> {
        self.end(at);
        let live = self.made.len().saturating_sub(self.over) as u64;
        let out = |feature| self.out.get(&(day.start, feature)).copied().unwrap_or_default();
        let amounts = policy.amounts(live, day, out, |_| Units::MAX).map_err(|refusal| match refusal {
            PolicyRefusal::Live { .. } => TrialCap::Live,
            PolicyRefusal::Day { .. } => TrialCap::Day,
        })?;
        for (feature, given) in &amounts {
            let out = self.out.entry((day.start, *feature)).or_default();
            *out = out.saturating_add(*given);
        }
        let lines =
            amounts.into_iter().map(|(feature, given)| MadeLine { feature, given, used: Units::ZERO }).collect();
        self.made.push(Made { day: day.start, ends_at: at.saturating_add(policy.lifetime), lines });
        Ok(self.made.len() - 1)
    }

    /// Ends what is over: what is left of it comes back.
    fn end(&mut self, at: Timestamp) {
        while let Some(made) = self.made.get(self.over).filter(|made| made.ends_at <= at) {
            for line in &made.lines {
                let out = self.out.entry((made.day, line.feature)).or_default();
                *out = out.saturating_sub(line.given.saturating_sub(line.used));
            }
            self.over += 1;
        }
    }
}

/// Takes all that a call draws, or nothing.
fn take(policy: &Policy, made: &mut Made, at: Timestamp, draws: &Draws) -> Result<(), TrialCap> {
    if made.ends_at <= at {
        return Err(TrialCap::Lifetime);
    }
    let asked = |line: &MadeLine| draws.get(&line.feature).copied().unwrap_or_default();
    if let Some(line) = made.lines.iter().find(|line| line.used.saturating_add(asked(line)) > line.given) {
        let up_to = policy.lines.iter().find(|own| own.feature == line.feature).map(|own| own.up_to);
        // A session that got less got what the day had left.
        return Err(if Some(line.given) < up_to { TrialCap::Day } else { TrialCap::Session });
    }
    for line in &mut made.lines {
        line.used = line.used.saturating_add(asked(line));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{Id, PolicyId};
    use crate::policy::{AgentSelector, PolicyLine};
    use crate::price::PriceLine;
    use crate::scope::Scope;
    use crate::text::{ExternalId, Name, SessionKind};
    use crate::units::Scale;
    use crate::zone::Zone;

    fn id<I: Id>(number: u128) -> I {
        I::from_uuid(uuid::Uuid::from_u128(number))
    }

    fn units(count: i64) -> Units {
        Units::new(count).unwrap()
    }

    fn policy() -> Policy {
        Policy {
            id: id::<PolicyId>(1),
            external_id: ExternalId::parse("p").unwrap(),
            name: Name::parse("P").unwrap(),
            agents: AgentSelector::Any,
            session_kind: SessionKind::parse("chat").unwrap(),
            customer: None,
            lines: vec![PolicyLine { feature: id(1), up_to: units(10), a_day: None }],
            scope: Scope::default(),
            conditions: Default::default(),
            lifetime: Duration::from_secs(3_600),
            live_max: None,
            zone: Zone::parse("Europe/Berlin").unwrap(),
            created_at: Timestamp::from_micros(0),
            retired_at: None,
        }
    }

    /// So many seconds after noon in Berlin.
    fn at(seconds: u64) -> Timestamp {
        Timestamp::parse("2026-11-10T11:00:00Z").unwrap().saturating_add(Duration::from_secs(seconds))
    }

    fn call(session: u128, seconds: u64, uses: &[(u128, i64)]) -> PastCall {
        PastCall {
            at: at(seconds),
            agent: id(7),
            customer: id(5),
            user: None,
            session: id(session),
            uses: uses.iter().map(|(feature, count)| (id(*feature), units(*count))).collect(),
            dimensions: vec![("model".to_owned(), "xl".to_owned())],
        }
    }

    fn told(outcome: &TrialOutcome) -> Vec<(u128, u64, TrialCap, i64)> {
        let seconds = |denied: &TrialDenied| denied.first_at.saturating_since(at(0)).as_secs();
        let total = |denied: &TrialDenied| denied.units.values().map(|units| units.get()).sum();
        outcome.denied.iter().map(|one| (one.session.uuid().as_u128(), seconds(one), one.cap, total(one))).collect()
    }

    #[test]
    fn a_session_is_served_up_to_its_amount_to_the_unit() {
        let calls = [
            call(1, 0, &[(1, 6)]),
            call(1, 1, &[(1, 5)]),
            call(1, 2, &[(1, 4)]),
            call(1, 3, &[(1, 1)]),
            call(2, 4, &[(1, 10)]),
        ];
        let outcome = try_policy(&policy(), &[], calls).unwrap();
        assert_eq!((outcome.sessions, outcome.served), (2, 1));
        assert_eq!(told(&outcome), [(1, 1, TrialCap::Session, 6)]);
        let day = &outcome.days[&Timestamp::parse("2026-11-09T23:00:00Z").unwrap()];
        assert_eq!((day.sessions, day.calls, day.denied_calls), (2, 5, 2));
        assert_eq!((day.served[&id(1)], day.denied[&id(1)]), (units(20), units(6)));
    }

    #[test]
    fn a_day_has_so_many_and_what_came_back_counts_no_more() {
        let mut policy = policy();
        policy.lines[0].a_day = Some(units(15));
        let calls = [
            call(1, 0, &[(1, 1)]),
            // Five are left of the day.
            call(2, 1, &[(1, 5)]),
            call(2, 2, &[(1, 1)]),
            call(3, 3, &[(1, 1)]),
            // The first ended an hour after it began, with one spent, the second with five: nine are left.
            call(4, 3_601, &[(1, 9)]),
            // The next day begins at eleven in the evening by UTC.
            call(5, 12 * 3_600, &[(1, 10)]),
        ];
        let outcome = try_policy(&policy, &[], calls).unwrap();
        assert_eq!(told(&outcome), [(2, 2, TrialCap::Day, 1), (3, 3, TrialCap::Day, 1)]);
        assert_eq!((outcome.sessions, outcome.served, outcome.days.len()), (5, 3, 2));
    }

    #[test]
    fn so_many_are_live_at_once_for_so_long() {
        let policy = Policy { live_max: Some(1), ..policy() };
        let mut others = call(9, 2, &[(1, 1)]);
        others.customer = id(6);
        let calls = [
            call(1, 0, &[(1, 1)]),
            call(2, 1, &[(1, 1)]),
            others,
            call(1, 3_600, &[(1, 1)]),
            // The first is over, and the second is given one as late as now.
            call(2, 3_601, &[(1, 2)]),
        ];
        let outcome = try_policy(&policy, &[], calls).unwrap();
        assert_eq!(told(&outcome), [(2, 1, TrialCap::Live, 1), (1, 3_600, TrialCap::Lifetime, 1)]);
        assert_eq!(outcome.served, 1, "another customer's caps are its own");
    }

    #[test]
    fn what_has_a_price_counts_in_what_pays_for_it() {
        let price = |feature: u128, cost| PriceLine {
            feature: id(feature),
            when: Vec::new(),
            rate: Rate::new(units(cost), Scale::WHOLE),
        };
        let prices = [PriceList {
            id: id(1),
            currency: id(1),
            number: 1,
            effective_from: at(0),
            lines: vec![price(2, 3), price(3, 2)],
        }];
        let calls = [
            call(1, 0, &[(2, 2), (3, 1)]),
            call(1, 1, &[(2, 1)]),
            call(1, 2, &[(1, 2)]),
            call(2, 3, &[(4, 1), (2, 1)]),
        ];
        let outcome = try_policy(&policy(), &prices, calls).unwrap();
        // Eight of ten, then three are too many, then two fit. Nothing pays for the fourth feature.
        assert_eq!(told(&outcome), [(1, 1, TrialCap::Session, 3), (2, 3, TrialCap::Feature, 4)]);
    }

    #[test]
    fn more_than_a_trial_goes_through_is_refused() {
        let policy = policy();
        let mut trial = PolicyTrial::new(&policy, &[]);
        for number in 0..TRIAL_SESSIONS_MAX {
            let mut call = call(number as u128, 0, &[(1, 1)]);
            // Each customer's caps are its own, so that none has much to look through.
            call.customer = id(number as u128);
            trial.see(&call).unwrap();
        }
        assert_eq!(trial.see(&call(1 << 40, 0, &[(1, 1)])), Err(TrialError::Sessions));
        let mut trial = PolicyTrial::new(&policy, &[]);
        trial.calls = TRIAL_CALLS_MAX;
        assert_eq!(trial.see(&call(1, 0, &[(1, 1)])), Err(TrialError::Calls));
    }
}
