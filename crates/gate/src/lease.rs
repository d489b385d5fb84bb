//! The gate's side of a lease: what it may still give out, and what it has told the ledger.
//!
//! Promise: `used + held <= n` always, and `n` is never more than the ledger has charged. The tally gives
//! up units before it says so and takes units only when the ledger has said so. It knows no I/O and no lock.

use almoner_domain::id::{AccountId, LeaseId};
use almoner_domain::lease::{GATE_TERM, LeaseReply, LeaseReport, Wish};
use almoner_domain::time::Uptime;
use almoner_domain::units::Units;

/// One lease as its gate keeps it.
#[derive(Debug, Clone)]
pub struct Tally {
    id: LeaseId,
    account: AccountId,
    n: Units,
    used: Units,
    held: Units,
    /// In `fast` mode: a synced record says that up to so many units may be used and held.
    mark: Units,
    /// Number of the last report that was answered.
    seq: u64,
    /// The report on its way and when it was first sent. Until it is answered it is repeated, word for word.
    outstanding: Option<(LeaseReport, Uptime)>,
    /// Serving stops here unless the ledger is heard again. Counted from sending, on the clock that counts suspend.
    serves_until: Option<Uptime>,
    stopped: bool,
}

/// What the ledger's answer means for serving.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// The report stands.
    Settled {
        /// Units still free in the account.
        free: Units,
        /// Units other gates hold idle in the account.
        elsewhere: Units,
        /// Another gate needs what is idle here.
        recalled: bool,
        /// No more units come out of this account.
        closed: bool,
    },
    /// This lease must not be served from any more: the ledger and this gate disagree about it.
    Stopped,
    /// A later life of this gate has taken over: nothing must be served any more.
    Fenced,
}

impl Tally {
    /// A lease that is about to be opened: it serves nothing until the ledger has answered its first report.
    pub fn opened(id: LeaseId, account: AccountId) -> Self {
        Self {
            id,
            account,
            n: Units::ZERO,
            used: Units::ZERO,
            held: Units::ZERO,
            mark: Units::ZERO,
            seq: 0,
            outstanding: None,
            serves_until: None,
            stopped: false,
        }
    }

    /// A lease of an earlier life, rebuilt from the journal: it is settled, never served. `seq` is the last report that
    /// the ledger has applied.
    pub fn recovered(id: LeaseId, account: AccountId, used: Units, held: Units, seq: u64) -> Self {
        Self { n: used.saturating_add(held), used, held, seq, stopped: true, ..Self::opened(id, account) }
    }

    /// Its id.
    pub fn id(&self) -> LeaseId {
        self.id
    }

    /// The account it draws on.
    pub fn account(&self) -> AccountId {
        self.account
    }

    /// Units used so far.
    pub fn used(&self) -> Units {
        self.used
    }

    /// Units held now.
    pub fn held(&self) -> Units {
        self.held
    }

    /// Units that may still be given out, if it is live.
    pub fn idle(&self) -> Units {
        self.n.saturating_sub(self.used).saturating_sub(self.held)
    }

    /// Has the ledger not answered it yet?
    pub fn is_new(&self) -> bool {
        self.seq == 0 && !self.stopped
    }

    /// May it be served from?
    pub fn live(&self, now: Uptime) -> bool {
        !self.stopped && self.serves_until.is_some_and(|until| now < until)
    }

    /// Is its term more than half over, so that it is time to be heard again?
    pub fn wants_word(&self, now: Uptime) -> bool {
        let half = GATE_TERM / 2;
        self.serves_until.is_some_and(|until| until <= now.saturating_add(half))
    }

    /// Spends idle units; false, and nothing changed, when there are too few.
    pub fn take(&mut self, amount: Units) -> bool {
        let enough = amount <= self.idle();
        if enough {
            self.used = self.used.saturating_add(amount);
        }
        enough
    }

    /// Sets idle units aside; false, and nothing changed, when there are too few.
    pub fn set_aside(&mut self, amount: Units) -> bool {
        let enough = amount <= self.idle();
        if enough {
            self.held = self.held.saturating_add(amount);
        }
        enough
    }

    /// Settles a hold of `held` units: `spent` of them are used (at most all), the rest is idle again.
    pub fn spend_held(&mut self, held: Units, spent: Units) {
        debug_assert!(held <= self.held && spent <= held);
        self.held = self.held.saturating_sub(held);
        self.used = self.used.saturating_add(spent.min(held));
    }

    /// In `fast` mode: is what is used and held covered by the synced mark?
    pub fn within_mark(&self) -> bool {
        self.used.saturating_add(self.held) <= self.mark
    }

    /// In `fast` mode: the next mark, a chunk ahead of what is used and held but never beyond the lease.
    pub fn next_mark(&self, chunk: Units) -> Units {
        self.used.saturating_add(self.held).saturating_add(chunk).min(self.n)
    }

    /// In `fast` mode: a record with this mark is in the journal.
    pub fn raise_mark(&mut self, to: Units) {
        self.mark = self.mark.max(to);
    }

    /// The synced mark.
    pub fn mark(&self) -> Units {
        self.mark
    }

    /// The report to send now: the one on its way if there is one, else a new one with this wish.
    pub fn report(&mut self, wish: Wish, now: Uptime) -> LeaseReport {
        if let Some((report, _)) = &self.outstanding {
            return report.clone();
        }
        // The giver first: what goes back is given up here before the ledger hears of it.
        if matches!(wish, Wish::GiveBack | Wish::Settle { .. }) {
            self.n = self.used.saturating_add(self.held);
        }
        let report = LeaseReport {
            lease: self.id,
            account: self.account,
            seq: self.seq + 1,
            used: self.used,
            held: self.held,
            wish,
        };
        self.outstanding = Some((report.clone(), now));
        report
    }

    /// Has something been used or held, or come free, since this report was made?
    pub fn is_ahead_of(&self, report: &LeaseReport) -> bool {
        (report.used, report.held) != (self.used, self.held)
    }

    /// Is a report on its way?
    pub fn is_reporting(&self) -> bool {
        self.outstanding.is_some()
    }

    /// Takes the ledger's answer to the report on its way.
    pub fn applied(&mut self, reply: LeaseReply) -> Heard {
        let Some((report, sent)) = self.outstanding.take() else { return Heard::Stopped };
        match reply {
            LeaseReply::Applied { n, free, elsewhere, recalled, closed } => {
                self.seq = report.seq;
                // A repetition may be answered after a later raise; n only ever grows by what this gate asked for.
                if !matches!(report.wish, Wish::Settle { .. }) {
                    self.n = n;
                }
                self.serves_until = Some(sent.saturating_add(GATE_TERM));
                Heard::Settled { free, elsewhere, recalled, closed }
            }
            LeaseReply::Fenced => {
                self.stopped = true;
                Heard::Fenced
            }
            LeaseReply::OutOfSequence { .. } | LeaseReply::Unknown | LeaseReply::Overdrawn { .. } => {
                self.stopped = true;
                Heard::Stopped
            }
        }
    }
}
