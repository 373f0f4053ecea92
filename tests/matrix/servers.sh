#!/bin/bash
# PostgreSQL as Debian's suites ship it, each in a folder of its own, to be run from there beside what
# is installed: tests/matrix/servers.sh FOLDER [VERSION...].  Prints a line a server: VERSION BINDIR.
# debootstrap fetches the packages with all they depend on, verified; they are unpacked, not installed.
set -euo pipefail
[ "$(id -u)" = 0 ] || { echo "$0: debootstrap needs root" >&2; exit 77; }
folder=$(realpath -m "${1:?folder}")
shift
suites="13=bullseye 15=bookworm 17=trixie 18=sid"
wanted=${*:-13 15 17 18}

# What a program of another release needs is in its own folder: its loader and its libraries.
relink() { # relink ROOT BINDIR
	local loader libs
	loader=$(find "$1" \( -name 'ld-linux-*.so.*' -o -name 'ld-2.*.so' \) -type f -print -quit)
	libs=$(dpkg-architecture -qDEB_HOST_MULTIARCH 2>/dev/null || gcc -print-multiarch)
	for program in "$2"/*; do
		patchelf --print-interpreter "$program" >/dev/null 2>&1 || continue
		patchelf --set-interpreter "$loader" "$program"
		patchelf --force-rpath --set-rpath "$1/usr/lib/$libs:$1/lib/$libs" "$program"
	done
}

make_server() { # make_server VERSION SUITE
	local root=$folder/$1 packages=$folder/$1.packages
	rm -rf "$root" "$packages"
	mkdir -p "$root"
	debootstrap --download-only --variant=minbase --include="postgresql-$1" "$2" "$packages" >"$folder/$1.log" 2>&1 ||
	    { tail -n 20 "$folder/$1.log" >&2; return 1; }
	for package in "$packages"/var/cache/apt/archives/*.deb; do
		dpkg-deb -x "$package" "$root"
	done
	rm -rf "$packages"
	relink "$root" "$root/usr/lib/postgresql/$1/bin"
	chmod -R go+rX "$root"
	"$root/usr/lib/postgresql/$1/bin/postgres" --version >"$root/made"
}

mkdir -p "$folder"
for pair in $suites; do
	version=${pair%=*}
	[[ " $wanted " = *" $version "* ]] || continue
	[ -e "$folder/$version/made" ] || make_server "$version" "${pair#*=}" &
done
status=0
for job in $(jobs -p); do wait "$job" || status=1; done
for version in $wanted; do
	[ -e "$folder/$version/made" ] && echo "$version $folder/$version/usr/lib/postgresql/$version/bin"
done
exit $status
