#!/usr/bin/env bash
# Writes docs/results/cards.md and the picture above it, cards.svg: the seed report's cards and the original program on the H100, imported, beside folders of our own
# records. Usage: tools/cards_page.sh WANBENCH RECORDS..., each a folder that `wanbench run` wrote, or a .tar.xz of one; a note.md
# beside it goes above the tables.
set -euo pipefail
cd "$(dirname "$0")/.."
wanbench=$(realpath "${1:?usage: tools/cards_page.sh WANBENCH RECORDS...}")
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$wanbench" import tests/golden/units/seed_report.md --output "$work/seed" >/dev/null 2>&1
"$wanbench" import tests/golden/units/h100_original_case01.json --case 01_Speed_Preview --gpu "NVIDIA H100 80GB HBM3" \
  --output "$work/original" >/dev/null 2>&1
number=0
for records in "$@"; do
  number=$((number + 1))
  case "$records" in
    *.tar.xz) mkdir "$work/measured$number" && tar -xJf "$records" -C "$work/measured$number" ;;
    *) cp -r "$records" "$work/measured$number" ;;
  esac
done
"$wanbench" report "$work" >/dev/null
{
  echo "# The seed's cases, card by card"
  echo
  if [ -e "$work/cards.svg" ]; then
    grep -m 1 '(cards\.svg)$' "$work/report.md"
    echo
  fi
  # The report's own answer: its sentences and the table of its bars.
  sed -n '2,/^## /p' "$work/report.md" | sed '/^## /d'
  echo "Imported columns are another program with other provenance; a single run carries no verdict. Made with:"
  echo
  echo '```'
  echo "tools/cards_page.sh build/wanbench $*"
  echo '```'
  echo
  for records in "$@"; do
    note=$(dirname "$records")/note.md
    [ ! -e "$note" ] || { cat "$note" && echo; }
  done
  sed -n '/^## Cards Side by Side/,/^---$/p' "$work/report.md" | sed '/^---$/d'
} >docs/results/cards.md
if [ -e "$work/cards.svg" ]; then
  cp "$work/cards.svg" docs/results/cards.svg
else
  rm -f docs/results/cards.svg
fi
echo "wrote docs/results/cards.md and its picture"
