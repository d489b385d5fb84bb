//! The runaway guard: rules by which an agent that runs away is watched, slowed down and stopped, until a person lets it go on.
//!
//! Signs are seen in one allocation at a time, so that an agent that serves many customers is not taken for one that runs away. An
//! agent without rules is not guarded. States only rise; whoever resumes begins a new epoch, so that what was seen before it, and
//! is told late, changes nothing.

use crate::id::{AgentId, AllocationId, GuardStepId, Id};
use crate::standing::{Stopped, Suspension};
use crate::time::Timestamp;
use std::time::Duration;
use thiserror::Error;

/// The longest span in which a sign is counted.
pub const GUARD_SPAN_MAX: Duration = Duration::from_secs(86_400);
/// The longest time between two calls that are admitted while an agent is slowed down.
pub const GUARD_INTERVAL_MAX: Duration = Duration::from_secs(3_600);
/// What that time is where nothing is said.
pub const GUARD_INTERVAL_DEFAULT: Duration = Duration::from_secs(10);
/// The largest count or share of a step: more is no bound.
pub const GUARD_STEP_MAX: u32 = 1_000_000;

/// How far the guard has gone, from nothing to the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum GuardState {
    /// Nothing was seen.
    #[default]
    Calm,
    /// People are told; calls go on.
    Watch,
    /// One call in a stated time is admitted.
    Throttled,
    /// No call is admitted.
    Suspended,
}

impl GuardState {
    /// All, from nothing to the most.
    pub const ALL: [Self; 4] = [Self::Calm, Self::Watch, Self::Throttled, Self::Suspended];

    /// The word on the wire and in tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Calm => "calm",
            Self::Watch => "watch",
            Self::Throttled => "throttled",
            Self::Suspended => "suspended",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// By what a runaway is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sign {
    /// The same call again and again: a loop.
    Repeats,
    /// Calls that are denied, again and again.
    Denials,
    /// Units used up faster than the allocation's own forecast.
    Burn,
}

impl Sign {
    /// All, in the order in which they are listed to people.
    pub const ALL: [Self; 3] = [Self::Repeats, Self::Denials, Self::Burn];

    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Repeats => "repeats",
            Self::Denials => "denials",
            Self::Burn => "burn",
        }
    }

    /// The least that a step may ask for: one call does not repeat itself, and a forecast that is met is no sign.
    const fn step_min(self) -> u32 {
        match self {
            Self::Repeats => 2,
            Self::Denials => 1,
            Self::Burn => 101,
        }
    }
}

/// What an agent is guarded by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GuardRules {
    /// What is slowed down and stopped where a sign is seen in an allocation: that allocation with all below it, or the agent in all
    /// that it does.
    pub stops: Stopped,
    /// While it is slowed down, one call in so long is admitted.
    pub interval: Duration,
    /// The same call, so many times.
    pub repeats: Option<Trigger>,
    /// So many calls that were denied.
    pub denials: Option<Trigger>,
    /// So many percent of what the forecast allows for the span.
    pub burn: Option<Trigger>,
    /// Whole units of a feature that must have been used in the span before `burn` says anything, so that small allocations are not
    /// taken for runaways.
    pub burn_units_min: u32,
}

/// How much of a sign, within a span, leads to which step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trigger {
    /// Within how long.
    pub span: Duration,
    /// From how much on it is watched; none for never.
    pub watch: Option<u32>,
    /// From how much on it is slowed down.
    pub throttle: Option<u32>,
    /// From how much on it is stopped.
    pub suspend: Option<u32>,
}

/// Why rules cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum GuardRulesError {
    /// A span that is none, or too long.
    #[error("must be between 1 second and 1 day")]
    Span(Sign),
    /// A sign that leads to nothing.
    #[error("says none of watch, throttle and suspend; say one, or leave the sign out")]
    NoStep(Sign),
    /// A step that is no bound.
    #[error("has steps that are no bound: each is between {min} and {GUARD_STEP_MAX}")]
    Step {
        /// Of which sign.
        sign: Sign,
        /// The least of it.
        min: u32,
    },
    /// A higher step before a lower one.
    #[error("has its steps out of order: watch comes at or before throttle, and throttle at or before suspend")]
    Order(Sign),
    /// No time between calls, or too much.
    #[error("must be between 1 second and 1 hour")]
    Interval,
    /// So many units are no bound.
    #[error("must be at most {GUARD_STEP_MAX}")]
    UnitsMin,
}

impl GuardRules {
    /// The trigger of a sign.
    pub fn trigger(&self, sign: Sign) -> Option<&Trigger> {
        match sign {
            Sign::Repeats => self.repeats.as_ref(),
            Sign::Denials => self.denials.as_ref(),
            Sign::Burn => self.burn.as_ref(),
        }
    }

