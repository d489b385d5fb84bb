//! The journal: what was acknowledged comes back, or the journal refuses to open. Never silently less.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use almoner_gate::journal::{
    Bound, Disk, DiskFile, FolderDisk, Journal, JournalError, JournalOptions, LossyDisk, Position, Recovered, Tail,
    Ticket,
};
use std::io;
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

const SECTOR: usize = 512;
/// Small, so that a test crosses many segments and can try every byte.
const OPTIONS: JournalOptions = JournalOptions {
    segment_bytes: 16 << 10,
    buffer_bytes_max: 64 << 10,
    record_bytes_max: 2 << 10,
    journal_bytes_max: 1 << 20,
};

type Record = (Position, Vec<u8>);

// ---- Round trips.

#[test]
fn records_come_back_in_order_across_segments() {
    let folder = folder();
    let disk: Arc<dyn Disk> = Arc::new(FolderDisk::open(folder.path()).unwrap());
    let mut written = Vec::new();
    for life in 0..3_u64 {
        let (journal, recovered) = Journal::open(disk.clone(), OPTIONS).unwrap();
        assert_eq!(recovered.tail, [Tail::None, Tail::Closed, Tail::Closed][life as usize]);
        assert_eq!(recovered.cut_bytes, 0);
        let next_segment = recovered.next_segment;
        assert_eq!(all(recovered), written);
        for number in 0..100 {
            let payload = payload(life * 100 + number, 700);
            let position = wait(journal.append(&payload).unwrap()).unwrap();
            assert!(position.segment >= next_segment);
            written.push((position, payload));
        }
        let stats = journal.stats();
        assert_eq!((stats.records, stats.pending_bytes, stats.failed), (100, 0, false));
        assert!(stats.segments > 1 && stats.syncs > 0 && stats.durable > written.last().unwrap().0);
        journal.close().unwrap();
        assert!(matches!(journal.append(b"late"), Err(JournalError::Closed)));
        assert!(matches!(journal.close(), Err(JournalError::Closed)));
    }
    assert!(written.is_sorted_by_key(|(position, _)| *position));
    assert_eq!(recover(&disk).unwrap().0, written);
}

#[test]
fn each_thread_keeps_its_order_and_nothing_acknowledged_is_missing() {
    const THREADS: u64 = 8;
    const RECORDS: u64 = 2_000;
    let folder = folder();
    let disk: Arc<dyn Disk> = Arc::new(FolderDisk::open(folder.path()).unwrap());
    let options = JournalOptions { segment_bytes: 256 << 10, journal_bytes_max: 64 << 20, ..OPTIONS };
    let (journal, _) = Journal::open(disk.clone(), options).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).build().unwrap();
    let positions = runtime.block_on(async {
        let journal = Arc::new(journal);
        let tasks = (0..THREADS).map(|thread| tokio::spawn(appender(journal.clone(), thread, RECORDS)));
        let mut positions = Vec::new();
        for task in tasks.collect::<Vec<_>>() {
            positions.push(task.await.unwrap());
        }
        positions
    });
    let records = recover(&disk).unwrap().0;
    assert_eq!(records.len() as u64, THREADS * RECORDS);
    for (thread, positions) in (0..).zip(positions) {
        assert!(positions.is_sorted());
        let mine = records.iter().filter(|(_, payload)| payload[0] == thread);
        let numbers =
            mine.map(|(position, payload)| (*position, u64::from_le_bytes(payload[1..9].try_into().unwrap())));
        assert!(numbers.eq(positions.into_iter().zip(0..)), "thread {thread}");
    }
}

/// Appends in small groups, awaiting each, and lets some tickets drop.
async fn appender(journal: Arc<Journal>, thread: u64, records: u64) -> Vec<Position> {
    let mut positions = Vec::new();
    for number in 0..records {
        let ticket = loop {
            let encode = |buffer: &mut Vec<u8>| {
                buffer.push(thread as u8);
                buffer.extend(number.to_le_bytes());
                buffer.resize(9 + (number % 90) as usize, 7);
                Ok::<_, JournalError>(())
            };
            match journal.append_with(encode) {
                Ok(ticket) => break ticket,
                Err(JournalError::Full(Bound::Buffer)) => tokio::task::yield_now().await,
                Err(error) => panic!("{error}"),
            }
        };
        positions.push(ticket.position());
        if number % 16 == thread {
            ticket.durable().await.unwrap();
        }
    }
    journal.sync().durable().await.unwrap();
    positions
}

