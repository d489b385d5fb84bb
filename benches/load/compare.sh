#!/usr/bin/env bash
# The gate over loopback HTTP, beside what a user would pick instead: one interleaved run, one table of ratios.
#
#   compare.sh [RESULTS_FILE]     default: results/latest.md
#
#   REPS=3            interleaved repetitions
#   LOAD_SECONDS=4    seconds of each measurement of ours and of the echo
#   PEERS_DIR         the peers and their compare.sh, which builds, starts, measures and ends them, and takes ours in between
#                     (its hook GATES); where there is no such folder only our own figures are taken
#   LIMIT_SECONDS    the most that all of it may take (default 3600)
#   CRITERION_HOME    figures of `decision` from this run, for the rows "in process"
#
# Everything is on 127.0.0.1 and in one temporary folder (TMPDIR, which must be on a real disk). Ends what it started, and
# nothing else.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
project=$(cd "$here/../.." && pwd)
results=$(realpath -m "${1:-$project/benches/results/latest.md}")
cd "$project"

reps=${REPS:-3}
limit_seconds=${LIMIT_SECONDS:-3600}
target=${CARGO_TARGET_DIR:-$project/target}
# Where the peers' compare.sh listens.
peer_ports=(28080 26379 26380 25432)

die() {
  echo "compare.sh: $*" >&2
  exit 1
}

# need PROGRAM PACKAGE
need() {
  if command -v "$1" >/dev/null; then return; fi
  if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    die "$1 is missing. On Debian or Ubuntu: sudo apt-get install $2"
  fi
  echo "compare.sh: $1 is missing; installing $2" >&2
  if ! { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends "$2"; } >&2; then
    die "that failed; install by hand: apt-get install $2"
  fi
}

work=
run=
# shellcheck disable=SC2317 # the trap calls it
finish() {
  trap '' INT TERM HUP
  if [ -n "$run" ]; then
    kill -TERM "$run" 2>/dev/null || true
    wait "$run" 2>/dev/null || true
  fi
  if [ -n "$work" ]; then rm -rf "$work"; fi
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

peers=${PEERS_DIR:-$project/../shared/peers}
if [ -x "$peers/compare.sh" ]; then
  peers=$(cd "$peers" && pwd)
else
  echo "compare.sh: no peers in $peers: taking our own figures alone" >&2
  peers=
fi

need wrk wrk
need curl curl
if [ -n "$peers" ]; then
  need protoc protobuf-compiler
  need redis-server redis-server
  need redis-benchmark redis-tools
  need pgbench postgresql
  for port in "${peer_ports[@]}"; do
    if (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then die "port $port, where a peer must listen, is taken"; fi
  done
fi

# The whole workspace: what features dependencies are built with depends on what is asked for.
cargo build --release --locked --workspace --bins

work=$(mktemp -d "${TMPDIR:-/tmp}/almoner-load.XXXXXX")
if [ "$(stat -f -c %T "$work")" = tmpfs ]; then
  die "$work is in memory, where a sync costs nothing; set TMPDIR to a folder on a disk"
fi
# The peers' compare.sh runs PostgreSQL as another user, in a folder of its own beside this one.
chmod 711 "$work"
echo "compare.sh: preparing 20,000 allocations" >&2
"$target/release/load-prepare" "$work/prepared" "$work/load.lua"

export LOAD_WORK=$work LOAD_ALMONER=$target/release/almoner LOAD_SECONDS=${LOAD_SECONDS:-4}
export PEERS_DIR=$peers PEERS_BIN=${PEERS_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/almoner-peers}/release

# `timeout` makes a group of all that it starts, and passes on what ends it.
if [ -n "$peers" ]; then
  gates=
  while IFS='=' read -r label measurement; do
    gates+="$label=$(printf %q "$here/measure.sh") $measurement;"
  done <"$here/measurements.txt"
  GATES=$gates CARGO_TARGET_DIR=$(dirname "$PEERS_BIN") \
    timeout -k 30 "$limit_seconds" "$peers/compare.sh" "$reps" >"$work/run.log" &
else
  timeout -k 30 "$limit_seconds" "$here/alone.sh" "$reps" >"$work/run.log" &
fi
run=$!
# Shows the lines as they come, for whoever waits.
tail -n +1 -f --pid="$run" "$work/run.log" >&2 &
status=0
wait "$run" || status=$?
run=
wait
if [ "$status" -ne 0 ]; then echo "compare.sh: the run ended early ($status); the table has what there is" >&2; fi

report() {
  echo "# Load comparison, $(date -u +%Y-%m-%dT%H:%M:%SZ)"
  echo
  echo "Commit $(git describe --always --dirty 2>/dev/null || echo unknown), $(nproc) processors" \
    "($(sed -n 's/^model name[[:space:]]*: //p' /proc/cpuinfo | head -n 1)), Linux $(uname -r)," \
    "$(stat -f -c %T "$work") at TMPDIR; ${LOAD_SECONDS} s a measurement. How to read it: benches/README.md."
  echo
  "$target/release/load-report" "$work/run.log" ${CRITERION_HOME:+"$CRITERION_HOME"}
}
mkdir -p "$(dirname "$results")"
report >"$results"
cp "$work/run.log" "${results%.md}.log"
cat "$results"
exit "$status"
