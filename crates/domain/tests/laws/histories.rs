//! Histories: any sequence of commands, with messages lost, doubled and out of order, keeps every equation in each state
//! and accounts for every unit in the end.

use crate::desk::{Desk, HOLD_S};
use crate::world::{World, id};
use crate::{config, units};
use almoner_domain::account::Pocket;
use almoner_domain::allocation::AllocationState;
use almoner_domain::feature::ExcessRule;
use almoner_domain::grant::{Grant, GrantKind};
use almoner_domain::id::{AccountId, AllocationId, GrantId, HoldId, Id, LeaseId};
use almoner_domain::lease::Wish;
use almoner_domain::ledger::{
    Adjustment, HoldOrder, adjust, carve, close_window, doubt, end, expire_hold, extend_hold, forfeit, issue, refund,
    settle_hold, void,
};
use almoner_domain::units::Units;
use proptest::prelude::*;
use std::time::Duration;

/// One thing that may happen. Bytes pick among what there is at that time.
#[derive(Debug, Clone)]
enum Step {
    Carve { from: u8, amount: i64 },
    CarveBelow { from: u8, amount: i64 },
    End { which: u8, state: AllocationState },
    OpenLease { account: u8 },
    Use { lease: u8, amount: i64 },
    Hold { lease: u8, amount: i64 },
    CommitAtGate { lease: u8, actual: i64 },
    Send { lease: u8, wish: Wish },
    Deliver { message: u8 },
    SendAndDeliver { lease: u8, wish: Wish },
    Restart,
    SettleHold { which: u8, actual: i64, excess: ExcessRule },
    ExtendHold { which: u8 },
    Sweep,
    Forfeit { lease: u8 },
    Refund { account: u8, amount: i64 },
    Pass { seconds: u64 },
    CloseRoot,
    Adjust { which: u8, adjustment: Adjustment, amount: i64 },
    Issue { amount: i64, priority: i16 },
    Void { which: u8 },
}

fn wish() -> impl Strategy<Value = Wish> {
    prop_oneof![
        3 => (0..12_i64, 0..40_i64).prop_map(|(need, want)| Wish::Raise { need: units(need), want: units(want) }),
        1 => Just(Wish::Keep),
        1 => Just(Wish::GiveBack),
        1 => Just(Wish::Settle { holds: Vec::new() }),
    ]
}

fn state() -> impl Strategy<Value = AllocationState> {
    proptest::sample::select(vec![AllocationState::Closed, AllocationState::Expired, AllocationState::Revoked])
}

fn excess() -> impl Strategy<Value = ExcessRule> {
    proptest::sample::select(vec![ExcessRule::DenyExcess, ExcessRule::Overage])
}

fn step() -> impl Strategy<Value = Step> {
    let any = any::<u8>;
    prop_oneof![
        3 => (any(), 1..30_i64).prop_map(|(from, amount)| Step::Carve { from, amount }),
        3 => (any(), 1..15_i64).prop_map(|(from, amount)| Step::CarveBelow { from, amount }),
        2 => (any(), state()).prop_map(|(which, state)| Step::End { which, state }),
        4 => any().prop_map(|account| Step::OpenLease { account }),
        8 => (any(), 1..8_i64).prop_map(|(lease, amount)| Step::Use { lease, amount }),
        4 => (any(), 1..8_i64).prop_map(|(lease, amount)| Step::Hold { lease, amount }),
        2 => (any(), 0..8_i64).prop_map(|(lease, actual)| Step::CommitAtGate { lease, actual }),
        6 => (any(), wish()).prop_map(|(lease, wish)| Step::Send { lease, wish }),
        8 => any().prop_map(|message| Step::Deliver { message }),
        12 => (any(), wish()).prop_map(|(lease, wish)| Step::SendAndDeliver { lease, wish }),
        1 => Just(Step::Restart),
        2 => (any(), 0..12_i64, excess()).prop_map(|(which, actual, excess)| Step::SettleHold { which, actual, excess }),
        1 => any().prop_map(|which| Step::ExtendHold { which }),
        2 => Just(Step::Sweep),
        1 => any().prop_map(|lease| Step::Forfeit { lease }),
        1 => (any(), 1..5_i64).prop_map(|(account, amount)| Step::Refund { account, amount }),
        3 => prop_oneof![1..30_u64, 200..900_u64].prop_map(|seconds| Step::Pass { seconds }),
        1 => Just(Step::CloseRoot),
        3 => (any(), proptest::sample::select(vec![Adjustment::TopUp, Adjustment::Shrink]), 1..12_i64)
            .prop_map(|(which, adjustment, amount)| Step::Adjust { which, adjustment, amount }),
        1 => (1..40_i64, -1..2_i16).prop_map(|(amount, priority)| Step::Issue { amount, priority }),
        1 => any().prop_map(|which| Step::Void { which }),
    ]
}

