//! What is counted to see a runaway: the calls of one allocation at one gate, within the spans of the rules.
//!
//! A count is kept in slices of its span. Only whole slices within the span count, so the span that is looked at is between seven
//! eighths of what the rules say and all of it: never more is seen than there was. Memory is bounded whatever calls come.

use crate::feature::Feature;
use crate::guard::{GuardRules, GuardState, Trigger};
use crate::id::FeatureId;
use crate::time::Uptime;
use crate::units::Units;
use std::time::Duration;

/// Slices that a span is counted in.
const SLICES: usize = 8;
/// Different calls of one allocation that are told apart at once. A loop comes back to the same call before so many others.
pub const CALLS_APART_MAX: usize = 32;
/// Features of one allocation whose use is told apart.
const FEATURES_APART_MAX: usize = 64;

/// What a gate saw of a call.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'s> {
    /// A hash of what was asked for: features, amounts and what was said of the call. None for what is no call, such as the
    /// settlement of a hold.
    pub call: Option<u64>,
    /// Was it denied?
    pub is_denied: bool,
    /// What was spent.
    pub spent: &'s [Spent<'s>],
}

/// Units of one feature that a call spent.
#[derive(Debug, Clone, Copy)]
pub struct Spent<'s> {
    /// Of which feature.
    pub feature: &'s Feature,
    /// How many.
    pub units: Units,
    /// What is left of it after that, as far as the gate knows.
    pub left: Units,
    /// For how long what is left has to last; none where the window never ends, and there is no forecast.
    pub lasts: Option<Duration>,
}

/// What was counted of one allocation, under one set of rules.
#[derive(Debug, Clone)]
pub struct GuardTally {
    rules: GuardRules,
    calls: Vec<(u64, Count)>,
    denials: Count,
    spent: Vec<(FeatureId, Burn)>,
}

impl GuardTally {
    /// Nothing was counted yet.
    pub fn new(rules: GuardRules) -> Self {
        Self { rules, calls: Vec::new(), denials: Count::default(), spent: Vec::new() }
    }

    /// Does it count under these rules?
    pub fn is_under(&self, rules: &GuardRules) -> bool {
        self.rules == *rules
    }

    /// Counts what was seen, and answers the highest step that it leads to with why; none where it leads to nothing.
    pub fn see(&mut self, seen: &Seen<'_>, now: Uptime) -> Option<(GuardState, String)> {
        let found = [self.repeats(seen, now), self.denied(seen, now), self.burnt(seen, now)];
        // Of equal ones the first: a loop says more than how fast it burns.
        found.into_iter().flatten().rev().max_by_key(|(state, _)| *state)
    }

    fn repeats(&mut self, seen: &Seen<'_>, now: Uptime) -> Option<(GuardState, String)> {
        let (trigger, call) = (self.rules.repeats?, seen.call?);
        let place = self.calls.iter().position(|(known, _)| *known == call).unwrap_or_else(|| self.room(call));
        let (_, count) = self.calls.get_mut(place)?;
        count.add(trigger.span, now, 1);
        let times = count.within();
        step(&trigger, |bound| times >= u64::from(bound))
            .map(|state| (state, format!("the same call came {times} times within {}", said(trigger.span))))
    }

    /// A place for a call that is not known: at the end, or that of the one that has not come for longest.
    fn room(&mut self, call: u64) -> usize {
        if self.calls.len() < CALLS_APART_MAX {
            self.calls.push((call, Count::default()));
            return self.calls.len() - 1;
        }
        let oldest = self.calls.iter().enumerate().min_by_key(|(_, (_, count))| count.newest);
        let place = oldest.map_or(0, |(place, _)| place);
        if let Some(there) = self.calls.get_mut(place) {
            *there = (call, Count::default());
        }
        place
    }

    fn denied(&mut self, seen: &Seen<'_>, now: Uptime) -> Option<(GuardState, String)> {
        let trigger = self.rules.denials.filter(|_| seen.is_denied)?;
        self.denials.add(trigger.span, now, 1);
        let times = self.denials.within();
        step(&trigger, |bound| times >= u64::from(bound))
            .map(|state| (state, format!("{times} of its calls were denied within {}", said(trigger.span))))
    }

