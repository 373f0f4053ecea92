#!/bin/sh
# Makes the demonstration in the folder given: a database with faults, one that is damaged, and a
# configuration that watches both and a PostgreSQL of this host that lets us in.
set -eu
folder=$1
here=$(dirname "$0")
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
rm -rf "$folder/state"
mkdir -p "$folder/state"
chmod 700 "$folder/state"
rm -f "$folder"/*.db "$folder"/*.db-*

sqlite3 -batch "$folder/shop.db" <"$here/shop.sql"

# Damage as a failing disk leaves it: one page in the middle of a table, and one of its index.
sqlite3 -batch "$folder/damaged.db" <<'S'
CREATE TABLE measurements(id INTEGER PRIMARY KEY, sensor TEXT NOT NULL, value REAL);
CREATE INDEX measurements_sensor ON measurements(sensor, value);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
INSERT INTO measurements SELECT i, 'sensor-' || (i % 50), i / 7.0 FROM n;
S
page_of() { # the page of b-tree $1 that lies in the middle of its leaves
	sqlite3 -batch "$folder/damaged.db" "SELECT pageno FROM dbstat WHERE name = '$1'
	    AND pagetype = 'leaf' ORDER BY path LIMIT 1 OFFSET 20" 2>/dev/null ||
	    echo $((20 + ${#1}))
}
for tree in measurements measurements_sensor; do
	page=$(page_of "$tree")
	size=$(sqlite3 -batch "$folder/damaged.db" 'PRAGMA page_size')
	printf 'this page was overwritten by something that is no database' |
	    dd of="$folder/damaged.db" bs=1 seek=$(((page - 1) * size)) conv=notrunc 2>/dev/null
done

# A socket path has at most 107 bytes; a deep checkout falls back to /tmp.
socket=$folder/dbhealthd.sock
if [ ${#socket} -gt 100 ]; then
	socket=$(mktemp -d /tmp/dbhealthd-demo.XXXXXX)/sock
fi

# The roles a local server may know us by, tried in turn; nothing is created on it.
role_for() { # role_for FOLDER PORT
	command -v psql >/dev/null || return 1
	for role in ${PGUSER:-} dbhealth "$(id -un)" postgres; do
		if PGCONNECT_TIMEOUT=3 psql -X -w -h "$1" -p "$2" -U "$role" -d postgres -Atc 'SELECT 1' \
		    >/dev/null 2>&1 </dev/null; then
			echo "$role"
			return
		fi
	done
	return 1
}

conf=$folder/dbhealthd.conf
umask 077
cat >"$conf" <<C
# Made by "make run".  The words of each key: dbhealthd --help-config
[daemon]
socket = $socket
state_dir = $folder/state

[database shop]
dsn = sqlite:$folder/shop.db
require_tables = users, orders, audit_log
require_relationships = orders.user_id -> users.id, events.user_id -> users.id

[database damaged]
dsn = sqlite:$folder/damaged.db
C
n=0
for path in /var/run/postgresql/.s.PGSQL.* /tmp/.s.PGSQL.*; do
	[ -S "$path" ] || continue
	dir=$(dirname "$path") port=${path##*.}
	if role=$(role_for "$dir" "$port"); then
		n=$((n + 1))
		cat >>"$conf" <<C

[database local$n]
dsn = postgresql://$role@/postgres?host=$dir&port=$port
databases = *
C
	else
		echo "PostgreSQL in $dir, port $port, does not let us in; to have it watched too," \
		    "see \"Watch a PostgreSQL\" in README.md"
	fi
done
echo "$socket" >"$folder/socket"
