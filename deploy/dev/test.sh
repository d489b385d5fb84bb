#!/usr/bin/env bash
# Everything that must hold before a change lands, from formatting to the crash suite, against a database of its own.
#
# Goes on after a failure, so that one run tells all; then sums up, and ends with the line "N passed, N failed", in which
# each check counts as one. The status is 0 only if nothing failed. Leaves nothing running, Ctrl-C and time-out included;
# after a kill -9 the database still goes, and the phase that ran then runs to its end.
#
#   DATABASE_URL_TEST=postgres://...   use this server (a superuser's URL) instead of a throw-away one
#   DURABLE_PG=1                       let the throw-away one pay for fsync
set -euo pipefail
cd "$(dirname "$0")/../.."

# A hang must not outlive the patience of a CI machine; a cold build and all suites on two cores take about half of it.
guard_seconds=$((80 * 60))
# What a job that is told to end may take for it; the test runner gives each test ten seconds.
grace_seconds=20

work=$(mktemp -d "${TMPDIR:-/tmp}/almoner-test.XXXXXX")
log=$work/log
# The pipe that the database and the guard live on: they end when nobody holds its writing end, descriptor 9, any more.
hold=$work/hold
mkfifo "$hold" "$work/url"

# Each job is a process group of its own, so that a job can be ended with all that it started.
set -m
job=
postgres=
guard=

end_job() {
  kill -TERM -- "-$job" 2>/dev/null || true
  for _ in $(seq "$grace_seconds"); do
    kill -0 -- "-$job" 2>/dev/null || return 0
    sleep 1
  done
  kill -KILL -- "-$job" 2>/dev/null || true
}

finish() {
  trap '' INT TERM HUP ALRM
  if [ -n "$job" ]; then end_job; fi
  exec 9>&-
  if [ -n "$postgres" ]; then wait "$postgres" 2>/dev/null || true; fi
  if [ -n "$guard" ]; then wait "$guard" 2>/dev/null || true; fi
  rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
trap 'echo "Stopped after $((guard_seconds / 60)) minutes: the last phase above hangs or is too slow." >&2; exit 124' ALRM

start_guard() {
  local main=$$
  # `read` answers with more than 128 when its time is up, and with 1 when the pipe closes.
  (read -r -t "$guard_seconds" _ || { [ $? -le 128 ] || kill -ALRM "$main"; }) <"$hold" &
  guard=$!
  exec 9>"$hold"
}

start_postgres() {
  deploy/dev/postgres.sh <"$hold" >"$work/url" 9>&- &
  postgres=$!
  if ! read -r DATABASE_URL_TEST <"$work/url"; then
    echo "No database, so nothing was tested." >&2
    exit 1
  fi
  export DATABASE_URL_TEST
}

passed=0
failed=0
totals=()

# add RUNNER PASSED FAILED
add() {
  passed=$((passed + $2))
  failed=$((failed + $3))
  totals+=("$(printf '%-22s %5d passed, %d failed' "$1" "$2" "$3")")
}

# run TITLE COMMAND...: shows its output and keeps it in $log; the command's status.
run() {
  local title=$1 from=$SECONDS status=0
  shift
  printf '\n== %s (%d:%02d since the start)\n' "$title" $((SECONDS / 60)) $((SECONDS % 60))
  (set -o pipefail; "$@" 2>&1 | tee "$log") 9>&- &
  job=$!
  wait "$job" || status=$?
  job=
  local outcome=ok
  if [ "$status" -ne 0 ]; then outcome="FAILED ($status)"; fi
  echo "-- $outcome, $((SECONDS - from)) s"
  return "$status"
}

check() {
  if run "$@"; then add "$1" 1 0; else add "$1" 0 1; fi
}

# count TITLE STATUS PASSED FAILED: a runner that fails without a failed test (it did not compile, say) failed once.
count() {
  if [ "$2" -ne 0 ] && [ "$4" -eq 0 ]; then add "$1" "$3" 1; else add "$1" "$3" "$4"; fi
}

nextest() {
  local status=0 ran ok
  run "tests" cargo nextest run --workspace --no-fail-fast --locked || status=$?
  # "Summary [ 1.2s] 12 tests run: 10 passed (1 slow), 1 failed, 1 timed out"; what ran and did not pass failed.
  ran=$(sed -nE 's/^ *Summary .* ([0-9]+)(\/[0-9]+)? tests? run: .*/\1/p' "$log")
  ok=$(sed -nE 's/^ *Summary .* tests? run: ([0-9]+) passed.*/\1/p' "$log")
  count "tests" "$status" "${ok:-0}" $((${ran:-0} - ${ok:-0}))
}

# libtest TITLE COMMAND...: one "test result: ok. 3 passed; 0 failed; ..." a binary.
libtest() {
  local status=0 sums
  run "$@" || status=$?
  sums=$(sed -nE 's/^test result: .* ([0-9]+) passed; ([0-9]+) failed;.*/\1 \2/p' "$log" |
    awk '{ passed += $1; failed += $2 } END { print passed + 0, failed + 0 }')
  count "$1" "$status" "${sums% *}" "${sums#* }"
}

deploy/dev/prerequisites.sh compiler clients receivers oracles
if [ -z "${DATABASE_URL_TEST:-}" ]; then deploy/dev/prerequisites.sh postgres; fi
start_guard
if [ -z "${DATABASE_URL_TEST:-}" ]; then start_postgres; fi

check "format" cargo fmt --all -- --check
check "lints" cargo clippy --workspace --all-targets --locked -- -D warnings
# The binary too: the end to end and crash suites start it. Everything at once, because cargo unites features over what
# it is asked to build, and asking twice would build dependencies twice.
if run "build" cargo build --workspace --bins --tests --locked; then
  add "build" 1 0
  check "generated files" deploy/dev/generated.sh check
  if command -v cargo-nextest >/dev/null; then
    nextest
  else
    libtest "tests" cargo test --workspace --tests --no-fail-fast --locked
  fi
  libtest "doc tests" cargo test --workspace --doc --no-fail-fast --locked
else
  add "build" 0 1
fi

printf '\n== done in %d:%02d\n' $((SECONDS / 60)) $((SECONDS % 60))
printf '%s\n' "${totals[@]}"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
