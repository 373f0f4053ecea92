#!/bin/bash
# The catalogue on each version of PostgreSQL that Debian ships: tests/matrix/run.sh [--table] [VERSION...].
# --table: the table of proofs, every body and a diff across versions, not what needs a server or a daemon of its own.
# Ends with "N passed, N failed" over checks and versions.
set -u
cd "$(dirname "$0")/../.." || exit 1
what=(tests/e2e)
if [ "${1:-}" = --table ]; then
	what=(tests/e2e/proofs tests/e2e/test_proof_postgresql.py tests/e2e/test_diff.py)
	shift
fi
passed=0 failed=0
servers=$(tests/matrix/servers.sh "${MATRIX:-build/matrix}" "$@") || failed=1
log=$(mktemp)
trap 'rm -f "$log"' EXIT
while read -r version bindir; do
	echo "== PostgreSQL $version"
	DBHEALTH_PG_BINDIR=$bindir PYTEST="-k not(sqlite)" tests/run.sh catalogue "${what[@]}" 2>&1 | tee "$log"
	sums=$(grep -E '^[0-9]+ passed, [0-9]+ failed$' "$log" | tail -n 1)
	if [[ $sums =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]]; then
		passed=$((passed + BASH_REMATCH[1])) failed=$((failed + BASH_REMATCH[2]))
	else
		failed=$((failed + 1))
	fi
done <<<"$servers"
echo
echo "$passed passed, $failed failed"
[ $failed -eq 0 ] && [ $passed -gt 0 ]
