#!/bin/bash
# Proves the README's two commands on a fresh Debian 12 that has git and make and nothing else of
# ours: a debootstrap folder, this repository cloned into it, `make run` until it shows its status
# and ends cleanly on Ctrl-C, then `make test`.  Needs root and a mirror.  SHORT=1 runs the unit
# tests and one file of the end-to-end tests.  CACHE=FILE.tar keeps the bare system for next time.
set -eu
cd "$(dirname "$0")/.."
top=$PWD
[ "$(id -u)" = 0 ] || { echo "$0: needs root" >&2; exit 77; }
command -v debootstrap >/dev/null || { echo "$0: needs debootstrap" >&2; exit 77; }

# Mounts and processes of a namespace of our own: they end with it.
if [ -z "${FRESH_INSIDE:-}" ]; then
	FRESH_INSIDE=1 exec unshare --mount --pid --fork --kill-child --propagation private "$0" "$@"
fi

work=$(mktemp -d /var/tmp/dbhealthd-fresh.XXXXXX)
root=$work/root
clean() {
	umount -l "$root/dev" "$root/sys" "$root/proc" "$root" 2>/dev/null || true
	rm -rf --one-file-system "$work"
}
trap clean EXIT
trap 'exit 130' INT TERM

mkdir "$root"
mount --bind "$root" "$root" # a mount point, as the root of a machine is
if [ -n "${CACHE:-}" ] && [ -f "$CACHE" ]; then
	tar -C "$root" -xpf "$CACHE"
else
	debootstrap --variant=minbase --include=git,make,ca-certificates bookworm "$root" >"$work/log" 2>&1 ||
	    { tail -n 30 "$work/log" >&2; exit 1; }
	[ -z "${CACHE:-}" ] || tar -C "$root" -cpf "$CACHE" .
fi
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount --rbind /dev "$root/dev"
cp -L /etc/resolv.conf "$root/etc/resolv.conf"
cp /etc/hosts "$root/etc/hosts"
git clone -q --no-hardlinks "$top" "$root/root/dbhealthd"

inside() { # a clean environment, as a login would give
	chroot "$root" /usr/bin/env -i HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
	    LANG=C.UTF-8 CI="${CI:-}" PYTEST="${PYTEST:-}" sh -c "cd /root/dbhealthd && $1"
}

passed=0 failed=0
say() { # say STATUS TEXT
	if [ "$1" = 0 ]; then passed=$((passed + 1)); echo "ok      $2"; else failed=$((failed + 1)); echo "FAILED  $2"; fi
}

: >"$work/run.log"
# make run, in a process group of its own that gets what Ctrl-C sends.
set -m
inside "exec make run" >"$work/run.log" 2>&1 </dev/null &
run_pid=$!
set +m
deadline=$((SECONDS + 900)) shown=1
until grep -q 'Ctrl-C ends it' "$work/run.log"; do
	if ! kill -0 "$run_pid" 2>/dev/null || [ $SECONDS -gt $deadline ]; then shown=0; break; fi
	sleep 0.5
done
cat "$work/run.log"
if [ $shown = 1 ]; then
	say 0 "make run shows its status"
	for word in shop damaged fk-orphan-rows conv-required-table-missing sqlite-; do
		grep -q -- "$word" "$work/run.log" && say 0 "it names $word" || say 1 "it names $word"
	done
	kill -INT -- "-$run_pid"
	wait "$run_pid" || true
	# The daemon removes its socket when it ended in order.
	[ ! -S "$root/root/dbhealthd/build/demo/dbhealthd.sock" ] && say 0 "it ends cleanly" || say 1 "it ends cleanly"
else
	say 1 "make run shows its status"
fi

[ -z "${SHORT:-}" ] || export PYTEST="-k test_support"
if inside "make test" >"$work/test.log" 2>&1 </dev/null; then
	say 0 "make test"
else
	say 1 "make test"
	grep -E -A 25 ' FAILED|^FAILED|^E  ' "$work/test.log" | head -n 150
fi
tail -n 15 "$work/test.log"
clusters=$(ls "$root/etc/postgresql" 2>/dev/null | wc -l)
[ "$clusters" = 0 ] && say 0 "no main cluster was made" || say 1 "no main cluster was made"

echo
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
