#!/usr/bin/env bash
# Runs each fuzz target for so many seconds, from seeds that are made of this repository's own files, and prints what
# was executed and the peak of memory. Ends with 1 if anything was found: what did it lies in tests/fuzz/artifacts.
#   tests/fuzz/run.sh            300 seconds each
#   tests/fuzz/run.sh 60 validate fhirpath_parse
# Needs nightly Rust and cargo-fuzz: rustup toolchain install nightly; cargo install cargo-fuzz
set -u
cd "$(dirname "$0")/../.."
seconds=${1:-300}
shift || true
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(fhirpath_parse fhirpath_evaluate package_read validate)
corpus=tests/fuzz/corpus

# One file a seed, named by its content, so that a second run adds none: first byte (or -), then standard input.
seed() { # target, first byte in octal
  local file
  mkdir -p "$corpus/$1"
  file=$(mktemp "$corpus/$1/new.XXXXXX")
  { [ "$2" = - ] || printf "\\$2"; cat; } >"$file"
  mv "$file" "$corpus/$1/$(sha1sum <"$file" | cut -c1-40)"
}

seeds() {
  local file line byte
  # The expressions of R4's own invariants; to evaluate, on the target's own resource.
  zcat fhir-profiles/r4.jsonl.gz | grep -oE '"expression":"([^"\\]|\\.)*"' | sort -u |
    sed 's/^"expression":"//; s/"$//; s/\\\(.\)/\1/g' | while IFS= read -r line; do
    printf '%s' "$line" | seed fhirpath_parse -
    printf '%s\n' "$line" | seed fhirpath_evaluate -
  done
  byte=0
  for file in fixtures/*/*/*fhir*.json; do
    seed validate "00$byte" <"$file"
    byte=$(((byte + 1) % 6))
  done
  # Definitions, as they stand in a package; and a whole package.
  zcat fhir-profiles/r4.jsonl.gz | awk 'NR % 12 == 2 && length($0) < 16000' | while IFS= read -r line; do
    printf '%s' "$line" | seed package_read 002
  done
  for file in fhir-profiles/ours/*.json; do seed package_read 002 <"$file"; done
  tar -C fhir-profiles --transform 's#^ours#package#' -czf - ours | seed package_read 000
  tar -C fhir-profiles --transform 's#^ours#package#' -cf - ours | seed package_read 001
}

seeds
failed=0
printf '%-20s %8s %12s %10s %8s\n' target seconds executions 'peak MB' found
for target in "${targets[@]}"; do
  log=$(mktemp)
  cargo +nightly fuzz run --fuzz-dir tests/fuzz "$target" -- -max_total_time="$seconds" -max_len=16384 -timeout=10 \
    -rss_limit_mb=2048 -print_final_stats=1 -dict=tests/fuzz/fhir.dict >"$log" 2>&1
  code=$?
  stat() { sed -n "s/^stat::$1: *//p" "$log" | tail -1; }
  ran=$(sed -n 's/^Done [0-9]* runs in \([0-9]*\) second.*/\1/p' "$log" | tail -1)
  if [ "$code" != 0 ]; then
    failed=1
    tail -40 "$log" >&2
  fi
  printf '%-20s %8s %12s %10s %8s\n' "$target" "${ran:-?}" "$(stat number_of_executed_units)" "$(stat peak_rss_mb)" \
    "$([ "$code" = 0 ] && echo nothing || echo "exit $code")"
  rm -f "$log"
done
exit $failed
