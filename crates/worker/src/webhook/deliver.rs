//! One attempt: claim it, sign it, send it, record what came of it.

use super::WebhookConfig;
use super::address::Vetted;
use super::pump::read;
use super::sign::signatures;
use crate::jobs::{Failure, Handler};
use almoner_domain::delivery::{Attempted, Claim, RETRY_AFTER_MAX, Then};
use almoner_domain::entropy::Entropy;
use almoner_domain::ports::{Deliveries, Seal};
use almoner_domain::time::{Clock, Timestamp};
use almoner_domain::webhook::{WebhookSecret, WebhookUrl};
use async_trait::async_trait;
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Client, StatusCode, redirect};
use standardwebhooks::{HEADER_WEBHOOK_ID, HEADER_WEBHOOK_SIGNATURE, HEADER_WEBHOOK_TIMESTAMP};
use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use thiserror::Error;

/// The most of an attempt's time that making the connection may take.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// Connections to one receiver that are kept for the next attempt, and for how long.
const IDLE_MAX: usize = 4;
const IDLE_TIME: Duration = Duration::from_secs(30);
/// The most bytes of what is told of an attempt that failed.
const ERROR_BYTES_MAX: usize = 300;

#[derive(Debug, Error)]
enum DeliverError {
    #[error("it is no delivery of a realm")]
    Unreadable,
}

pub(super) struct Deliver {
    deliveries: Arc<dyn Deliveries>,
    seal: Arc<dyn Seal>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    config: WebhookConfig,
    client: Client,
}

impl Deliver {
    pub(super) fn new(
        deliveries: Arc<dyn Deliveries>,
        seal: Arc<dyn Seal>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        config: WebhookConfig,
    ) -> Result<Self, reqwest::Error> {
        let client = Client::builder()
            .user_agent(concat!("Almoner/", env!("CARGO_PKG_VERSION")))
            // Where a redirect or a proxy of the machine leads, nobody has looked.
            .redirect(redirect::Policy::none())
            .no_proxy()
            .dns_resolver(Arc::new(Vetted { callable: config.callable }))
            .connect_timeout(config.timeout.min(CONNECT_MAX))
            .timeout(config.timeout)
            .pool_max_idle_per_host(IDLE_MAX)
            .pool_idle_timeout(IDLE_TIME)
            .build()?;
        Ok(Self { deliveries, seal, clock, entropy, config, client })
    }
}

#[async_trait]
impl Handler for Deliver {
    async fn handle(&self, task: &str) -> Result<(), Failure> {
        let (realm, id) = read(task).ok_or(DeliverError::Unreadable)?;
        let span = self.config.timeout * 2;
        // Somebody else is at it, or was: then there is nothing to do.
        let Some(claim) = self.deliveries.claim(realm, id, span).await? else { return Ok(()) };
        let attempted = match self.send(&claim).await {
            Ok(answer) => self.judge(&claim, answer),
            Err(why) => self.missed(&claim, None, why, None),
        };
        if !self.deliveries.record(&claim, &attempted).await? {
            tracing::warn!(%realm, %id, attempt = claim.attempt, "an attempt took too long; somebody else has it");
        }
        Ok(())
    }
}

/// What a receiver answered. Nothing of its body is read: nobody needs it, and it may be anything.
struct Answer {
    status: StatusCode,
    retry_after: Option<Duration>,
}

impl Deliver {
    /// Sends it; a sentence where there was no answer.
    async fn send(&self, claim: &Claim) -> Result<Answer, String> {
        // Looked at again: an address of a machine is dialled without asking the resolver, and what may be called may have changed.
        let url = WebhookUrl::parse(claim.url.as_str(), self.config.callable).map_err(|why| format!("url {why}"))?;
        let opened =
            claim.secrets.iter().map(|sealed| self.seal.open(claim.realm, sealed)).collect::<Result<Vec<_>, _>>();
        let secrets: Vec<WebhookSecret> = opened.map_err(|fault| {
            tracing::error!(error = &fault as &dyn Error, realm = %claim.realm, "a webhook cannot be signed");
            "the secret cannot be opened with this installation's key; rotate it".to_owned()
        })?;
        let id = claim.id.to_string();
        let timestamp_s = self.clock.now().as_micros() / 1_000_000;
        let signature = signatures(&secrets, &id, timestamp_s, &claim.payload).map_err(|why| why.to_string())?;
        let request = self
            .client
            .post(url.as_str())
            .header(CONTENT_TYPE, "application/json")
            .header(HEADER_WEBHOOK_ID, id)
            .header(HEADER_WEBHOOK_TIMESTAMP, timestamp_s)
            .header(HEADER_WEBHOOK_SIGNATURE, signature)
            .body(claim.payload.clone());
        let response = request.send().await.map_err(|why| self.told(&why))?;
        let retry_after = retry_after(response.headers(), self.clock.now());
        Ok(Answer { status: response.status(), retry_after })
    }

    /// Why there was no answer, in a sentence.
    fn told(&self, why: &reqwest::Error) -> String {
        if why.is_timeout() {
            return format!("no answer within {} ms", self.config.timeout.as_millis());
        }
        // The innermost cause says most; the outer ones repeat the address, which may hold a token.
        let mut cause: &dyn Error = why;
        while let Some(next) = cause.source() {
            cause = next;
        }
        let mut text = cause.to_string();
        text.truncate(text.floor_char_boundary(ERROR_BYTES_MAX));
        text
    }

    fn judge(&self, claim: &Claim, answer: Answer) -> Attempted {
        let status = answer.status;
        let code = Some(status.as_u16());
        if status.is_success() {
            return Attempted { status: code, error: None, then: Then::Delivered };
        }
        let error = format!("the receiver answered {status}");
        if status == StatusCode::GONE {
            return Attempted { status: code, error: Some(error), then: Then::Gone };
        }
        self.missed(claim, code, error, answer.retry_after)
    }

    /// It was not heard: it is tried again while there are attempts left, and not before the receiver wants.
    fn missed(&self, claim: &Claim, status: Option<u16>, error: String, wait: Option<Duration>) -> Attempted {
        let mut chance = [0u8; 1];
        self.entropy.fill(&mut chance);
        let then = match self.config.retries.pause(claim.attempt, chance[0]) {
            Some(pause) => Then::Again(self.clock.now().saturating_add(pause.max(wait.unwrap_or_default()))),
            None => Then::GiveUp,
        };
        tracing::info!(realm = %claim.realm, id = %claim.id, attempt = claim.attempt, error, "a webhook was not heard");
        Attempted { status, error: Some(error), then }
    }
}

/// How long the receiver wants us to wait (RFC 9110, section 10.2.3): seconds, or a date.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let at = httpdate::parse_http_date(text).ok()?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
            at.checked_sub(Duration::from_micros(u64::try_from(now.as_micros()).ok()?))?
        }
    };
    Some(wait.min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_may_ask_for_patience_within_bounds() {
        let now = Timestamp::parse("2026-11-24T12:00:00Z").unwrap();
        let wait = |text: &str| retry_after(&HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]), now);
        assert_eq!(wait("120"), Some(Duration::from_secs(120)));
        assert_eq!(wait("Tue, 24 Nov 2026 12:01:00 GMT"), Some(Duration::from_secs(60)));
        assert_eq!(wait("Tue, 24 Nov 2026 11:59:00 GMT"), None, "it is over");
        assert_eq!(wait("31536000"), Some(RETRY_AFTER_MAX));
        assert_eq!(wait("soon"), None);
    }
}
