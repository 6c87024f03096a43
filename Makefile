# Postrider. `make` builds build/postrider; `make check` runs every test;
# `make install DESTDIR=… PREFIX=…` installs. V=1 shows the commands.

PREFIX   ?= /usr/local
BUILD    ?= build
CC       ?= gcc
TESTDATA ?= ../shared/testdata
VERSION  := $(shell cat VERSION 2>/dev/null || echo 0.1.0)

PACKAGES := libmicrohttpd jansson libcurl libcrypto libssl libpq uuid \
	libidn2 zlib

CFLAGS   ?= -O2 -g
WARN     := -Wall -Wextra -Wformat=2 -Wshadow -Wstrict-prototypes \
	-Wmissing-prototypes -Wno-unused-parameter -Werror=vla \
	-Werror=implicit-function-declaration -Werror=format-security
HARDEN   := -fstack-protector-strong -fstack-clash-protection \
	-fno-strict-overflow -fno-delete-null-pointer-checks -fPIE \
	-ffile-prefix-map=$(CURDIR)=.
ifeq ($(SANITIZE),)
HARDEN   += -D_FORTIFY_SOURCE=2
else
HARDEN   += -fsanitize=$(SANITIZE) -fno-omit-frame-pointer
LDSAN    := -fsanitize=$(SANITIZE)
endif
ifneq ($(WERROR),)
WARN     += -Werror
endif
ALL_CFLAGS  = -std=gnu11 -D_GNU_SOURCE -I. -I$(BUILD) $(shell pkg-config --cflags $(PACKAGES)) \
	-DPOSTRIDER_VERSION='"$(VERSION)"' -include core/base/banned.h \
	$(WARN) $(HARDEN) $(CFLAGS)
ALL_LDFLAGS = -pie -Wl,-z,relro,-z,now,-z,noexecstack $(LDSAN) $(LDFLAGS)
LIBS := $(shell pkg-config --libs $(PACKAGES)) -lunbound -lpthread -lm

# Every .c of the three source folders; main.c is the program's own.
SOURCES  := $(sort $(shell find api core templates -name '*.c'))
OBJECTS  := $(SOURCES:%.c=$(BUILD)/%.o)
LIBOBJS  := $(filter-out $(BUILD)/api/main.o,$(OBJECTS))
EMBEDDED := $(BUILD)/embedded.o

Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-6s %s\n' '$(1)' '$(2)')

all: $(BUILD)/postrider

$(BUILD)/%.o: %.c
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c $< -o $@

# Migrations, openapi.yaml and data files travel inside the program.
EMBED := $(sort $(wildcard migrations/*.sql)) openapi.yaml \
	$(sort $(wildcard core/delivery/*.txt))
$(BUILD)/embedded.c: scripts/embed $(EMBED)
	$(call say,EMBED,$@)
	@mkdir -p $(@D)
	$(Q)scripts/embed $(EMBED) >$@.new && mv $@.new $@
$(EMBEDDED): $(BUILD)/embedded.c core/base/embedded.h
	$(Q)$(CC) $(ALL_CFLAGS) -c $< -o $@

$(BUILD)/libpostrider.a: $(LIBOBJS) $(EMBEDDED)
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/postrider: $(BUILD)/api/main.o $(BUILD)/libpostrider.a
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

# ---- tests: every tests/unit/test_*.c is a program of its own ----
UNIT_SOURCES := $(sort $(wildcard tests/unit/test_*.c))
UNIT_TESTS   := $(UNIT_SOURCES:%.c=$(BUILD)/%)
$(BUILD)/tests/unit/%: tests/unit/%.c $(BUILD)/libpostrider.a
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -Wno-missing-prototypes $(ALL_LDFLAGS) -MMD -MP \
		-o $@ $< $(BUILD)/libpostrider.a $(LIBS) -lcmocka
unit: $(UNIT_TESTS)

BENCH_SOURCES := $(sort $(wildcard tests/bench/*.c))
BENCH_TOOLS   := $(BENCH_SOURCES:%.c=$(BUILD)/%)
$(BUILD)/tests/bench/%: tests/bench/%.c $(BUILD)/libpostrider.a
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -Wno-missing-prototypes $(ALL_LDFLAGS) -MMD -MP \
		-o $@ $< $(BUILD)/libpostrider.a $(LIBS)
bench-tools: $(BENCH_TOOLS)

check:
	scripts/test

install: $(BUILD)/postrider
	install -D -m 0755 $(BUILD)/postrider $(DESTDIR)$(PREFIX)/bin/postrider

clean:
	rm -rf $(BUILD)

-include $(OBJECTS:.o=.d) $(UNIT_TESTS:%=%.d) $(BENCH_TOOLS:%=%.d)
.PHONY: all unit bench-tools check install clean
.DELETE_ON_ERROR:
