#!/usr/bin/env bash
# Writes suites/memory_table.json, what `wanbench plan --table` says, for reports to read: a row a line.
# Usage: tools/make_memory_table.sh WANBENCH, after a change of the memory plan or of suites/published.json.
set -euo pipefail
cd "$(dirname "$0")/.."
"${1:?usage: tools/make_memory_table.sh WANBENCH}" plan --table --json | python3 -c '
import json, sys
table = json.load(sys.stdin)
rows = ",\n".join("  " + json.dumps(row) for row in table["rows"])
print("{\"schema\": " + json.dumps(table["schema"]) + ", \"rows\": [\n" + rows + "\n]}")' >suites/memory_table.json.new
mv suites/memory_table.json.new suites/memory_table.json
echo "wrote suites/memory_table.json"