    fn burnt(&mut self, seen: &Seen<'_>, now: Uptime) -> Option<(GuardState, String)> {
        let trigger = self.rules.burn?;
        seen.spent.iter().filter_map(|spent| self.burn(&trigger, spent, now)).max_by_key(|(state, _)| *state)
    }

    fn burn(&mut self, trigger: &Trigger, spent: &Spent<'_>, now: Uptime) -> Option<(GuardState, String)> {
        let meter = spent.feature.meter()?;
        let place = match self.spent.iter().position(|(feature, _)| *feature == spent.feature.id) {
            Some(place) => place,
            None if self.spent.len() < FEATURES_APART_MAX => {
                self.spent.push((spent.feature.id, Burn::default()));
                self.spent.len() - 1
            }
            None => return None,
        };
        let (_, burn) = self.spent.get_mut(place)?;
        let forecast = burn.add(trigger.span, now, spent)?;
        let least = Units::whole(i64::from(self.rules.burn_units_min), meter.scale).unwrap_or(Units::MAX);
        if forecast.used < least {
            return None;
        }
        let state = step(trigger, |percent| forecast.is_exceeded(percent))?;
        let (used, unit) = (forecast.used.display(meter.scale), &meter.unit);
        let percent = forecast.percent();
        let within = said(trigger.span);
        Some((state, format!("{used} {unit} were used within {within}, {percent} % of the forecast")))
    }
}

fn step(trigger: &Trigger, reaches: impl Fn(u32) -> bool) -> Option<GuardState> {
    Some(trigger.state(reaches)).filter(|state| *state > GuardState::Calm)
}

fn said(span: Duration) -> String {
    match span.as_secs() {
        1 => "a second".to_owned(),
        60 => "a minute".to_owned(),
        3_600 => "an hour".to_owned(),
        86_400 => "a day".to_owned(),
        seconds => format!("{seconds} seconds"),
    }
}

/// Which slice of a span it is now.
fn slice(span: Duration, now: Uptime) -> u64 {
    let width = u64::try_from(span.as_micros()).unwrap_or(u64::MAX) / SLICES as u64;
    now.as_micros() / width.max(1)
}

/// How often something came, slice by slice.
#[derive(Debug, Clone, Copy, Default)]
struct Count {
    slices: [u32; SLICES],
    /// The newest slice of the steady clock that was counted in.
    newest: u64,
}

impl Count {
    fn add(&mut self, span: Duration, now: Uptime, times: u32) {
        let slice = slice(span, now).max(self.newest);
        // What lies between the newest and this one is empty.
        for passed in (self.newest + 1..=slice).rev().take(SLICES) {
            self.slices[place(passed)] = 0;
        }
        self.newest = slice;
        let there = &mut self.slices[place(slice)];
        *there = there.saturating_add(times);
    }

    /// How often it came within the span that ends with the newest slice.
    fn within(&self) -> u64 {
        self.slices.iter().map(|times| u64::from(*times)).sum()
    }
}

fn place(slice: u64) -> usize {
    usize::try_from(slice % SLICES as u64).unwrap_or_default()
}

/// What was used of a feature, slice by slice, and what was left of it when each began.
#[derive(Debug, Clone, Copy, Default)]
struct Burn {
    slices: [Option<Burnt>; SLICES],
}

#[derive(Debug, Clone, Copy)]
struct Burnt {
    slice: u64,
    begun: Uptime,
    used: Units,
    left: Units,
}

/// What was used within a span, and what the forecast was: what was left at its start, spread evenly over what was left of the
/// window.
#[derive(Debug, Clone, Copy)]
struct Forecast {
    used: Units,
    left: Units,
    lasts: Duration,
    span: Duration,
}

