#!/bin/bash
# Every lint, one line each; ends with "N passed, N failed".  With names: those alone.
set -u
cd "$(dirname "$0")/../.." || exit 1
passed=0 failed=0
out=$(mktemp)
trap 'rm -f "$out"' EXIT
jobs=$(nproc)
mapfile -t sources < <(find lib daemon cli tests/unit tests/fuzz tests/tools tests/bench -name '*.c' 2>/dev/null | sort)
mapfile -t headers < <(find lib daemon cli tests/unit tests/fuzz tests/tools -name '*.h' 2>/dev/null | sort)
declare -a only=("$@")

step() { # step NAME COMMAND...
	local name=$1 start=$SECONDS
	shift
	[ ${#only[@]} -eq 0 ] || [[ " ${only[*]} " == *" $name "* ]] || return
	if "$@" >"$out" 2>&1 </dev/null; then
		passed=$((passed + 1))
		echo "lint $name: ok ($((SECONDS - start)) s)"
	else
		failed=$((failed + 1))
		echo "lint $name: FAILED"
		tail -n "${LINT_LINES:-60}" "$out"
	fi
}

format() { clang-format --dry-run -Werror "${sources[@]}" "${headers[@]}"; }

# The compiler's own view: no warning from either, everything the build makes.
warnings() { make --no-print-directory -s -j"$jobs" B="build/$1" CC="$1" WERROR=1 all tests; }

tidy() {
	local -a flags
	mapfile -t flags < <(make --no-print-directory -s CC=clang print-cflags | xargs -n1)
	local -a program=()
	for file in "${sources[@]}"; do
		case $file in tests/*) ;; *) program+=("$file") ;; esac
	done
	printf '%s\0' "${program[@]}" |
	    xargs -0 -n 1 -P "$jobs" sh -c 'f=; while [ "$1" != -- ]; do f="$f $1"; shift; done; shift
		clang-tidy --quiet "$@" -- $f 2>&1' sh "${flags[@]}" -- |
	    grep -vE '^[0-9]+ warnings? |^Suppressed |^Use -header|^$' >"$out.tidy"
	sort -u "$out.tidy" | grep -E "warning:|error:"
	! grep -q "error:" "$out.tidy"
	local status=$?
	rm -f "$out.tidy"
	return $status
}

# Leaks are the sanitizers' part: cppcheck does not know the cleanup attribute.
static_analysis() {
	cppcheck --quiet --error-exitcode=1 --std=c11 --enable=warning,portability --inline-suppr \
	    --suppress=missingIncludeSystem --suppress=resourceLeak --suppress=memleak \
	    --suppress=readdirCalled --suppress=getpwuidCalled --suppress=getgrnamCalled --suppress=getpwnamCalled \
	    --suppress=arrayIndexThenCheck "-Devutil_timercmp(a,b,op)=((a)->tv_sec op (b)->tv_sec)" \
	    --library=posix --include=/usr/include/jansson.h \
	    --include="/usr/include/$(gcc -print-multiarch)/sys/queue.h" \
	    -j "$jobs" -Ilib -I. -D_GNU_SOURCE '-DDBHEALTHD_VERSION="0"' lib daemon cli
}

# Quiet in every respect; what one page refers to must be another of ours.
manuals() {
	local man=build/lint/man
	local -a pages
	mapfile -t pages < <(find docs -name '*.[1-8]' | sort)
	[ ${#pages[@]} -gt 0 ] || return
	rm -rf "$man"
	for page in "${pages[@]}"; do
		install -D -m 644 "$page" "$man/man${page##*.}/$(basename "$page")"
	done
	makewhatis "$PWD/$man" && MANPATH=$PWD/$man mandoc -Tlint -W style "${pages[@]}"
}

scripts() {
	shellcheck -S warning .ci/run conf/*.sh conf/demo/*.sh tests/*.sh tests/lint/*.sh tests/matrix/*.sh
}

python_files() {
	/usr/bin/python3 -B -W error - <<'P'
import pathlib, sys
for path in sorted(pathlib.Path("tests").rglob("*.py")):
    compile(path.read_text(), str(path), "exec")
P
}

step gcc warnings gcc
step clang warnings clang
step format format
step cppcheck static_analysis
step tidy tidy
step manuals manuals
step scripts scripts
step python python_files
for lint in tests/lint/*.sh tests/lint/*.py; do
	[ -e "$lint" ] && [ "$lint" != tests/lint/run.sh ] || continue
	name=$(basename "${lint%.*}")
	case $lint in
	*.py) step "$name" /usr/bin/python3 -B "$lint" ;;
	*) step "$name" sh "$lint" ;;
	esac
done
echo
echo "$passed passed, $failed failed"
[ $failed -eq 0 ] && [ $passed -gt 0 ]
