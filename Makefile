# SPDX-License-Identifier: GPL-2.0-or-later
# The one entry point. Each target is one script; each script says at its top what it does.
#
# BUILD=dir builds elsewhere than in build/. Downloads and compiler output are kept under ~/.cache/arm-smmuv3-accel.

BUILD ?= build
export BUILD
.DEFAULT_GOAL := help
.PHONY: help packages base tree refresh build build-arm64 doctor check check-asan check-series check-fresh export run bench soak lock clean deb deb-check install uninstall kernel-deb
.NOTPARALLEL:

help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):[^#]*## */\1\t/p' $(MAKEFILE_LIST) | awk -F'\t' '{ printf "  make %-13s %s\n", $$1, $$2 }'

packages: ## install what is needed from the distribution (or say what is missing, without root)
	@scripts/packages

base: packages ## fetch, verify and unpack the QEMU source package of base.lock
	@scripts/base

tree: packages ## compose build/tree, one commit per patch
	@scripts/compose

refresh: ## take an edited build/tree apart again into patches/ and the new files
	@scripts/refresh

build: packages ## build QEMU, with your edits in the root and in build/tree
	@scripts/build native

build-arm64: packages ## build QEMU for an arm64 host, as the lab uses it
	@scripts/build arm64

.PHONY: html
html: packages ## QEMU's manual with this device's pages, and the man pages, in build/manual
	@scripts/manual

run: packages ## see it work: a guest behind a vSMMU on the lab's SMMU (DEVICE=<BDF>: a device of this machine)
	@scripts/lab run $(if $(DEVICE),--device $(DEVICE))

doctor: packages ## is this machine ready to assign devices, and what to type if not (DEVICE=<BDF>: this device, too)
	@scripts/doctor $(DEVICE)

check: packages ## all tests (PART=scripts|style|unit|qtest|docs|libvirt|lab: one part)
	@scripts/check $(PART)

bench: packages ## this vSMMU, upstream's, none and the host itself, side by side (PLAN=quick|full)
	@scripts/lab bench $(if $(PLAN),--$(PLAN))

soak: packages ## plugs, reboots, kexecs by the hundred: what grows (SOAK=--quick: a tenth)
	@scripts/lab soak $(SOAK)

check-asan: packages ## this repository's tests on QEMUs with sanitizers (long; PART=unit|qtest|lab: one part)
	@scripts/check-asan $(PART)

check-series: packages ## build every commit of the series (long)
	@scripts/check-series

check-fresh: packages ## make run and make check in clean Debian 12 and 13 roots (long, needs root)
	@scripts/check-fresh

export: packages ## write a series to mail: make export V=1 OUT=dir SIGNOFF="Name <mail>"
	@scripts/export "$(V)" "$(OUT)"

deb: packages ## Debian packages beside Debian's own QEMU (DEB="trixie/arm64 bookworm/amd64 ...": which; needs root)
	@scripts/deb $(DEB)

deb-check: packages ## they install, upgrade and go without a trace, and a guest runs from them (needs root)
	@scripts/deb-check

kernel-deb: packages ## a kernel package for Arm hosts (FLAVOUR=arm64|cloud-arm64|arm64-16k; hours)
	@scripts/kernel-deb $(or $(FLAVOUR),arm64) $(if $(MODULES),--modules $(MODULES)) $(if $(DEBUG_INFO),--debug-info) $(if $(FRAGMENT),--fragment $(FRAGMENT))

install: packages ## build and install below PREFIX=/usr/local (DESTDIR=dir goes before it)
	@scripts/install "$(or $(PREFIX),/usr/local)" "$(DESTDIR)"

uninstall: ## take that away again
	@scripts/install "$(or $(PREFIX),/usr/local)" "$(DESTDIR)" --uninstall

lock: packages ## write base.lock anew for the newest versions in the archive
	@scripts/lock

clean: ## remove build/
	@scripts/clean
