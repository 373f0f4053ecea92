#!/bin/bash
# "make run": dbhealthd on sample databases, with everything it writes below build/demo.
set -u
cd "$(dirname "$0")/../.." || exit 1
B=${B:-build/plain}
demo=build/demo

conf/demo/make.sh "$demo" || exit 1
socket=$(cat "$demo/socket")
log=$demo/dbhealthd.log

"$B/dbhealthd" -c "$demo/dbhealthd.conf" --foreground --log=text >"$log" 2>&1 &
daemon=$!
tail=
stop() {
	trap '' INT TERM
	echo
	echo "stopping ..."
	kill -TERM "$daemon" 2>/dev/null
	wait "$daemon"
	local status=$?
	[ -z "$tail" ] || kill "$tail" 2>/dev/null
	[ "$status" -eq 0 ] || echo "dbhealthd ended with $status; its log: $log" >&2
	exit "$status"
}
trap stop INT TERM HUP

ask() { "$B/dbhealth" --socket "$socket" "$@"; }
ended() {
	wait "$daemon"
	local status=$?
	cat "$log" >&2
	echo "dbhealthd ended with $status" >&2
	exit 1
}

# 69 is "not reachable": it is up a moment after its start.
for _ in $(seq 100); do
	ask -q status >/dev/null 2>&1
	[ $? -ne 69 ] && break
	kill -0 "$daemon" 2>/dev/null || ended
	sleep 0.1
done
# Looking now needs no second run to believe what it sees; the schedule alone would take its time.
names() { ask -o json status | grep -o '"name": *"[^"]*"' | cut -d'"' -f4 | sort -u | head -n 20; }
for name in $(names); do
	for probe in connectivity schema integrity performance; do
		ask -q run "$name" "$probe" >/dev/null 2>&1
	done
done
kill -0 "$daemon" 2>/dev/null || ended

echo
ask status
cat <<T

dbhealthd is watching.  In another terminal:
  $B/dbhealth --socket $socket status
  $B/dbhealth --socket $socket explain fk-orphan-rows
  curl --unix-socket $socket http://localhost/v1/findings
Configuration $demo/dbhealthd.conf, log $log.  Ctrl-C ends it.

T
tail -n 0 -F "$log" 2>/dev/null &
tail=$!
wait "$daemon"
status=$?
kill "$tail" 2>/dev/null
exit "$status"
