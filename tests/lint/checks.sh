#!/bin/sh
# The built-in check files by the rules of the house; docs/checks.md, the lists of facts and metrics in
# the manuals and the manual's examples against the program.  With --update the lists are written anew.
set -eu
cd "$(dirname "$0")/../.."
B=${B:-build/plain}
manual=docs/dbhealthd-checks.5
metrics=docs/dbhealthd-metrics.5
make --no-print-directory -s B="$B" "$B/tools/check-table"
tool=$B/tools/check-table
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$tool" --table >"$work/checks.md"
fill() { # fill WORD MANUAL: the manual with its list of WORD as the program has it
	"$tool" "--$1" >"$work/$1"
	awk -v list="$work/$1" -v word="$1" '
		index($0, ".\\\" " word " end") == 1 { inside = 0 }
		!inside { print }
		index($0, ".\\\" " word " begin") == 1 { inside = 1; while ((getline line < list) > 0) print line }
	' "$2"
}
fill facts "$manual" >"$work/manual"
fill metrics "$metrics" >"$work/metrics.5"

if [ "${1:-}" = --update ]; then
	cat "$work/checks.md" >docs/checks.md
	cat "$work/manual" >"$manual"
	cat "$work/metrics.5" >"$metrics"
	exit
fi
status=0
"$tool" || status=1
for pair in "docs/checks.md checks.md" "$manual manual" "$metrics metrics.5"; do
	diff -u "${pair% *}" "$work/${pair#* }" || {
		echo "${pair% *} differs from the program: tests/lint/checks.sh --update"
		status=1
	}
done

# Every literal display that begins with a head is a whole check, as people will copy it.
awk -v work="$work" '
	/^\.Bd -literal/ { inside = 1; next }
	/^\.Ed/ { inside = 0; next }
	inside && /^-- id: / { n++ }
	inside && n { print >(work "/example" n) }
' "$manual"
[ -e "$work/example2" ] || { echo "$manual: where are the examples?"; status=1; }
for example in "$work"/example*; do
	"$tool" --parse <"$example" || { echo "$manual: an example does not parse"; status=1; }
done

# What is embedded is the file, whatever bytes are in it; and no file at all is an empty table.
mkdir "$work/embed"
cd "$work/embed"
printf 'a "quote" \\ and \\n ??/ %%s \t\001\177 \303\251 \\001\n\n-- end\n' >'odd "1".sql'
: >empty.sql
cat >print.c <<'C'
#include "check/embedded.h"
#include <stdio.h>
int
main(void)
{
	for (size_t i = 0; i < embedded_checks_n; i++)
		printf("%s", embedded_checks[i].text);
	return (int)embedded_checks_n;
}
C
embeds() { # embeds FILE...
	awk -f "$OLDPWD/lib/check/embed.awk" "$@" >table.c </dev/null &&
	    ${CC:-cc} -Wall -Werror -I"$OLDPWD/lib" -o print print.c table.c || return 1
	n=0
	./print >out || n=$?
	cat /dev/null "$@" | cmp - out && [ "$n" -eq $# ]
}
embeds || { echo "embed.awk: no file is not an empty table"; status=1; }
embeds empty.sql 'odd "1".sql' || { echo "embed.awk: other bytes than the file's"; status=1; }

# Parts of the file itself serve it alone and are not printed; what cannot be put in fails the build.
printf -- '-- @part both(X)\n\t{X} AND @mine\n' >parts
expands() { # expands WANTED TEXT
	printf '%b' "$2" >check.sql
	wanted=$(printf '%b' "$1")
	seen=$(awk -f "$OLDPWD/lib/check/expand.awk" parts check.sql 2>/dev/null || echo refused)
	[ "$seen" = "$wanted" ] || { echo "expand.awk: $2: $seen"; status=1; }
}
expands '-- @when x\nSELECT \t(1, 2) AND f(3)' '-- @part mine\nf(3)\n-- @end\n-- @when x\nSELECT @both((1, 2))\n'
expands '-- as @mine\nSELECT b' '-- @part a(B)\n{B}\n-- @end\n-- as @mine\nSELECT @a(b)\n'
expands 'SELECT b\nrefused' '-- @part a\nb\n-- @end\n-- @part c\nd\n-- @end\nSELECT @a\n' # c is idle
expands refused '-- @part a\nSELECT @a\n'                                                 # without an end
expands 'b\nrefused' '-- @part both\nb\n-- @end\n@both\n'                                 # is there already
exit $status
