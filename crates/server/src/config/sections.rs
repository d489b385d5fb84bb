//! Every setting there is.

use super::section::section;
use super::{DatabaseUrl, HttpUrl, Listen, LogFilter, LogFormat, Role};
use std::path::PathBuf;

section! {
    /// Where things are, and what this process plays.
    pub struct Node = "" {
        /// Folder of the journal, of this gate's identity and, without `database.url`, of the database. One process at a
        /// time; never copied while it runs, because two gates with one identity fence each other.
        data_dir: PathBuf = "almoner-data", "path", flag "--data-dir";
        /// Address and port to listen on. Port 0 takes a free one; the line printed at start names it.
        listen: Listen = "127.0.0.1:8080", "address", flag "--listen";
        /// `all` runs every part, `gate` the gate alone.
        role: Role = "all", "word", flag "--role";
        /// Where people reach the console, for the links in denials. None: denials carry no link.
        public_url: Option<HttpUrl> = "", "address", flag "--public-url";
    }
}

section! {
    /// The database. Without an address it is SQLite in the data folder.
    pub struct Database = "database." {
        /// `postgres://user:password@host/name`, or `sqlite:///path/to/file`. A secret: prefer the file or the
        /// environment to the flag, which other users of the machine can see.
        url: Option<DatabaseUrl> = "", "address", flag "--database-url";
        /// Connections to PostgreSQL from this process, together. Its `max_connections` bounds the sum over all gates.
        connections_max: u32 = "16", "connections", within 2 to 1000;
        /// Brings the schema up to date at start. Off, the process refuses to start on an old one.
        migrate: bool = "true", "switch", flag "--no-migrate";
    }
}

section! {
    /// The HTTP server. TLS ends in front of it.
    pub struct Http = "http." {
        /// Threads that serve connections; 0 for one each processor.
        workers: usize = "0", "threads", within 0 to 256;
        /// Connections each worker keeps open; more wait to be accepted.
        connections_max: usize = "10000", "connections", within 1 to 1000000;
        /// How long an idle connection stays open: longer than the load balancer in front keeps it, or it resets calls.
        keep_alive_s: u64 = "75", "seconds", within 1 to 3600;
        /// How long the head of a request may take to arrive.
        head_timeout_ms: u64 = "5000", "milliseconds", within 100 to 60000;
        /// How long a request may take in all. Above every patience of the gate, so that a denial comes first.
        request_timeout_ms: u64 = "30000", "milliseconds", within 1000 to 600000;
        /// How long a stop may take in all: open requests, then the return of leases.
        shutdown_timeout_s: u64 = "30", "seconds", within 1 to 600;
    }
}

section! {
    /// The GraphQL API.
    pub struct Api = "api." {
        /// May clients ask for the schema? It is published with the source as `web/schema.graphql`.
        introspection: bool = "false", "switch";
    }
}

section! {
    /// The gate's limits. One that is reached denies; it never guesses.
    pub struct Gate = "gate." {
        /// How often used units and decisions are told to the ledger while the backlog is small.
        flush_interval_ms: u64 = "200", "milliseconds", within 1 to 60000;
        /// Decisions told to the ledger in one transaction.
        flush_decisions_max: usize = "2000", "decisions", within 1 to 100000;
        /// Decisions in memory that the ledger does not have yet. At the bound calls are denied as `unavailable`.
        backlog_max: usize = "1000000", "decisions", within 1000 to 100000000;
        /// Above this backlog the gate flushes without pause, at the cost of the calls it serves.
        backlog_calm: usize = "400000", "decisions", within 100 to 100000000;
        /// Allocations and subjects kept in memory; those beyond are looked up again.
        handles_max: u64 = "1000000", "handles", within 100 to 100000000;
        /// Idempotency keys known within their retention. At the bound calls with a key are denied as `unavailable`.
        idempotency_keys_max: u64 = "64000000", "keys", within 1000 to 4000000000;
        /// How long a presented API key is trusted without asking again, and so how long a revoked one may still work.
        credential_ttl_ms: u64 = "5000", "milliseconds", within 0 to 3600000;
        /// How often the change feed is read.
        feed_interval_ms: u64 = "100", "milliseconds", within 10 to 60000;
        /// How often allocations and holds past their time are swept.
        sweep_interval_ms: u64 = "500", "milliseconds", within 10 to 3600000;
        /// How long a call waits for units from the ledger before it is denied as `unavailable`.
        lease_patience_ms: u64 = "5000", "milliseconds", within 1 to 60000;
        /// How long a call waits for units that another gate holds idle before it is denied as `exhausted`.
        recall_patience_ms: u64 = "1000", "milliseconds", within 1 to 60000;
        /// In `fast` mode the synced mark runs ahead of serving by one part of the lease in so many.
        mark_parts: u64 = "8", "parts", within 1 to 1000;
        /// Calls served at once, over all connections; more are answered 429.
        calls_max: usize = "10000", "calls", within 1 to 1000000;
    }
}

section! {
    /// Logs, on standard error. They hold no secrets.
    pub struct Log = "log." {
        /// `pretty` for people, `json` for programs.
        format: LogFormat = "pretty", "word", flag "--log-format";
        /// What is logged, by level and module. `almoner_http=debug` logs every request.
        filter: LogFilter = "info,actix_server=warn", "filter", flag "--log-filter";
    }
}

section! {
    /// Traces, by OTLP over HTTP with protobuf.
    pub struct Otlp = "otlp." {
        /// The collector, such as `http://127.0.0.1:4318`. None: no traces.
        endpoint: Option<HttpUrl> = "", "address";
        /// The share of requests that are traced, where the caller's `traceparent` does not decide.
        sample_ratio: f64 = "0.1", "share";
        /// How long one export may take.
        timeout_ms: u64 = "5000", "milliseconds", within 100 to 60000;
    }
}
