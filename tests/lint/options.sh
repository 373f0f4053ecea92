#!/bin/sh
# The option table against what is written about it: dbhealthd.conf(5) and the sample name the same
# keys in the same sections with the same types, defaults and remarks; the sample is accepted, as it
# is and with every key uncommented, and so are the manual's examples.
set -eu
cd "$(dirname "$0")/../.."
B=${B:-build/gcc}
if [ -z "${DBHEALTHD:-}" ]; then
	DBHEALTHD=$B/dbhealthd
	make -s --no-print-directory B="$B" "$DBHEALTHD"
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

"$DBHEALTHD" --help-config >"$work/help"

# section|key|type|default|example|remarks
awk '
function flush() {
	if (key != "")
		print section "|" key "|" type "|" def "|" example "|" remarks
	key = ""
}
/^\[/ { flush(); section = $1; gsub(/[][]/, "", section); next }
/^  [^ ]/ {
	flush()
	key = $1
	def = "-"
	example = remarks = ""
	text = $0
	sub(/^[^(]*\(/, "", text)
	sub(/\)$/, "", text)
	n = split(text, part, "; ")
	type = part[1]
	sub(/: .*/, "", type)
	for (i = 2; i <= n; i++)
		if (part[i] ~ /^default /)
			def = substr(part[i], 9)
		else if (part[i] ~ /restart/)
			remarks = remarks "restart "
		else if (part[i] ~ /not in effect/)
			remarks = remarks "later "
	next
}
/^        example: / { example = $0; sub(/^[^=]*= /, "", example) }
END { flush() }' "$work/help" >"$work/table"
[ "$(wc -l <"$work/table")" -gt 50 ] || {
	echo "--help-config lists hardly anything"
	exit 1
}

# The manual, in the same form; in roff a backslash begins an escape.
awk '
function flush() {
	if (key != "")
		print section "|" key "|" type "|" def "|" example "|" remarks
	key = ""
}
{ gsub(/\\\(dq/, "\""); gsub(/\\&/, ""); gsub(/\\e/, "\\") }
/^\.S[sh] / { flush(); section = $2; gsub(/[][]/, "", section); next }
/^\.It Cm [^ ]* No = Ar / {
	flush()
	key = $3
	type = $0
	sub(/^.* Ar /, "", type)
	def = "-"
	example = remarks = ""
	next
}
previous == "Default:" && /^\.Ql / { def = $0; sub(/^\.Ql /, "", def); sub(/ \.$/, "", def) }
previous == "Example:" && /^\.Ql / { example = $0; sub(/^[^=]*= /, "", example) }
/^Applied by a restart/ { remarks = remarks "restart " }
/^Not in effect in this version/ { remarks = remarks "later " }
{ previous = $0 }
END { flush() }' docs/dbhealthd.conf.5 >"$work/manual"

# The sample: a key stands there with its default, or with its example where it has none.
awk '
/^#?\[/ { section = $1; gsub(/[][#]/, "", section); if (section == "defaults") section = "database"; next }
/^#[a-z_.]+ = / {
	key = substr($1, 2)
	if (key ~ /^param\./)
		key = "param.*"
	value = $0
	sub(/^[^=]*= /, "", value)
	remarks = ""
	if (text ~ /pplied by a restart/)
		remarks = remarks "restart "
	if (text ~ /ot in effect in this version/)
		remarks = remarks "later "
	print section "|" key "|" value "|" remarks
}
/^# / { text = text substr($0, 2); next }
{ text = "" }' conf/dbhealthd.conf >"$work/sample"

compare() { # compare WHAT EXPECTED GOT
	sort "$2" >"$2.sorted"
	sort "$3" >"$3.sorted"
	diff "$2.sorted" "$3.sorted" >"$work/diff" && return
	echo "$1 differs from --help-config (< table, > $1):"
	cat "$work/diff"
	failed=1
}
compare dbhealthd.conf.5 "$work/table" "$work/manual"
awk -F'|' '{ print $1 "|" $2 "|" ($4 == "-" ? $5 : $4) "|" $6 }' "$work/table" >"$work/expected"
compare dbhealthd.conf "$work/expected" "$work/sample"

# Groups of this machine are not what is tested.
install -m 600 conf/dbhealthd.conf "$work/asis.conf"
sed -e 's/^#\([[a-z]\)/\1/' -e 's/_group = .*/_group = root/' conf/dbhealthd.conf >"$work/all.conf"
awk '/^\.Sh / { examples = /EXAMPLES/ } /^\.Ed/ { on = 0; print "" } examples && on
/^\.Bd/ { on = 1 }' docs/dbhealthd.conf.5 >"$work/manual.conf"
mkdir "$work/credentials"
echo secret >"$work/credentials/billing-password"
export CREDENTIALS_DIRECTORY="$work/credentials"
for file in asis all manual; do
	chmod 600 "$work/$file.conf"
	"$DBHEALTHD" -c "$work/$file.conf" --check-config >"$work/out" 2>&1 && continue
	echo "refused: the sample as it is, with all keys, or the examples of the manual ($file)"
	cat "$work/out"
	failed=1
done
exit $failed
