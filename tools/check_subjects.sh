#!/usr/bin/env bash
# Fails when a commit's subject is longer than 72 characters: git log, mails and web pages cut it there. Commits from before
# this check are left alone. Nothing to check outside a git checkout, or where its history does not reach back that far.
set -euo pipefail
cd "$(dirname "$0")/.."
export LC_ALL=C.UTF-8  # characters, not bytes
before=d4713f0e7112
longest=72
git merge-base --is-ancestor "$before" HEAD 2>/dev/null || exit 0
bad=0
while read -r commit subject; do
  if [ ${#subject} -gt $longest ]; then
    echo "commit $commit: the subject has ${#subject} characters, at most $longest: $subject" >&2
    bad=1
  fi
done < <(git log --no-merges --format='%h %s' "$before..HEAD")
exit $bad
