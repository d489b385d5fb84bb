//! One attempt: claim it, sign it, send it, record what came of it.

use super::WebhookConfig;
use super::address::{Names, Vetted};
use super::pump::read;
use super::sign::signatures;
use crate::jobs::{Failure, Handler};
use almoner_domain::address::Callable;
use almoner_domain::delivery::{Attempted, Claim, Exchange, RESPONSE_BYTES_MAX, RETRY_AFTER_MAX, Then};
use almoner_domain::entropy::Entropy;
use almoner_domain::ports::{Deliveries, Seal};
use almoner_domain::time::{Clock, Timestamp};
use almoner_domain::webhook::{WebhookSecret, WebhookUrl};
use async_trait::async_trait;
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER, USER_AGENT};
use reqwest::{Client, Response, StatusCode, redirect};
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
/// Who we say we are.
const AGENT: &str = concat!("Almoner/", env!("CARGO_PKG_VERSION"));
/// What bodies are.
const JSON: &str = "application/json";

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
    /// Calls what is on the public internet alone.
    public: Client,
    /// Calls any address, for endpoints that whoever has the machine added so.
    any: Client,
}

impl Deliver {
    pub(super) fn new(
        deliveries: Arc<dyn Deliveries>,
        seal: Arc<dyn Seal>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        config: WebhookConfig,
        names: Arc<dyn Names>,
    ) -> Result<Self, reqwest::Error> {
        let (public, any) = (client(&config, &names, Callable::Public)?, client(&config, &names, Callable::Any)?);
        Ok(Self { deliveries, seal, clock, entropy, config, public, any })
    }
}

fn client(config: &WebhookConfig, names: &Arc<dyn Names>, callable: Callable) -> Result<Client, reqwest::Error> {
    Client::builder()
        .user_agent(AGENT)
        // Where a redirect or a proxy of the machine leads, nobody has looked.
        .redirect(redirect::Policy::none())
        .no_proxy()
        .dns_resolver(Arc::new(Vetted { names: Arc::clone(names), callable }))
        .connect_timeout(config.timeout.min(CONNECT_MAX))
        .timeout(config.timeout)
        .pool_max_idle_per_host(IDLE_MAX)
        .pool_idle_timeout(IDLE_TIME)
        .build()
}

#[async_trait]
impl Handler for Deliver {
    async fn handle(&self, task: &str) -> Result<(), Failure> {
        let (realm, id) = read(task).ok_or(DeliverError::Unreadable)?;
        let span = self.config.timeout * 2;
        // Somebody else is at it, or was: then there is nothing to do.
        let Some(claim) = self.deliveries.claim(realm, id, span).await? else { return Ok(()) };
        let begun = self.clock.uptime();
        let mut exchange = Exchange::default();
        let sent = self.send(&claim, &mut exchange).await;
        exchange.took = self.clock.uptime().saturating_since(begun);
        let attempted = match sent {
            Ok(answer) => self.judge(&claim, answer, exchange),
            Err(why) => self.missed(&claim, None, why, None, exchange),
        };
        if !self.deliveries.record(&claim, &attempted).await? {
            tracing::warn!(%realm, %id, attempt = claim.attempt, "an attempt took too long; somebody else has it");
        }
        Ok(())
    }
}

/// What a receiver answered, beside what the log keeps of its body.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    retry_after: Option<Duration>,
}

