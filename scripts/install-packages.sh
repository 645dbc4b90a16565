#!/usr/bin/env bash
# Installs the Debian packages that a purpose needs; does nothing, without network, when all are there.
# Usage: scripts/install-packages.sh build|librdkafka|test|bench|fuzz|tidy...
set -euo pipefail

# PACKAGE, or PACKAGE=COMMAND when any provider of the command will do.
build=(
  g++ make=make cmake ninja-build=ninja pkg-config=pkg-config ccache python3=python3 ca-certificates
  librocksdb-dev libsimdjson-dev libeigen3-dev libfmt-dev libre2-dev libxxhash-dev
  libzstd-dev zlib1g-dev libssl-dev libcurl4-openssl-dev libcpp-httplib-dev prometheus-cpp-dev
  libicu-dev nlohmann-json3-dev libyaml-cpp-dev libcli11-dev
)
librdkafka=(npm=npm) # fetches its pinned source
test=(
  libgtest-dev libgmock-dev python3-yaml python3-jsonschema openssl=openssl curl=curl git=git
  default-jre-headless=java maven=mvn golang-go=go # Kafka, VictoriaLogs and vmauth
  rsyslog=rsyslogd rsyslog-gnutls
  python3-pip=pip3 npm=npm # HEC clients
)
bench=(libbenchmark-dev)
fuzz=(clang libclang-rt-14-dev)
tidy=(clang-tidy)

[ $# -gt 0 ] || { echo "usage: $0 build|librdkafka|test|bench|fuzz|tidy..." >&2; exit 2; }

missing=()
for purpose in "$@"; do
  case $purpose in build | librdkafka | test | bench | fuzz | tidy) ;; *)
    echo "$0: unknown purpose '$purpose': give build, librdkafka, test, bench, fuzz or tidy" >&2
    exit 2
    ;;
  esac
  declare -n wanted=$purpose
  for entry in "${wanted[@]}"; do
    package=${entry%%=*}
    if [[ $entry == *=* ]] && PATH=$PATH:/usr/sbin command -v "${entry#*=}" > /dev/null; then continue; fi
    status=$(dpkg-query -W -f '${Status}' "$package" 2> /dev/null || true)
    [ "$status" = "install ok installed" ] || missing+=("$package")
  done
done
[ ${#missing[@]} -gt 0 ] || exit 0

command -v apt-get > /dev/null || {
  echo "$0: this is no Debian: install the equivalents of: ${missing[*]}" >&2
  exit 1
}
root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo > /dev/null || {
    echo "$0: as root, run: apt-get install --no-install-recommends ${missing[*]}" >&2
    exit 1
  }
  root=(sudo)
fi
apt=("${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300)

echo "installing: ${missing[*]}"
"${apt[@]}" update || echo "$0: apt-get update failed; trying with the package lists at hand" >&2
if ! "${apt[@]}" install -y --no-install-recommends "${missing[@]}"; then
  # One by one, so that the message can name the culprit.
  failed=()
  for package in "${missing[@]}"; do
    "${apt[@]}" install -y --no-install-recommends "$package" > /dev/null 2>&1 || failed+=("$package")
  done
  [ ${#failed[@]} -eq 0 ] || {
    echo "$0: could not install: ${failed[*]}" >&2
    echo "Check the network and /etc/apt/sources.list (Debian 12 or newer), then run: apt-get install ${failed[*]}" >&2
    exit 1
  }
fi