struct History {
    world: World,
    desk: Desk,
    root: AccountId,
    quota: Units,
    /// Units answered as spent, by the gate's and the holds' own answers, less what was given back.
    answered: i128,
}

fn pick<T: Copy>(all: &[T], which: u8) -> Option<T> {
    (!all.is_empty()).then(|| all[usize::from(which) % all.len()])
}

impl History {
    fn begin(quota: i64, share: Option<i64>) -> Self {
        let mut world = World::new();
        let root = world.open_root(units(quota), Some(Duration::from_secs(4_000)));
        if let Some(share) = share {
            world.open_share(id(9), units(share), root);
        }
        Self { world, desk: Desk::new(), root, quota: units(quota), answered: 0 }
    }

    fn accounts(&self) -> Vec<AccountId> {
        self.world.accounts.keys().copied().collect()
    }

    fn leases(&self) -> Vec<LeaseId> {
        self.desk.purses.keys().copied().collect()
    }

    fn allocations(&self) -> Vec<AllocationId> {
        self.world.allocations.keys().copied().collect()
    }

    fn open_holds(&self) -> Vec<HoldId> {
        self.world.holds.values().filter(|hold| hold.open).map(|hold| hold.id).collect()
    }

    /// Does a step. No command of callers who keep the rules may ever be a fault.
    fn take(&mut self, step: Step) -> Result<(), String> {
        match step {
            Step::Carve { from, amount } => self.carve(from, amount, false),
            Step::CarveBelow { from, amount } => self.carve(from, amount, true),
            Step::Use { .. } | Step::Hold { .. } | Step::CommitAtGate { .. } => self.at_gate(&step),
            Step::OpenLease { account } => {
                let account = pick(&self.accounts(), account).unwrap();
                self.desk.open(account);
                Ok(())
            }
            Step::Send { lease, wish } => {
                pick(&self.leases(), lease).map(|lease| self.desk.send(lease, wish));
                Ok(())
            }
            Step::SendAndDeliver { lease, wish } => {
                let Some(lease) = pick(&self.leases(), lease) else { return Ok(()) };
                let message = self.desk.send(lease, wish);
                self.deliver(message)
            }
            Step::Deliver { message } => match self.desk.sent.len() {
                0 => Ok(()),
                count => self.deliver(usize::from(message) % count),
            },
            Step::Restart => {
                self.desk.restart(&self.world);
                Ok(())
            }
            Step::Pass { seconds } => {
                self.world.pass(seconds);
                Ok(())
            }
            Step::Refund { .. } | Step::SettleHold { .. } | Step::ExtendHold { .. } => self.in_ledger(&step),
            Step::End { .. } | Step::Sweep | Step::Forfeit { .. } | Step::CloseRoot => self.by_time_or_person(&step),
            Step::Adjust { .. } | Step::Issue { .. } | Step::Void { .. } => self.by_time_or_person(&step),
        }
    }

    fn deliver(&mut self, message: usize) -> Result<(), String> {
        self.desk.deliver(message, &mut self.world).map(drop).map_err(|why| why.to_string())
    }

    fn carve(&mut self, from: u8, amount: i64, below: bool) -> Result<(), String> {
        let tops: Vec<AccountId> = self.world.accounts.values().filter(|a| a.depth < 2).map(|a| a.id).collect();
        let (parent, account) = match below {
            true => {
                let Some(parent) = pick(&self.allocations(), from) else { return Ok(()) };
                (Some(parent), self.world.allocations[&parent].lines[0].account)
            }
            false => (None, pick(&tops, from).unwrap()),
        };
        if parent.is_none()
            && matches!(self.world.accounts[&account].owner, almoner_domain::account::AccountOwner::Allocation(_))
        {
            return Ok(());
        }
        let mut order = self.world.order(account, parent, units(amount));
        if parent.is_some() {
            order.expires_at = None;
        }
        self.world.act_if(Result::is_ok, |books| carve(books, &order)).map(drop).map_err(|why| why.to_string())
    }