impl Burn {
    /// Counts, and answers how it compares; none where the window never ends.
    fn add(&mut self, span: Duration, now: Uptime, spent: &Spent<'_>) -> Option<Forecast> {
        let lasts = spent.lasts?;
        let newest = self.slices.iter().flatten().map(|burnt| burnt.slice).max().unwrap_or_default();
        let slice = slice(span, now).max(newest);
        let before = spent.left.saturating_add(spent.units);
        let there = &mut self.slices[place(slice)];
        let fresh = Burnt { slice, begun: now, used: Units::ZERO, left: before };
        let burnt = there.filter(|burnt| burnt.slice == slice).unwrap_or(fresh);
        *there = Some(Burnt { used: burnt.used.saturating_add(spent.units), ..burnt });

        let first = (slice + 1).saturating_sub(SLICES as u64);
        let counted = || self.slices.iter().flatten().filter(|burnt| burnt.slice >= first);
        let oldest = counted().min_by_key(|burnt| burnt.slice)?;
        let used = counted().map(|burnt| burnt.used).fold(Units::ZERO, Units::saturating_add);
        // Units that came in meanwhile belong to the forecast too.
        let left = oldest.left.max(spent.left.saturating_add(used));
        Some(Forecast { used, left, lasts: lasts.saturating_add(now.saturating_since(oldest.begun)), span })
    }
}

impl Forecast {
    /// What was used, and what the forecast allows, in one measure: units times microseconds.
    fn sides(&self) -> (i128, i128) {
        let micros = |span: Duration| i128::try_from(span.as_micros()).unwrap_or(i128::MAX).min(i128::from(i64::MAX));
        let lasts = micros(self.lasts).max(1);
        // A window that is shorter than the span has to last for no longer than itself.
        let span = micros(self.span).min(lasts);
        (i128::from(self.used.get()).saturating_mul(lasts), i128::from(self.left.get()).saturating_mul(span))
    }

    /// Were so many percent of the forecast used, or more?
    fn is_exceeded(&self, percent: u32) -> bool {
        let (used, forecast) = self.sides();
        used.saturating_mul(100) >= forecast.saturating_mul(i128::from(percent))
    }

    fn percent(&self) -> i128 {
        let (used, forecast) = self.sides();
        used.saturating_mul(100) / forecast.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feature::{Durability, ExcessRule, FeatureKind, Meter};
    use crate::id::Id;
    use crate::standing::Stopped;
    use crate::text::{FeatureKey, Name};
    use crate::units::Scale;

    fn rules() -> GuardRules {
        let trigger = |watch, throttle, suspend| Trigger {
            span: Duration::from_secs(80),
            watch: Some(watch),
            throttle: Some(throttle),
            suspend: Some(suspend),
        };
        GuardRules {
            stops: Stopped::Allocation,
            interval: Duration::from_secs(10),
            repeats: Some(trigger(3, 5, 8)),
            denials: Some(trigger(4, 6, 9)),
            burn: Some(trigger(200, 400, 800)),
            burn_units_min: 10,
        }
    }

    fn second(count: u64) -> Uptime {
        Uptime::from_micros(1_000_000_000 + count * 1_000_000)
    }

    fn call(call: u64) -> Seen<'static> {
        Seen { call: Some(call), is_denied: false, spent: &[] }
    }

    fn state(found: Option<(GuardState, String)>) -> GuardState {
        found.map_or(GuardState::Calm, |(state, _)| state)
    }

    fn credits() -> Feature {
        let unit = Name::parse("credits").unwrap();
        let meter = Meter {
            unit,
            scale: Scale::new(2).unwrap(),
            durability: Durability::Durable,
            excess: ExcessRule::DenyExcess,
        };
        Feature {
            id: FeatureId::from_uuid(uuid::Uuid::from_u128(1)),
            key: FeatureKey::parse("credits").unwrap(),
            name: Name::parse("Credits").unwrap(),
            kind: FeatureKind::Metered(meter),
        }
    }

    #[test]
    fn a_loop_is_seen_and_varied_calls_are_not() {
        let mut tally = GuardTally::new(rules());
        let states: Vec<GuardState> = (0..8).map(|at| state(tally.see(&call(7), second(at)))).collect();
        use GuardState::{Calm, Suspended, Throttled, Watch};
        assert_eq!(states, [Calm, Calm, Watch, Watch, Throttled, Throttled, Throttled, Suspended]);
        let mut varied = GuardTally::new(rules());
        for at in 0..500 {
            assert_eq!(varied.see(&call(at), second(at / 50)), None, "call {at}");
        }
        assert!(varied.calls.len() <= CALLS_APART_MAX);
    }

