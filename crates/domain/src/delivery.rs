//! Deliveries: one happening on its way to an endpoint, told at least once and under one id, until it is heard or given up.

use crate::address::Callable;
use crate::happening::HappeningKind;
use crate::id::{AttemptId, DeliveryId, EndpointId, NoticeId};
use crate::tenant::Realm;
use crate::time::Timestamp;
use crate::webhook::{SealedSecret, SignatureScheme, WebhookUrl};
use std::time::Duration;

/// How long after each attempt the next one follows: over three days in all, so that a receiver that is away for a weekend
/// hears of everything.
const PAUSES_S: [u64; 9] = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];
/// Attempts in all.
pub const ATTEMPTS_MAX: u32 = 10;
/// The first pause where nobody says another.
pub const PAUSE_FIRST: Duration = Duration::from_secs(PAUSES_S[0]);
/// The longest that a receiver can ask us to wait.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 3_600);

const _: () = assert!(PAUSES_S.len() + 1 == ATTEMPTS_MAX as usize, "a pause follows each attempt but the last");

/// The most attempts that are listed of one delivery, the latest.
pub const ATTEMPTS_LISTED_MAX: u16 = 100;
/// The most bytes that are kept of what a receiver answered.
pub const RESPONSE_BYTES_MAX: usize = 1_024;
/// The most deliveries that are replayed at once.
pub const REPLAY_MAX: u64 = 1_000;

/// One happening on its way to one endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Our id.
    pub id: DeliveryId,
    /// Where to. It may have been removed since.
    pub endpoint: EndpointId,
    /// The notice's id, the same at each endpoint: receivers know a repetition by it (`webhook-id`).
    pub notice: NoticeId,
    /// What happened.
    pub event: HappeningKind,
    /// The body, as it is sent each time.
    pub payload: String,
    /// Where it stands.
    pub state: DeliveryState,
    /// Attempts that were begun.
    pub attempts: u32,
    /// When it was prepared.
    pub created_at: Timestamp,
    /// When the next attempt is due, while it is pending.
    pub next_attempt_at: Timestamp,
    /// When the last attempt was begun.
    pub last_attempt_at: Option<Timestamp>,
    /// The HTTP status of the last attempt; none where there was no answer.
    pub last_status: Option<u16>,
    /// What was wrong with the last attempt.
    pub last_error: Option<String>,
    /// When it was heard or given up.
    pub finished_at: Option<Timestamp>,
}

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryState {
    /// It is still tried.
    Pending,
    /// The receiver took it (2xx).
    Delivered,
    /// It was given up.
    Failed,
}

impl DeliveryState {
    /// The word in tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Pending, Self::Delivered, Self::Failed].into_iter().find(|state| state.as_str() == text)
    }
}

/// A delivery whose next attempt is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// In which realm.
    pub realm: Realm,
    /// Which.
    pub id: DeliveryId,
    /// Attempts that were begun before.
    pub attempts: u32,
}

/// An attempt that one runner has to itself for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// In which realm.
    pub realm: Realm,
    /// Of which delivery.
    pub id: DeliveryId,
    /// The id that receivers know it by.
    pub notice: NoticeId,
    /// Which attempt, from 1. A claim that ran out is followed by another with a higher number, and says nothing any more.
    pub attempt: u32,
    /// To which endpoint.
    pub endpoint: EndpointId,
    /// Where that is.
    pub url: WebhookUrl,
    /// Which addresses it may lead to.
    pub callable: Callable,
    /// How it is signed.
    pub scheme: SignatureScheme,
    /// The secrets that sign: the current one, and the one before it while it still does.
    pub secrets: Vec<SealedSecret>,
    /// What is sent.
    pub payload: String,
    /// Since when.
    pub begun_at: Timestamp,
    /// Until when nobody else has it.
    pub until: Timestamp,
}

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempted {
    /// The HTTP status, where there was an answer.
    pub status: Option<u16>,
    /// What was wrong, in a sentence; none where it was heard.
    pub error: Option<String>,
    /// What follows.
    pub then: Then,
    /// What was said, for the log.
    pub exchange: Exchange,
}

/// What was said in one attempt, beside the body, which is the delivery's.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Exchange {
    /// The headers that were sent, by name, without what somebody could use.
    pub headers: Vec<(String, String)>,
    /// The first [`RESPONSE_BYTES_MAX`] bytes of the answer's body; none where there was no answer.
    pub response: Option<String>,
    /// How long it took.
    pub took: Duration,
}

/// One attempt, as the log keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Our id.
    pub id: AttemptId,
    /// At which delivery.
    pub delivery: DeliveryId,
    /// Which attempt at it, from 1; a delivery that is sent again begins anew.
    pub number: u32,
    /// When it was begun.
    pub at: Timestamp,
    /// The name or address that was called: the rest of the endpoint's address may hold a token.
    pub host: String,
    /// The HTTP status, where there was an answer.
    pub status: Option<u16>,
    /// What was wrong, in a sentence; none where it was heard.
    pub error: Option<String>,
    /// What was said.
    pub exchange: Exchange,
}

/// Which deliveries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DeliveryFilter {
    /// To this endpoint.
    pub endpoint: Option<EndpointId>,
    /// Of this event.
    pub notice: Option<NoticeId>,
    /// That stand so.
    pub state: Option<DeliveryState>,
}

/// Which deliveries to an endpoint are made again, of those that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replay {
    /// To which endpoint.
    pub endpoint: EndpointId,
    /// Of which events.
    pub of: Replayed,
    /// Only what was not heard?
    pub only_failed: bool,
}

/// Which events are replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replayed {
    /// One.
    Event(NoticeId),
    /// All whose delivery was prepared from one instant on and before another.
    Between(Timestamp, Timestamp),
}

/// What follows an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// Nothing: it was heard.
    Delivered,
    /// Another attempt at this instant.
    Again(Timestamp),
    /// Nothing: it is given up.
    GiveUp,
    /// Nothing, and nothing else is told there: the receiver is gone for good.
    Gone,
}

/// When attempts follow one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retries {
    /// The pause after the first attempt. Later ones are longer in the proportions of the schedule.
    pub first: Duration,
}

impl Retries {
    /// The pause after an attempt (from 1), a tenth shorter or longer by `chance`, so that what failed together does not come
    /// back together; none after the last.
    pub fn pause(self, attempt: u32, chance: u8) -> Option<Duration> {
        let at = usize::try_from(attempt).ok()?.checked_sub(1)?;
        let scaled = self.first.as_secs_f64() / PAUSE_FIRST.as_secs_f64() * (*PAUSES_S.get(at)? as f64);
        let shift = 0.9 + 0.2 * f64::from(chance) / 255.0;
        Some(Duration::from_secs_f64(scaled * shift))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_follow_the_schedule_within_a_tenth_and_end() {
        let retries = Retries { first: PAUSE_FIRST };
        for (attempt, seconds) in (1..).zip(PAUSES_S) {
            let least = retries.pause(attempt, 0).unwrap().as_secs_f64();
            let most = retries.pause(attempt, 255).unwrap().as_secs_f64();
            let seconds = seconds as f64;
            assert!((least - seconds * 0.9).abs() < 0.01 && (most - seconds * 1.1).abs() < 0.01, "{attempt}");
        }
        assert_eq!(retries.pause(ATTEMPTS_MAX, 128), None);
        assert_eq!(retries.pause(0, 128), None);
        let quick = Retries { first: Duration::from_millis(50) };
        assert!(quick.pause(2, 128).unwrap() < Duration::from_millis(3_500), "in proportion");
    }
}
