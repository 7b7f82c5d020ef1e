#!/usr/bin/env bash
# Measures the gateway under load beside the bare limit; prints a table and ends with one JSON line.
#   tests/load.sh                                   three runs of each, 3,000 records, 64 callers; then long
#                                                   lines, a million jobs in the longest; then one, two and
#                                                   four nodes on one PostgreSQL
#   tests/load.sh --short                           a hundred thousand there
#   tests/load.sh --runs N --records N --clients N
#   tests/load.sh --rates | --lines | --postgres    only that
set -eu
cd "$(dirname "$0")/.."
cargo build --release --quiet --bin fhir-gateway
exec cargo bench --quiet --bench load -- "$@"
