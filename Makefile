# dbhealthd: one Makefile, all targets.  B is the build folder, SAN the sanitizers.
B       ?= build/plain
SAN     ?=
VERSION := $(shell sed -n '1s/.*dbhealthd \([0-9.]*\).*/\1/p' CHANGES)
PKGS    := libevent_core libevent_extra libpq sqlite3 jansson libsystemd ini_config libcrypto

WARN    := -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
           -Wold-style-definition -Wpointer-arith -Wwrite-strings -Wundef -Wformat=2 -Wvla \
           -Wimplicit-fallthrough -Wswitch-enum -Wno-sign-conversion -Wno-missing-field-initializers
OPT     := $(if $(SAN),-O1 -g -fno-omit-frame-pointer -fsanitize=$(SAN) -fno-sanitize-recover=all,\
             -O2 -g -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE)
LINK    := $(if $(SAN),-fsanitize=$(SAN),-pie -Wl,-z,relro,-z,now)
CFLAGS  ?=
ALL_CFLAGS = -std=gnu17 -D_GNU_SOURCE $(WARN) $(OPT) $(if $(WERROR),-Werror) -Ilib -I. -I$(B)/gen \
             -DDBHEALTHD_VERSION='"$(VERSION)"' $(shell pkg-config --cflags $(PKGS)) $(CFLAGS)
LIBS     = $(shell pkg-config --libs $(PKGS)) -lm

LIB_SRC    := $(wildcard lib/*/*.c)
DAEMON_SRC := $(wildcard daemon/*.c)
CLI_SRC    := $(wildcard cli/*.c)
UNIT_SRC   := $(wildcard tests/unit/test-*.c)
CHECKS     := $(sort $(wildcard lib/checks/*/*.sql))
obj         = $(patsubst %.c,$(B)/%.o,$(1))
UNIT_BIN   := $(patsubst tests/unit/%.c,$(B)/unit/%,$(UNIT_SRC))

all: $(B)/dbhealthd $(B)/dbhealth

$(B)/libdbhealth.a: $(call obj,$(LIB_SRC)) $(if $(wildcard lib/check/embed.awk),$(B)/gen/catalogue.o)
	@mkdir -p $(@D)
	rm -f $@ && $(if $^,ar rcs $@ $^,printf '!<arch>\n' >$@)
$(B)/dbhealthd: $(call obj,$(DAEMON_SRC)) $(B)/libdbhealth.a
	$(CC) $(LINK) -o $@ $(call obj,$(DAEMON_SRC)) $(B)/libdbhealth.a $(LIBS)
$(B)/dbhealth: $(call obj,$(CLI_SRC)) $(B)/libdbhealth.a
	$(CC) $(LINK) -o $@ $(call obj,$(CLI_SRC)) $(B)/libdbhealth.a $(LIBS)
$(B)/unit/%: $(B)/tests/unit/%.o $(B)/libdbhealth.a
	@mkdir -p $(@D)
	$(CC) $(LINK) -o $@ $^ $(LIBS) -lcmocka
$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<
$(B)/gen/catalogue.o: $(B)/gen/catalogue.c
	$(CC) $(ALL_CFLAGS) -c -o $@ $<
# The names of the last build are kept, so that a deleted check leaves the catalogue too.
$(B)/gen/checks.list: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' $(CHECKS) | cmp -s - $@ || printf '%s\n' $(CHECKS) >$@
$(B)/gen/catalogue.c: lib/check/embed.awk $(CHECKS) $(B)/gen/checks.list
	awk -f lib/check/embed.awk $(CHECKS) >$@.tmp && mv $@.tmp $@

libs: $(B)/libdbhealth.a
unit: $(UNIT_BIN)
	@for t in $(UNIT_BIN); do $$t || exit 1; done
clean:
	rm -rf build
FORCE:
.PHONY: all libs unit clean FORCE
.SECONDARY:
-include $(wildcard $(B)/*/*.d $(B)/*/*/*.d)
