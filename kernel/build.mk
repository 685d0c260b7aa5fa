# SPDX-License-Identifier: GPL-2.0
#
# The kernel: its source tree (kernel/tree), two configurations (kernel/config),
# and what user space needs of it: libbpf, bpftool, vmlinux.h. Never anything of
# the kernel that happens to run here.

LINUX := $(BUILD)/linux
CONFIGS := kernel/configs
VM_CONFIG := $(CONFIGS)/vm.config $(CONFIGS)/cdm.config
LIBBPF := $(BUILD)/libbpf/libbpf.a
BPFTOOL := $(BUILD)/tools/bpftool
VMLINUX_H := $(BUILD)/include/vmlinux.h

.PHONY: source
source:
	@kernel/tree prepare

# A kernel's stamp holds what it was built from: kbuild takes half a minute to
# find that there is nothing to do. $(1) output directory, $(2) fragments
define build_kernel
	@kernel/config $(1) $(2)
	@state="$$(kernel/tree state) $$(sha1sum <$(1)/.config)"; \
	if [ "$$state" != "$$(cat $(1)/.built 2>/dev/null)" ]; then \
		rm -f $(1)/.built; \
		$(MAKE) -s -j$(JOBS) -C $(LINUX) O=$(1) bzImage modules && \
		echo "$$state" >$(1)/.built; \
	fi
endef

.PHONY: kernel kernel-debug
kernel: source
	$(call build_kernel,$(BUILD)/kernel,$(VM_CONFIG))

kernel-debug: source
	$(call build_kernel,$(BUILD)/kernel-debug,$(VM_CONFIG) $(CONFIGS)/debug.config)

$(BUILD)/kernel/.built: kernel ;

# libbpf and bpftool come with the source package and change only with it.

$(LIBBPF): | kernel
	@mkdir -p $(BUILD)/libbpf
	$(MAKE) -s -j$(JOBS) -C $(LINUX)/tools/lib/bpf OUTPUT=$(BUILD)/libbpf/ DESTDIR= \
		prefix=$(BUILD)/libbpf $(BUILD)/libbpf/libbpf.a install_headers

$(BPFTOOL): | kernel
	@mkdir -p $(BUILD)/tools/obj
	$(MAKE) -s -j$(JOBS) -C $(LINUX)/tools/bpf/bpftool OUTPUT=$(BUILD)/tools/obj/ \
		CLANG=$(CLANG) LLVM_STRIP=$(LLVM_STRIP) $(BUILD)/tools/obj/bpftool
	cp $(BUILD)/tools/obj/bpftool $@

# Rewritten only if types changed, so that policies are not compiled again.
$(VMLINUX_H): $(BUILD)/kernel/.built $(BPFTOOL)
	@mkdir -p $(@D)
	@$(BPFTOOL) btf dump file $(BUILD)/kernel/vmlinux format c >$@.new
	@if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi
