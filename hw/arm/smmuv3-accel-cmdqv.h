/*
 * Accelerated SMMUv3: a guest's command queues in hardware
 *
 * The guest has a Tegra241 CMDQV with one virtual interface. QEMU executes the
 * commands in its queues, or gives the queues to the host's CMDQV and takes
 * them back, at any time, and the guest does not notice it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_ARM_SMMUV3_ACCEL_CMDQV_H
#define HW_ARM_SMMUV3_ACCEL_CMDQV_H

#include "hw/arm/smmuv3-accel.h"
#include "qapi/qapi-types-smmuv3-accel.h"
#include "smmuv3-accel-host.h"
#include "smmuv3-accel-idregs.h"
#include "smmuv3-cmdqv-device.h"

/* The host's kernel logs each error, so a guest must not cause many */
#define CMDQV_ERRORS_MAX 16
#define CMDQV_ERRORS_WITHIN_MS 60000

typedef struct SMMUv3AccelCmdqv {
    SMMUv3CmdqvDevice dev;

    bool hardware;              /* the host's CMDQV executes the commands */
    char *failure;              /* why the host refused the current queues */
    int64_t next_give_ms;       /* both times are of QEMU_CLOCK_REALTIME */
    int64_t errors_since_ms;
    unsigned recent_errors;     /* of queues in hardware since that time */
    bool barred;                /* too many errors since the last reset */
} SMMUv3AccelCmdqv;

/* Returns: false with @errp set if cmdqv-param= is wrong. Changes nothing */
bool smmuv3_accel_cmdqv_check(SMMUv3AccelState *s, Error **errp);

/*
 * Create a CMDQV, unless cmdqv=off. Called by realize after that check, when
 * the SMMU has its own memory region and interrupts.
 */
void smmuv3_accel_cmdqv_realize(SMMUv3AccelState *s);

/**
 * smmuv3_accel_cmdqv_decide - decide on the guest's CMDQV and its PARAM
 *
 * Called when the machine is done, before the guest's tables are built.
 */
void smmuv3_accel_cmdqv_decide(SMMUv3AccelState *s);

/* Returns: true if the guest has a CMDQV, or may get one at machine done */
bool smmuv3_accel_cmdqv_is_wanted(const SMMUv3AccelState *s);

/* Returns: who executes the queues now, for the monitor */
SMMUv3AccelCmdqvMode smmuv3_accel_cmdqv_mode(const SMMUv3AccelState *s);

/*
 * Returns: why QEMU executes the queues, or NULL if it does not, or only until
 * the guest's next command. Valid until the BQL is dropped.
 */
const char *smmuv3_accel_cmdqv_why(SMMUv3AccelState *s);

/**
 * smmuv3_accel_cmdqv_kept_by - check if hardware can have the current queues
 * @nb: (out) the number of queues, if it can
 *
 * Returns: NULL if it can, else a reason as from smmuv3_accel_cmdqv_why().
 */
const char *smmuv3_accel_cmdqv_kept_by(SMMUv3AccelState *s, unsigned *nb);

/* The same, only for emulated devices, which may be plugged later */
const char *smmuv3_accel_cmdqv_kept_by_device(SMMUv3AccelState *s);

/* Called after the vSMMU gets a host by @dev, and before it loses the host */
void smmuv3_accel_cmdqv_host_new(SMMUv3AccelState *s,
                                 const SMMUv3AccelHostDevice *dev);
void smmuv3_accel_cmdqv_host_gone(SMMUv3AccelState *s);

/*
 * At a reset. The registers are reset later. Too many errors keep the queues
 * from hardware until a reset, and until a minute has passed.
 */
void smmuv3_accel_cmdqv_reset(SMMUv3AccelState *s);

/**
 * smmuv3_accel_cmdqv_give - give the queues to the host's CMDQV
 *
 * Called for each doorbell that QEMU sees. If the host refuses, there is no
 * other attempt until the guest has configured its queues again.
 *
 * Returns: true if the host has the queues now.
 */
bool smmuv3_accel_cmdqv_give(SMMUv3AccelState *s);

/**
 * smmuv3_accel_cmdqv_take_back - return the queues from the host to QEMU
 * @why: for the trace
 *
 * Called with the BQL held before anything that queues in hardware do not
 * allow: reset, stop of the machine, unplug of the last device. Idempotent.
 */
void smmuv3_accel_cmdqv_take_back(SMMUv3AccelState *s, const char *why);

/* Report an error to the guest, unless the guest has masked the interrupt */
void smmuv3_accel_cmdqv_interrupt(SMMUv3AccelState *s);

/* Called after an IOMMU notifier is added, within a change of the memory map */
void smmuv3_accel_cmdqv_notifiers_changed(SMMUv3AccelState *s);

/* Update the registers from hardware, if it has the queues */
void smmuv3_accel_cmdqv_sync(SMMUv3AccelState *s);

/* Pass an access to page 0 of the VINTF on to hardware that has the queues */
void smmuv3_accel_cmdqv_pass_on(SMMUv3AccelState *s, hwaddr offset,
                                uint64_t value, unsigned size);

#endif /* HW_ARM_SMMUV3_ACCEL_CMDQV_H */
