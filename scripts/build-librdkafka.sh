#!/usr/bin/env bash
# Gives the build a librdkafka of at least 2.10: the system's own, or a pinned one built into build/deps/librdkafka.
# Debian 12's 2.0.2 cannot log in by SCRAM to a current broker and may skip offsets around pause/resume.
set -euo pipefail

minimum=2.10.0
version=2.15.1
package=@confluentinc/kafka-javascript@1.10.1 # carries librdkafka's source
sha512=29578f5019f6d44a8254ff667f1cc4b8cdd26091c7105ed7fa2882d9ee374108034b211a92c2279821a8a13df0e6af9c340764482acaef58f42027eaa12a992f

cd "$(dirname "$0")/.."
prefix=$PWD/build/deps/librdkafka
stamp=$prefix/.built-$version

if pkg-config --atleast-version=$minimum rdkafka 2> /dev/null; then
  echo "librdkafka: the system's $(pkg-config --modversion rdkafka)"
  exit 0
fi
if [ -e "$stamp" ]; then exit 0; fi

scripts/install-packages.sh librdkafka
work=build/deps/librdkafka.tmp
rm -rf "$work" "$prefix"
mkdir -p "$work"
trap 'echo "$0: building librdkafka $version failed; see $work/log, or install librdkafka-dev >= $minimum yourself" >&2' ERR

echo "librdkafka $version: fetching and building (about a minute, once)"
(cd "$work" && npm pack --silent "$package" > log 2>&1)
archive=$(echo "$work"/*.tgz)
echo "$sha512  $archive" | sha512sum --check --quiet || {
  echo "$0: $package is not the pinned one; do not use it" >&2
  exit 1
}
tar -xzf "$archive" -C "$work" --strip-components=3 package/deps/librdkafka
# Its CMake build would drop SCRAM; static, so that the binary stands alone.
(
  cd "$work"
  ./configure --prefix="$prefix" --disable-gssapi --disable-curl --enable-static --disable-debug-symbols
  make -j"$(nproc)" libs
  make install-subdirs
  install -m 644 src/rdkafka_mock.h "$prefix/include/librdkafka/"
) >> "$work/log" 2>&1
# The one archive that CMake links.
find "$prefix/lib" -mindepth 1 ! -name librdkafka.a -delete
touch "$stamp"
rm -rf "$work"
