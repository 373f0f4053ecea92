# dbhealthd: one Makefile, all targets.  B is the build folder, SAN the sanitizers.
#   make run                a demonstration on a fresh Debian: packages, build, sample databases
#   make test               packages, build, every test
#   make check              tests and lints, nothing is installed
#   make test-systemd       the service in a Debian of its own (root)
#   make B=build/asan SAN=address,undefined test
B       ?= build/plain
SAN     ?=
WERROR  ?=
VERSION := $(shell sed -n '1s/.*dbhealthd \([0-9.]*\).*/\1/p' CHANGES)
PKGS    := libevent_core libevent_extra libpq sqlite3 jansson libsystemd ini_config libcrypto expat yaml-0.1 libseccomp libzstd
DESTDIR    ?=
PREFIX     ?= /usr/local

WARN    := -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
           -Wold-style-definition -Wpointer-arith -Wwrite-strings -Wundef -Wformat=2 -Wvla \
           -Wimplicit-fallthrough -Wswitch-enum -Wno-sign-conversion -Wno-missing-field-initializers
OPT     := $(if $(SAN),-O1 -g -fno-omit-frame-pointer -fsanitize=$(SAN) -fno-sanitize-recover=all,\
             -O2 -g -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE)
LINK    := $(if $(SAN),-fsanitize=$(SAN),-pie -Wl,-z,relro,-z,now)
CFLAGS  ?=
# Asked once and only by a compilation: pkg-config itself may not be there before `make run`.
PC_CFLAGS = $(eval PC_CFLAGS := $(shell pkg-config --cflags $(PKGS)))$(PC_CFLAGS)
PC_LIBS   = $(eval PC_LIBS := $(shell pkg-config --libs $(PKGS)))$(PC_LIBS)
ALL_CFLAGS = -std=gnu17 -D_GNU_SOURCE $(WARN) $(OPT) $(if $(WERROR),-Werror) -Ilib -I. -I$(B)/gen \
             -DDBHEALTHD_VERSION='"$(VERSION)"' $(PC_CFLAGS) $(CFLAGS)
# libpg_query is a static library: who parses no migration holds none of it.
LIBS       = $(PC_LIBS) -l:libpg_query.a -lm

