#!/usr/bin/env bash
# One throw-away PostgreSQL cluster: prints its URL on one line, keeps it until standard input ends, then removes it.
#
# Whoever needs a database holds the other end of our standard input. However they end, kill -9 included, the pipe
# closes and nothing is left behind. By hand: `deploy/dev/postgres.sh`, and Ctrl-D when done.
set -euo pipefail

# Tests kill our server and sometimes the database's processes, never the operating system, so what PostgreSQL wrote
# is there again without fsync. Measurements are another matter: they pay for every commit.
if [ "${DURABLE_PG:-0}" = 1 ]; then fsync=on; else fsync=off; fi
attempts_max=20

die() {
  echo "postgres.sh: $*" >&2
  exit 1
}

# The newest of Debian's folders first: its `psql` and friends on PATH are wrappers, and its `initdb` is not on PATH.
programs() {
  local folder
  for folder in $(printf '%s\n' /usr/lib/postgresql/*/bin | sort -t/ -k5,5nr) ${PATH//:/ }; do
    if [ -x "$folder/initdb" ] && [ -x "$folder/pg_ctl" ]; then
      echo "$folder"
      return
    fi
  done
  die "no PostgreSQL server programs (initdb, pg_ctl). Install them: apt-get install postgresql"
}

# PostgreSQL refuses to run as root.
if [ "$(id -u)" -eq 0 ]; then
  if id -u postgres >/dev/null 2>&1; then owner=postgres; else owner=nobody; fi
  as_owner() { setpriv --reuid="$owner" --regid="$(id -g "$owner")" --clear-groups -- "$@"; }
  # A private TMPDIR of root's would be closed to that user.
  folder=$(mktemp -d /tmp/almoner-postgres.XXXXXX)
  chown "$owner" "$folder"
else
  as_owner() { "$@"; }
  folder=$(mktemp -d "${TMPDIR:-/tmp}/almoner-postgres.XXXXXX")
fi

remove() {
  trap '' INT TERM HUP
  as_owner "$bin/pg_ctl" stop -D "$folder/data" -m immediate -w >/dev/null 2>&1 || true
  rm -rf "$folder"
}
trap remove EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

bin=$(programs)
# The folder that we were called from may be closed to the owner.
cd "$folder"
password=$(od -An -N18 -tx1 /dev/urandom | tr -d ' \n')
(umask 077 && echo "$password" >"$folder/password")
if [ "$(id -u)" -eq 0 ]; then chown "$owner" "$folder/password"; fi

as_owner "$bin/initdb" -D "$folder/data" -U postgres -A scram-sha-256 --pwfile="$folder/password" \
  --encoding=UTF8 --locale=C --no-sync >"$folder/log" 2>&1 || { cat "$folder/log" >&2; die "initdb failed"; }
as_owner tee -a "$folder/data/postgresql.conf" >/dev/null <<SETTINGS
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 300
fsync = $fsync
SETTINGS

# Trying to start is the only test of a free port that does not race. Below 32768, where no outgoing connection sits.
started=false
for _ in $(seq "$attempts_max"); do
  port=$((20000 + RANDOM % 12000))
  # Its own log and no standard input: it must not keep the pipes of whoever waits for us.
  if as_owner "$bin/pg_ctl" start -D "$folder/data" -l "$folder/data/log" -w -o "-p $port" \
    </dev/null >/dev/null 2>&1; then
    started=true
    break
  fi
done
if [ "$started" = false ]; then
  tail -n 20 "$folder/data/log" >&2 || true
  die "PostgreSQL did not start on any of $attempts_max ports"
fi

echo "postgres://postgres:$password@127.0.0.1:$port/postgres"
while read -r _; do :; done
