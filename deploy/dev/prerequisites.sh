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

need_node() {
  if command -v node >/dev/null && command -v npm >/dev/null; then return; fi
  install "Node 20 or later with npm" nodejs npm
}

# need_libraries FOLDER: what a folder of the suites pins, of npm, of PyPI or of both, in folders that git ignores; once for each
# set of pins.
need_libraries() {
  local folder pins
  folder=$(dirname "$0")/../../tests/$1
  pins=$(find "$folder" -maxdepth 1 \( -name package-lock.json -o -name requirements.txt \) -exec cat {} + | sha256sum)
  if [ "$(cat "$folder/.installed" 2>/dev/null)" = "$pins" ]; then return; fi
  echo "Installing what tests/$1 needs" >&2
  if [ -e "$folder/package-lock.json" ]; then
    need_node
    npm ci --silent --no-audit --no-fund --ignore-scripts --prefix "$folder" >&2
  fi
  if [ -e "$folder/requirements.txt" ]; then
    need_venv
    python3 -m venv --clear "$folder/.venv"
    "$folder/.venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$folder/requirements.txt" >&2
  fi
  echo "$pins" >"$folder/.installed"
}

need_venv() {
  if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then install "Python 3 with venv" python3 python3-venv; fi
}

for need in "$@"; do
  case $need in
    compiler) need_compiler ;;
    postgres) need_postgres ;;
    # Clients of others that follow us; receivers that verify webhooks; implementations that results are compared with.
    clients | receivers | oracles) need_libraries "$need" ;;
    *)
      echo "prerequisites.sh: unknown need '$need'; known: compiler, postgres, receivers, clients, oracles" >&2
      exit 2
      ;;
  esac
done
