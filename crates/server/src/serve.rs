//! Serving: from a free port to a stop that leaves nothing behind.

use crate::config::Settings;
use crate::http::{self, Shared};
use crate::shutdown::StopSignals;
use crate::{DataDir, open_files, wiring};
use almoner_api::Live;
use anyhow::{Context, bail};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

/// How often a stop looks whether open requests are done.
const DRAIN_LOOK: Duration = Duration::from_millis(10);
/// A request counts as done when its answer is made; this long it may take to leave.
const LAST_WRITE: Duration = Duration::from_millis(50);

/// Serves until told to stop. `announce` hears the address once requests are answered.
pub(crate) async fn run(settings: &Settings, announce: impl FnOnce(SocketAddr)) -> anyhow::Result<()> {
    let mut signals = StopSignals::listen()?;
    open_files::permit_all();
    let dir = DataDir::open(&settings.node.data_dir)?;
    let wanted = settings.node.listen.0;
    // Before anything else: a port in use must not cost a new life of the gate.
    let listener = TcpListener::bind(wanted).with_context(|| format!("cannot listen on {wanted}"))?;
    let address = listener.local_addr().context("cannot tell the address")?;
    let store = wiring::store(settings).await?;
    let role = settings.node.role;
    let gate = if role.has_gate() { Some(wiring::gate(settings, &dir, store.clone()).await?) } else { None };
    // A gate alone knows nothing of queues.
    let jobs = if role.has_api() || role.has_runner() { Some(wiring::jobs(settings).await?) } else { None };
    let api = match &jobs {
        Some(jobs) if role.has_api() => {
            Some(Live::start(wiring::desk(settings, &dir, store.clone(), jobs.clone(), gate.clone())?))
        }
        _ => None,
    };
    let runner = match &jobs {
        Some(jobs) if role.has_runner() => Some(wiring::runner(settings, &dir, store, jobs.clone()).await?),
        _ => None,
    };
    let shared = Arc::new(Shared::new(gate, runner, wiring::clock(), wiring::entropy()));
    let server = http::server(settings, listener, shared.clone(), api.clone())?;
    let handle = server.handle();
    let mut serving = tokio::spawn(server);
    announce(address);
    tracing::info!(%address, parts = role.told(), version = env!("CARGO_PKG_VERSION"), "serving");
    let signal = tokio::select! {
        ended = &mut serving => match ended {
            Ok(Ok(())) => bail!("the HTTP server ended by itself"),
            Ok(Err(error)) => return Err(error).context("the HTTP server failed"),
            Err(error) => return Err(error).context("the HTTP server panicked"),
        },
        signal = signals.next() => signal,
    };
    tracing::info!("{signal}: stopping");
    signals.insist();
    let limit = Duration::from_secs(settings.http.shutdown_timeout_s);
    if let Some(live) = api {
        live.close();
    }
    let stop = stop(&shared, &handle, limit);
    if tokio::time::timeout(limit, stop).await.is_err() {
        bail!("did not stop within {} s; the next start recovers from the journal", limit.as_secs());
    }
    tracing::info!("stopped");
    Ok(())
}

/// Open requests are answered, new connections are not taken, the runner ends what it has begun, then the gate returns its
/// leases.
async fn stop(shared: &Shared, handle: &actix_web::dev::ServerHandle, limit: Duration) {
    shared.begin_stop();
    handle.pause().await;
    // Not actix's own graceful stop: it waits for idle keep-alive connections too, which only their clients can end.
    // A third of the time is left for the runner and the gate.
    let drain = async {
        while shared.open_requests() > 0 {
            tokio::time::sleep(DRAIN_LOOK).await;
        }
        tokio::time::sleep(LAST_WRITE).await;
    };
    if tokio::time::timeout(limit * 2 / 3, drain).await.is_err() {
        tracing::warn!(open = shared.open_requests(), "requests were still open");
    }
    handle.stop(false).await;
    if let Some(runner) = &shared.runner {
        runner.stop(limit / 6).await;
    }
    if let Some(gate) = &shared.gate {
        gate.stop().await;
    }
}
