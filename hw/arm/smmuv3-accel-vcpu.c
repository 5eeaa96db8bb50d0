/*
 * Accelerated SMMUv3: which vCPU accesses a register, and from where
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "exec/address-spaces.h"
#include "hw/core/cpu.h"
#include "system/kvm.h"
#include "system/runstate.h"
#ifdef CONFIG_KVM
#include <linux/kvm.h>
#endif

#include "smmuv3-accel-vcpu.h"

#ifdef CONFIG_KVM
/*
 * While QEMU handles an exit, kvm_run contains it, with the address of the
 * guest's access. If the access to another register has caused this write,
 * kvm_run has the address of that register.
 */
bool smmuv3_accel_vcpu_at(MemoryRegion *mr, hwaddr offset, unsigned size,
                          bool is_write)
{
    const struct kvm_run *run;
    hwaddr xlat, len = size;

    if (!kvm_enabled() || !current_cpu) {
        return false;
    }
    run = current_cpu->kvm_run;
    if (run->exit_reason != KVM_EXIT_MMIO || run->mmio.is_write != is_write ||
        run->mmio.len != size) {
        return false;
    }
    RCU_READ_LOCK_GUARD();
    return address_space_translate(&address_space_memory, run->mmio.phys_addr,
                                   &xlat, &len, is_write,
                                   MEMTXATTRS_UNSPECIFIED) == mr &&
           xlat == offset;
}
#else
bool smmuv3_accel_vcpu_at(MemoryRegion *mr, hwaddr offset, unsigned size,
                          bool is_write)
{
    return false;
}
#endif

bool smmuv3_accel_vcpu_shall_stop(void)
{
    return current_cpu &&
           (qatomic_read(&current_cpu->stop) || current_cpu->stopped);
}

bool smmuv3_accel_vcpu_can_run(void)
{
    return kvm_enabled() && first_cpu && runstate_is_running();
}

typedef struct Work {
    void (*func)(void *opaque, bool alone);
    void *opaque;
} Work;

static void run_work(CPUState *cpu, run_on_cpu_data data)
{
    g_autofree Work *work = data.host_ptr;

    work->func(work->opaque, true);
}

void smmuv3_accel_vcpu_run(void (*func)(void *opaque, bool alone),
                           void *opaque)
{
    Work *work;

    if (!kvm_enabled() || !first_cpu) {
        func(opaque, false);
        return;
    }
    work = g_new(Work, 1);
    *work = (Work) { func, opaque };
    async_run_on_cpu(first_cpu, run_work, RUN_ON_CPU_HOST_PTR(work));
}
