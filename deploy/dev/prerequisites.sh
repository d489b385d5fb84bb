#!/usr/bin/env bash
# Makes sure that what a task needs is on this machine: `prerequisites.sh compiler postgres`.
#
# As root on a Debian it installs what is missing, which is what a container or a CI machine wants. For anybody else it
# says what to install: a person's machine is theirs.
set -euo pipefail

root_on_debian() { [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; }

# install WHAT-FOR PACKAGE...
install() {
  local what_for=$1
  shift
  if ! root_on_debian; then
    echo "Missing: $what_for. On Debian or Ubuntu: sudo apt-get install $*" >&2
    exit 1
  fi
  echo "Missing: $what_for. Installing $*" >&2
  export DEBIAN_FRONTEND=noninteractive
  if ! { apt-get -qq update && apt-get -qq install --no-install-recommends "$@"; } >&2; then
    echo "That failed. Install by hand: apt-get install $*" >&2
    exit 1
  fi
}

need_compiler() {
  if ! command -v cargo >/dev/null; then
    echo "Missing: Rust 1.95 or later with cargo, rustfmt and clippy. See https://rustup.rs" >&2
    exit 1
  fi
  # SQLite and the TLS provider are C.
  if ! command -v "${CC:-cc}" >/dev/null; then
    install "a C compiler" gcc g++ libc6-dev
  fi
}

need_postgres() {
  if command -v initdb >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null; then return; fi
  if root_on_debian; then
    # The package would start a server of its own; the tests want only the programs.
    install "PostgreSQL's common files" postgresql-common
    sed -i 's/^#\? *create_main_cluster.*/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf
  fi
  install "PostgreSQL's server programs" postgresql
}

for need in "$@"; do
  case $need in
    compiler) need_compiler ;;
    postgres) need_postgres ;;
    *)
      echo "prerequisites.sh: unknown need '$need'; known: compiler, postgres" >&2
      exit 2
      ;;
  esac
done
