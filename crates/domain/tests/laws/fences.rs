//! Fences: what an earlier life of a gate still says counts as use, and as nothing else.

use crate::config;
use crate::units;
use crate::world::{World, id, life};
use almoner_domain::account::Pocket;
use almoner_domain::id::{AccountId, LeaseId};
use almoner_domain::lease::{LeaseReply, LeaseReport, Wish};
use almoner_domain::ledger::settle;
use proptest::prelude::*;

const LEASED: i64 = 40;
const USED: i64 = 10;
/// Reports of the first life that the ledger had applied when the second began.
const APPLIED: u64 = 2;

/// A world in which the first life of a gate has leased and told twice.
fn begun() -> (World, AccountId, LeaseId) {
    let mut world = World::new();
    let root = world.open_root(units(100), None);
    let lease = id::<LeaseId>(77);
    let raise = Wish::Raise { need: units(LEASED), want: units(0) };
    tell(&mut world, 1, 1, &report(lease, root, 1, 0, raise));
    tell(&mut world, 1, 1, &report(lease, root, APPLIED, USED, Wish::Keep));
    (world, root, lease)
}

fn report(lease: LeaseId, account: AccountId, seq: u64, used: i64, wish: Wish) -> LeaseReport {
    LeaseReport { lease, account, seq, used: units(used), held: units(0), wish }
}

/// A report that also says what is held.
fn holding(lease: LeaseId, account: AccountId, seq: u64, (used, held): (i64, i64), wish: Wish) -> LeaseReport {
    LeaseReport { held: units(held), ..report(lease, account, seq, used, wish) }
}

fn tell(world: &mut World, by: u64, current: u64, report: &LeaseReport) -> LeaseReply {
    world.act(|books| settle(books, life(by), current, 1, report, &|_| None)).unwrap()
}

fn wish() -> impl Strategy<Value = Wish> {
    prop_oneof![
        Just(Wish::Keep),
        Just(Wish::GiveBack),
        Just(Wish::Settle { holds: Vec::new() }),
        (0..20_i64).prop_map(|need| Wish::Raise { need: units(need), want: units(50) }),
    ]
}

fn late() -> impl Strategy<Value = Vec<(u64, (i64, i64), Wish)>> {
    let within = (0..=LEASED).prop_flat_map(|used| (Just(used), 0..=LEASED - used));
    proptest::collection::vec((1..5_u64, within, wish()), 1..6)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_late_report_raises_use_and_changes_nothing_else(late in late()) {
        let (mut world, root, lease) = begun();
        for (seq, (used, held), wish) in late {
            let before = world.leases[&lease].clone();
            let free = world.pocket(root, Pocket::Free);
            let reply = tell(&mut world, 1, 2, &holding(lease, root, seq, (used, held), wish));
            prop_assert_eq!(reply, LeaseReply::Fenced);
            let after = &world.leases[&lease];
            prop_assert_eq!(after.used, before.used.max(units(used)));
            prop_assert_eq!((after.n, after.state, after.seq), (before.n, before.state, before.seq));
            prop_assert_eq!(after.deadline, before.deadline);
            prop_assert_eq!(world.pocket(root, Pocket::Free), free);
            prop_assert_eq!(world.check(), Ok(()));
        }
    }

    /// A gate that is told again and again that it is fenced cannot serve on because one answer was lost.
    #[test]
    fn a_fenced_report_is_answered_the_same_when_it_is_repeated(wish in wish(), times in 2..4_usize) {
        let (mut world, root, lease) = begun();
        for _ in 0..times {
            let reply = tell(&mut world, 1, 2, &report(lease, root, APPLIED + 1, USED + 5, wish.clone()));
            prop_assert_eq!(reply, LeaseReply::Fenced);
        }
    }

    /// The next life asks once which report is due. What the network still holds of the life before must not move that.
    #[test]
    fn late_reports_do_not_keep_the_next_life_from_settling(late in late(), more in 0..5_i64) {
        let (mut world, root, lease) = begun();
        let due = world.leases[&lease].seq + 1;
        let mut told = USED;
        for (seq, (used, held), wish) in late {
            told = told.max(used);
            tell(&mut world, 1, 2, &holding(lease, root, seq, (used, held), wish));
        }
        // The journal was synced before anything was told, so it knows of as much use at least.
        let used = (told + more).min(LEASED);
        let reply = tell(&mut world, 2, 2, &report(lease, root, due, used, Wish::Settle { holds: Vec::new() }));
        let applied = matches!(reply, LeaseReply::Applied { .. });
        prop_assert!(applied, "{reply:?}");
        prop_assert_eq!(world.pocket(root, Pocket::Leased), units(0));
        prop_assert_eq!(world.pocket(root, Pocket::Used), units(used));
    }

    #[test]
    fn a_fenced_life_opens_nothing(wish in wish()) {
        let mut world = World::new();
        let root = world.open_root(units(100), None);
        let reply = tell(&mut world, 1, 2, &report(id(78), root, 1, 0, wish));
        prop_assert_eq!(reply, LeaseReply::Fenced);
        prop_assert!(world.leases.is_empty());
        prop_assert_eq!(world.pocket(root, Pocket::Free), units(100));
    }
}
