//! The network between gates and ledger: it drops, doubles, delays and reorders whatever is sent.

use super::climate::Climate;
use almoner_domain::lease::{Incarnation, LeaseReply};
use almoner_domain::ports::LeaseBatch;
use almoner_domain::tenant::Realm;
use almoner_domain::time::Timestamp;
use almoner_testkit::Dice;
use std::collections::BTreeMap;
use std::time::Duration;

/// What is on its way.
#[derive(Debug, Clone)]
pub(crate) enum Parcel {
    /// A batch of a gate to the ledger.
    Request(Request),
    /// The ledger's answer.
    Reply(Reply),
}

/// One attempt to tell the ledger something.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) gate: usize,
    pub(crate) attempt: u64,
    pub(crate) by: Incarnation,
    pub(crate) realm: Realm,
    pub(crate) batch: LeaseBatch,
}

/// What came of an attempt.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) gate: usize,
    pub(crate) attempt: u64,
    pub(crate) by: Incarnation,
    pub(crate) replies: Vec<LeaseReply>,
}

/// Parcels by the instant they arrive at.
#[derive(Debug, Default)]
pub(crate) struct Network {
    parcels: BTreeMap<(Timestamp, u64), Parcel>,
    sent: u64,
}

impl Network {
    /// Sends a parcel into the weather: it may arrive never, once or twice, each time at its own pace.
    pub(crate) fn send(&mut self, now: Timestamp, parcel: &Parcel, climate: &Climate, dice: &mut Dice) {
        if dice.chance(climate.drop) {
            return;
        }
        let copies = 1 + u64::from(dice.chance(climate.double));
        for _ in 0..copies {
            // Mostly prompt, now and then long on the way: a copy may outlive the gate that sent it.
            let slow = if dice.chance(climate.slow) { climate.delay_max_ms * 40 } else { climate.delay_max_ms };
            let delay = Duration::from_millis(dice.between(1, slow));
            self.sent += 1;
            self.parcels.insert((now.saturating_add(delay), self.sent), parcel.clone());
        }
    }

    /// The next parcel that has arrived.
    pub(crate) fn due(&mut self, now: Timestamp) -> Option<Parcel> {
        let (key, _) = self.parcels.first_key_value()?;
        let key = *key;
        (key.0 <= now).then(|| self.parcels.remove(&key)).flatten()
    }

    /// Everything on its way is lost: the ledger restarts or fails over.
    pub(crate) fn lose_all(&mut self) {
        self.parcels.clear();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.parcels.is_empty()
    }
}