#[test]
fn records_appended_together_stand_side_by_side() {
    let disk = LossyDisk::default();
    let (journal, _) = open(&disk);
    for _ in 0..40 {
        let ticket = journal.append_all(&[b"one", b"two", &[0; 1500]]).unwrap();
        wait(ticket).unwrap();
    }
    drop(journal);
    let records = recovered(&disk).0;
    assert_eq!(records.len(), 120);
    for group in records.chunks(3) {
        assert_eq!((&group[0].1[..], &group[1].1[..]), (&b"one"[..], &b"two"[..]));
        assert_eq!(group[0].0.segment, group[2].0.segment);
        assert_eq!(group[1].0.offset, group[0].0.offset + 8 + 3);
    }
}

#[test]
fn a_segment_is_begun_when_asked() {
    let disk = LossyDisk::default();
    let (journal, recovered) = open(&disk);
    let first = recovered.next_segment;
    assert_eq!(journal.begin_segment(b"head").unwrap().position(), Position { segment: first, offset: 512 + 32 });
    journal.append(b"old").unwrap();
    assert!(!journal.segment_is_full());
    let head = journal.begin_segment(b"head of the second").unwrap().position();
    assert_eq!(head, Position { segment: first + 1, offset: 512 + 32 });
    let barrier = journal.sync();
    assert!(barrier.position() > head);
    wait(barrier).unwrap();
    while !journal.segment_is_full() {
        assert_eq!(wait(journal.append(&[1; 900]).unwrap()).unwrap().segment, first + 1);
    }
    drop(journal);
    let heads = self::recovered(&disk).0.into_iter().filter(|(_, payload)| payload.starts_with(b"head"));
    assert_eq!(heads.map(|(position, _)| position.segment).collect::<Vec<_>>(), [first, first + 1]);
}

#[test]
fn what_is_not_a_record_is_refused() {
    let (journal, _) = open(&LossyDisk::default());
    assert!(matches!(journal.append(b""), Err(JournalError::Size { bytes: 0, bytes_max: 2048 })));
    assert!(matches!(journal.append(&[1; 2049]), Err(JournalError::Size { bytes: 2049, .. })));
    assert!(matches!(journal.append_all(&[]), Err(JournalError::Size { bytes: 0, .. })));
    assert!(matches!(journal.append_all(&[&[1; 2048][..]; 20]), Err(JournalError::Size { .. })));
    let broken: Result<_, JournalError> = journal.append_with(|buffer| {
        buffer.extend(b"half a record");
        Err(JournalError::Closed)
    });
    assert!(matches!(broken, Err(JournalError::Closed)));
    assert_eq!(journal.stats().records, 0);
    let odd = JournalOptions { record_bytes_max: 16 << 10, ..OPTIONS };
    assert!(matches!(Journal::open(Arc::new(LossyDisk::default()), odd), Err(JournalError::Options { .. })));
}

// ---- Waiting.

#[test]
fn a_waiter_that_goes_away_takes_no_other_with_it() {
    let (disk, gate) = StuckDisk::new();
    let (journal, _) = Journal::open(Arc::new(disk), OPTIONS).unwrap();
    gate.set(true);
    let ticket = journal.append(b"record").unwrap();
    let mut waiting: Vec<_> = (0..8).map(|_| ticket.clone().durable()).collect();
    let mut context = Context::from_waker(Waker::noop());
    for waiter in &mut waiting {
        assert!(Future::poll(std::pin::Pin::new(waiter), &mut context).is_pending());
    }
    drop(waiting.drain(..4));
    let others: Vec<_> = (0..4).map(|_| ticket.clone()).map(|ticket| std::thread::spawn(|| wait(ticket))).collect();
    gate.set(false);
    for other in others {
        assert_eq!(other.join().unwrap().unwrap(), ticket.position());
    }
    for waiter in &mut waiting {
        assert!(matches!(Future::poll(std::pin::Pin::new(waiter), &mut context), Poll::Ready(Ok(_))));
    }
}