    /// Do they guard against nothing?
    pub fn is_off(&self) -> bool {
        self.repeats.is_none() && self.denials.is_none() && self.burn.is_none()
    }

    /// Checks what they say.
    pub fn check(&self) -> Result<(), GuardRulesError> {
        for sign in Sign::ALL {
            if let Some(trigger) = self.trigger(sign) {
                trigger.check(sign)?;
            }
        }
        if self.interval < Duration::from_secs(1) || self.interval > GUARD_INTERVAL_MAX {
            return Err(GuardRulesError::Interval);
        }
        if self.burn_units_min > GUARD_STEP_MAX { Err(GuardRulesError::UnitsMin) } else { Ok(()) }
    }
}

impl Trigger {
    fn check(&self, sign: Sign) -> Result<(), GuardRulesError> {
        if self.span < Duration::from_secs(1) || self.span > GUARD_SPAN_MAX {
            return Err(GuardRulesError::Span(sign));
        }
        let steps: Vec<u32> = [self.watch, self.throttle, self.suspend].into_iter().flatten().collect();
        let min = sign.step_min();
        if steps.is_empty() {
            return Err(GuardRulesError::NoStep(sign));
        }
        if steps.iter().any(|step| !(min..=GUARD_STEP_MAX).contains(step)) {
            return Err(GuardRulesError::Step { sign, min });
        }
        if steps.is_sorted() { Ok(()) } else { Err(GuardRulesError::Order(sign)) }
    }

    /// The step that so much leads to. `reaches` says whether a bound is reached.
    pub fn state(&self, reaches: impl Fn(u32) -> bool) -> GuardState {
        let steps = [
            (self.suspend, GuardState::Suspended),
            (self.throttle, GuardState::Throttled),
            (self.watch, GuardState::Watch),
        ];
        let reached = steps.into_iter().find(|(step, _)| step.is_some_and(&reaches));
        reached.map_or(GuardState::Calm, |(_, state)| state)
    }
}

/// Whom the guard has in its eye.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Guarded {
    /// An agent, in all that it does.
    Agent(AgentId),
    /// One allocation, with all that was carved from it.
    Allocation(AllocationId),
}

impl Guarded {
    /// Which of the two.
    pub const fn stopped(self) -> Stopped {
        match self {
            Self::Agent(_) => Stopped::Agent,
            Self::Allocation(_) => Stopped::Allocation,
        }
    }

    /// Its id, whatever it is of.
    pub fn uuid(self) -> uuid::Uuid {
        match self {
            Self::Agent(id) => id.uuid(),
            Self::Allocation(id) => id.uuid(),
        }
    }
}

impl std::fmt::Display for Guarded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Agent(id) => id.fmt(f),
            Self::Allocation(id) => id.fmt(f),
        }
    }
}

/// How far the guard has gone with an agent or an allocation. One that it never took a step with has none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guard {
    /// With whom.
    pub guarded: Guarded,
    /// How far.
    pub state: GuardState,
    /// How often a person let it go on.
    pub epoch: u64,
    /// Since when.
    pub since: Timestamp,
    /// Why, in a sentence without its end; after somebody let it go on, why it had been so.
    pub why: String,
}

/// One step that was taken, up by the guard or back to nothing by a person. Steps are never changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuardStep {
    /// Our id, chosen by whoever takes it, so that a repetition is known.
    pub id: GuardStepId,
    /// With whom.
    pub guarded: Guarded,
    /// Which agent it is about.
    pub agent: AgentId,
    /// The allocation in which the sign was seen, or that goes on; none where an agent goes on.
    pub allocation: Option<AllocationId>,
    /// To which state.
    pub state: GuardState,
    /// In which epoch of the guarded.
    pub epoch: u64,
    /// When.
    pub at: Timestamp,
    /// Why, in a sentence without its end.
    pub why: String,
}

impl Guard {
    /// How far a step goes from where things stand; none where it goes nowhere: a person let it go on meanwhile, or it is as far
    /// already.
    pub fn after(now: Option<&Self>, step: &GuardStep) -> Option<Self> {
        let (epoch, state) = now.map_or((0, GuardState::Calm), |guard| (guard.epoch, guard.state));
        let is_up = step.epoch == epoch && step.state > state;
        is_up.then(|| Self { guarded: step.guarded, state: step.state, epoch, since: step.at, why: step.why.clone() })
    }

