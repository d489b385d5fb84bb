//! A gate in process, with a lease open on every allocation, and calls for it.

use crate::fixture::ALLOCATIONS;
use crate::lender::{GATE_KEY, Lender, id};
use almoner_domain::decision::{Operation, Verdict};
use almoner_domain::text::IdempotencyKey;
use almoner_domain::units::Units;
use almoner_gate::journal::FolderDisk;
use almoner_gate::{AskedUse, Call, CallKey, Credential, Gate, GateConfig, GateParts, Moment, Target};
use almoner_server::{OsEntropy, SystemClock};
use anyhow::{Context, bail, ensure};
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

/// Decisions may wait for their ledger without bound here: the measurement ends soon, and a denial would spoil it.
const BACKLOG_MAX: usize = 100_000_000;

/// The gate.
pub struct Rig {
    gate: Arc<Gate>,
    by: Credential,
    calls: Vec<Call>,
    runtime: Runtime,
    moment: Moment,
}

impl Rig {
    /// A gate with its journal in this folder.
    pub fn open(folder: &Path) -> anyhow::Result<Self> {
        let runtime = Runtime::new()?;
        let (gate, by, calls) = runtime.block_on(Box::pin(open(folder)))?;
        let moment = Moment::read(&SystemClock);
        Ok(Self { gate, by, calls, runtime, moment })
    }

    /// Goes through a call on the allocation of this number up to its record, and takes nothing.
    pub fn rehearse(&self, which: usize) -> bool {
        self.gate.rehearse(self.by, &self.calls[which], self.moment)
    }

    /// Decides a keyed call on the allocation of this number.
    pub fn decide(&self, which: usize, key: &str) -> anyhow::Result<()> {
        let key = CallKey { key: IdempotencyKey::parse(key)?, body: [0; 16] };
        let call = Call { key: Some(key), ..self.calls[which].clone() };
        let _context = self.runtime.enter();
        let mut deciding = pin!(self.gate.decide(self.by, Operation::Consume, &call));
        // Nearly always it is decided at once, and then a runtime would be most of what is measured.
        let answer = match deciding.as_mut().poll(&mut std::task::Context::from_waker(Waker::noop())) {
            Poll::Ready(answer) => answer,
            Poll::Pending => self.runtime.block_on(deciding),
        };
        ensure!(answer?.decision.verdict == Verdict::Allow, "there is plenty");
        Ok(())
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.runtime.block_on(self.gate.stop());
    }
}

async fn open(folder: &Path) -> anyhow::Result<(Arc<Gate>, Credential, Vec<Call>)> {
    let lender = Arc::new(Lender::new()?);
    let feature = Arc::new(lender.feature());
    let gate = Gate::start(GateParts {
        ledger: lender.clone(),
        lookup: lender,
        clock: Arc::new(SystemClock),
        entropy: Arc::new(OsEntropy),
        disk: Arc::new(FolderDisk::open(folder)?),
        node: id(1),
        config: GateConfig { backlog_max: BACKLOG_MAX, ..GateConfig::default() },
    })
    .await?;
    let by = gate.authenticate(GATE_KEY).await?.context("the key is unknown")?;
    let uses = vec![AskedUse { feature, amount: Units::new(1)?, prices: Vec::new() }];
    let call = |number| Call {
        target: Target::Allocation(id(number)),
        uses: uses.clone(),
        key: None,
        dimensions: Vec::new(),
        ttl: Duration::from_secs(60),
    };
    let calls: Vec<Call> = (0..ALLOCATIONS).map(call).collect();
    open_leases(&gate, by, &calls).await?;
    Ok((gate, by, calls))
}

/// All at once, so that the courier asks for many leases in one round.
async fn open_leases(gate: &Arc<Gate>, by: Credential, calls: &[Call]) -> anyhow::Result<()> {
    let mut opening = JoinSet::new();
    for call in calls {
        let (gate, call) = (gate.clone(), call.clone());
        opening.spawn(async move { gate.decide(by, Operation::Consume, &call).await });
    }
    while let Some(answer) = opening.join_next().await {
        let verdict = &answer??.decision.verdict;
        if *verdict != Verdict::Allow {
            bail!("a lease could not be opened: {verdict:?}");
        }
    }
    Ok(())
}