impl Deliver {
    /// Sends it; a sentence where there was no answer.
    pub(super) async fn send(&self, claim: &Claim, exchange: &mut Exchange) -> Result<Answer, String> {
        let callable = if self.config.callable == Callable::Any { Callable::Any } else { claim.callable };
        // Looked at again: an address of a machine is dialled without asking the resolver, and what may be called may have changed.
        let url = WebhookUrl::parse(claim.url.as_str(), callable).map_err(|why| format!("url {why}"))?;
        let opened =
            claim.secrets.iter().map(|sealed| self.seal.open(claim.realm, sealed)).collect::<Result<Vec<_>, _>>();
        let secrets: Vec<WebhookSecret> = opened.map_err(|fault| {
            tracing::error!(error = &fault as &dyn Error, realm = %claim.realm, "a webhook cannot be signed");
            "the secret cannot be opened with this installation's key; rotate it".to_owned()
        })?;
        let id = claim.notice.to_string();
        let timestamp_s = self.clock.now().as_micros() / 1_000_000;
        let signature = signatures(claim.scheme, &secrets, &id, timestamp_s, &claim.payload);
        let signature = signature.map_err(|why| why.to_string())?;
        exchange.headers = logged(&id, timestamp_s, &signature);
        let client = if callable == Callable::Any { &self.any } else { &self.public };
        let request = client
            .post(url.as_str())
            .header(CONTENT_TYPE, JSON)
            .header(HEADER_WEBHOOK_ID, id)
            .header(HEADER_WEBHOOK_TIMESTAMP, timestamp_s)
            .header(HEADER_WEBHOOK_SIGNATURE, signature)
            .body(claim.payload.clone());
        let mut response = request.send().await.map_err(|why| self.told(&why))?;
        let answer =
            Answer { status: response.status(), retry_after: retry_after(response.headers(), self.clock.now()) };
        exchange.response = Some(beginning(&mut response).await);
        Ok(answer)
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

    fn judge(&self, claim: &Claim, answer: Answer, exchange: Exchange) -> Attempted {
        let status = answer.status;
        let code = Some(status.as_u16());
        if status.is_success() {
            return Attempted { status: code, error: None, then: Then::Delivered, exchange };
        }
        let error = format!("the receiver answered {status}");
        if status == StatusCode::GONE {
            return Attempted { status: code, error: Some(error), then: Then::Gone, exchange };
        }
        self.missed(claim, code, error, answer.retry_after, exchange)
    }

    /// It was not heard: it is tried again while there are attempts left, and not before the receiver wants.
    fn missed(
        &self,
        claim: &Claim,
        status: Option<u16>,
        error: String,
        wait: Option<Duration>,
        exchange: Exchange,
    ) -> Attempted {
        let mut chance = [0u8; 1];
        self.entropy.fill(&mut chance);
        let then = match self.config.retries.pause(claim.attempt, chance[0]) {
            Some(pause) => Then::Again(self.clock.now().saturating_add(pause.max(wait.unwrap_or_default()))),
            None => Then::GiveUp,
        };
        tracing::info!(realm = %claim.realm, id = %claim.id, attempt = claim.attempt, error, "a webhook was not heard");
        Attempted { status, error: Some(error), then, exchange }
    }
}

/// The headers as the log keeps them. Of signatures only which there are: whoever reads one could send the event again for as long
/// as receivers take it.
fn logged(id: &str, timestamp_s: i64, signature: &str) -> Vec<(String, String)> {
    let schemes: Vec<String> =
        signature.split(' ').filter_map(|one| Some(format!("{},...", one.split_once(',')?.0))).collect();
    let header = |name: &str, value: String| (name.to_owned(), value);
    vec![
        header(USER_AGENT.as_str(), AGENT.to_owned()),
        header(CONTENT_TYPE.as_str(), JSON.to_owned()),
        header(HEADER_WEBHOOK_ID, id.to_owned()),
        header(HEADER_WEBHOOK_TIMESTAMP, timestamp_s.to_string()),
        header(HEADER_WEBHOOK_SIGNATURE, schemes.join(" ")),
    ]
}

/// The first bytes of an answer's body, as text. No more is read, for it may be anything; the attempt's time bounds how long.
async fn beginning(response: &mut Response) -> String {
    let mut bytes = Vec::new();
    while bytes.len() < RESPONSE_BYTES_MAX {
        // The status is what counts: a body that breaks off is as long as it is.
        let Ok(Some(chunk)) = response.chunk().await else { break };
        let room = RESPONSE_BYTES_MAX - bytes.len();
        bytes.extend_from_slice(chunk.get(..room).unwrap_or(&chunk));
    }
    // No database of ours keeps a zero in a text.
    String::from_utf8_lossy(&bytes).replace('\0', "\u{fffd}")
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
