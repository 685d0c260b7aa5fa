# SPDX-License-Identifier: GPL-2.0
#
# Programs: cdmctl, the policies, and what tests and benchmarks run. A new file is
# picked up by its name: bpf-progs/NAME.bpf.c becomes build/bpf/NAME.bpf.o, and
# selftests/{progs,bench}/NAME.c and NAME.bpf.c become build/selftests/NAME and
# NAME.bpf.o.

INCLUDES := -I$(BUILD)/include -Iinclude -I$(BUILD)/libbpf/include -Ikernel/linux/include/uapi
WARNINGS := -Wall -Wextra -Wno-unused-parameter -Wno-sign-compare -Werror
CFLAGS := -g -O2 -std=gnu11 $(WARNINGS) $(INCLUDES) -I$(LINUX)/tools/include/uapi -MMD -MP
LDLIBS := $(LIBBPF) -lelf -lz
# With clang ccache makes the paths in what -MMD writes relative to its base, and make
# would not know its targets again.
BPF_CC := CCACHE_BASEDIR= $(CLANG)

BPF_CFLAGS := -g -O2 -target bpf -mcpu=v3 -D__TARGET_ARCH_x86 -Wall -Werror $(INCLUDES) \
	-idirafter /usr/include/x86_64-linux-gnu -MMD -MP

CDMCTL := $(BUILD)/bin/cdmctl
LOADER_BPF := $(wildcard loader/*.bpf.c)
LOADER_SRC := $(filter-out $(LOADER_BPF),$(wildcard loader/*.c))
LOADER_OBJ := $(LOADER_SRC:loader/%.c=$(BUILD)/loader/%.o)
# As pkg-config would say.
LOADER_INCLUDES := -I$(BUILD)/loader -I/usr/include/tracefs -I/usr/include/traceevent
LOADER_LIBS := -ltracefs -ltraceevent -ljson-c
LOADER_SKEL := $(LOADER_BPF:loader/%.bpf.c=$(BUILD)/loader/%.skel.h)

POLICIES := $(patsubst bpf-progs/%.bpf.c,$(BUILD)/bpf/%.bpf.o,$(wildcard bpf-progs/*.bpf.c))

TEST_DIRS := selftests/progs selftests/bench
TEST_BPF_SRC := $(foreach d,$(TEST_DIRS),$(wildcard $(d)/*.bpf.c))
TEST_SRC := $(filter-out $(TEST_BPF_SRC),$(foreach d,$(TEST_DIRS),$(wildcard $(d)/*.c)))
TEST_BPF := $(patsubst %.bpf.c,$(BUILD)/selftests/%.bpf.o,$(notdir $(TEST_BPF_SRC)))
TEST_PROGS := $(patsubst %.c,$(BUILD)/selftests/%,$(notdir $(TEST_SRC)))

.PHONY: progs
progs: $(if $(LOADER_SRC),$(CDMCTL)) $(POLICIES) $(TEST_BPF) $(TEST_PROGS)

# Compiled from what is in build/ by then; kernel/build.mk makes it.
$(LOADER_OBJ) $(TEST_PROGS): | $(LIBBPF)
$(POLICIES) $(TEST_BPF) $(LOADER_SKEL:%.skel.h=%.bpf.o): $(VMLINUX_H) | $(LIBBPF)

# cdmctl's own programs are a part of it. Which object includes which skeleton is
# not known before they are made, so all wait for all.
$(LOADER_OBJ): $(LOADER_SKEL)

$(BUILD)/loader/%.skel.h: $(BUILD)/loader/%.bpf.o $(BPFTOOL)
	@echo "  SKEL    $(@F)"
	@$(BPFTOOL) gen skeleton $< name $*_bpf >$@

$(BUILD)/loader/%.o: loader/%.c
	@mkdir -p $(@D)
	@echo "  CC      $<"
	@gcc $(CFLAGS) $(LOADER_INCLUDES) -c -o $@ $<

$(CDMCTL): $(LOADER_OBJ) $(LIBBPF)
	@mkdir -p $(@D)
	@echo "  LINK    $(@:$(BUILD)/%=%)"
	@gcc -o $@ $(LOADER_OBJ) $(LDLIBS) $(LOADER_LIBS)

define bpf_rule
$(2)/%.bpf.o: $(1)/%.bpf.c
	@mkdir -p $$(@D)
	@echo "  BPF     $$<"
	@$$(BPF_CC) $$(BPF_CFLAGS) -c -o $$@ $$<
	@$$(LLVM_STRIP) -g $$@
endef
$(eval $(call bpf_rule,bpf-progs,$(BUILD)/bpf))
$(eval $(call bpf_rule,loader,$(BUILD)/loader))
$(foreach d,$(TEST_DIRS),$(eval $(call bpf_rule,$(d),$(BUILD)/selftests)))

define prog_rule
$(BUILD)/selftests/%: $(1)/%.c
	@mkdir -p $$(@D)
	@echo "  CC      $$<"
	@gcc $$(CFLAGS) -pthread -o $$@ $$< -Wl,--as-needed $$(LDLIBS) -lnuma -lm
endef
$(foreach d,$(TEST_DIRS),$(eval $(call prog_rule,$(d))))

-include $(wildcard $(BUILD)/loader/*.d $(BUILD)/bpf/*.d $(BUILD)/selftests/*.d)
