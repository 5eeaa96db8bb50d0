/*
 * Accelerated SMMUv3: a guest's command queues in hardware
 *
 * The guest has a Tegra241 CMDQV with one virtual interface. QEMU executes what
 * is in its queues, or it gives them to the host's CMDQV, and takes them back,
 * at any time and without the guest's notice.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_ARM_SMMUV3_ACCEL_CMDQV_H
#define HW_ARM_SMMUV3_ACCEL_CMDQV_H

#include "hw/arm/smmuv3-accel.h"
#include "qapi/qapi-types-smmuv3-accel.h"
#include "smmuv3-accel-idregs.h"
#include "smmuv3-cmdqv-device.h"

typedef struct SMMUv3AccelCmdqv {
    SMMUv3CmdqvDevice dev;

    bool hardware;              /* the host's CMDQV executes, not QEMU */
    char *failure;              /* of the host, with queues as they are now */
    int64_t next_give_ms;       /* of QEMU_CLOCK_REALTIME, as the next one */
    int64_t errors_since_ms;
    unsigned recent_errors;     /* of queues in hardware, since then */
    bool barred;                /* too many of them; until a reset */
} SMMUv3AccelCmdqv;

/**
 * smmuv3_accel_cmdqv_realize - make room for a CMDQV, unless cmdqv=off
 *
 * Called by realize, when the SMMU has its own memory region and interrupts.
 * Returns: false with @errp set if cmdqv-param= is wrong.
 */
bool smmuv3_accel_cmdqv_realize(SMMUv3AccelState *s, Error **errp);

/**
 * smmuv3_accel_cmdqv_decide - whether the guest has a CMDQV, and of which kind
 *
 * Called when the machine is done, before the guest's tables are built.
 */
void smmuv3_accel_cmdqv_decide(SMMUv3AccelState *s);

/* Whether it has one, or may have when the machine is done */
bool smmuv3_accel_cmdqv_is_wanted(const SMMUv3AccelState *s);

/* Who executes what is in its queues right now; for the monitor */
SMMUv3AccelCmdqvMode smmuv3_accel_cmdqv_mode(const SMMUv3AccelState *s);

/*
 * Why QEMU does, or NULL: it does not, or only until the guest's next command.
 * Valid until the BQL is dropped.
 */
const char *smmuv3_accel_cmdqv_why(SMMUv3AccelState *s);

/**
 * smmuv3_accel_cmdqv_kept_by - why hardware cannot have the queues as they are
 * @nb: (out) how many there are, if it can
 *
 * Returns: NULL if it can, else as smmuv3_accel_cmdqv_why().
 */
const char *smmuv3_accel_cmdqv_kept_by(SMMUv3AccelState *s, unsigned *nb);

/* ... because of an emulated device, which may have been plugged since then */
const char *smmuv3_accel_cmdqv_kept_by_device(SMMUv3AccelState *s);

/* The vSMMU has a host now, or will have none any more */
void smmuv3_accel_cmdqv_host_new(SMMUv3AccelState *s);
void smmuv3_accel_cmdqv_host_gone(SMMUv3AccelState *s);

/* A reset: who was barred may try again. The registers are reset later */
void smmuv3_accel_cmdqv_reset(SMMUv3AccelState *s);

/*
 * Execute what is in the queues, as far as one may here; whether there is
 * anything. For smmuv3-accel-mmio.c.
 */
void smmuv3_accel_cmdqv_consume(SMMUv3AccelState *s);
bool smmuv3_accel_cmdqv_is_pending(const SMMUv3AccelState *s);

/**
 * smmuv3_accel_cmdqv_give - let the host's CMDQV execute what is in the queues
 *
 * Called with each command of the guest that QEMU gets to see; if the host
 * refuses, not again before the guest has set up its queues anew. Returns:
 * whether the host does it now.
 */
bool smmuv3_accel_cmdqv_give(SMMUv3AccelState *s);

/**
 * smmuv3_accel_cmdqv_take_back - have QEMU execute what is in the queues
 * @why: for the trace
 *
 * Called with the BQL held by whatever hardware queues cannot go on with: a
 * reset, a stopped machine, the last device that leaves. Idempotent.
 */
void smmuv3_accel_cmdqv_take_back(SMMUv3AccelState *s, const char *why);

/* An IOMMU notifier has come: called within a change of the memory map */
void smmuv3_accel_cmdqv_notifiers_changed(SMMUv3AccelState *s);

/* Make the registers what hardware says, if it has the queues */
void smmuv3_accel_cmdqv_sync(SMMUv3AccelState *s);

/* Pass an access to page 0 of the VINTF on to hardware that has the queues */
void smmuv3_accel_cmdqv_pass_on(SMMUv3AccelState *s, hwaddr offset,
                                uint64_t value, unsigned size);

#endif /* HW_ARM_SMMUV3_ACCEL_CMDQV_H */
