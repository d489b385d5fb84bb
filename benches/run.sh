#!/usr/bin/env bash
# All measurements, or one of them: `run.sh [decision|journal|load|reading|webhooks]`. See README.md.
set -euo pipefail
cd "$(dirname "$0")/.."

which=${1:-${BENCH:-all}}

# Figures of earlier runs must not get into the table of this one.
criterion=$(mktemp -d "${TMPDIR:-/tmp}/almoner-criterion.XXXXXX")
trap 'rm -rf "$criterion"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
export CRITERION_HOME=$criterion

# The whole workspace, as `load` builds it, so that dependencies are built once.
bench() { cargo bench --locked --workspace --bench "$1"; }

# On SQLite in a folder of its own, and on PostgreSQL where DATABASE_URL_TEST names a superuser's, or one can be started.
reading() { cargo run --release --locked --workspace --bin reading; }

# On SQLite and on PostgreSQL, as `reading`: the real server, and a receiver beside it.
webhooks() {
  cargo build --release --locked --workspace --bins
  cargo run --release --locked --workspace --bin webhooks
}

case $which in
  decision | journal) bench "$which" ;;
  load) benches/load/compare.sh ;;
  reading) reading ;;
  webhooks) webhooks ;;
  all)
    bench decision
    bench journal
    benches/load/compare.sh
    reading
    webhooks
    ;;
  *)
    echo "run.sh: unknown measurement '$which'; known: decision, journal, load, reading, webhooks" >&2
    exit 2
    ;;
esac
