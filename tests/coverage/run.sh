#!/bin/bash
# Which lines and branches the tests reach: tests/coverage/run.sh [unit] [e2e], of the build in B.
# Counters live in files that the processes map, so killed workers count too.  Writes
# docs/coverage.md; fails when lib/ is below 90 % of lines.
set -u
cd "$(dirname "$0")/../.." || exit 1
export B=${B:-build/coverage}
[ $# -gt 0 ] || set -- unit e2e
rm -rf "$B/profiles"
mkdir -p "$B/profiles"
chmod 1777 "$B/profiles" # some tests run the programs as other users

tests/run.sh "$@" # whether they pass is asked elsewhere, of builds that are not slowed down

llvm-profdata merge -sparse -o "$B/all.profdata" "$B"/profiles/*.profraw || exit 1
objects=()
for program in "$B/dbhealthd" "$B/dbhealth" "$B"/unit/test-* "$B"/fuzz/replay-*; do
	[ -x "$program" ] && objects+=(-object "$program")
done
llvm-cov export -summary-only -instr-profile="$B/all.profdata" "${objects[@]:1}" \
    -ignore-filename-regex='(^|/)(tests|build)/' >"$B/coverage.json" || exit 1
/usr/bin/python3 -B tests/coverage/table.py "$B/coverage.json" docs/coverage.md
