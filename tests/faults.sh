#!/usr/bin/env bash
# Faults against the real binary (kills, bad answers, outages…), and a checker of what must hold all the
# same; then ten planted bugs, each of which it has to catch. Ends with one JSON line; exit 0: all held.
#   tests/faults.sh              the long version
#   tests/faults.sh --short      the one of tests/run.sh, a few minutes
#   tests/faults.sh --mutant M   one planted bug: exits 1, and says which invariant it broke
#   tests/faults.sh --seed N     the draws of an earlier run
#   tests/faults.sh --only S     one scenario
#   tests/faults.sh --postgres   with any of these: a PostgreSQL for all but what is about the files of a SQLite
set -eu
cd "$(dirname "$0")/.."
program=$(cargo test --profile measure --features faults --test faults --no-run --quiet \
  --message-format=json-render-diagnostics |
  sed -n 's/.*"executable":"\([^"]*\/faults-[^"]*\)".*/\1/p' | tail -1)
[ -n "$program" ] || { echo "could not build the faults"; exit 2; }
exec "$program" "$@"
