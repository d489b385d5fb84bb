#!/usr/bin/env bash
# Where there are no peers: our own measurements of measurements.txt, in turns. `alone.sh REPS`; compare.sh calls it.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

for _ in $(seq "$1"); do
  while IFS='=' read -r label measurement; do
    case $measurement in almoner*) ;; *) continue ;; esac
    # shellcheck disable=SC2086 # its words are arguments
    echo "$label: $("$here/measure.sh" $measurement </dev/null | tail -n 1)"
  done <"$here/measurements.txt"
done
