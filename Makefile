# SPDX-License-Identifier: GPL-2.0
#
# Everything that a developer does here has one target; "make help" lists them.
# All work files go to build/, which may be removed at any time except for
# edits in build/linux (see kernel/tree). The rules for the kernel are in
# kernel/build.mk, those for programs in selftests/build.mk.

BUILD := $(CURDIR)/build
JOBS ?= $(shell nproc)
T ?= *
B ?= *

SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c
.DELETE_ON_ERROR:
.NOTPARALLEL:
MAKEFLAGS += --no-builtin-rules --no-print-directory

# Each compilation once, in whichever clone: paths below build/ are relative in
# ccache's eyes, and nothing that differs between machines goes into an object.
export PATH := /usr/lib/ccache:$(PATH)
export CCACHE_BASEDIR := $(BUILD)
export CCACHE_NOHASHDIR := 1
export KBUILD_BUILD_TIMESTAMP := Thu Jan  1 00:00:00 UTC 1970
export KBUILD_BUILD_USER := cdm
export KBUILD_BUILD_HOST := cdm
export LC_ALL := C

CLANG := clang-19
LLVM_STRIP := llvm-strip-19

.PHONY: all
all: kernel progs

include kernel/build.mk
include selftests/build.mk

.PHONY: help
help:
	@sed -n 's/^##//p' $(MAKEFILE_LIST)

## make                   build the kernel, cdmctl, policies and test programs
## make deps              install the Debian packages that are missing (root)
.PHONY: deps
deps:
	@selftests/vm/deps

## make demo              from nothing to a guest that shows the main job
.PHONY: demo
demo: deps all
	selftests/vm/run -- selftests/vm/demo.sh

## make check [T=GLOB]    from nothing, then every test (whose name matches)
.PHONY: check
check: deps all
	selftests/runner/run '$(T)'

## make check-debug [T=GLOB]   the same with KASAN, lockdep and other detectors
.PHONY: check-debug
check-debug: deps all kernel-debug
	selftests/runner/run --kernel $(BUILD)/kernel-debug '$(T)'

## make soak [T=GLOB]     the long form of the tests, resumed where it stopped;
##                        survives its terminal, follows in build/soak.log
.PHONY: soak
soak: deps all
	@trap '' HUP; selftests/runner/run --soak '$(T)' 2>&1 </dev/null | tee -i -a $(BUILD)/soak.log

## make soak-debug [T=GLOB]    the same in the debug guest
.PHONY: soak-debug
soak-debug: deps all kernel-debug
	@trap '' HUP; selftests/runner/run --soak --kernel $(BUILD)/kernel-debug '$(T)' 2>&1 </dev/null | tee -i -a $(BUILD)/soak.log

## make bench [B=GLOB]    measure; tables here and in build/bench/NAME.json
.PHONY: bench
bench: deps all
	@selftests/runner/bench '$(B)'

## make lint              hook budget, checkpatch, sparse, kernel-doc, each patch alone
.PHONY: lint
lint: deps source
	@kernel/lint

## make vm                a shell in the guest
.PHONY: vm
vm: all
	selftests/vm/run --timeout 0 -i

## make refresh-patches   the commits in build/linux become kernel/patches; existing
##                        kernel files are edited and committed in build/linux, new
##                        ones are edited in kernel/linux (and laid over by make)
.PHONY: refresh-patches
refresh-patches:
	@kernel/tree refresh

## make clean             remove build/, unless build/linux holds unsaved edits;
##                        ccache stays
.PHONY: clean
clean:
	@kernel/tree saved
	rm -rf $(BUILD)
