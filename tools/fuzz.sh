#!/bin/sh
# Fuzzes the file readers: tools/fuzz.sh [seconds per reader, default 60]. Needs clang++ with libFuzzer. Corpora and finds stay under
# build/fuzz; a find ends the script with an error and its file can be given to the target again.
set -eu
cd "$(dirname "$0")/.."
seconds=${1:-60}
build=${WAN_FUZZ_BUILD:-build/fuzz}
cmake --preset fuzz -B "$build"
cmake --build "$build" --target fuzz
mkdir -p "$build/seeds" "$build/fixtures"
for archive in tests/golden/*.tar.xz; do
  tar -C "$build/fixtures" -xJf "$archive"
done
python3 tests/fuzz/make_seeds.py "$build/fixtures" "$build/seeds"
failed=0
for reader in safetensors pth image index; do
  corpus=$build/corpus/$reader
  mkdir -p "$corpus"
  echo "== $reader, $seconds s"
  # 64 KiB hold every seed; memory beyond 512 MiB for so little would be a find
  "$build/tests/fuzz/fuzz_$reader" -max_total_time="$seconds" -max_len=65536 -rss_limit_mb=1024 -malloc_limit_mb=512 -timeout=10 \
    -print_final_stats=1 -artifact_prefix="$build/find-$reader-" "$corpus" "$build/seeds/$reader" || failed=1
done
exit $failed
