//! The real program, killed as nothing can be prepared for, with a real journal and a real database. Clients keep their own
//! record of what they were answered; whatever is checked is checked against it.

use almoner_tests::chance::{percent, seed};
use almoner_tests::traffic::{Nerve, Record, Worker};
use almoner_tests::wait::Stopwatch;
use almoner_tests::{Call, Carve, Client, Database, Dice, Server, books, eventually, let_run, on_each_database};
use futures::future::join_all;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

const GENERATE: &str = "image.generate";
const TOKENS: &str = "assistant.input_tokens";

on_each_database! {
    ten_of_many_pass_though_the_server_is_killed_five_times;
    hundreds_of_kills_lose_no_acknowledged_unit_and_find_none;
    a_graceful_stop_under_load_returns_every_lease;
    in_fast_mode_a_kill_costs_a_chunk_at_most_and_never_pays_twice;
    a_second_process_on_the_same_folder_is_refused;
}

/// Kills in the loop: as many as the project asks for, or as the variable says.
fn kills() -> usize {
    std::env::var("ALMONER_KILLS").map_or(200, |text| text.parse().expect("ALMONER_KILLS is a number"))
}

// ---- exactly ten

const ATTEMPTERS: usize = 64;
const ATTEMPTS_EACH: usize = 6;
const KILLS_DURING: usize = 5;

async fn ten_of_many_pass_though_the_server_is_killed_five_times(database: Database) {
    let mut server = Server::start(database).await;
    let client = server.client();
    let card =
        client.carve(&Carve::of_user("acme-shop", "ada", "ten-of-many").line(GENERATE, 10)).await.id().to_owned();
    let pace = Arc::new(Pace::default());
    let attempts =
        (0..ATTEMPTERS).map(|number| tokio::spawn(attempt(client.clone(), card.clone(), number, pace.clone())));
    let attempts: Vec<_> = attempts.collect();
    for _ in 0..KILLS_DURING {
        // In the middle of the first answers of this life: others are on their way.
        let before = pace.answers.load(Ordering::Acquire);
        while pace.answers.load(Ordering::Acquire) == before {
            pace.answered.notified().await;
        }
        server.restart().await;
    }
    let (mut allowed, mut broken) = (0, 0);
    for attempt in attempts {
        let (its_allowed, its_broken) = attempt.await.expect("an attempt's record was contradicted");
        allowed += its_allowed;
        broken += its_broken;
    }
    assert_eq!(allowed, 10, "of {} attempts", ATTEMPTERS * ATTEMPTS_EACH);
    assert!(broken >= KILLS_DURING, "the kills met nobody: {broken} connections broke");
    let line = client.statement(&card).await.line(GENERATE);
    assert_eq!((line.used, line.free), (10, 0));
    server.end().await;
}

#[derive(Default)]
struct Pace {
    answers: AtomicUsize,
    answered: Notify,
}

/// Attempts with a key each, asked for until it is answered.
async fn attempt(client: Client, card: String, number: usize, pace: Arc<Pace>) -> (usize, usize) {
    let (mut allowed, mut broken) = (0, 0);
    for time in 0..ATTEMPTS_EACH {
        let call = Call::on(&card).uses(GENERATE, 1).key(format!("attempt-{number}-{time}"));
        let (reply, setbacks) = client.insist("/v1/consume", &call.0).await;
        broken += setbacks.broken;
        allowed += usize::from(reply.decision().allowed());
        let (again, _) = client.insist("/v1/consume", &call.0).await;
        assert_eq!(again.text(), reply.text(), "one answer for one key");
        pace.answers.fetch_add(1, Ordering::AcqRel);
        pace.answered.notify_one();
    }
    (allowed, broken)
}

// ---- the loop of kills

const CLIENTS: u64 = 16;
/// Cards that there are before the first kill.
const CARDS_FIRST: usize = 20;
/// Load between two kills, in milliseconds.
const LOAD_MS: (u64, u64) = (5, 120);
/// Kills between two looks at the books, which read all there is.
const LOOK_EVERY: usize = 10;
/// Answers of a round, the last ones, and of earlier rounds that are asked for again in each; at the end all are.
const LAST_ASKED_AGAIN: usize = 32;
const OLDER_ASKED_AGAIN: u64 = 8;
/// Cards whose statements are compared in each round.
const CARDS_COMPARED: u64 = 8;