    fn at_gate(&mut self, step: &Step) -> Result<(), String> {
        let leases = self.leases();
        match *step {
            Step::Use { lease, amount } => {
                let taken = pick(&leases, lease).is_some_and(|lease| self.desk.take(lease, amount));
                self.answered += if taken { i128::from(amount) } else { 0 };
            }
            Step::Hold { lease, amount } => {
                pick(&leases, lease).and_then(|lease| self.desk.hold(lease, amount, &self.world));
            }
            Step::CommitAtGate { lease, actual } => {
                let spent = pick(&leases, lease).map_or(Units::ZERO, |lease| self.desk.commit(lease, actual));
                self.answered += i128::from(spent.get());
            }
            _ => unreachable!("not at the gate"),
        }
        Ok(())
    }

    fn in_ledger(&mut self, step: &Step) -> Result<(), String> {
        match *step {
            Step::SettleHold { which, actual, excess } => {
                let Some(hold) = pick(&self.open_holds(), which) else { return Ok(()) };
                let actual = vec![(crate::world::feature(), units(actual), excess)];
                let order = HoldOrder { hold, actual, spend_unnamed: true };
                let answer = self.world.act(|books| settle_hold(books, &order)).map_err(|why| why.to_string())?;
                let spent: Units = answer.into_iter().flatten().map(|(_, spent)| spent).sum();
                self.answered += i128::from(spent.get());
            }
            Step::ExtendHold { which } => {
                let Some(hold) = pick(&self.open_holds(), which) else { return Ok(()) };
                let until = self.world.now.saturating_add(Duration::from_secs(HOLD_S));
                let _ = self.world.act(|books| extend_hold(books, hold, until)).map_err(|why| why.to_string())?;
            }
            Step::Refund { account, amount } => {
                let account = pick(&self.accounts(), account).unwrap();
                let amount = units(amount).min(self.world.pocket(account, Pocket::Used));
                self.world.act(|books| refund(books, account, amount, id(1))).map_err(|why| why.to_string())?;
                self.answered -= i128::from(amount.get());
            }
            _ => unreachable!("not in the ledger"),
        }
        Ok(())
    }

    fn by_time_or_person(&mut self, step: &Step) -> Result<(), String> {
        match *step {
            Step::End { which, state } => {
                let Some(allocation) = pick(&self.allocations(), which) else { return Ok(()) };
                self.world.act(|books| end(books, allocation, state)).map(drop).map_err(|why| why.to_string())
            }
            Step::Forfeit { lease } => {
                let leases: Vec<LeaseId> = self.world.leases.keys().copied().collect();
                let Some(lease) = pick(&leases, lease) else { return Ok(()) };
                let row = self.world.leases[&lease].clone();
                let lost = self.world.act(|books| forfeit(books, lease)).map_err(|why| why.to_string())?;
                if lost {
                    // What the gate has not told is spent as far as anybody will ever know.
                    let known = self.desk.purses.remove(&lease).map_or(row.used, |purse| purse.used);
                    self.answered += i128::from(row.n.get()) - i128::from(known.get());
                }
                Ok(())
            }
            Step::Adjust { which, adjustment, amount } => {
                let Some(allocation) = pick(&self.allocations(), which) else { return Ok(()) };
                let lines = [(crate::world::feature(), units(amount))];
                let adjusted = self.world.act_if(Result::is_ok, |books| adjust(books, allocation, adjustment, &lines));
                adjusted.map(drop).map_err(|why| why.to_string())
            }
            Step::Issue { amount, priority } => self.issue(units(amount), priority),
            Step::Void { which } => self.void(which),
            Step::Sweep => self.sweep(),
            Step::CloseRoot => self.close_windows(),
            _ => unreachable!("neither time nor a person"),
        }
    }

    fn issue(&mut self, amount: Units, priority: i16) -> Result<(), String> {
        // The store issues into a window that is open.
        if self.world.accounts[&self.root].closed {
            return Ok(());
        }
        let first = self.world.grants.values().next().cloned().ok_or("the window has its renewal")?;
        let id = GrantId::new(self.world.now, &self.world.entropy);
        let grant = Grant { id, amount, priority, created_at: self.world.now, kind: GrantKind::TopUp, ..first };
        let grant = Grant { voided_at: None, taken_back: Units::ZERO, ..grant };
        if self.world.act(|books| issue(books, grant)).map_err(|why| why.to_string())? {
            self.quota = self.quota.saturating_add(amount);
        }
        Ok(())
    }

