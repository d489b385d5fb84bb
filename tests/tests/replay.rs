//! Real traffic replayed: requests to a language model, each reserved with a ceiling and committed at what it cost. The ledger
//! and the sum of the answers come to the trace's totals, to the token; and no card of fewer tokens is ever overdrawn, nor
//! denies while a request's ceiling is free.

use almoner_tests::wait::Stopwatch;
use almoner_tests::{Call, Carve, Client, Database, Decision, Server, on_each_database};
use futures::stream::{self, StreamExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

const INPUT: &str = "assistant.input_tokens";
const OUTPUT: &str = "assistant.output_tokens";
/// What a request may cost at most.
const INPUT_CEILING: i64 = 8_000;
const OUTPUT_CEILING: i64 = 2_000;
const CLIENTS: usize = 64;
/// Seconds that a hold stands: longer than any request here takes.
const TTL_S: u64 = 600;

/// The real trace, in the folder that stands beside the project's where it has been fetched, and its totals.
const TRACE: &str = "../shared/data/azure-llm-inference-2023-code.csv";
const TRACE_TOTALS: (usize, i64, i64) = (8_819, 18_059_974, 245_896);
/// Made-up numbers of the same kind that come with the project.
const SAMPLE: &str = "tests/data/llm-sample.csv";
const SAMPLE_TOTALS: (usize, i64, i64) = (240, 477_209, 6_704);

on_each_database! {
    the_trace_comes_to_its_totals_in_the_answers_and_in_the_ledger;
    a_card_of_fewer_tokens_is_never_overdrawn_and_never_stingy;
}

/// Requests: what each cost.
struct Trace {
    requests: Vec<(i64, i64)>,
    input: i64,
    output: i64,
}

impl Trace {
    /// The one that `ALMONER_TRACE` names, else the real one, else the sample. Which, is printed.
    fn read() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a folder of the workspace");
        let given = std::env::var_os("ALMONER_TRACE").map(PathBuf::from);
        let (path, totals) = match given {
            Some(path) => (path, None),
            None if root.join(TRACE).is_file() => (root.join(TRACE), Some(TRACE_TOTALS)),
            None => (root.join(SAMPLE), Some(SAMPLE_TOTALS)),
        };
        let text = std::fs::read_to_string(&path).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
        let requests: Vec<_> = text.lines().skip(1).map(request).collect();
        let (input, output) = (requests.iter().map(|r| r.0).sum(), requests.iter().map(|r| r.1).sum());
        say(&format!("{}: {} requests, {input} input and {output} output tokens", path.display(), requests.len()));
        if let Some(totals) = totals {
            assert_eq!((requests.len(), input, output), totals, "the file is another one");
        }
        Self { requests, input, output }
    }

    /// Replays it by many clients at once; the decisions on holds in no order.
    async fn replay(&self, client: &Client, as_who: impl Fn() -> Call) -> Vec<Outcome> {
        let as_who = &as_who;
        stream::iter(&self.requests).map(|cost| ask(client, as_who(), *cost)).buffer_unordered(CLIENTS).collect().await
    }
}

fn request(line: &str) -> (i64, i64) {
    let mut cells = line.split(',').skip(1).map(|cell| cell.trim().parse().expect("a number of tokens"));
    let mut cell = || cells.next().expect("three cells");
    (cell(), cell())
}

/// What became of a request.
enum Outcome {
    /// Reserved and committed: input and output tokens of the commit's answer.
    Served(i64, i64),
    /// Denied.
    Denied(Decision),
}

async fn ask(client: &Client, call: Call, (input, output): (i64, i64)) -> Outcome {
    let call = call.uses(INPUT, INPUT_CEILING).uses(OUTPUT, OUTPUT_CEILING).ttl_s(TTL_S);
    let held = client.reserve(&call).await;
    if !held.allowed() {
        return Outcome::Denied(held);
    }
    let done = client.commit(held.hold(), &[(INPUT, input), (OUTPUT, output)]).await.decision();
    assert!(done.allowed(), "{done:?}");
    Outcome::Served(done.granted(INPUT), done.granted(OUTPUT))
}

