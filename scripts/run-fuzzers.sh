#!/usr/bin/env bash
# Runs each fuzz program of a folder for some seconds, from its seeds and from what earlier runs have found.
# Usage: scripts/run-fuzzers.sh FOLDER [SECONDS]
set -euo pipefail
folder=$1 seconds=${2:-60}
found=0
for program in "$folder"/*; do
  if [ ! -f "$program" ] || [ ! -x "$program" ]; then continue; fi
  found=1
  echo "fuzzing $(basename "$program") for $seconds s"
  mkdir -p "$program.corpus"
  seeds=()
  if [ -d "$program.seeds" ]; then seeds=("$program.seeds/"); fi
  "$program" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=0 -verbosity=0 \
    -artifact_prefix="$program.crash-" "$program.corpus" "${seeds[@]}"
done
[ $found -eq 1 ] || { echo "$0: no fuzz program in $folder; run 'make fuzz'" >&2; exit 1; }
