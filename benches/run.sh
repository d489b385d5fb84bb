#!/usr/bin/env bash
# All measurements, or one of them: `run.sh [decision|journal|load|reading]`. See README.md.
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

case $which in
  decision | journal) bench "$which" ;;
  load) benches/load/compare.sh ;;
  reading) reading ;;
  all)
    bench decision
    bench journal
    benches/load/compare.sh
    reading
    ;;
  *)
    echo "run.sh: unknown measurement '$which'; known: decision, journal, load, reading" >&2
    exit 2
    ;;
esac