async fn hundreds_of_kills_lose_no_acknowledged_unit_and_find_none(database: Database) {
    let (seed, kills, watch) = (seed(), kills(), Stopwatch::start());
    say(&format!("ALMONER_SEED={seed}, {kills} kills"));
    let mut dice = Dice::new(seed);
    let mut server = Server::start(database).await;
    let store = books::open(&server.database_url()).await;
    let record = Arc::new(Record::default());
    let (workers, stop) = let_loose(&server, &record, &mut dice);
    eventually("there is something to lose", async || (record.cards_count() >= CARDS_FIRST).then_some(())).await;
    let mut known = 0;
    for round in 1..=kills {
        let load = Duration::from_millis(dice.between(LOAD_MS.0, LOAD_MS.1));
        let_run(load).await;
        server.kill9();
        if percent(&mut dice, 15) {
            // Once more, while it recovers from the first.
            server.launch();
            let_run(load / 2).await;
            server.kill9();
        }
        server.launch();
        server.up().await;
        known = look_back(&server, &record, known, &mut dice).await;
        if round % LOOK_EVERY == 0 {
            books::assert_sound(&store).await;
        }
        if round % 20 == 0 {
            say(&format!("{round} kills in {:.1?}: {}", watch.elapsed(), record.counts()));
        }
    }
    stop.store(true, Ordering::Release);
    for worker in join_all(workers).await {
        worker.expect("a client's record was contradicted");
    }
    let client = server.client();
    record.assert_accounted(&client, record.cards()).await;
    let resolved = record.resolve(&client).await;
    record.assert_remembered(&client, record.answered_since(0)).await;
    record.settle_up(&client).await;
    say(&format!(
        "{kills} kills in {:.1?}; {} keyed answers given again, {resolved} found out",
        watch.elapsed(),
        record.answered_count()
    ));
    server.end().await;
}

/// Starts clients that act until they are told to stop.
fn let_loose(server: &Server, record: &Arc<Record>, dice: &mut Dice) -> (Vec<JoinHandle<()>>, Arc<AtomicBool>) {
    let stop = Arc::new(AtomicBool::new(false));
    let workers = (0..CLIENTS).map(|number| {
        let (dice, name) = (Dice::new(dice.roll()), format!("client-{number}"));
        let mut worker = Worker::new(server.client(), record.clone(), dice, Nerve::Stormy, name);
        let stop = stop.clone();
        tokio::spawn(async move {
            while !stop.load(Ordering::Acquire) {
                worker.act().await;
            }
            worker.finish().await;
        })
    });
    (workers.collect(), stop)
}

/// What was acknowledged before the kill is there after it, in answers and in statements. Load goes on meanwhile.
async fn look_back(server: &Server, record: &Record, known: usize, dice: &mut Dice) -> usize {
    let client = server.client();
    let all = record.answered_since(0);
    let mut answers = all[known.max(all.len().saturating_sub(LAST_ASKED_AGAIN))..].to_vec();
    answers.extend((0..OLDER_ASKED_AGAIN).filter_map(|_| dice.pick(&all).cloned()));
    record.assert_remembered(&client, answers).await;
    let cards = record.cards();
    let some = (0..CARDS_COMPARED).filter_map(|_| dice.pick(&cards).cloned()).collect();
    record.assert_accounted(&client, some).await;
    all.len()
}

// ---- other ends

async fn a_graceful_stop_under_load_returns_every_lease(database: Database) {
    let mut dice = Dice::new(seed());
    let mut server = Server::start(database).await;
    let record = Arc::new(Record::default());
    let (workers, stop) = let_loose(&server, &record, &mut dice);
    let store = books::open(&server.database_url()).await;
    let mut known = 0;
    for _ in 0..5 {
        let_run(Duration::from_millis(dice.between(100, 400))).await;
        server.stop().await;
        books::assert_nothing_leased(&store, &server.data_dir()).await;
        books::assert_sound(&store).await;
        server.restart().await;
        known = look_back(&server, &record, known, &mut dice).await;
    }
    stop.store(true, Ordering::Release);
    for worker in join_all(workers).await {
        worker.expect("a client's record was contradicted");
    }
    let client = server.client();
    record.resolve(&client).await;
    record.settle_up(&client).await;
    server.end().await;
}

