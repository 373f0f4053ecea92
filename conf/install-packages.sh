#!/bin/sh
# Installs the Debian packages that a purpose needs: build, test, lint, systemd, bench, fuzz,
# matrix (several may be named).
# Asks the package manager for nothing when all are there.
set -eu

build="gcc libc6-dev make pkg-config libevent-dev libpq-dev libsqlite3-dev libjansson-dev
	libini-config-dev libsystemd-dev libssl-dev libcurl4-openssl-dev libexpat1-dev libyaml-dev libseccomp-dev
	libzstd-dev libpg-query-dev sqlite3"
test="postgresql libcmocka-dev python3 python3-pytest python3-pytest-timeout python3-pytest-xdist
	python3-psycopg2 python3-jsonschema pgbouncer sqlite3 iproute2 util-linux psmisc acl faketime age gnupg
	prometheus python3-prometheus-client python3-alembic python3-django systemd"
systemd="debootstrap systemd-container python3 util-linux"
lint="clang clang-format clang-tidy cppcheck mandoc shellcheck"
bench="prometheus-postgres-exporter prometheus-sql-exporter check-postgres"
fuzz="clang libclang-rt-dev llvm"
matrix="debootstrap debian-archive-keyring patchelf dpkg xz-utils"

missing=
for purpose in "$@"; do
	case $purpose in
	build) list=$build ;;
	test) list=$test ;;
	lint) list=$lint ;;
	systemd) list=$systemd ;;
	bench) list=$bench ;;
	fuzz) list=$fuzz ;;
	matrix) list=$matrix ;;
	*) echo "usage: $0 build|test|lint|systemd|bench|fuzz|matrix ..." >&2; exit 64 ;;
	esac
	for package in $list; do
		status=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) || status=absent
		[ "$status" = installed ] || missing="$missing $package"
	done
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ]; then
	as_root=
elif command -v sudo >/dev/null; then
	as_root=sudo
else
	echo "$0: these packages are missing, and sudo to install them too:$missing" >&2
	exit 1
fi
echo "installing:$missing"

# The server's package would make and start a cluster "main", PgBouncer's would start too; tests run
# their own, privately.
case $missing in
*postgresql*)
	if ! [ -e /etc/postgresql-common/createcluster.conf ]; then
		$as_root mkdir -p /etc/postgresql-common
		echo 'create_main_cluster = false' |
		    $as_root tee /etc/postgresql-common/createcluster.conf >/dev/null
	fi
	;;
esac
policy=/usr/sbin/policy-rc.d
if [ -e "$policy" ]; then
	policy=
else
	printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null
	$as_root chmod 755 "$policy"
fi
log=$(mktemp)
done_with() {
	rm -f "$log"
	[ -z "$policy" ] || $as_root rm -f "$policy"
}
trap done_with EXIT
trap 'exit 130' INT TERM

apt() {
	$as_root env DEBIAN_FRONTEND=noninteractive UCF_FORCE_CONFFOLD=1 apt-get -qq -y \
	    -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confold -o Acquire::Retries=3 "$@" </dev/null
}
# shellcheck disable=SC2086  # a list of words
if ! { apt update && apt install --no-install-recommends $missing; } >"$log" 2>&1; then
	tail -n 30 "$log" >&2
	echo "$0: packages could not be installed:$missing" >&2
	exit 1
fi
for service in pgbouncer prometheus prometheus-postgres-exporter prometheus-sql-exporter; do
	case "$missing " in
	*" $service "*)
		! [ -d /run/systemd/system ] || $as_root systemctl disable --quiet "$service" || true
		;;
	esac
done
