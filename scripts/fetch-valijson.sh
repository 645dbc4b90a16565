#!/usr/bin/env bash
# Unpacks Debian's valijson headers into build/deps/valijson: installing the package would pull in Qt and Poco.
set -euo pipefail
cd "$(dirname "$0")/.."
prefix=$PWD/build/deps/valijson

if [ -e /usr/include/valijson/validator.hpp ] || [ -e "$prefix/include/valijson/validator.hpp" ]; then exit 0; fi
rm -rf "$prefix" && mkdir -p "$prefix"
# apt-get download writes into the working directory and needs package lists, which a fresh machine lacks.
(
  cd "$prefix"
  apt-get -q download libvalijson-dev > log 2>&1 || {
    echo "fetch-valijson: cannot download libvalijson-dev; run 'apt-get update' and try again, or install that package" >&2
    cat log >&2
    exit 1
  }
  dpkg-deb -x libvalijson-dev_*.deb unpacked
  mv unpacked/usr/include include
  mv unpacked/usr/share/doc/libvalijson-dev/copyright .
  rm -rf unpacked log ./*.deb
)