LIB_SRC    := $(wildcard lib/*/*.c)
DAEMON_SRC := $(wildcard daemon/*.c)
CLI_SRC    := $(wildcard cli/*.c)
UNIT_SRC   := $(wildcard tests/unit/test-*.c)
CHECKS     := $(sort $(wildcard lib/checks/*/*.sql))
PARTS      := $(wildcard lib/checks/*.parts)
obj         = $(patsubst %.c,$(B)/%.o,$(1))
UNIT_BIN   := $(patsubst tests/unit/%.c,$(B)/unit/%,$(UNIT_SRC))
FUZZ_SRC   := $(wildcard tests/fuzz/fuzz-*.c)
FUZZ_BIN   := $(patsubst tests/fuzz/%.c,$(B)/fuzz/%,$(FUZZ_SRC))
REPLAY_BIN := $(patsubst tests/fuzz/fuzz-%.c,$(B)/fuzz/replay-%,$(FUZZ_SRC))

all: $(B)/dbhealthd $(B)/dbhealth

$(B)/libdbhealth.a: $(call obj,$(LIB_SRC)) $(if $(wildcard lib/check/embed.awk),$(B)/gen/catalogue.o)
	@mkdir -p $(@D)
	rm -f $@ && $(if $^,ar rcs $@ $^,printf '!<arch>\n' >$@)
$(B)/dbhealthd: $(call obj,$(DAEMON_SRC)) $(B)/libdbhealth.a
	$(CC) $(LINK) -o $@ $(call obj,$(DAEMON_SRC)) $(B)/libdbhealth.a $(LIBS)
$(B)/dbhealth: $(call obj,$(CLI_SRC)) $(B)/gen/init_sql.o $(B)/libdbhealth.a
	$(CC) $(LINK) -o $@ $(call obj,$(CLI_SRC)) $(B)/gen/init_sql.o $(B)/libdbhealth.a $(LIBS)
$(filter $(B)/unit/test-pg%,$(UNIT_BIN)): $(B)/tests/unit/pg-support.o
$(B)/unit/test-finding-random: $(B)/tests/unit/finding-model.o
$(filter $(B)/unit/test-store% $(B)/unit/test-outlet%,$(UNIT_BIN)): \
    $(call obj,$(wildcard daemon/store*.c daemon/outlet*.c) daemon/event_reader.c daemon/event_json.c daemon/told.c)
$(B)/unit/test-backup-judge: $(call obj,daemon/backup_judge.c)
$(B)/unit/test-store-power: $(B)/tests/unit/power.o $(call obj,daemon/recorder.c $(wildcard daemon/history*.c))
$(filter $(B)/unit/test-notify%,$(UNIT_BIN)): $(call obj,daemon/notify.c daemon/pulse.c daemon/pages.c)
$(B)/unit/%: $(B)/tests/unit/%.o $(B)/libdbhealth.a
	@mkdir -p $(@D)
	$(CC) $(LINK) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(LIBS) -lcmocka
# A harness under libFuzzer (clang, SAN=fuzzer-no-link,...), and as a replay of its corpus.
$(B)/fuzz/programs.a: $(call obj,$(filter-out %/main.c,$(DAEMON_SRC) $(CLI_SRC))) $(B)/gen/init_sql.o
	@mkdir -p $(@D)
	rm -f $@ && ar rcs $@ $^
FUZZ_WITH = $(B)/tests/fuzz/fuzz.o $(B)/fuzz/programs.a $(B)/libdbhealth.a
$(filter %-api %-conf %-state,$(FUZZ_BIN) $(REPLAY_BIN)): $(B)/tests/fuzz/engine.o
$(filter %-conf %-state,$(FUZZ_BIN) $(REPLAY_BIN)): $(B)/tests/fuzz/few-checks.o
$(B)/fuzz/fuzz-%: $(B)/tests/fuzz/fuzz-%.o $(FUZZ_WITH)
	$(CC) $(LINK) -fsanitize=fuzzer -o $@ $(filter %.o,$^) $(filter %.a,$^) $(LIBS) -lpthread
$(B)/fuzz/replay-%: $(B)/tests/fuzz/fuzz-%.o $(B)/tests/fuzz/replay.o $(FUZZ_WITH)
	@mkdir -p $(@D)
	$(CC) $(LINK) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(LIBS) -lpthread
# Preloaded into the programs under test, so without the sanitizers' own allocator.
$(B)/fault/%.so: tests/fault/%.c
	@mkdir -p $(@D)
	$(CC) -std=gnu17 $(WARN) -O2 -fPIC -shared -o $@ $<
$(B)/tools/%: $(B)/tests/tools/%.o $(B)/libdbhealth.a
	@mkdir -p $(@D)
	$(CC) $(LINK) -o $@ $^ $(LIBS)
$(B)/bench/history $(B)/bench/anomaly $(B)/bench/forecast: $(B)/libdbhealth.a
$(B)/bench/%: $(B)/tests/bench/%.o
	@mkdir -p $(@D)
	$(CC) $(LINK) -o $@ $^ $(LIBS)
$(B)/bench/%.so: tests/bench/preload/%.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -fPIC -shared -o $@ $<
$(B)/%.o: %.c $(B)/gen/flags
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<
$(B)/gen/catalogue.o: $(B)/gen/catalogue.c $(B)/gen/flags
	$(CC) $(ALL_CFLAGS) -c -o $@ $<
# Objects made with other flags, or with another compiler, are not kept.
$(B)/gen/flags: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' '$(subst ','\'',$(CC) $(ALL_CFLAGS))' | cmp -s - $@ || \
	 printf '%s\n' '$(subst ','\'',$(CC) $(ALL_CFLAGS))' >$@
# The names of the last build are kept, so that a deleted check leaves the catalogue too.
$(B)/gen/checks.list: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' $(CHECKS) | cmp -s - $@ || printf '%s\n' $(CHECKS) >$@
# What the checks of an engine have in common is put in here: what is embedded and installed is whole.
$(B)/gen/lib/checks/%.sql: lib/checks/%.sql lib/check/expand.awk $(PARTS)
	@mkdir -p $(@D)
	@awk -f lib/check/expand.awk lib/checks/$(firstword $(subst /, ,$*)).parts $< >$@.tmp && mv $@.tmp $@
# dbhealth init asks the server with the same parts.
INIT_SQL := $(sort $(wildcard cli/*.sql))
$(B)/gen/cli/%.sql: cli/%.sql lib/check/expand.awk lib/checks/postgresql.parts
	@mkdir -p $(@D)
	@awk -f lib/check/expand.awk lib/checks/postgresql.parts $< >$@.tmp && mv $@.tmp $@
$(B)/gen/init_sql.c: lib/check/embed.awk $(INIT_SQL:%=$(B)/gen/%)
	cd $(B)/gen && awk -v table=init_sql -f $(CURDIR)/lib/check/embed.awk $(INIT_SQL) >init_sql.tmp && mv init_sql.tmp init_sql.c
$(B)/gen/init_sql.o: $(B)/gen/init_sql.c $(B)/gen/flags
	$(CC) $(ALL_CFLAGS) -c -o $@ $<
$(B)/gen/catalogue.c: lib/check/embed.awk $(CHECKS:%=$(B)/gen/%) $(B)/gen/checks.list
	cd $(B)/gen && awk -f $(CURDIR)/lib/check/embed.awk $(CHECKS) >catalogue.tmp && mv catalogue.tmp catalogue.c

libs: $(B)/libdbhealth.a
tests: $(UNIT_BIN) $(REPLAY_BIN) $(B)/fault/enomem.so $(B)/fault/killat.so $(B)/tools/history-write

# ---- the README's two commands: they install what is missing ----
run:
	@conf/install-packages.sh build
	@$(MAKE) --no-print-directory -s -j2 all
	@B=$(B) conf/demo/run.sh
test:
	@conf/install-packages.sh build test
	@$(MAKE) --no-print-directory -s -j2 all tests
	@B=$(B) tests/run.sh unit e2e

# Boots a Debian in a container and runs the service in it; needs root and a mirror.
.PHONY: test-systemd
test-systemd:
	@if [ "$$(id -u)" != 0 ]; then echo "test-systemd: skipped, booting a container needs root"; else \
	 conf/install-packages.sh build systemd && \
	 $(MAKE) --no-print-directory -s -j2 all && B=$(B) tests/systemd/run.py; fi
# ---- for those who have everything ----
unit: tests
	@B=$(B) tests/run.sh unit
e2e: all
	@B=$(B) tests/run.sh e2e
.PHONY: rounds soak
# Servers killed and started again, ROUNDS times: each told once, at no cost.
rounds: all
	@B=$(B) /usr/bin/python3 -B tests/soak/rounds.py $(if $(ROUNDS),--rounds $(ROUNDS)) \
	 $(if $(SEED),--seed $(SEED))
# Everything goes wrong at random for MINUTES; the same SEED plays the same acts.
soak: all
	@/usr/bin/python3 -B -m pytest -p no:cacheprovider -q tests/soak
	@B=$(B) /usr/bin/python3 -B tests/soak/soak.py $(if $(MINUTES),--minutes $(MINUTES)) \
	 $(if $(SEED),--seed $(SEED)) $(if $(FILES),--files $(FILES))
lint:
	@tests/lint/run.sh
check: all tests
	@B=$(B) tests/run.sh unit e2e
	@tests/lint/run.sh
# Each check of the catalogue: planted, found, mended, gone; a line a check.
check-catalogue:
	@conf/install-packages.sh build test
	@$(MAKE) --no-print-directory -s -j2 all
	@B=$(B) tests/run.sh catalogue
# The same on PostgreSQL 13, 15, 17 and 18 as Debian ships them; VERSIONS names some of them.
check-matrix:
	@conf/install-packages.sh build test matrix
	@$(MAKE) --no-print-directory -s -j2 all
	@B=$(B) tests/matrix/run.sh $(if $(TABLE),--table) $(VERSIONS)
asan:
	@$(MAKE) --no-print-directory B=build/asan SAN=address,undefined all tests
	@B=build/asan tests/run.sh unit e2e
# Ratios against raw floors and against what Debian has; writes docs/performance.md.
BENCH_BIN := $(patsubst tests/bench/%.c,$(B)/bench/%,$(wildcard tests/bench/*.c)) $(B)/bench/when.so
bench:
	@conf/install-packages.sh build test bench
	@$(MAKE) --no-print-directory -s -j2 all $(BENCH_BIN)
	@B=$(B) /usr/bin/python3 -B tests/bench/bench.py $(if $(QUICK),--quick) $(PART)
# Each fuzzer for SECONDS; FUZZ names some of them.
SECONDS ?= 60
fuzz:
	@conf/install-packages.sh build fuzz
	@$(MAKE) --no-print-directory -s -j2 B=build/fuzz CC=clang SAN=fuzzer-no-link,address,undefined,float-cast-overflow fuzzers
	@B=build/fuzz tests/fuzz/run.sh $(SECONDS) $(FUZZ)
fuzzers: $(FUZZ_BIN)
# A writer that is killed at every single system call (`make test` takes some of them).
power-cut: tests
	@POWER_ALL=1 $(B)/unit/test-store-power
# Two runs of dbhealth migrate at once, 100 times on each engine; and killed at each of its steps.
migrate-races: all tests
	@B=$(B) MIGRATE_RACES=100 PYTEST="-k two_runners" tests/run.sh e2e
migrate-kills: all tests
	@B=$(B) KILL_ALL=1 PYTEST="-k killed_at_any_step_it_is_told_and_goes_on" tests/run.sh e2e
# Backup, restore and prune that are killed at each of their steps (`make test` takes some of them).
backup-kills: all tests
	@B=$(B) KILL_ALL=1 /usr/bin/python3 -B -m pytest -p no:cacheprovider -q tests/e2e/test_backup_kill.py
# Archives of every kind that are killed at each of their steps.
archive-kills: all tests
	@B=$(B) KILL_ALL=1 /usr/bin/python3 -B -m pytest -p no:cacheprovider -q tests/e2e/test_archive_kill.py
# Allocations that fail, one by one.
enomem: all tests
	@B=$(B) PYTEST="-k enomem" tests/run.sh e2e
# What the tests reach, into docs/coverage.md; SUITES=unit for a quick look.
COVER := -fprofile-instr-generate=$(CURDIR)/build/coverage/profiles/%c%m.profraw -fcoverage-mapping
coverage:
	@conf/install-packages.sh build test fuzz
	@$(MAKE) --no-print-directory -s -j2 B=build/coverage CC=clang LINK="$(COVER)" \
	 CFLAGS="-O1 $(COVER) -DWORKER_COVERAGE -mllvm -runtime-counter-relocation" all tests
	@B=build/coverage tests/coverage/run.sh $(SUITES)
format:
	clang-format -i $(LIB_SRC) $(DAEMON_SRC) $(CLI_SRC) $(UNIT_SRC) $(FUZZ_SRC) $(wildcard tests/bench/*.c */*.h */*/*.h)
print-cflags: $(B)/gen/flags
	@printf '%s\n' '$(subst ','\'',$(ALL_CFLAGS))'
clean:
	rm -rf build

# ---- installation: puts files, enables and starts nothing.  The configuration is in /etc whatever
# PREFIX is; systemd reads $(PREFIX)/lib for /usr and for /usr/local. ----
MANUALS := $(wildcard docs/*.[158])
DOCS    := README.md CHANGES LICENSE $(wildcard docs/*.md)
ETC     := $(DESTDIR)/etc/dbhealthd
DOC     := $(DESTDIR)$(PREFIX)/share/doc/dbhealthd
MAN     := $(DESTDIR)$(PREFIX)/share/man
SYSTEMD := $(DESTDIR)$(PREFIX)/lib
# What systemd reads, as NAME:PLACE; the units name programs below /usr, which becomes PREFIX.
UNITS   := dbhealthd.service:systemd/system/dbhealthd.service \
           dbhealthd.socket:systemd/system/dbhealthd.socket \
           dbhealthd.catalog:systemd/catalog/dbhealthd.catalog \
           dbhealthd.sysusers:sysusers.d/dbhealthd.conf \
           dbhealthd.tmpfiles:tmpfiles.d/dbhealthd.conf
install: all
	install -D -m 755 $(B)/dbhealthd $(DESTDIR)$(PREFIX)/sbin/dbhealthd
	install -D -m 755 $(B)/dbhealth $(DESTDIR)$(PREFIX)/bin/dbhealth
	install -d -m 750 $(ETC) $(ETC)/conf.d $(ETC)/checks.d
	test -e $(ETC)/dbhealthd.conf || install -m 640 conf/dbhealthd.conf $(ETC)/dbhealthd.conf
	@set -e; for u in $(UNITS); do to=$(SYSTEMD)/$${u#*:}; echo "install $$to"; \
	 sed 's|/usr/sbin/|$(PREFIX)/sbin/|g' systemd/$${u%%:*} >$(B)/gen/unit; \
	 install -D -m 644 $(B)/gen/unit "$$to"; done
	@set -e; for m in $(MANUALS); do to=$(MAN)/man$${m##*.}/$${m##*/}; echo "install $$to"; \
	 install -D -m 644 $$m "$$to"; done
	install -D -m 644 -t $(DOC) $(DOCS)
	install -D -m 644 -t $(DOC)/prometheus conf/prometheus/dbhealthd.rules.yml
	install -D -m 644 -t $(DOC)/schema docs/schema/*.json
	@set -e; for f in $(CHECKS:lib/%=%); do install -D -m 644 $(B)/gen/lib/$$f $(DOC)/$$f; done
	@[ -n "$(DESTDIR)" ] || printf '%s\n' '' 'Installed; nothing was enabled or started.  Next, as root:' \
	 '  systemd-sysusers && systemd-tmpfiles --create dbhealthd.conf && journalctl --update-catalog' \
	 '  systemctl daemon-reload && systemctl enable --now dbhealthd'
# The configuration, the state and the user stay.
uninstall:
	rm -f $(DESTDIR)$(PREFIX)/sbin/dbhealthd $(DESTDIR)$(PREFIX)/bin/dbhealth \
	 $(foreach u,$(UNITS),$(SYSTEMD)/$(lastword $(subst :, ,$(u)))) \
	 $(foreach m,$(MANUALS),$(MAN)/man$(subst .,,$(suffix $(m)))/$(notdir $(m)))
	rm -rf $(DOC)
FORCE:
.PHONY: all libs tests fuzz fuzzers power-cut migrate-races migrate-kills backup-kills archive-kills enomem coverage run test unit e2e lint check check-catalogue check-matrix asan bench format print-cflags clean install uninstall FORCE
.SECONDARY:
-include $(wildcard $(B)/*/*.d $(B)/*/*/*.d)
