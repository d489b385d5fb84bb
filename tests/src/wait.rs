//! Waiting for a thing to be so, with a deadline. Nobody here waits for time to pass and hopes.

use almoner_domain::time::{Clock, Timestamp};
use almoner_server::SystemClock;
use std::future::{Future, pending};
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval, timeout};

/// How long anything may take that is bound to come. Long, because a machine may be busy: it is only ever waited for in
/// full by a test that fails.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(10);

/// Asks again and again until there is an answer.
///
/// # Panics
/// Panics with `what` when there is none in time.
pub async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    within(what, async {
        loop {
            looks.tick().await;
            if let Some(answer) = ask().await {
                return answer;
            }
        }
    })
    .await
}

/// Waits for work that is bound to end.
///
/// # Panics
/// Panics with `what` when it does not end in time.
pub async fn within<T>(what: &str, work: impl Future<Output = T>) -> T {
    match timeout(PATIENCE, work).await {
        Ok(done) => done,
        Err(_) => panic!("not within {} s: {what}", PATIENCE.as_secs()),
    }
}

/// Lets load that others make go on for a while. For how long load lasts, never for when something is ready.
pub async fn let_run(span: Duration) {
    // Nothing ever comes, so what ends this is the time.
    let _ = timeout(span, pending::<()>()).await;
}

/// Now.
pub fn now() -> Timestamp {
    SystemClock.now()
}

/// An instant this far ahead, as the wire writes it.
pub fn ahead(span: Duration) -> String {
    now().saturating_add(span).to_string()
}

/// How long something has taken so far.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(almoner_domain::time::Uptime);

impl Stopwatch {
    /// Starts now.
    pub fn start() -> Self {
        Self(SystemClock.uptime())
    }

    /// Since the start.
    pub fn elapsed(&self) -> Duration {
        SystemClock.uptime().saturating_since(self.0)
    }
}
