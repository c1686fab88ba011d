#!/usr/bin/env bash
# Fails when a source file is not as clang-format writes it.
set -euo pipefail
cd "$(dirname "$0")/.."
# Other versions of clang-format write some lines otherwise; the one that tools/requirements-format.txt pins decides.
formatter=.venv/bin/clang-format
[ -x "$formatter" ] || formatter=$(command -v clang-format || true)
found=none
[ -z "$formatter" ] || found=$("$formatter" --version)
if ! grep -q 'version 14\.' <<<"$found"; then
  echo "check_format: skipped, needs clang-format 14, found: $found"
  # In CI a check that does not run is a failure.
  [ "${CI:-}" != true ]
  exit
fi
git ls-files '*.h' '*.cpp' '*.cu' '*.cuh' | xargs "$formatter" --dry-run --Werror