/// Tokens of the answers.
fn sum(outcomes: &[Outcome]) -> (i64, i64) {
    let served = outcomes.iter().filter_map(|outcome| match outcome {
        Outcome::Served(input, output) => Some((*input, *output)),
        Outcome::Denied(_) => None,
    });
    served.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
}

async fn the_trace_comes_to_its_totals_in_the_answers_and_in_the_ledger(database: Database) {
    let (trace, watch) = (Trace::read(), Stopwatch::start());
    let server = Server::start(database).await;
    let client = server.client();
    let outcomes = trace.replay(&client, || Call::of_user("acme-shop", "ada")).await;
    assert_eq!(outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Denied(_))).count(), 0, "there is plenty");
    assert_eq!(sum(&outcomes), (trace.input, trace.output), "by the answers");
    let month = client.month("acme-shop").await;
    let (input, output) = (month.line(INPUT), month.line(OUTPUT));
    assert_eq!((input.used, output.used), (trace.input, trace.output), "by the ledger");
    assert_eq!((input.held, output.held), (0, 0));
    assert_eq!((input.free, output.free), (30_000_000 - trace.input, 6_000_000 - trace.output));
    say(&format!("replayed in {:.1?}", watch.elapsed()));
    server.end().await;
}

/// Five ninths of what is asked for: ten million tokens of the real trace.
fn card_units(trace: &Trace) -> i64 {
    if trace.input == TRACE_TOTALS.1 { 10_000_000 } else { trace.input * 5 / 9 }
}

async fn a_card_of_fewer_tokens_is_never_overdrawn_and_never_stingy(database: Database) {
    let (trace, watch) = (Trace::read(), Stopwatch::start());
    let units = card_units(&trace);
    let server = Server::start(database).await;
    let client = server.client();
    let carve = Carve::of_user("acme-shop", "ada", "assistant").line(INPUT, units).line(OUTPUT, 1_000_000);
    let card = client.carve(&carve).await.id().to_owned();
    let most_seen = Arc::new(AtomicI64::new(0));
    let outcomes = trace.replay(&client, || Call::on(&card)).await;
    let mut denials = 0;
    for outcome in &outcomes {
        if let Outcome::Denied(denied) = outcome {
            denials += 1;
            assert_eq!((denied.reason(), denied.level()), ("exhausted", "allocation"));
            let left = denied.remaining(INPUT);
            assert!(left < INPUT_CEILING, "denied while {left} were free: {denied:?}");
            most_seen.fetch_max(left, Ordering::Relaxed);
        }
    }
    let (input, output) = sum(&outcomes);
    assert!(denials > 0 && input <= units, "{input} of {units}");
    let line = client.statement(&card).await.line(INPUT);
    assert_eq!((line.used, line.held, line.free), (input, 0, units - input));
    assert_eq!(client.statement(&card).await.line(OUTPUT).used, output);

    // One after the other, until not even a ceiling is free: nothing was stranded by those who came at once.
    let mut spent = input;
    loop {
        match ask(&client, Call::on(&card), (INPUT_CEILING, 1)).await {
            Outcome::Served(input, _) => spent += input,
            Outcome::Denied(denied) => break assert_eq!(denied.remaining(INPUT), units - spent),
        }
    }
    let line = client.statement(&card).await.line(INPUT);
    assert_eq!(line.used, spent);
    assert!(spent <= units && line.free < INPUT_CEILING, "{line:?}");
    let most = most_seen.load(Ordering::Relaxed);
    say(&format!(
        "{input} of {units} tokens, {denials} denials, at most {most} free at one, in {:.1?}",
        watch.elapsed()
    ));
    server.end().await;
}

#[expect(clippy::print_stdout, reason = "which trace was read, and what came of it")]
fn say(line: &str) {
    println!("{line}");
}