    /// Where things stand once a person lets it go on; none where nothing holds it back.
    pub fn resumed(&self, at: Timestamp) -> Option<Self> {
        let is_held = self.state != GuardState::Calm;
        is_held.then(|| Self {
            state: GuardState::Calm,
            epoch: self.epoch.saturating_add(1),
            since: at,
            ..self.clone()
        })
    }

    /// What gates must know of it.
    pub fn mark(&self) -> GuardMark {
        GuardMark { state: self.state, epoch: self.epoch }
    }
}

/// How far the guard has gone, as gates keep it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GuardMark {
    /// How far.
    pub state: GuardState,
    /// How often a person let it go on.
    pub epoch: u64,
}

/// What a gate keeps of the guard of an allocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guarding {
    /// The rules of its agent; none where only something above it is slowed down.
    pub rules: Option<GuardRules>,
    /// How far the guard has gone with its agent.
    pub agent: GuardMark,
    /// How far with the allocation itself.
    pub allocation: GuardMark,
    /// Who of all that it hangs on is slowed down, and how much: the agent before allocations, and the nearest of those.
    pub throttled: Option<(Guarded, Duration)>,
}

/// One allocation of a chain from an allocation up to what it hangs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GuardLink {
    /// Which.
    pub allocation: AllocationId,
    /// The agent it serves.
    pub agent: AgentId,
}

