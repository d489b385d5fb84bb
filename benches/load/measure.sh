#!/usr/bin/env bash
# One measurement; prints one line with `rps= p50= p99=`, and what went wrong if anything did.
#
#   measure.sh almoner DURABILITY SPREAD CONNECTIONS BATCH   a gate of its own, on a copy of the prepared data
#   measure.sh echo CONNECTIONS BATCH                        the echo that compare.sh of the peers has started
#   measure.sh sync                                          write and fdatasync, 4 KiB at a time, on the same disk
#
# A gate is started, warmed up, measured and killed each time. So all measurements begin in the same state, and none is
# disturbed by what an earlier one still has to tell its ledger.
#
# From the environment: LOAD_WORK (prepared/, load.lua), LOAD_ALMONER, LOAD_SECONDS, PEERS_DIR, PEERS_BIN.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
seconds=${LOAD_SECONDS:-4}
warm_seconds=1
# The first call of each allocation costs so much that its lease (64 times as much) lasts: what is measured is decisions from
# leases that are open, as those of a busy allocation are.
warm_units=1000
ready_seconds_max=20

dir=
server=
finish() {
  if [ -n "$server" ]; then
    # Killed, not stopped: what it would still tell its ledger nobody will ask for.
    kill -KILL "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
  fi
  if [ -n "$dir" ]; then rm -rf "$dir"; fi
}
trap finish EXIT
trap 'exit 143' INT TERM HUP

die() {
  echo "measure.sh: $*" >&2
  exit 1
}

# result COMMAND...: the line that a Lua script of wrk ends with.
result() { "$@" | sed -n 's/^RESULT //p'; }

# threads CONNECTIONS: wrk needs a connection for each of its threads.
threads() { if [ "$1" -lt 2 ]; then echo 1; else echo 2; fi; }

# value NAME LINE
value() { sed -n "s/.*\b$1=\([0-9]*\).*/\1/p" <<<"$2"; }

serve() {
  dir=$(mktemp -d "$LOAD_WORK/gate.XXXXXX")
  cp -a "$LOAD_WORK/prepared/." "$dir"
  # A burst of a few seconds is measured: the bound on what waits for the ledger must not end it. Whoever measures for longer
  # than the ledger can follow sees denials in the table.
  ALMONER_GATE_BACKLOG_MAX=${ALMONER_GATE_BACKLOG_MAX:-20000000} \
    "$LOAD_ALMONER" serve --data-dir "$dir" --listen 127.0.0.1:0 --log-filter warn >"$dir/out" 2>"$LOAD_WORK/almoner.log" &
  server=$!
  local deadline=$((SECONDS + ready_seconds_max))
  until url=$(sed -n 's/^almoner is listening on //p' "$dir/out") && [ -n "$url" ]; do
    kill -0 "$server" 2>/dev/null || die "the gate ended: $(tail -n 3 "$LOAD_WORK/almoner.log")"
    [ "$SECONDS" -lt "$deadline" ] || die "the gate did not come up in $ready_seconds_max s"
    sleep 0.1
  done
}

# count WORD: how often it stands in the input.
count() { grep -o "$1" | wc -l; }

# Opens the leases of the allocations that will be used, a hundred in one batch.
open_leases() {
  local key answers
  key=$(sed -n 's/^  key = "\(.*\)",$/\1/p' "$LOAD_WORK/load.lua")
  awk -v mode="$1" -v spread="$2" '
    $1 == "durable" || $1 == "fast" { in_mode = $1 == mode }
    $1 == "uniform" || $1 == "hot" { in_list = in_mode && $1 == spread; next }
    in_list && match($0, /alc_[0-9a-z]+/) { print substr($0, RSTART, RLENGTH) }
  ' "$LOAD_WORK/load.lua" | awk -v units="$warm_units" -v hot="$2" -v to="$dir/warm-" '
    { if (hot == "hot") units = 1000000
      if (NR % 100 == 1) { file = sprintf("%s%05d", to, NR); printf "{\"operations\":[" >file } else printf "," >file
      printf "{\"op\":\"consume\",\"allocation\":\"%s\",\"uses\":[{\"feature\":\"load.unit\",\"amount\":%d}]}", $1, units >file
      if (NR % 100 == 0) { printf "]}" >file; close(file) } }
    END { if (NR % 100) printf "]}" >file }'
  for body in "$dir"/warm-*; do
    answers=$(curl -fsS -H "Authorization: Bearer $key" -H 'Content-Type: application/json' --data-binary "@$body" "$url/v1/batch")
    if [ "$(count '"decision":"allow"' <<<"$answers")" -ne "$(count '"op"' <"$body")" ]; then
      die "an allocation could not be warmed up: ${answers:0:300}"
    fi
  done
}

# decided WHAT: decisions so far, allowed or denied.
decided() {
  curl -fsS "$url/metrics" | awk -v name="almoner_gate_$1_total" 'index($1, name) == 1 { sum += $2 } END { printf "%d", sum }'
}

almoner() {
  local connections=$3 allowed denied line requests missing
  export DURABILITY=$1 SPREAD=$2 BATCH=$4 LOAD_FILE=$LOAD_WORK/load.lua
  serve
  open_leases "$1" "$2"
  local load=(wrk -t"$(threads "$connections")" -c"$connections" --latency -s "$here/consume.lua")
  SALT=w$$ "${load[@]}" -d"${warm_seconds}s" "$url" >/dev/null
  # The ledger hears of the warm-up.
  sleep 1
  allowed=$(decided allowed)
  denied=$(decided denied)
  line=$(SALT=r$$ result "${load[@]}" -d"${seconds}s" "$url")
  requests=$(value requests "$line")
  # Answers from memory are not decisions; what was under way at the end may have been decided without being counted by wrk.
  missing=$((requests * $4 - ($(decided allowed) - allowed)))
  if [ "$missing" -lt 0 ]; then missing=0; fi
  echo "$line denied=$(($(decided denied) - denied)) missing=$missing"
}

echo_peer() {
  local script=check.lua
  if [ "$2" -gt 1 ]; then script=batch100.lua; fi
  result wrk -t"$(threads "$1")" -c"$1" -d"${seconds}s" --latency -s "$PEERS_DIR/wrk/$script" http://127.0.0.1:28080/check
}

sync_peer() {
  dir=$(mktemp -d "$LOAD_WORK/sync.XXXXXX")
  "$PEERS_BIN/walceil" 64 2 "$dir" prealloc | sed 's/.*: \([0-9]*\) fsync.s .* \(p50=.*\)/rps=\1 \2/'
}

case ${1:-} in
  almoner) almoner "$2" "$3" "$4" "$5" ;;
  echo) echo_peer "$2" "$3" ;;
  sync) sync_peer ;;
  *) die "unknown measurement '${1:-}'" ;;
esac
