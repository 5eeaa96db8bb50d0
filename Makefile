# SPDX-License-Identifier: GPL-2.0-or-later
# The entry point. Each target runs one script, and the comment at the top of the script describes it.
#
# BUILD=dir builds in another directory than build/. Downloads and compiler output are kept in ~/.cache/arm-smmuv3-accel.

BUILD ?= build
export BUILD
.DEFAULT_GOAL := help
.PHONY: help packages base tree refresh build build-arm64 doctor check check-asan check-matrix check-series check-fresh export run shell bench soak hostile lock clean deb deb-check install uninstall kernel-deb
.NOTPARALLEL:

help: ## print this list
	@sed -n 's/^\([a-z0-9-]*\):[^#]*## */\1\t/p' $(MAKEFILE_LIST) | awk -F'\t' '{ printf "  make %-13s %s\n", $$1, $$2 }'

packages: ## install the packages of the distribution that are missing (without root: print the command)
	@scripts/packages

base: packages ## fetch, verify and unpack the QEMU source package of base.lock
	@scripts/base

tree: packages ## compose build/tree, a git repository with one commit for each patch
	@scripts/compose

refresh: ## write patches/ and the new files from the commits in build/tree
	@scripts/refresh

build: packages ## build QEMU for this machine, with your edits in the root and in build/tree
	@scripts/build native

build-arm64: packages ## build QEMU for an arm64 host; the lab uses it
	@scripts/build arm64

.PHONY: html
html: packages ## build QEMU's manual with the pages of this device, and the man pages, in build/manual
	@scripts/manual

run: packages ## run a guest with a vSMMU in the lab and print a report (DEVICE=<BDF>: with this device, on this machine)
	@scripts/lab run $(if $(DEVICE),--device $(DEVICE))

shell: packages ## open a prompt in the lab's guest, with a disk to hot-plug (commands can be piped in)
	@scripts/lab shell

doctor: packages ## check whether this machine can assign devices, and print what to type if not (DEVICE=<BDF>: check a device, too)
	@scripts/doctor $(DEVICE)

check: packages ## run all tests (PART=scripts|style|unit|fuzz|qtest|docs|libvirt|lab: one part)
	@scripts/check $(PART)

.PHONY: fuzz
fuzz: packages ## run the fuzz targets, each for T=30 seconds (ONLY="device queues": only these)
	@scripts/fuzz $(or $(T),30) $(ONLY)

bench: packages ## compare the speed of this vSMMU, of upstream's, of no vIOMMU and of the host itself (PLAN=quick|full; DEVICE=<BDF>: with this disk, on this machine)
	@scripts/lab bench $(if $(DEVICE),--device $(DEVICE),$(if $(PLAN),--$(PLAN)))

soak: packages ## look for leaks with hundreds of hot-plugs, reboots and kexecs (SOAK=--quick: only a tenth of them)
	@scripts/lab soak $(SOAK)

check-matrix: packages ## run the lab's scenarios with other kernels, page sizes, memory and topologies (an hour)
	@scripts/lab check --matrix

hostile: packages ## let a guest abuse its vSMMU beside others, and a device fault without end (T=240 seconds, SEED=<N>, ONLY="abuse": this part)
	@scripts/lab hostile $(if $(T),--seconds $(T)) $(if $(SEED),--seed $(SEED)) $(ONLY)

check-asan: packages ## run this repository's tests with sanitizers (long; PART=unit|qtest|lab: one part)
	@scripts/check-asan $(PART)

.PHONY: analyze coverage mutants
coverage: packages ## show which lines of our C files the tests execute (long; PART="unit qtest lab": only by these; PART=--report: no tests)
	@scripts/coverage $(PART)

analyze: packages ## analyze our C files with gcc -fanalyzer and clang-tidy (FILE="path...": only these)
	@scripts/analyze $(FILE)

mutants: packages ## break the code in each way that tests/mutants lists, and show which test notices it (ONLY="name...": only these)
	@scripts/mutants $(ONLY)

check-series: packages ## build every commit of the series (long)
	@scripts/check-series

check-fresh: packages ## run make run and make check in clean roots of Debian 12 and 13 (long, needs root)
	@scripts/check-fresh

export: packages ## write the series as mails: make export V=1 OUT=dir SIGNOFF="Name <mail>"
	@scripts/export "$(V)" "$(OUT)"

deb: packages ## build Debian packages that install beside Debian's QEMU (DEB="trixie/arm64 bookworm/amd64 ...": only for these; needs root)
	@scripts/deb $(DEB)

deb-check: packages ## test these packages: install, upgrade, purge, and run a guest (needs root)
	@scripts/deb-check

kernel-deb: packages ## build a kernel package for Arm hosts (FLAVOUR=arm64|cloud-arm64|arm64-16k; takes hours)
	@scripts/kernel-deb $(or $(FLAVOUR),arm64) $(if $(MODULES),--modules $(MODULES)) $(if $(DEBUG_INFO),--debug-info) $(if $(FRAGMENT),--fragment $(FRAGMENT))

install: packages ## build and install below PREFIX=/usr/local (DESTDIR=dir goes before it)
	@scripts/install "$(or $(PREFIX),/usr/local)" "$(DESTDIR)"

uninstall: ## remove what make install has installed
	@scripts/install "$(or $(PREFIX),/usr/local)" "$(DESTDIR)" --uninstall

lock: packages ## update base.lock to the newest versions in the archive
	@scripts/lock

clean: ## remove what was built, unless build/tree has edits
	@scripts/clean