#[test]
fn a_waiter_that_is_woken_and_does_not_look_keeps_no_other_waiting() {
    let (disk, gate) = StuckDisk::new();
    let (journal, _) = Journal::open(Arc::new(disk), OPTIONS).unwrap();
    for kept in [true, false] {
        gate.set(true);
        let ticket = journal.append(b"record").unwrap();
        let mut first = std::pin::pin!(ticket.clone().durable());
        let mut last = Box::pin(ticket.durable());
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        let mut context = Context::from_waker(&waker);
        assert!(first.as_mut().poll(&mut context).is_pending());
        assert!(last.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        gate.set(false);
        // The last is the one that the writer wakes, and it sleeps on, or goes away.
        let _last = kept.then_some(last);
        while first.as_mut().poll(&mut context).is_pending() {
            std::thread::park();
        }
    }
}

// ---- Cuts and flips.

#[test]
fn a_file_cut_at_any_byte_keeps_the_whole_records_before() {
    for close in [false, true] {
        let (bytes, records) = small_journal(close);
        let used = used(&bytes);
        assert!((5_000..9_000).contains(&used), "{used}");
        for cut in if close { used - 3 * SECTOR } else { 0 }..=used {
            let folder = folder();
            std::fs::write(folder.path().join(NAME), &bytes[..cut]).unwrap();
            let disk: Arc<dyn Disk> = Arc::new(FolderDisk::open(folder.path()).unwrap());
            assert_eq!(recover(&disk).unwrap().0, before(&records, cut), "cut at {cut}");
        }
    }
}

#[test]
fn a_file_of_zeros_from_any_byte_keeps_the_whole_records_before() {
    let (bytes, records) = small_journal(false);
    for cut in 0..=used(&bytes) {
        let disk = disk_of(&bytes);
        disk.tamper(NAME, |bytes| bytes[cut..].fill(0)).unwrap();
        assert_eq!(recovered(&disk).0, before(&records, cut), "zeros from {cut}");
    }
}

#[test]
fn a_flipped_bit_loses_nothing_silently() {
    for close in [false, true] {
        let (bytes, records) = small_journal(close);
        let mut refused = 0;
        let used = used(&bytes);
        for flip in (0..used).chain((used..bytes.len()).step_by(61)) {
            let disk = disk_of(&bytes);
            disk.tamper(NAME, |bytes| bytes[flip] ^= 1 << (flip % 8)).unwrap();
            match try_recover(&disk) {
                Ok((found, _)) => assert_eq!(found, records, "flip in byte {flip}"),
                Err(JournalError::Damaged { .. } | JournalError::Version { .. }) => refused += 1,
                Err(error) => panic!("flip in byte {flip}: {error}"),
            }
        }
        assert!(refused >= used, "every flip in what was written is seen: {refused} of {used}");
    }
}

#[test]
fn a_garbled_sector_is_refused_and_a_lost_one_before_the_last_batch_too() {
    let (bytes, records) = small_journal(false);
    // The last three records are one batch.
    let last_batch = records[5].0.offset as usize / SECTOR;
    for sector in 0..used(&bytes) / SECTOR {
        for fill in [0xFF, 0xA5, 0x00] {
            let disk = disk_of(&bytes);
            disk.tamper(NAME, |bytes| bytes[sector * SECTOR..(sector + 1) * SECTOR].fill(fill)).unwrap();
            let unchanged = disk.read(NAME).unwrap() == bytes;
            let outcome = try_recover(&disk);
            if unchanged {
                // All filler, before as after.
                assert_eq!(outcome.unwrap().0, records);
            } else if fill != 0 || sector < last_batch {
                assert!(
                    matches!(outcome, Err(JournalError::Damaged { .. })),
                    "sector {sector} {fill:#x} of {last_batch}"
                );
            }
        }
    }
}

#[test]
fn a_record_that_moved_does_not_verify() {
    let disk = LossyDisk::default();
    let (journal, _) = open(&disk);
    for number in 0..3 {
        wait(journal.append(&payload(number, 400)).unwrap()).unwrap();
    }
    drop(journal);
    // Batches of one shape: the second one's record is put in the place of the third one's.
    disk.tamper(NAME, |bytes| bytes.copy_within(2 * SECTOR + 32..3 * SECTOR, 3 * SECTOR + 32)).unwrap();
    assert!(matches!(try_recover(&disk), Err(JournalError::Damaged { segment: 1, offset: 1568, .. })));
}

#[test]
fn any_sectors_of_the_last_batch_may_be_missing_and_no_earlier_record_is() {
    const RECORDS: usize = 12;
    let disk = LossyDisk::default();
    let (journal, _) = open(&disk);
    wait(journal.append(b"acknowledged").unwrap()).unwrap();
    let payloads: Vec<_> = (0..RECORDS as u64).map(|number| payload(number, 300)).collect();
    let group: Vec<_> = payloads.iter().map(Vec::as_slice).collect();
    wait(journal.append_all(&group).unwrap()).unwrap();
    drop(journal);
    let bytes = disk.read(NAME).unwrap();
    let records = recovered(&disk).0;
    let start = records[1].0.offset as usize / SECTOR;
    let sectors = used(&bytes) / SECTOR - start;
    assert!((6..10).contains(&sectors), "{sectors}");
    for missing in 1..1_u32 << sectors {
        let disk = disk_of(&bytes);
        let is_missing = |sector: usize| missing & (1 << sector) != 0;
        disk.tamper(NAME, |bytes| {
            for sector in (0..sectors).filter(|sector| is_missing(*sector)) {
                bytes[(start + sector) * SECTOR..][..SECTOR].fill(0);
            }
        })
        .unwrap();
        let first_missing = (start + (0..sectors).find(|sector| is_missing(*sector)).unwrap()) * SECTOR;
        let (found, tail) = try_recover(&disk).unwrap();
        assert_eq!(found, before(&records, first_missing), "missing {missing:b}");
        let nothing_left = missing.count_ones() as usize == sectors;
        assert_eq!(tail, if nothing_left { Tail::Unclosed } else { Tail::Torn }, "missing {missing:b}");
    }
}

// ---- Power cuts.

#[test]
fn a_power_cut_at_any_moment_loses_nothing_acknowledged() {
    let mut torn = 0;
    for seed in 0..500 {
        match lives(seed, false) {
            Ok(tails) => torn += tails.iter().filter(|tail| **tail == Tail::Torn).count(),
            Err(loss) => panic!("seed {seed}: {loss}"),
        }
    }
    assert!(torn > 20, "the power cuts tear writes: {torn}");
}

#[test]
fn the_power_cuts_notice_an_answer_before_the_sync() {
    let caught = (0..100).filter(|seed| lives(*seed, true).is_err()).count();
    assert!(caught > 50, "a disk that lies about syncs is caught: {caught} of 100");
}

/// Several lives of one journal, each ended by a power cut or a crash at an operation of the seed's choice: in the middle of a batch, of a
/// new segment, of a retirement or of a recovery. Returns how the journal was found, or the loss.
fn lives(seed: u64, lie: bool) -> Result<Vec<Tail>, String> {
    let mut dice = Dice(seed);
    let mut disk = LossyDisk::default();
    let mut history = History::default();
    let mut tails = Vec::new();
    for _ in 0..4 {
        disk.lie_about_sync(lie);
        disk.short_writes(dice.below(4) == 0);
        let operations = [12, 60, 240][dice.below(3) as usize];
        disk.lose_power_after(dice.below(operations));
        match Journal::open(Arc::new(disk.clone()), OPTIONS) {
            Ok((journal, recovered)) => {
                tails.push(recovered.tail);
                // What recovery hands out is acted upon, so it must outlast the next power cut as well.
                history.found(all(recovered))?;
                history.live(&journal, &mut dice);
            }
            Err(JournalError::Failed { .. } | JournalError::Io { .. }) => {}
            Err(error) => return Err(error.to_string()),
        }
        // Or only the process dies: the system still shows what was written and not synced.
        match dice.below(3) {
            0 => disk.lose_power_after(u64::MAX),
            _ => disk = disk.power_cut(dice.next()),
        }
    }
    let (found, tail) = try_recover(&disk).map_err(|error| error.to_string())?;
    history.found(found)?;
    tails.push(tail);
    Ok(tails)
}

/// What a client of the journal knows: what it appended, and what of it was acknowledged.
#[derive(Default)]
struct History {
    appended: Vec<Record>,
    /// So many of them, the first, are acknowledged.
    acknowledged: usize,
    /// Records in segments below this one may be gone.
    retired_before: u64,
}

impl History {
    fn live(&mut self, journal: &Journal, dice: &mut Dice) {
        for _ in 0..60 {
            let payloads = (0..=dice.below(4)).map(|_| payload(dice.next(), dice.below(900) as usize + 1));
            let payloads: Vec<_> = payloads.collect();
            let group: Vec<_> = payloads.iter().map(Vec::as_slice).collect();
            let (ticket, count) = match dice.below(12) {
                0 => (journal.begin_segment(group[0]), 1),
                1 => (journal.append(group[0]), 1),
                _ => (journal.append_all(&group), payloads.len()),
            };
            let ticket = match ticket {
                Ok(ticket) => ticket,
                Err(JournalError::Full(_)) => continue,
                Err(_) => return,
            };
            let mut position = ticket.position();
            for payload in payloads.into_iter().take(count) {
                let next = Position { offset: position.offset + 8 + payload.len() as u64, ..position };
                self.appended.push((std::mem::replace(&mut position, next), payload));
            }
            match dice.below(8) {
                0 => self.acknowledge(ticket),
                1 => self.acknowledge(journal.sync()),
                2 if dice.below(3) == 0 && wait(journal.sync()).is_ok() => {
                    self.acknowledged = self.appended.len();
                    self.retired_before = self.appended.last().unwrap().0.segment;
                    let _or_the_power_is_gone = journal.retire_before(self.retired_before);
                }
                _ => {}
            }
        }
    }

    fn acknowledge(&mut self, ticket: Ticket) {
        if wait(ticket).is_ok() {
            self.acknowledged = self.appended.len();
        }
    }

    /// Compares with what a recovery found, and goes on from there.
    fn found(&mut self, found: Vec<Record>) -> Result<(), String> {
        let gone =
            found.first().map_or(0, |(first, _)| self.appended.partition_point(|(position, _)| position < first));
        let kept = self.appended.get(gone..gone + found.len());
        if kept != Some(&found[..]) {
            return Err("what was found is not a run of what was appended".to_owned());
        }
        if gone + found.len() < self.acknowledged {
            return Err(format!("{} acknowledged, {} found", self.acknowledged, gone + found.len()));
        }
        if self.appended[..gone].iter().any(|(position, _)| position.segment >= self.retired_before) {
            return Err("a record that was not retired is gone".to_owned());
        }
        self.acknowledged = found.len();
        self.appended = found;
        Ok(())
    }
}

// ---- Disks that fail.

#[test]
fn a_failed_sync_poisons_the_journal_and_a_restart_recovers() {
    for seed in 0..50 {
        let disk = LossyDisk::default();
        let (journal, _) = open(&disk);
        let acknowledged = payload(1, 200);
        wait(journal.append(&acknowledged).unwrap()).unwrap();
        disk.fail_next_sync();
        let lost = journal.append(&payload(2, 1_500)).unwrap();
        let failure = wait(lost.clone()).unwrap_err();
        assert!(
            matches!(&failure, JournalError::Failed { source, .. } if source.raw_os_error() == Some(5)),
            "{failure:?}"
        );
        // The disk would work again; the journal does not try.
        assert!(matches!(journal.append(b"more"), Err(JournalError::Failed { .. })));
        assert!(matches!(wait(journal.sync()), Err(JournalError::Failed { .. })));
        assert!(matches!(wait(lost), Err(JournalError::Failed { .. })));
        assert!(journal.stats().failed);
        assert!(matches!(journal.close(), Err(JournalError::Failed { .. })));
        // Opened again without a power cut, the system still shows the record that never reached the disk. Recovery hands it
        // out, and so has to see to it that it does reach it.
        let (journal, recovered) = open(&disk);
        let found = all(recovered);
        assert_eq!(found.len(), 2);
        wait(journal.append(b"after").unwrap()).unwrap();
        let after = self::recovered(&disk.power_cut(seed)).0;
        assert_eq!(after[..2], found);
        assert_eq!(after[2].1, b"after");
        // And with a power cut in between, what was acknowledged is there.
        assert_eq!(self::recovered(&disk.power_cut(seed)).0[0].1, acknowledged);
    }
}

#[test]
fn a_full_disk_fails_closed_and_a_restart_with_room_recovers() {
    for room in 0..1_000 {
        let disk = LossyDisk::default();
        let (journal, _) = open(&disk);
        wait(journal.append(b"acknowledged").unwrap()).unwrap();
        // In the middle of a batch, of the zeros ahead, or of the next segment.
        disk.limit_space(Some(room * 37));
        let mut acknowledged = vec![b"acknowledged".to_vec()];
        let refused = (0..100).find_map(|number| {
            let payload = payload(number, 1_800);
            match journal.append(&payload).map(wait) {
                Ok(Ok(_)) => acknowledged.push(payload),
                Ok(Err(error)) | Err(error) => return Some(error),
            }
            None
        });
        assert!(matches!(refused, Some(JournalError::Failed { .. })), "{room}: {refused:?}");
        drop(journal);
        assert!(Journal::open(Arc::new(disk.clone()), OPTIONS).is_err());
        disk.limit_space(None);
        let found: Vec<_> = recovered(&disk).0.into_iter().map(|(_, payload)| payload).collect();
        assert!(found.starts_with(&acknowledged), "{room}");
        assert!(found.len() <= acknowledged.len() + 1);
    }
}

#[test]
fn short_writes_are_written_to_their_end() {
    let disk = LossyDisk::default();
    disk.short_writes(true);
    let (journal, _) = open(&disk);
    let payloads: Vec<_> = (0..60).map(|number| payload(number, 1_000)).collect();
    for payload in &payloads {
        wait(journal.append(payload).unwrap()).unwrap();
    }
    let found = recovered(&disk.power_cut(1)).0;
    assert!(found.into_iter().map(|(_, payload)| payload).eq(payloads));
}

#[test]
fn a_panic_of_the_writer_fails_those_who_wait() {
    let (disk, gate) = StuckDisk::new();
    let (journal, _) = Journal::open(Arc::new(disk), OPTIONS).unwrap();
    gate.panic();
    let ticket = journal.append(b"record").unwrap();
    assert!(matches!(wait(ticket), Err(JournalError::Failed { .. })));
    assert!(matches!(journal.append(b"more"), Err(JournalError::Failed { .. })));
    assert!(matches!(journal.close(), Err(JournalError::Failed { .. })));
}

// ---- Bounds.

#[test]
fn a_stuck_disk_denies_at_the_bound_and_room_comes_back() {
    let (disk, gate) = StuckDisk::new();
    let (journal, _) = Journal::open(Arc::new(disk), OPTIONS).unwrap();
    gate.set(true);
    let mut tickets = Vec::new();
    let refused = loop {
        match journal.append(&[7; 1_000]) {
            Ok(ticket) => tickets.push(ticket),
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, JournalError::Full(Bound::Buffer)), "{refused}");
    assert!((40..70).contains(&tickets.len()), "64 KiB wait: {}", tickets.len());
    assert!(journal.stats().pending_bytes <= OPTIONS.buffer_bytes_max);
    gate.set(false);
    for ticket in tickets {
        wait(ticket).unwrap();
    }
    wait(journal.append(&[7; 1_000]).unwrap()).unwrap();
    assert_eq!(journal.stats().pending_bytes, 0);
}

#[test]
fn a_full_journal_denies_until_segments_are_retired() {
    let disk = LossyDisk::default();
    let (journal, _) = open(&disk);
    let mut last = None;
    let refused = loop {
        match journal.append(&[7; 2_000]).map(wait) {
            Ok(position) => last = Some(position.unwrap()),
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, JournalError::Full(Bound::Journal)), "{refused}");
    assert!(matches!(journal.begin_segment(b"head"), Err(JournalError::Full(Bound::Journal))));
    let stats = journal.stats();
    assert!(stats.disk_bytes <= OPTIONS.journal_bytes_max && stats.segments > 60, "{stats:?}");
    let (journal, recovered) = {
        drop(journal);
        open(&disk)
    };
    assert_eq!(all(recovered).last().unwrap().0, last.unwrap());
    // It opens, as what it holds must be told to someone; but it takes only what fits in the segment that this costs.
    assert!(journal.stats().disk_bytes > OPTIONS.journal_bytes_max - OPTIONS.segment_bytes);
    journal.retire_before(last.unwrap().segment).unwrap();
    assert_eq!(journal.stats().segments, 2);
    for _ in 0..40 {
        wait(journal.append(&[7; 2_000]).unwrap()).unwrap();
    }
}

// ---- The folder.

#[test]
fn old_segments_are_retired_and_never_the_current_one() {
    let disk = LossyDisk::default();
    let (journal, _) = open(&disk);
    for number in 0..5_u8 {
        wait(journal.begin_segment(&[number + 1]).unwrap()).unwrap();
    }
    journal.retire_before(3).unwrap();
    drop(journal);
    assert_eq!(payloads(recovered(&disk.power_cut(0)).0), [[3], [4], [5]]);
    let (journal, _) = open(&disk);
    journal.retire_before(u64::MAX).unwrap();
    assert_eq!(journal.stats().segments, 1);
    wait(journal.append(&[6]).unwrap()).unwrap();
    drop(journal);
    assert_eq!(payloads(recovered(&disk).0), [[6]]);
}

#[test]
fn a_missing_segment_between_others_is_damage() {
    for (missing, refused) in [(1, false), (2, true), (3, true), (4, true)] {
        let disk = LossyDisk::default();
        let (journal, _) = open(&disk);
        for number in 0..4 {
            wait(journal.begin_segment(&[number]).unwrap()).unwrap();
        }
        journal.close().unwrap();
        disk.remove(&name(missing)).unwrap();
        // Behind the fourth there is another life, so that it is not the last.
        let outcome = try_recover(&disk);
        if missing == 4 {
            assert_eq!(outcome.unwrap().0.len(), 3, "no journal can know of its own missing end");
        } else {
            let damaged = matches!(outcome, Err(JournalError::Damaged { segment, .. }) if segment == missing);
            assert_eq!(damaged, refused, "segment {missing}");
        }
    }
}

#[test]
fn a_segment_shorter_than_its_successor_says_is_damage() {
    let disk = LossyDisk::default();
    let (journal, _) = open(&disk);
    for number in 0..9 {
        wait(journal.append(&payload(number, 700)).unwrap()).unwrap();
    }
    drop(journal);
    let bytes = disk.read(NAME).unwrap();
    drop(open(&disk));
    let used = disk.read(NAME).unwrap().len();
    assert!(used < bytes.len(), "what it does not use is given back");
    for cut in (0..used).step_by(7) {
        let disk = disk.power_cut(0);
        disk.tamper(NAME, |bytes| bytes.truncate(cut)).unwrap();
        assert!(matches!(try_recover(&disk), Err(JournalError::Damaged { segment: 1, .. })), "cut at {cut}");
    }
    // Rests of a torn write behind that end were cut before, and stay cut.
    disk.tamper(NAME, |bytes| bytes.extend([0xEE; 700])).unwrap();
    assert_eq!(recovered(&disk).0.len(), 9);
}

#[test]
fn another_version_is_refused_by_name() {
    let (bytes, _) = small_journal(true);
    let disk = disk_of(&bytes);
    disk.tamper(NAME, |bytes| bytes[8] = 2).unwrap();
    let error = try_recover(&disk).unwrap_err();
    assert!(matches!(error, JournalError::Version { segment: 1, found: 2, known: 1 }));
    assert_eq!(error.to_string(), "segment 0x1 of the journal has format 2; this version reads format 1 only");
}

#[test]
fn other_files_are_left_alone_and_near_names_are_refused() {
    let (bytes, records) = small_journal(true);
    let disk = disk_of(&bytes);
    for foreign in ["lock", "notes.txt", "journal-0000000000000001.seg.bak", "lost+found"] {
        disk.create(foreign, 10).unwrap();
    }
    assert_eq!(recovered(&disk).0, records);
    assert!(disk.list().unwrap().contains(&"notes.txt".to_owned()));
    for stray in ["journal-2.seg", "journal-000000000000000A.seg", "journal-old.seg"] {
        let disk = disk_of(&bytes);
        disk.create(stray, 10).unwrap();
        assert!(matches!(try_recover(&disk), Err(JournalError::Stray { name }) if name == stray));
    }
}

#[test]
fn a_second_process_is_refused() {
    const FOLDER: &str = "ALMONER_TEST_JOURNAL_FOLDER";
    if let Some(folder) = std::env::var_os(FOLDER) {
        // The second process, below.
        let refused = FolderDisk::open(&folder).unwrap_err();
        assert!(matches!(&refused, JournalError::Locked { folder: locked } if locked.as_os_str() == folder));
        return;
    }
    let folder = folder();
    let disk = FolderDisk::open(folder.path()).unwrap();
    assert!(matches!(FolderDisk::open(folder.path()), Err(JournalError::Locked { .. })));
    let second = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_second_process_is_refused"])
        .env(FOLDER, folder.path())
        .output()
        .unwrap();
    assert!(second.status.success(), "{}", String::from_utf8_lossy(&second.stdout));
    drop(disk);
    FolderDisk::open(folder.path()).unwrap();
}

// ---- What the tests share.

const NAME: &str = "journal-0000000000000001.seg";

fn name(segment: u64) -> String {
    format!("journal-{segment:016x}.seg")
}

/// A folder in memory where there is one: thousands of journals are opened here.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

fn open(disk: &LossyDisk) -> (Journal, Recovered) {
    Journal::open(Arc::new(disk.clone()), OPTIONS).unwrap()
}

fn all(recovered: Recovered) -> Vec<Record> {
    recovered.records.collect::<Result<_, _>>().unwrap()
}

fn recover(disk: &Arc<dyn Disk>) -> Result<(Vec<Record>, Tail), JournalError> {
    let (_journal, recovered) = Journal::open(disk.clone(), OPTIONS)?;
    let tail = recovered.tail;
    Ok((recovered.records.collect::<Result<_, _>>()?, tail))
}

fn try_recover(disk: &LossyDisk) -> Result<(Vec<Record>, Tail), JournalError> {
    recover(&(Arc::new(disk.clone()) as Arc<dyn Disk>))
}

fn recovered(disk: &LossyDisk) -> (Vec<Record>, Tail) {
    try_recover(disk).unwrap()
}

fn payloads(records: Vec<Record>) -> Vec<Vec<u8>> {
    records.into_iter().map(|(_, payload)| payload).collect()
}

/// Bytes of a segment up to the last that was written.
fn used(segment: &[u8]) -> usize {
    segment.iter().rposition(|byte| *byte != 0).unwrap() + 1
}

/// The records that end at or before this byte.
fn before(records: &[Record], byte: usize) -> Vec<Record> {
    let whole = |(position, payload): &&Record| position.offset as usize + 8 + payload.len() <= byte;
    records.iter().take_while(whole).cloned().collect()
}

/// One segment of about 7 kB: batches of one and of several records, some with sectors of zeros.
fn small_journal(close: bool) -> (Vec<u8>, Vec<Record>) {
    let disk = LossyDisk::default();
    let (journal, _) = open(&disk);
    wait(journal.append(&payload(1, 90)).unwrap()).unwrap();
    wait(journal.append_all(&[&payload(2, 200), &[0; 1_300], &payload(3, 1)]).unwrap()).unwrap();
    wait(journal.append(&payload(4, 468)).unwrap()).unwrap();
    // A sector of one bit, and one of zeros.
    let sparse: Vec<u8> = (0..1_900).map(|at| u8::from(at == 600)).collect();
    wait(journal.append_all(&[&payload(5, 333), &sparse, &payload(6, 700)]).unwrap()).unwrap();
    if close {
        journal.close().unwrap();
    }
    drop(journal);
    let bytes = disk.read(NAME).unwrap();
    let (records, tail) = recovered(&disk);
    assert_eq!((records.len(), tail), (8, if close { Tail::Closed } else { Tail::Unclosed }));
    (bytes, records)
}

/// A disk with this as its only segment.
fn disk_of(segment: &[u8]) -> LossyDisk {
    let disk = LossyDisk::default();
    disk.create(NAME, 0).unwrap();
    disk.tamper(NAME, |bytes| *bytes = segment.to_vec()).unwrap();
    disk
}

/// Bytes that follow from a number, every one unlike the next.
fn payload(number: u64, bytes: usize) -> Vec<u8> {
    let mut dice = Dice(number);
    (0..bytes).map(|_| dice.next() as u8).collect()
}

/// Numbers that follow from a seed (SplitMix64).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for a ticket without a runtime: the journal needs none.
fn wait(ticket: Ticket) -> Result<Position, JournalError> {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut durable = std::pin::pin!(ticket.durable());
    loop {
        match durable.as_mut().poll(&mut context) {
            Poll::Ready(outcome) => return outcome,
            Poll::Pending => std::thread::park(),
        }
    }
}

/// A disk whose syncs can be held back, or made to panic.
struct StuckDisk {
    disk: LossyDisk,
    gate: Arc<SyncGate>,
}

#[derive(Default)]
struct SyncGate {
    stuck: Mutex<(bool, bool)>,
    moved: Condvar,
}

impl SyncGate {
    fn set(&self, stuck: bool) {
        self.stuck.lock().unwrap().0 = stuck;
        self.moved.notify_all();
    }

    fn panic(&self) {
        self.stuck.lock().unwrap().1 = true;
    }

    fn pass(&self) {
        let stuck = self.moved.wait_while(self.stuck.lock().unwrap(), |(stuck, _)| *stuck).unwrap();
        let panics = stuck.1;
        drop(stuck);
        assert!(!panics, "a bug in a disk");
    }
}

impl StuckDisk {
    fn new() -> (Self, Arc<SyncGate>) {
        let gate = Arc::<SyncGate>::default();
        (Self { disk: LossyDisk::default(), gate: gate.clone() }, gate)
    }
}

struct StuckFile(Box<dyn DiskFile>, Arc<SyncGate>);

impl DiskFile for StuckFile {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        self.0.write_at(offset, bytes)
    }

    fn sync_data(&mut self) -> io::Result<()> {
        self.1.pass();
        self.0.sync_data()
    }
}

impl Disk for StuckDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        self.disk.list()
    }

    fn create(&self, name: &str, preallocate_bytes: u64) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(StuckFile(self.disk.create(name, preallocate_bytes)?, self.gate.clone())))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        self.disk.open(name)
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        self.disk.read(name)
    }

    fn truncate(&self, name: &str, bytes: u64) -> io::Result<()> {
        self.disk.truncate(name, bytes)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.remove(name)
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.disk.sync_dir()
    }
}
