#!/usr/bin/env bash
# Fetches the real servers that the tests talk to into build/deps; does nothing when they are there.
# Usage: scripts/fetch-test-servers.sh [kafka|victorialogs|hec_clients]...
# A server that cannot be had only leaves its tests skipped, but is an error when CI=true.
set -euo pipefail
cd "$(dirname "$0")/.."
deps=$PWD/build/deps
recipes=$PWD/tests/servers
mkdir -p "$deps"

# A change of its recipe makes a server stale.
fresh() { [ -e "$deps/$1/.stamp" ] && [ "$(cat "$deps/$1/.stamp")" = "$(stamp_of "$1")" ]; }
stamp_of() { cat "$recipes/$1"/* | sha256sum | cut -d' ' -f1; }

kafka() {
  local work=$deps/kafka.tmp
  echo "Apache Kafka: fetching (44 MB, once)"
  rm -rf "$work" && mkdir -p "$work/lib"
  (cd "$work" && mvn -q -B -Dstyle.color=never -f "$recipes/kafka/pom.xml" dependency:copy-dependencies \
    -DoutputDirectory="$work/lib" -DincludeScope=runtime)
  (cd "$work/lib" && sha256sum --check --quiet "$recipes/kafka/jars.sha256")
  # The paths of the jars are part of the class archive: make it where it will be used.
  rm -rf "$deps/kafka" && mv "$work" "$deps/kafka"
  PYTHONPATH=tests python3 -m servers.kafka --make-archive
}

# Debian 12's Go is too old for the servers, but can fetch the toolchain that they need.
go_toolchain=golang.org/toolchain@v0.0.1-go1.26.8.linux-$(dpkg --print-architecture 2> /dev/null || echo amd64)
go_program() {
  local minor scratch dir
  minor=$(go env GOVERSION | sed -E 's/^go1\.([0-9]+).*/\1/')
  if [ "$minor" -ge 26 ]; then echo go && return; fi
  scratch=$(mktemp -d)
  (cd "$scratch" && go mod init scratch && go mod download "$go_toolchain") > "$scratch/log" 2>&1 || {
    cat "$scratch/log" >&2
    return 1
  }
  rm -rf "$scratch"
  dir=$(go env GOMODCACHE)/$go_toolchain
  chmod -R +x "$dir/bin" "$dir/pkg/tool"
  echo "$dir/bin/go"
}

victorialogs() {
  local work=$deps/victorialogs.tmp go
  echo "VictoriaLogs and vmauth: fetching and building (two minutes, once)"
  rm -rf "$work" && mkdir -p "$work"
  go=$(go_program)
  (
    cd "$recipes/victorialogs"
    for package in github.com/VictoriaMetrics/VictoriaLogs/app/victoria-logs github.com/VictoriaMetrics/VictoriaMetrics/app/vmauth; do
      CGO_ENABLED=0 GOFLAGS=-mod=readonly GOTOOLCHAIN=local "$go" build -buildvcs=false -trimpath -ldflags='-s -w' -o "$work/" "$package"
    done
  )
  rm -rf "$deps/victorialogs" && mv "$work" "$deps/victorialogs"
}

# Clients of other people's making, which prove our own HEC receiver.
hec_clients() {
  local work=$deps/hec_clients.tmp
  echo "HEC clients: fetching (1 MB, once)"
  rm -rf "$work" && mkdir -p "$work"
  pip3 install --quiet --disable-pip-version-check --no-input --root-user-action=ignore --require-hashes --no-deps \
    --target "$work/python" -r "$recipes/hec_clients/requirements.txt"
  cp "$recipes"/hec_clients/package*.json "$work/"
  (cd "$work" && npm ci --ignore-scripts --silent)
  rm -rf "$deps/hec_clients" && mv "$work" "$deps/hec_clients"
}

[ $# -gt 0 ] || set -- kafka victorialogs hec_clients
failed=0
for server in "$@"; do
  fresh "$server" && continue
  # In a shell of its own: inside a condition, `set -e` would be off.
  if bash -euo pipefail -c "$(declare -f "$server" go_program); deps=$deps recipes=$recipes go_toolchain=$go_toolchain; $server"; then
    stamp_of "$server" > "$deps/$server/.stamp"
  else
    echo "fetch-test-servers: no $server, its tests will be skipped; to get it: scripts/fetch-test-servers.sh $server" >&2
    failed=1
  fi
done
[ $failed -eq 0 ] || [ "${CI:-}" != true ]