/// What the guard makes of an allocation: whether it is stopped, and what gates keep. `chain` begins with the allocation itself and
/// goes up; `rules` and `guards` are those of all that it names. What is stopped or slowed down above holds for all below it.
pub fn guarding(
    chain: &[GuardLink],
    rules: &[(AgentId, GuardRules)],
    guards: &[Guard],
) -> (Option<Suspension>, Option<Box<Guarding>>) {
    let Some(own) = chain.first() else { return (None, None) };
    let of = |guarded: Guarded| guards.iter().find(|guard| guard.guarded == guarded);
    let rules_of = |agent: AgentId| rules.iter().find(|(id, _)| *id == agent).map(|(_, rules)| *rules);
    let links = || {
        chain
            .iter()
            .flat_map(|link| [Guarded::Agent(link.agent), Guarded::Allocation(link.allocation)].map(|who| (link, who)))
    };
    let in_state = |state| move |(_, who): &(&GuardLink, Guarded)| of(*who).is_some_and(|guard| guard.state == state);
    let suspension = links().find(in_state(GuardState::Suspended)).and_then(|(_, who)| {
        // Another's agent is none of this one's: what it hangs on is stopped.
        let stopped = if who == Guarded::Agent(own.agent) { Stopped::Agent } else { Stopped::Allocation };
        Some(Suspension::Guarded { stopped, why: of(who)?.why.clone() })
    });
    // Rules that are gone slow nobody down any more.
    let slowed = links().filter(in_state(GuardState::Throttled));
    let throttled = slowed.filter_map(|(link, who)| Some((who, rules_of(link.agent)?.interval))).next();
    let mark = |who| of(who).map(Guard::mark).unwrap_or_default();
    let rules = rules_of(own.agent);
    let is_guarded = rules.is_some() || throttled.is_some();
    let guarding = is_guarded.then(|| {
        let (agent, allocation) = (mark(Guarded::Agent(own.agent)), mark(Guarded::Allocation(own.allocation)));
        Box::new(Guarding { rules, agent, allocation, throttled })
    });
    (suspension, guarding)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id<I: Id>(number: u128) -> I {
        I::from_uuid(uuid::Uuid::from_u128(number))
    }

    fn trigger(watch: u32, throttle: u32, suspend: u32) -> Trigger {
        let [watch, throttle, suspend] = [watch, throttle, suspend].map(Some);
        Trigger { span: Duration::from_secs(60), watch, throttle, suspend }
    }

    fn rules() -> GuardRules {
        GuardRules {
            stops: Stopped::Allocation,
            interval: GUARD_INTERVAL_DEFAULT,
            repeats: Some(trigger(3, 5, 8)),
            denials: None,
            burn: None,
            burn_units_min: 0,
        }
    }

    fn step(guarded: Guarded, state: GuardState, epoch: u64) -> GuardStep {
        let at = Timestamp::from_micros(7);
        GuardStep { id: id(1), guarded, agent: id(2), allocation: None, state, epoch, at, why: "why".to_owned() }
    }

    #[test]
    fn a_state_only_rises_until_a_person_resumes() {
        let whom = Guarded::Agent(id(2));
        let watched = Guard::after(None, &step(whom, GuardState::Watch, 0)).unwrap();
        assert_eq!(Guard::after(Some(&watched), &step(whom, GuardState::Watch, 0)), None, "as far already");
        let stopped = Guard::after(Some(&watched), &step(whom, GuardState::Suspended, 0)).unwrap();
        assert_eq!(Guard::after(Some(&stopped), &step(whom, GuardState::Throttled, 0)), None);
        let resumed = stopped.resumed(Timestamp::from_micros(9)).unwrap();
        assert_eq!((resumed.state, resumed.epoch, resumed.why.as_str()), (GuardState::Calm, 1, "why"));
        assert_eq!(resumed.resumed(Timestamp::from_micros(10)), None, "it runs");
        assert_eq!(Guard::after(Some(&resumed), &step(whom, GuardState::Suspended, 0)), None, "told too late");
        assert!(Guard::after(Some(&resumed), &step(whom, GuardState::Watch, 1)).is_some());
    }

    #[test]
    fn the_highest_step_that_is_reached_counts() {
        let trigger = trigger(3, 5, 8);
        let states = [2, 3, 4, 5, 8, 99].map(|count| trigger.state(|bound| count >= bound));
        use GuardState::{Calm, Suspended, Throttled, Watch};
        assert_eq!(states, [Calm, Watch, Watch, Throttled, Suspended, Suspended]);
        let alone = Trigger { watch: None, throttle: None, ..trigger };
        assert_eq!(alone.state(|bound| 7 >= bound), Calm);
    }

    #[test]
    fn rules_that_cannot_be_say_why() {
        let with = |change: fn(&mut GuardRules)| {
            let mut rules = rules();
            change(&mut rules);
            rules.check()
        };
        assert_eq!(with(|_| ()), Ok(()));
        assert_eq!(with(|r| r.interval = Duration::ZERO), Err(GuardRulesError::Interval));
        assert_eq!(with(|r| r.burn_units_min = u32::MAX), Err(GuardRulesError::UnitsMin));
        let repeats = |watch, throttle, suspend, span| {
            let span = Duration::from_secs(span);
            GuardRules { repeats: Some(Trigger { span, watch, throttle, suspend }), ..rules() }.check()
        };
        assert_eq!(repeats(Some(2), None, Some(2), 1), Ok(()));
        assert_eq!(repeats(Some(2), None, None, 0), Err(GuardRulesError::Span(Sign::Repeats)));
        assert_eq!(repeats(None, None, None, 1), Err(GuardRulesError::NoStep(Sign::Repeats)));
        assert_eq!(repeats(Some(1), None, None, 1), Err(GuardRulesError::Step { sign: Sign::Repeats, min: 2 }));
        assert_eq!(repeats(Some(9), None, Some(8), 1), Err(GuardRulesError::Order(Sign::Repeats)));
        let burn = GuardRules { burn: Some(Trigger { watch: Some(100), ..trigger(1, 1, 1) }), ..rules() };
        assert_eq!(burn.check(), Err(GuardRulesError::Step { sign: Sign::Burn, min: 101 }));
    }

    #[test]
    fn what_stands_above_holds_for_all_below() {
        let own = GuardLink { allocation: id(10), agent: id(1) };
        let above = GuardLink { allocation: id(11), agent: id(2) };
        let at = |guarded, state| Guard::after(None, &GuardStep { state, ..step(guarded, state, 0) }).unwrap();
        let chain = [own, above];
        assert_eq!(guarding(&chain, &[], &[]), (None, None), "nobody is guarded unless somebody says so");

        let (stopped, kept) = guarding(&chain, &[(own.agent, rules())], &[]);
        assert_eq!(
            (stopped, kept.map(|kept| (kept.agent, kept.throttled))),
            (None, Some((GuardMark::default(), None)))
        );
        let why = "why".to_owned();
        for (who, stopped) in [
            (Guarded::Agent(own.agent), Stopped::Agent),
            (Guarded::Allocation(own.allocation), Stopped::Allocation),
            (Guarded::Allocation(above.allocation), Stopped::Allocation),
            (Guarded::Agent(above.agent), Stopped::Allocation),
        ] {
            let (suspension, _) = guarding(&chain, &[], &[at(who, GuardState::Suspended)]);
            assert_eq!(suspension, Some(Suspension::Guarded { stopped, why: why.clone() }), "{who}");
        }
        let slowed = at(Guarded::Allocation(above.allocation), GuardState::Throttled);
        assert_eq!(guarding(&chain, &[], std::slice::from_ref(&slowed)), (None, None), "its rules are gone");
        let (_, kept) = guarding(&chain, &[(above.agent, rules())], &[slowed]);
        let kept = kept.unwrap();
        assert_eq!(
            (kept.rules, kept.throttled),
            (None, Some((Guarded::Allocation(above.allocation), rules().interval)))
        );
    }
}
