#!/bin/bash
# Runs each fuzzer of the build in B for SECONDS, one after the other, from the kept corpus:
# tests/fuzz/run.sh SECONDS [NAME...].  What makes one fail is left in $B/found/NAME.  SEED makes two
# runs of one build play the same inputs in the same order.  Ends with "N passed, N failed".
set -u
cd "$(dirname "$0")/../.." || exit 1
B=${B:-build/fuzz}
each=${1:?seconds}
shift
passed=0 failed=0
base=/dev/shm
[ -w $base ] || base=/tmp
FUZZ_FOLDER=$(mktemp -d "$base/dbhealth-fuzz.XXXXXX")
export FUZZ_FOLDER
trap 'rm -rf "$FUZZ_FOLDER"' EXIT
trap 'exit 130' INT TERM
export ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1:handle_abort=1
export UBSAN_OPTIONS=print_stacktrace=1

options() { # options NAME: of one fuzzer
	case $1 in
	sqlite) echo "-max_len=65536 -rss_limit_mb=1024" ;;
	*) echo "-max_len=8192 -rss_limit_mb=1024" ;;
	esac
}

for source in tests/fuzz/fuzz-*.c; do
	name=$(basename "$source" .c)
	name=${name#fuzz-}
	[ $# -eq 0 ] || [[ " $* " = *" $name "* ]] || continue
	kept=tests/fuzz/corpus/$name new=$FUZZ_FOLDER/$name.new found=$B/found/$name log=$FUZZ_FOLDER/$name.log
	mkdir -p "$new" "$found"
	more=("-seed=${SEED:-0}")
	[ -e "tests/fuzz/$name.dict" ] && more+=("-dict=tests/fuzz/$name.dict")
	# shellcheck disable=SC2046  # words
	if "$B/fuzz/fuzz-$name" $(options "$name") "${more[@]}" -max_total_time="$each" -timeout=30 \
	    -print_final_stats=1 -artifact_prefix="$found/" "$new" "$kept" >"$log" 2>&1 </dev/null; then
		passed=$((passed + 1))
		echo "fuzz $name: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") inputs," \
		    "$(grep -oE 'cov: [0-9]+' "$log" | tail -n 1)"
	else
		failed=$((failed + 1))
		echo "fuzz $name: FAILED, see $found"
		grep -vE '^#[0-9]+' "$log" | tail -n 60
	fi
done
echo
echo "$passed passed, $failed failed"
[ $failed -eq 0 ] && [ $passed -gt 0 ]
