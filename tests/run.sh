#!/bin/bash
# Runs tests of the build in B: tests/run.sh unit e2e.  Ends with "N passed, N failed".
set -u
cd "$(dirname "$0")/.." || exit 1
export B=${B:-build/plain}
passed=0 failed=0

count() { # count PATTERN FILE
	grep -cE "$1" "$2" || true
}

unit() {
	local program out=$B/unit/out status ok not_ok
	export ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1
	for source in tests/unit/test-*.c; do
		[ -e "$source" ] || continue
		program=$B/unit/$(basename "$source" .c)
		CMOCKA_MESSAGE_OUTPUT=TAP timeout 120 "$program" >"$out" 2>&1 </dev/null
		status=$?
		ok=$(count '^ok ' "$out")
		not_ok=$(grep -E '^not ok ' "$out" | grep -vc ' # SKIP') || true
		# A crash, a leak or silence is a failure too, whatever was counted before.
		if [ $status -ne 0 ] && [ "$not_ok" = 0 ]; then not_ok=1; fi
		if [ "$ok" = 0 ] && [ "$not_ok" = 0 ]; then not_ok=1; fi
		passed=$((passed + ok)) failed=$((failed + not_ok))
		if [ "$not_ok" = 0 ]; then
			echo "unit $(basename "$program"): $ok passed"
		else
			echo "unit $(basename "$program"): $not_ok FAILED (exit $status)"
			grep -vE '^ok ' "$out" | tail -n 60
		fi
	done
	replay
	rm -f "$out"
}

# What fuzzers found and what they need to begin with, through the same harnesses.
replay() {
	local name status
	for source in tests/fuzz/fuzz-*.c; do
		name=$(basename "$source" .c)
		name=${name#fuzz-}
		timeout 120 "$B/fuzz/replay-$name" "tests/fuzz/corpus/$name" >"$out" 2>&1 </dev/null
		status=$?
		if [ $status -eq 0 ]; then
			passed=$((passed + 1))
			echo "fuzz corpus $name: $(tail -n 1 "$out")"
		else
			failed=$((failed + 1))
			echo "fuzz corpus $name: FAILED (exit $status)"
			tail -n 40 "$out"
		fi
	done
}

python=/usr/bin/python3 # Debian's, which sees Debian's modules

pytest_run() { # pytest_run NAME ARGUMENT...
	local report=$B/e2e-$1.xml sums
	shift
	rm -f "$report"
	"$python" -B -m pytest -p no:cacheprovider -q --tb=short --timeout="$limit" --timeout-method=signal \
	    --junitxml="$report" "$@" tests/e2e </dev/null
	local status=$?
	[ $status -eq 5 ] && return # none selected
	sums=$("$python" - "$report" <<'P'
import sys, xml.etree.ElementTree as tree
cases = list(tree.parse(sys.argv[1]).getroot().iter("testcase"))
bad = {(c.get("classname"), c.get("name")) for c in cases if c.find("failure") is not None or c.find("error") is not None}
good = {(c.get("classname"), c.get("name")) for c in cases if c.find("skipped") is None} - bad
print(len(good), len(bad))
P
	) || sums="0 1"
	# pytest that fails without naming a test (a broken conftest, an interrupt) is a failure too
	[ $status -ne 0 ] && [ "${sums#* }" = 0 ] && sums="${sums% *} 1"
	passed=$((passed + ${sums% *})) failed=$((failed + ${sums#* }))
}

e2e() {
	local limit=180 workers=3
	case $B in *asan*) limit=400 workers=2 ;; esac
	# What watches time runs alone; the rest side by side, a file to a process: most of it waits.
	# shellcheck disable=SC2086  # options for pytest: words
	pytest_run rest -m "not timed and not alone" -n "$workers" --dist loadfile ${PYTEST:-}
	# shellcheck disable=SC2086
	pytest_run alone -m "timed or alone" ${PYTEST:-}
}

# Each check of the catalogue against a real database: a line a check.
catalogue() { # catalogue [PATH...]
	local -a paths=("$@")
	[ $# -gt 0 ] || paths=(tests/e2e)
	# shellcheck disable=SC2086
	DBHEALTH_CATALOGUE=1 "$python" -B -m pytest -p no:cacheprovider -q --tb=short --timeout=400 \
	    --timeout-method=signal -m proves -n 2 --dist loadfile ${PYTEST:-} "${paths[@]}" </dev/null
}

if [ "${1:-}" = catalogue ]; then
	shift
	catalogue "$@"
	exit
fi
for suite in "$@"; do
	case $suite in
	unit | e2e) "$suite" ;;
	*) echo "usage: tests/run.sh unit|e2e ... or catalogue [PATH...]" >&2; exit 64 ;;
	esac
done
[ $((passed + failed)) -gt 0 ] || failed=1
echo
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
