//! Every setting there is.

use super::section::section;
use super::{DatabaseUrl, DecisionDays, HttpUrl, Listen, LogFilter, LogFormat, Role, SealKey};
use std::path::PathBuf;

section! {
    /// Where things are, and what this process plays.
    pub struct Node = "" {
        /// Folder of the journal, of this gate's identity and, without `database.url`, of the database. One process at a
        /// time; never copied while it runs, because two gates with one identity fence each other.
        data_dir: PathBuf = "almoner-data", "path", flag "--data-dir";
        /// Address and port to listen on. Port 0 takes a free one; the line printed at start names it.
        listen: Listen = "127.0.0.1:8080", "address", flag "--listen";
        /// `all` runs every part; `gate` the gate alone, `api` the GraphQL API alone, `worker` the background runner alone. Of
        /// gates and APIs there may be any number; of runners at least one, or nothing expires and no month turns.
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
    /// The background runner: it ends what is over, turns months, and prunes. Any number may share the work.
    pub struct Worker = "worker." {
        /// Chores this runner does at once.
        concurrency: usize = "4", "tasks", within 1 to 64;
        /// How often allocations, holds, leases and windows past their time are swept.
        sweep_interval_ms: u64 = "500", "milliseconds", within 10 to 3600000;
        /// How often this runner looks into its queues.
        poll_interval_ms: u64 = "100", "milliseconds", within 10 to 60000;
        /// Connections to the queues, beside those to the database.
        connections_max: u32 = "4", "connections", within 2 to 100;
        /// Entries of the change feed that are kept, the latest. Gates that were away for longer begin anew.
        changes_kept: u64 = "1000000", "entries", within 1000 to 1000000000;
        /// How long entries of the outbox are kept once they are sent.
        outbox_retention_d: u64 = "30", "days", within 1 to 3650;
        /// How long decisions are kept; 0 keeps them for ever. At least 31 days, for idempotency keys are known for 30.
        decisions_retention_d: DecisionDays = "0", "days";
        /// How long tasks are shown once they have ended.
        tasks_retention_s: u64 = "600", "seconds", within 10 to 604800;
    }
}

section! {
    /// Secrets that are kept to be used again: those that webhooks are signed by. They are encrypted in the database by a key that
    /// is not in it. Without a key here it is made in the data folder (`seal.key`); several processes on one database need the same.
    pub struct Secrets = "secrets." {
        /// The key: 32 bytes in base64, as `openssl rand -base64 32` makes them. A secret: prefer a file or the environment.
        seal_key: Option<SealKey> = "", "base64";
        /// A file that holds the key.
        seal_key_file: Option<PathBuf> = "", "path";
    }
}

section! {
    /// Webhooks: what tenants' systems are told.
    pub struct Webhooks = "webhooks." {
        /// Lets endpoints be in private networks and on this machine. Off, a tenant cannot make the server call its neighbours.
        allow_private: bool = "false", "switch";
        /// How often the runner looks for what happened and for what is due.
        interval_ms: u64 = "500", "milliseconds", within 20 to 60000;
        /// How long an attempt may take in all. One whose runner died is made again after twice that.
        timeout_ms: u64 = "15000", "milliseconds", within 100 to 60000;
        /// The pause before the second attempt. Later ones are longer in the same proportions: at 5 s they are 5 and 30 minutes,
        /// then 2, 5, 10, 14, 20 and 24 hours.
        retry_first_ms: u64 = "5000", "milliseconds", within 10 to 600000;
    }
}

section! {
    /// Logs, on standard error. They hold no secrets.
    pub struct Log = "log." {
        /// `pretty` for people, `json` for programs.
        format: LogFormat = "pretty", "word", flag "--log-format";
        /// What is logged, by level and module. `almoner_http=debug` logs every request.
        filter: LogFilter = "info,actix_server=warn,apalis_core=warn,sqlx=warn", "filter", flag "--log-filter";
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
