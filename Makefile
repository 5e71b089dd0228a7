# Builds and installs redis_cache for C and C++. It takes GNU make, Rust, a C compiler and GNU binutils.
#
#   make                  the libraries and the command as they are installed: optimized, without debug information
#   make install          PREFIX=/usr/local, LIBDIR, INCLUDEDIR, BINDIR, MANDIR, and DESTDIR for packagers; installs what
#                         `make` left, so that root needs no Rust
#   make uninstall        with the same variables: removes what they name
#   make tour             the tour in Rust, C and C++, without a server
#   make test             every test, and what it needs
#   make bench            side by side with other clients: benches/RESULTS.md and the table in the README; some minutes.
#                         BENCH_FETCH=1 gets the clients that are not installed, QUICK=1 is short and only into the
#                         target folder, SMOKE=1 needs seconds and no other client: does the harness work?
#   make near-torture     what near caches promise and what they cost, ours and that of redis-py: a table, in some minutes
#   make docs-c           the C header as pages of HTML, under the target folder; needs doxygen
#   make deb              the packages libredis-cache0, libredis-cache-dev and redis-cache, under the target folder
#   make dist             the sources as a tarball, under the target folder
#
# COMMAND_FILE= leaves the command out, CARGOFLAGS="--no-default-features --features capi" parts of the library;
# TARGET=x86_64-unknown-linux-musl is for another system. CARGO, CARGO_TARGET_DIR, and RUSTFLAGS are respected.

PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
BINDIR ?= $(PREFIX)/bin
MANDIR ?= $(PREFIX)/share/man
COMPLETIONS := bash-completion/completions/redis-cache zsh/site-functions/_redis-cache fish/vendor_completions.d/redis-cache.fish
CARGO ?= cargo

