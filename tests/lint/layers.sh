#!/bin/sh
# Which headers each folder may include.  A folder may always include its own; the C library is
# open to all.  Nothing in lib/ may know a client socket (event2/http.h) or a program's folder.
set -eu
cd "$(dirname "$0")/../.."

libc='[a-z0-9]+\.h|(sys|net|netinet|arpa|linux|bits|asm)/[a-z0-9_]+\.h'
event='event2/(event|event_struct|event_compat|util|thread|buffer|bufferevent|bufferevent_struct|dns|keyvalq_struct)\.h'
found=$(mktemp)
trap 'rm -f "$found"' EXIT

# folder, then what it may include beyond itself and libc.  Third-party headers that look like
# libc's (no folder, letters only) stand in `foreign` below and are allowed by name only.
foreign='seccomp|jansson|pg_query|zstd|expat|yaml|sqlite3|cmocka|event|evhttp|ini_config[a-z]*|collection|ref_array'
while read -r folder allow; do
	[ -d "$folder" ] || continue
	self=$(echo "$folder" | sed 's,^lib/,,')
	grep -rnE '^[[:space:]]*#[[:space:]]*include' --include='*.[ch]' "$folder" |
	    grep -vE "include \"$self/[a-z0-9_-]+\.h\"" |
	    grep -vE "include [\"<]($allow)[\">]" |
	    awk -v libc="^.*include <($libc)>" -v foreign="<($foreign)\\.h>" \
	        '!($0 ~ libc && $0 !~ foreign)' >>"$found" || true
done <<T
lib/base	openssl/(evp|sha)\.h
lib/conf	base/.*|ini_configobj\.h|ini_valueobj\.h|ini_comment\.h|ini_config[a-z]*\.h|ref_array\.h|collection\.h
lib/check	base/.*|jansson\.h
lib/finding	base/.*|check/.*|jansson\.h
lib/worker	base/.*|seccomp\.h|$event
lib/pg	base/.*|worker/.*|libpq-fe\.h|libpq/[a-z-]+\.h|postgres_ext\.h|openssl/[a-z0-9]+\.h|jansson\.h|$event
lib/sqlite	base/.*|worker/.*|sqlite3\.h|jansson\.h
lib/host	base/.*|worker/.*|jansson\.h
lib/migration	base/.*|worker/.*|jansson\.h|expat\.h|yaml\.h
lib/history	base/.*|zstd\.h
lib/migrate	(base|migration|pg|sqlite)/.*|jansson\.h|sqlite3\.h|pg_query\.h|libpq-fe\.h
lib/backup	(base|pg|sqlite|worker)/.*|jansson\.h|sqlite3\.h|libpq-fe\.h|openssl/(evp|sha)\.h
lib/archive	(base|pg|sqlite|worker)/.*|jansson\.h|sqlite3\.h|libpq-fe\.h
lib/data	(base|pg)/.*|sqlite3\.h|jansson\.h
lib/routine	base/.*|jansson\.h
lib/report	base/.*|check/.*|finding/.*|jansson\.h
lib/monitor	(base|conf|check|finding|worker|pg|sqlite|host|migration|migrate|backup|archive|routine|history|report)/.*|jansson\.h|$event
daemon	(base|conf|check|finding|worker|pg|sqlite|host|migration|migrate|backup|archive|routine|history|report|monitor)/.*|jansson\.h|sqlite3\.h|systemd/sd-[a-z]+\.h|event2/.*|curl/curl\.h
cli	(base|conf|check|finding|worker|pg|sqlite|host|migration|migrate|data|backup|archive|routine|history|report|monitor)/.*|jansson\.h|$event
T

# A folder that has no line above would escape.
for folder in lib/*/; do
	grep -q "^${folder%/}	" "$0" || [ "$folder" = lib/checks/ ] ||
	    echo "layer: $folder has no rule in $0" >>"$found"
done
sed 's/^/layer: /; s/^layer: layer:/layer:/' "$found"
! [ -s "$found" ]