    fn void(&mut self, which: u8) -> Result<(), String> {
        let all: Vec<Grant> = self.world.grants.values().cloned().collect();
        let ids: Vec<GrantId> = all.iter().map(|grant| grant.id).collect();
        let Some(grant) = pick(&ids, which) else { return Ok(()) };
        let free = self.world.pocket(self.root, Pocket::Free);
        if let Some(voided) = self.world.act(|books| void(books, all, grant)).map_err(|why| why.to_string())? {
            let left = self.world.pocket(self.root, Pocket::Free);
            if free.saturating_sub(left) != voided.taken_back {
                return Err(format!("{voided:?} took what was not free"));
            }
            self.quota = self.quota.saturating_sub(voided.taken_back);
        }
        Ok(())
    }

    fn sweep(&mut self) -> Result<(), String> {
        let now = self.world.now;
        let due: Vec<AllocationId> =
            self.world.allocations.values().filter(|a| a.expires_at <= now).map(|a| a.id).collect();
        for allocation in due {
            self.world.act(|books| end(books, allocation, AllocationState::Expired)).map_err(|why| why.to_string())?;
        }
        for hold in self.open_holds() {
            self.world.act(|books| expire_hold(books, hold)).map_err(|why| why.to_string())?;
        }
        for lease in self.world.leases.keys().copied().collect::<Vec<_>>() {
            self.world.act(|books| doubt(books, lease)).map_err(|why| why.to_string())?;
        }
        self.close_windows()
    }

    fn close_windows(&mut self) -> Result<(), String> {
        let tops: Vec<AccountId> = self.world.accounts.values().filter(|a| a.depth < 2).map(|a| a.id).collect();
        for account in tops {
            if matches!(self.world.accounts[&account].owner, almoner_domain::account::AccountOwner::Entitlement(_)) {
                self.world.act(|books| close_window(books, account)).map_err(|why| why.to_string())?;
            }
        }
        Ok(())
    }

    fn check(&self) -> Result<(), String> {
        self.world.check()?;
        for (lease, purse) in &self.desk.purses {
            let Some(row) = self.world.leases.get(lease) else { continue };
            let claimed = purse.used.saturating_add(purse.held());
            // Truth never exceeds what the ledger has charged.
            if !row.state.is_final() && claimed > row.n {
                return Err(format!("the gate has used {purse:?} of {row:?}"));
            }
        }
        let free = self.world.pocket(self.root, Pocket::Free);
        if self.answered > i128::from(self.quota.saturating_sub(free).get()) {
            return Err(format!("{} units are answered as spent, {} are free", self.answered, free.get()));
        }
        Ok(())
    }

    /// After the last fault: everything is told, every hold and window runs out, and each unit is where it belongs.
    fn heal(&mut self) -> Result<(), String> {
        self.desk.settle_all(&mut self.world)?;
        self.check()?;
        self.world.pass(10_000);
        self.sweep()?;
        self.check()?;
        let root = self.world.accounts[&self.root].balance;
        for pocket in [Pocket::Free, Pocket::Leased, Pocket::Held] {
            for account in self.accounts() {
                let stuck = self.world.pocket(account, pocket);
                if !stuck.is_zero() {
                    return Err(format!("{} units are stuck in {} of {account}", stuck.get(), pocket.as_str()));
                }
            }
        }
        let used: i128 = self.accounts().iter().map(|a| i128::from(self.world.pocket(*a, Pocket::Used).get())).sum();
        if used != self.answered {
            return Err(format!("{used} units are used, {} were answered", self.answered));
        }
        if used + i128::from(root.get(Pocket::Lapsed).get()) != i128::from(self.quota.get()) {
            return Err(format!("{used} units used and the lapsed ones are not the quota: {root:?}"));
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn every_history_keeps_the_equations_and_accounts_for_every_unit(
        quota in 0..120_i64,
        share in proptest::option::of(0..60_i64),
        steps in proptest::collection::vec(step(), 0..120),
    ) {
        let mut history = History::begin(quota, share);
        for step in steps {
            let told = format!("{step:?}");
            let done = history.take(step).and_then(|()| history.check());
            prop_assert!(done.is_ok(), "{told}: {}", done.unwrap_err());
        }
        let healed = history.heal();
        prop_assert!(healed.is_ok(), "in the end: {}", healed.unwrap_err());
    }
}
