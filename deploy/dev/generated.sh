#!/usr/bin/env bash
# The files that the binary writes about itself: `generated.sh write` makes them anew, `generated.sh check` fails if a
# committed one is not what the binary would write. Expects a dev build of `almoner`.
set -euo pipefail
cd "$(dirname "$0")/../.."

almoner=${CARGO_TARGET_DIR:-target}/debug/almoner

# generated FILE COMMAND...
generated() {
  local file=$1 text
  shift
  text=$("$@")
  if [ "$mode" = write ]; then
    printf '%s\n' "$text" >"$file"
    echo "wrote $file"
  elif ! printf '%s\n' "$text" | diff -u "$file" -; then
    echo "$file is not what \`almoner ${*:2}\` prints. Run \`make generate\` and commit the file." >&2
    stale=1
  fi
}

mode=${1:-}
case $mode in
  write | check) ;;
  *)
    echo "usage: generated.sh write|check" >&2
    exit 2
    ;;
esac

stale=0
generated crates/gate/openapi.json "$almoner" schema openapi
generated web/schema.graphql "$almoner" schema graphql
generated crates/worker/webhook-events.json "$almoner" schema webhooks
generated deploy/config-reference.md "$almoner" config reference
exit "$stale"
