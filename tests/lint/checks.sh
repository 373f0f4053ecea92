#!/bin/sh
# The built-in check files by the rules of the house; docs/checks.md, the list of facts in the manual
# and the manual's examples against the program.  With --update the two lists are written anew.
set -eu
cd "$(dirname "$0")/../.."
B=${B:-build/plain}
manual=docs/dbhealthd-checks.5
make --no-print-directory -s B="$B" "$B/tools/check-table"
tool=$B/tools/check-table
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$tool" --table >"$work/checks.md"
"$tool" --facts >"$work/facts"
awk -v facts="$work/facts" '
	/^\.\\" facts end/ { inside = 0 }
	!inside { print }
	/^\.\\" facts begin/ { inside = 1; while ((getline line < facts) > 0) print line }
' "$manual" >"$work/manual"

if [ "${1:-}" = --update ]; then
	cat "$work/checks.md" >docs/checks.md
	cat "$work/manual" >"$manual"
	exit
fi
status=0
"$tool" || status=1
for pair in "docs/checks.md checks.md" "$manual manual"; do
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
exit $status