    #[test]
    fn what_lies_longer_ago_than_the_span_counts_no_more() {
        let mut tally = GuardTally::new(rules());
        for at in [0, 40, 80, 120, 160, 200, 240] {
            // Two in any 80 seconds.
            assert_eq!(tally.see(&call(7), second(at)), None, "at {at}");
        }
        assert_eq!(state(tally.see(&call(7), second(241))), GuardState::Watch, "three in 41 seconds");
        assert_eq!(tally.see(&call(7), second(10_000)), None);
    }

    #[test]
    fn denials_are_counted_whatever_was_asked() {
        let mut tally = GuardTally::new(rules());
        let denied = |call| Seen { is_denied: true, ..super::tests::call(call) };
        let states: Vec<GuardState> = (0..9).map(|at| state(tally.see(&denied(at), second(at)))).collect();
        assert_eq!(states[2..4], [GuardState::Calm, GuardState::Watch]);
        assert_eq!((states[5], states[8]), (GuardState::Throttled, GuardState::Suspended));
        let (_, why) = tally.see(&denied(99), second(9)).unwrap();
        assert_eq!(why, "10 of its calls were denied within 80 seconds");
    }

    #[test]
    fn units_are_compared_with_the_allocations_own_forecast() {
        let credits = credits();
        // 800 credits for 8,000 seconds: 8 in 80 seconds.
        let mut tally = GuardTally::new(rules());
        let mut use_up = |units: i64, left: i64, at: u64| {
            let lasts = Some(Duration::from_secs(8_000 - at));
            let (units, left) = (Units::new(units * 100).unwrap(), Units::new(left * 100).unwrap());
            let spent = [Spent { feature: &credits, units, left, lasts }];
            tally.see(&Seen { call: None, is_denied: false, spent: &spent }, second(at))
        };
        assert_eq!(use_up(9, 791, 0), None, "fewer than ten whole units say nothing");
        assert_eq!(use_up(6, 785, 20), None, "15 of 8, less than twice");
        let (state, why) = use_up(1, 784, 30).unwrap();
        assert_eq!(state, GuardState::Watch);
        assert_eq!(why, "16 credits were used within 80 seconds, 200 % of the forecast");
        assert_eq!(use_up(16, 768, 40).unwrap().0, GuardState::Throttled);
        assert_eq!(use_up(32, 736, 41).unwrap().0, GuardState::Suspended);
        assert_eq!(use_up(1, 735, 400), None, "all that is long ago");
    }

    #[test]
    fn the_end_of_a_window_may_be_used_up() {
        let credits = credits();
        let mut tally = GuardTally::new(rules());
        let lasts = Some(Duration::from_secs(10));
        let spent = |lasts| [Spent { feature: &credits, units: Units::new(10_000).unwrap(), left: Units::ZERO, lasts }];
        let last = spent(lasts);
        assert_eq!(
            tally.see(&Seen { call: None, is_denied: false, spent: &last }, second(0)),
            None,
            "all of it, as forecast"
        );
        let endless = spent(None);
        assert_eq!(tally.see(&Seen { call: None, is_denied: false, spent: &endless }, second(1)), None, "no forecast");
    }

    #[test]
    fn a_top_up_raises_the_forecast() {
        let credits = credits();
        let mut tally = GuardTally::new(rules());
        let mut use_up = |units: i64, left: i64, at: u64| {
            let (units, left) = (Units::new(units * 100).unwrap(), Units::new(left * 100).unwrap());
            let spent = [Spent { feature: &credits, units, left, lasts: Some(Duration::from_secs(8_000)) }];
            state(tally.see(&Seen { call: None, is_denied: false, spent: &spent }, second(at)))
        };
        assert_eq!(use_up(15, 785, 0), GuardState::Calm);
        // 8,000 more: 80 are forecast for 80 seconds.
        assert_eq!(use_up(100, 8_685, 1), GuardState::Calm);
    }
}
