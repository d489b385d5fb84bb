//! When to stop: SIGTERM from a supervisor, SIGINT from a terminal. A second one means at once.

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The exit status of a process that was told twice.
const INTERRUPTED: i32 = 130;

/// Both signals, listened to from here on.
pub(crate) struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    /// Begins to listen.
    pub(crate) fn listen() -> anyhow::Result<Self> {
        let terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
        let interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
        Ok(Self { terminate, interrupt })
    }

    /// Waits for either; its name.
    pub(crate) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }

    /// From now on another signal ends the process at once. The journal survives that; what was not told the ledger is
    /// told at the next start.
    pub(crate) fn insist(mut self) {
        tokio::spawn(async move {
            let name = self.next().await;
            tracing::warn!("{name} again: stopping at once, without returning leases");
            std::process::exit(INTERRUPTED);
        });
    }
}
