//! How soon a receiver hears: from the call that takes the last unit of an allocation to the moment at which a real receiver has the
//! event, while the gate is busy with others.

#![expect(clippy::print_stdout, reason = "the figures are what this is for")]
#![expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]

use almoner_tests::{Call, Carve, Client, Database, Server};
use anyhow::{Context, ensure};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::time::{MissedTickBehavior, interval, timeout};

const FEATURE: &str = "image.generate";
/// The aim at p99.
const AIM: Duration = Duration::from_secs(1);
/// How long one event is waited for.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two allocations that are used up.
const EVERY: Duration = Duration::from_millis(100);

/// When the receiver had the event of each allocation.
#[derive(Default)]
struct Heard {
    at: Mutex<BTreeMap<String, Instant>>,
    changed: Notify,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let (runs, rate, loaders) = (read("RUNS", 200)?, read("RATE", 1_000)?, read("LOADERS", 10)?);
    println!(
        "{:<10} {:>6} {:>12} {:>9} {:>9} {:>9}",
        "database", "events", "decisions/s", "p50 ms", "p99 ms", "max ms"
    );
    let mut missed = Vec::new();
    for database in [Database::Sqlite, Database::Postgres] {
        let (mut times, decided) = Box::pin(measure(database, runs, rate, loaders)).await?;
        times.sort_unstable();
        let at = |share: usize| times[(times.len() * share / 100).min(times.len() - 1)];
        let mark = if at(99) > AIM { " MISSED" } else { "" };
        let [p50, p99, most] = [at(50), at(99), at(100)].map(|time| time.as_secs_f64() * 1_000.0);
        let name = format!("{database:?}");
        println!("{name:<10} {:>6} {decided:>12.0} {p50:>9.0} {p99:>9.0} {most:>9.0}{mark}", times.len());
        if at(99) > AIM {
            missed.push(name);
        }
    }
    ensure!(missed.is_empty(), "missed: {}", missed.join(", "));
    Ok(())
}

fn read(name: &str, default: u64) -> anyhow::Result<u64> {
    match std::env::var(name) {
        Ok(text) => text.parse().with_context(|| format!("{name} is a number")),
        Err(_) => Ok(default),
    }
}

/// The times of all events, and how many other decisions a second were made meanwhile.
async fn measure(database: Database, runs: u64, rate: u64, loaders: u64) -> anyhow::Result<(Vec<Duration>, f64)> {
    let server = Server::start_with(database, &[("webhooks.allow_private", "true")]).await;
    let staff = server.client().with_key(&server.shop.operator_key);
    let heard = Arc::new(Heard::default());
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/", listener.local_addr()?);
    tokio::spawn(receive(listener, Arc::clone(&heard)));
    ask(
        &staff,
        &format!("mutation {{ addWebhookEndpoint(input: {{ url: \"{url}\", events: [\"allocation.exhausted\"] }}) {{ refusals {{ message }} }} }}"),
    )
    .await?;
    let grant = format!(
        "mutation {{ issueGrant(input: {{ customer: \"acme-shop\", feature: \"{FEATURE}\", kind: TOP_UP, amount: \"100000000\" }}) {{ refusals {{ message }} }} }}"
    );
    ask(&staff, &grant).await?;

    let gate = server.client();
    let large = gate.carve(&Carve::of("acme-shop", "large").line(FEATURE, 50_000_000)).await.id().to_owned();
    let (ends, decided) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut load = Vec::new();
    for _ in 0..loaders {
        let (gate, large) = (server.client(), large.clone());
        let (ends, decided) = (Arc::clone(&ends), Arc::clone(&decided));
        load.push(tokio::spawn(async move {
            let mut turns = interval(Duration::from_secs_f64(loaders as f64 / rate as f64));
            turns.set_missed_tick_behavior(MissedTickBehavior::Burst);
            while !ends.load(Ordering::Acquire) {
                turns.tick().await;
                gate.consume(&Call::on(&large).uses(FEATURE, 1)).await;
                decided.fetch_add(1, Ordering::AcqRel);
            }
        }));
    }
    let begin = Instant::now();
    let mut sent = Vec::new();
    let mut turns = interval(EVERY);
    for run in 0..runs {
        let card = gate.carve(&Carve::of("acme-shop", &format!("run-{run}")).line(FEATURE, 1)).await.id().to_owned();
        turns.tick().await;
        sent.push((card.clone(), Instant::now()));
        ensure!(gate.consume(&Call::on(&card).uses(FEATURE, 1)).await.allowed(), "the last unit was denied");
    }
    let span = begin.elapsed();
    let decisions = decided.load(Ordering::Acquire) as f64 / span.as_secs_f64();
    let mut times = Vec::new();
    for (card, at) in sent {
        let heard_at = timeout(PATIENCE, heard.of(&card)).await.context("an event was not heard")?;
        times.push(heard_at.saturating_duration_since(at));
    }
    ends.store(true, Ordering::Release);
    for one in load {
        one.await?;
    }
    server.end().await;
    Ok((times, decisions))
}

async fn ask(staff: &Client, query: &str) -> anyhow::Result<()> {
    let body = staff.post("/graphql", &json!({ "query": query })).await.json();
    let refused = body["data"].as_object().into_iter().flatten().any(|(_, payload)| payload["refusals"] != json!([]));
    ensure!(body.get("errors").is_none() && !refused, "{query}: {body}");
    Ok(())
}

impl Heard {
    async fn of(&self, card: &str) -> Instant {
        loop {
            let changed = self.changed.notified();
            if let Some(at) = self.at.lock().expect("nobody panics with it").get(card) {
                return *at;
            }
            changed.await;
        }
    }
}

async fn receive(listener: TcpListener, heard: Arc<Heard>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(serve(stream, Arc::clone(&heard)));
    }
}

/// One connection: requests with a length, answered one after the other.
async fn serve(stream: TcpStream, heard: Arc<Heard>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut length = 0;
        let mut line = String::new();
        while stream.read_line(&mut line).await? > 2 {
            if let Some(text) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = text.trim().parse().unwrap_or_default();
            }
            line.clear();
        }
        if length == 0 {
            return Ok(());
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await?;
        let at = Instant::now();
        let event: Value = serde_json::from_slice(&body).unwrap_or_default();
        if let Some(card) = event["data"]["allocation"]["id"].as_str() {
            heard.at.lock().expect("nobody panics with it").entry(card.to_owned()).or_insert(at);
            heard.changed.notify_waiters();
        }
        stream.write_all(b"HTTP/1.1 204 Heard\r\n\r\n").await?;
    }
}
