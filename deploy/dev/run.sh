#!/usr/bin/env bash
# From a clone to an answer of the gate: builds, puts a sample image shop into the data folder, serves it in the
# foreground until Ctrl-C, and says what to try.
#
# The build is a development one: it takes minutes less, and nobody measures here. RELEASE=1 builds what is shipped.
set -euo pipefail
cd "$(dirname "$0")/../.."

data_dir=${DATA_DIR:-.data}
addr=${ADDR:-127.0.0.1:8080}
# The sample's ids and keys. A key is shown only when it is made, so what was printed then is kept here.
sample=$data_dir/image-shop.json
ready_seconds_max=60

build() {
  deploy/dev/prerequisites.sh compiler
  local flags=() profile=debug
  if [ "${RELEASE:-0}" = 1 ]; then
    flags=(--release)
    profile=release
  fi
  echo "Building Almoner; the first build takes some minutes." >&2
  # With --workspace cargo unites features over all members, as the tests do, and so builds dependencies once.
  cargo build --workspace --bins --locked ${flags[@]+"${flags[@]}"}
  almoner=${CARGO_TARGET_DIR:-target}/$profile/almoner
}

# The first key is the shop's own; the sample has another tool provider, too, to be isolated from.
gate_key() {
  if [ ! -s "$sample" ]; then return; fi
  grep -o '"gate_key" *: *"[^"]*"' "$sample" | head -n 1 | sed 's/.*"\([^"]*\)"$/\1/'
}

# Once: seeding again would issue further keys, and each stays valid.
seed() (
  if [ -n "$(gate_key)" ]; then return; fi
  # Data and keys are nobody else's business on this machine.
  umask 077
  mkdir -p "$data_dir"
  "$almoner" seed image-shop --data-dir "$data_dir" --json >"$sample.new"
  mv "$sample.new" "$sample"
)

# Waits in the background until the gate can decide. $$ is the server then: it takes this script's place by `exec`.
announce() {
  local deadline=$((SECONDS + ready_seconds_max))
  until curl -fsS -o /dev/null "http://$addr/readyz" 2>/dev/null; do
    if [ "$SECONDS" -ge "$deadline" ] || ! kill -0 $$ 2>/dev/null; then return; fi
    sleep 0.2
  done
  cat <<TEXT

Almoner answers at http://$addr (Ctrl-C ends it; data in $data_dir).
May Ada of the Acme shop make one image? Ask the gate in another terminal:

curl -s http://$addr/v1/consume \\
  -H 'Authorization: Bearer $(gate_key)' \\
  -H 'Content-Type: application/json' \\
  -d '{"subject": {"customer": "acme-shop", "user": "ada"}, "uses": [{"feature": "image.generate", "amount": 1}]}'

TEXT
}

build
seed
announce &
exec "$almoner" serve --data-dir "$data_dir" --listen "$addr"
