#!/bin/sh
# The built-in check files by the rules of the house, and docs/checks.md against them.  With
# --update the document is written anew.
set -eu
cd "$(dirname "$0")/../.."
B=${B:-build/plain}
make --no-print-directory -s B="$B" "$B/tools/check-table"
if [ "${1:-}" = --update ]; then
	"$B/tools/check-table" --table >docs/checks.md
	exit
fi
status=0
"$B/tools/check-table" || status=1
"$B/tools/check-table" --table | diff -u docs/checks.md - || {
	echo "docs/checks.md differs from the check files: tests/lint/checks.sh --update"
	status=1
}
exit $status