VERSION := $(shell awk -F'"' '/^version = / { print $$2; exit }' Cargo.toml)
MAJOR := $(firstword $(subst ., ,$(VERSION)))
TARGET_DIR := $(abspath $(or $(CARGO_TARGET_DIR),target))
BUILT := $(TARGET_DIR)/$(if $(TARGET),$(TARGET)/)dist
STAGE := $(BUILT)/install
# The command. One that somebody has built is taken as it is; nothing: there is none.
COMMAND_FILE ?= $(BUILT)/redis-cache
HEADERS := $(patsubst include/%,%,$(wildcard include/*.h include/*.hpp include/redis_cache/*.hpp))
CMAKE := $(LIBDIR)/cmake/redis_cache

.PHONY: all libraries command no-command install uninstall tour test bench docs-c deb dist

all: libraries $(if $(COMMAND_FILE),command,no-command)

# As one crate type at a time would not be, an rlib among them is not optimized as a whole.
libraries:
	@mkdir -p $(STAGE)
	$(CARGO) rustc --lib --profile dist --crate-type cdylib,staticlib $(if $(TARGET),--target $(TARGET)) $(CARGOFLAGS) \
		-- --print native-static-libs=$(BUILT)/native-static-libs
	@packaging/one_object.sh $(BUILT)/libredis_cache.a redis_cache_ $(STAGE)/libredis_cache.a
	@cp $(BUILT)/libredis_cache.so $(BUILT)/native-static-libs $(STAGE)

# It writes its own man pages and completions, so it is to run here.
command:
	@mkdir -p $(STAGE)
	$(if $(filter $(BUILT)/redis-cache,$(COMMAND_FILE)),$(CARGO) build --bin redis-cache --features cli --profile dist \
		$(if $(TARGET),--target $(TARGET)) $(CARGOFLAGS))
	@objcopy --strip-all $(COMMAND_FILE) $(STAGE)/redis-cache
	@rm -rf $(STAGE)/share && $(STAGE)/redis-cache generate $(STAGE)/share

no-command:
	@rm -rf $(STAGE)/redis-cache $(STAGE)/share

SPACE := $() $()
# What the compiler's driver links by itself is left out: with -static it takes another one for gcc_s.
PRIVATE_LIBS = $(filter-out -lgcc_s -lc,$(shell cat $(STAGE)/native-static-libs))
under_prefix = $(patsubst $(PREFIX)/%,$${prefix}/%,$(1))
fill = sed -e 's|@VERSION@|$(VERSION)|g' -e 's|@MAJOR@|$(MAJOR)|g' -e 's|@PREFIX@|$(PREFIX)|g' -e 's|@LIBDIR@|$(LIBDIR)|g' \
	-e 's|@INCLUDEDIR@|$(INCLUDEDIR)|g' -e 's|@PC_LIBDIR@|$(call under_prefix,$(LIBDIR))|g' \
	-e 's|@PC_INCLUDEDIR@|$(call under_prefix,$(INCLUDEDIR))|g' -e 's|@PRIVATE_LIBS@|$(PRIVATE_LIBS)|g' \
	-e 's|@CMAKE_LIBS@|$(subst $(SPACE),;,$(PRIVATE_LIBS))|g' packaging/$(1).in

install: $(if $(wildcard $(STAGE)/libredis_cache.so),,all)
	install -d $(DESTDIR)$(LIBDIR)/pkgconfig $(DESTDIR)$(CMAKE) $(DESTDIR)$(INCLUDEDIR)/redis_cache $(DESTDIR)$(MANDIR)/man3
	for header in $(HEADERS); do install -m 644 include/$$header $(DESTDIR)$(INCLUDEDIR)/$$header || exit; done
	install -m 644 $(STAGE)/libredis_cache.a $(DESTDIR)$(LIBDIR)
	install -m 755 $(STAGE)/libredis_cache.so $(DESTDIR)$(LIBDIR)/libredis_cache.so.$(VERSION)
	ln -sf libredis_cache.so.$(VERSION) $(DESTDIR)$(LIBDIR)/libredis_cache.so.$(MAJOR)
	ln -sf libredis_cache.so.$(MAJOR) $(DESTDIR)$(LIBDIR)/libredis_cache.so
	$(call fill,redis_cache.pc) >$(DESTDIR)$(LIBDIR)/pkgconfig/redis_cache.pc
	$(call fill,redis_cache-config.cmake) >$(DESTDIR)$(CMAKE)/redis_cache-config.cmake
	$(call fill,redis_cache-config-version.cmake) >$(DESTDIR)$(CMAKE)/redis_cache-config-version.cmake
	awk -v version=$(VERSION) -f packaging/man.awk include/redis_cache.h >$(DESTDIR)$(MANDIR)/man3/redis_cache.3
	[ ! -e $(STAGE)/redis-cache ] || $(MAKE) --no-print-directory install-command
	@[ -n "$(DESTDIR)" ] || [ "$$(id -u)" != 0 ] || ! command -v ldconfig >/dev/null || ldconfig

.PHONY: install-command
install-command:
	install -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(MANDIR)/man1
	install -m 755 $(STAGE)/redis-cache $(DESTDIR)$(BINDIR)
	install -m 644 $(STAGE)/share/man1/*.1 $(DESTDIR)$(MANDIR)/man1
	for file in $(COMPLETIONS); do install -D -m 644 $(STAGE)/share/$$file $(DESTDIR)$(PREFIX)/share/$$file || exit; done

uninstall:
	cd $(DESTDIR)$(LIBDIR) && rm -f libredis_cache.a libredis_cache.so* pkgconfig/redis_cache.pc
	rm -rf $(DESTDIR)$(CMAKE) $(DESTDIR)$(INCLUDEDIR)/redis_cache
	rm -f $(DESTDIR)$(INCLUDEDIR)/redis_cache.h $(DESTDIR)$(INCLUDEDIR)/redis_cache.hpp $(DESTDIR)$(MANDIR)/man3/redis_cache.3
	rm -f $(DESTDIR)$(BINDIR)/redis-cache $(DESTDIR)$(MANDIR)/man1/redis-cache.1 $(DESTDIR)$(MANDIR)/man1/redis-cache-*.1
	rm -f $(patsubst %,$(DESTDIR)$(PREFIX)/share/%,$(COMPLETIONS))

tour test:
	@$(MAKE) --no-print-directory -C ffi-tests $@

# The library as `cargo build --release` leaves it. Only a full run is kept: the others are too short to be quoted.
BENCH := $(TARGET_DIR)/bench
BENCH_KIND := $(if $(SMOKE),smoke,$(if $(QUICK),quick,full))
bench:
	$(CARGO) build --release --lib
	@mkdir -p $(BENCH)
	@load=$$(cut -d' ' -f1 /proc/loadavg) server=$$(ffi-tests/harness/server.sh find) && \
		REDIS_SERVER=$$server benches/run.sh $(TARGET_DIR)/release $(BENCH) $(BENCH_KIND) >$(BENCH)/findings && \
		BENCH_LOAD=$$load BENCH_SERVER=$$server python3 benches/report.py $(BENCH)/findings $(BENCH_KIND) \
			$(if $(filter full,$(BENCH_KIND)),benches README.md,$(BENCH))

.PHONY: near-torture
near-torture:
	$(CARGO) build --release --lib
	@benches/near-torture/run.sh $(TARGET_DIR)/release

# The C header as pages of HTML. Warnings of doxygen are errors.
docs-c:
	@command -v doxygen >/dev/null || { echo "docs-c: skipped: there is no doxygen (Debian: doxygen)"; exit 0; }; \
		rm -rf $(TARGET_DIR)/docs-c && mkdir -p $(TARGET_DIR)/docs-c && \
		sed -e 's|@VERSION@|$(VERSION)|' -e 's|@OUTPUT@|$(TARGET_DIR)/docs-c|' packaging/Doxyfile >$(TARGET_DIR)/docs-c/Doxyfile && \
		doxygen $(TARGET_DIR)/docs-c/Doxyfile && echo "docs-c: $(TARGET_DIR)/docs-c/html/index.html"

deb: all
	@packaging/deb.sh $(VERSION) $(TARGET_DIR)/deb

dist:
	@git archive --format=tar.gz --prefix=redis_cache-$(VERSION)/ -o $(TARGET_DIR)/redis_cache-$(VERSION).tar.gz HEAD
	@echo $(TARGET_DIR)/redis_cache-$(VERSION).tar.gz