/// Cards, kills and units of the test of `fast` mode.
const FAST_CARD: i64 = 4_000;
const FAST_KILLS: i64 = 8;
const FAST_CALL: i64 = 3;

async fn in_fast_mode_a_kill_costs_a_chunk_at_most_and_never_pays_twice(database: Database) {
    let mut server = Server::start(database).await;
    let client = server.client();
    let carve = Carve::of("acme-shop", "fast").line(TOKENS, FAST_CARD).durability("fast");
    let card = client.carve(&carve).await.id().to_owned();
    let (spent, unknown, stop) =
        (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let spenders = (0..8).map(|_| {
        let (client, card, spent, unknown, stop) =
            (client.clone(), card.clone(), spent.clone(), unknown.clone(), stop.clone());
        tokio::spawn(async move {
            while !stop.load(Ordering::Acquire) {
                let call = Call::on(&card).uses(TOKENS, FAST_CALL);
                match client.try_post("/v1/consume", &call.0).await {
                    Ok(reply) if reply.could_not_know() => {}
                    Ok(reply) => drop(spent.fetch_add(usize::from(reply.decision().allowed()), Ordering::AcqRel)),
                    Err(_) => drop(unknown.fetch_add(1, Ordering::AcqRel)),
                }
            }
        })
    });
    let spenders: Vec<_> = spenders.collect();
    for kill in 1..=FAST_KILLS {
        let_run(Duration::from_millis(40)).await;
        server.restart().await;
        let units = |count: &AtomicUsize| i64::try_from(count.load(Ordering::Acquire)).expect("few") * FAST_CALL;
        let before = units(&spent);
        let used = client.statement(&card).await.line(TOKENS).used;
        let most = units(&unknown) + units(&spent) + kill * (FAST_CARD / 8 + 8 * FAST_CALL);
        assert!(before <= used && used <= most.min(FAST_CARD), "{before} <= {used} <= {most}");
    }
    stop.store(true, Ordering::Release);
    for spender in join_all(spenders).await {
        spender.expect("a spender's answers were decisions");
    }
    let spent = i64::try_from(spent.load(Ordering::Acquire)).expect("few") * FAST_CALL;
    let line = client.statement(&card).await.line(TOKENS);
    assert!(spent > 0 && spent <= line.used && line.used <= FAST_CARD, "{spent} of {line:?}");
    let rest = client.consume(&Call::on(&card).uses(TOKENS, line.free + 1)).await;
    assert_eq!(rest.reason(), "exhausted");
    if line.free > 0 {
        assert!(client.consume(&Call::on(&card).uses(TOKENS, line.free)).await.allowed(), "none is lost for good");
    }
    server.end().await;
}

async fn a_second_process_on_the_same_folder_is_refused(database: Database) {
    let server = Server::start(database).await;
    let client = server.client();
    let card = client.carve(&Carve::of("acme-shop", "mine").line(GENERATE, 3)).await.id().to_owned();
    assert!(client.consume(&Call::on(&card).uses(GENERATE, 1)).await.allowed());

    let refused = almoner_tests::program::output(&mut server.almoner(&["serve", "--listen", "127.0.0.1:0"]));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success(), "{said}");
    let last = said.lines().last().unwrap_or_default();
    let clear = last.contains("journal") && last.contains("another process") && last.contains("data");
    assert!(clear, "it says who stands in the way, and where: {said}");
    assert!(refused.stdout.is_empty(), "it never said that it listens");

    assert!(client.consume(&Call::on(&card).uses(GENERATE, 1)).await.allowed(), "the first one serves on");
    let ready = eventually("it is ready", async || Some(client.get("/readyz").await)).await;
    assert_eq!((ready.status, ready.json()["status"].clone()), (200, json!("ready")));
    server.end().await;
}

#[expect(clippy::print_stdout, reason = "progress of a long test, and what a failed run is told by")]
fn say(line: &str) {
    println!("{line}");
}
