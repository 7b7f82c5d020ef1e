#!/usr/bin/env bash
# Sets up what is missing and runs every check; the last line says whether all of them passed.
#   tests/run.sh            everything
#   tests/run.sh quick      without the conformance table, the faults, the long simulation and the demo
set -u
cd "$(dirname "$0")/.."
quick=${1:-}

say() { printf '\n== %s\n' "$*"; }
sudo_if() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }

# --- set-up (Debian) -----------------------------------------------------------------------------
need=()
command -v cc >/dev/null || need+=(build-essential)
command -v git >/dev/null || need+=(git)
command -v curl >/dev/null || need+=(curl ca-certificates)
command -v chromium >/dev/null || command -v chromium-browser >/dev/null || need+=(chromium)
# A server's binaries, not the client's: the tests start servers of their own.
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || [ -x "$(pg_config --bindir 2>/dev/null)/initdb" ] ||
  command -v initdb >/dev/null || need+=(postgresql)
if [ ${#need[@]} -gt 0 ]; then
  say "installing ${need[*]}"
  export DEBIAN_FRONTEND=noninteractive
  { sudo_if apt-get update -q && sudo_if apt-get install -y -q --no-install-recommends "${need[@]}"; } >/dev/null ||
    { echo "could not install: ${need[*]}"; exit 2; }
fi
if ! command -v cargo >/dev/null; then
  [ -x "$HOME/.cargo/bin/cargo" ] && PATH="$HOME/.cargo/bin:$PATH"
  command -v cargo >/dev/null || {
    say "installing Rust"
    curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y -q --profile minimal -c rustfmt -c clippy || exit 2
    PATH="$HOME/.cargo/bin:$PATH"
  }
fi
for part in fmt clippy; do
  cargo "$part" --version >/dev/null 2>&1 || rustup component add "${part/fmt/rustfmt}" || exit 2
done

# --- checks --------------------------------------------------------------------------------------
# Without a PostgreSQL its tests fail here; elsewhere they say that they were skipped.
export GATEWAY_TEST_POSTGRES=needed
failed=()
times=()
check() { # name, command…
  local name=$1 start=$SECONDS
  shift
  say "$name: $*"
  if "$@"; then
    times+=("$(printf '%5ss  ok      %s' $((SECONDS - start)) "$name")")
  else
    times+=("$(printf '%5ss  FAILED  %s' $((SECONDS - start)) "$name")")
    failed+=("$name")
  fi
}

check format cargo fmt --check
check lints cargo clippy --all-targets --quiet -- -D warnings
check faults-lints cargo clippy --lib --bins --test faults --features faults --quiet -- -D warnings
check docs env RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --quiet
check tests cargo test --quiet
# What a gateway does from door to door, over the other store (two minutes).
check gateway-on-postgres env GATEWAY_TEST_STORE=postgres \
  cargo test --quiet --test it -- desk:: doors:: inbound:: middle:: pace:: tenants::
if [ "$quick" != quick ]; then
  check conformance cargo test --profile measure --test conformance --quiet
  check simulation cargo test --profile measure --test simulation --quiet
  check faults tests/faults.sh --short
  check build cargo build --release --quiet
  check demo cargo run --release --quiet -- demo --once --json --kill 20
fi

say "times"
printf '%s\n' "${times[@]}"
if [ ${#failed[@]} -gt 0 ]; then
  printf '\nFAILED: %s\n' "${failed[*]}"
  exit 1
fi
printf '\nall passed\n'
