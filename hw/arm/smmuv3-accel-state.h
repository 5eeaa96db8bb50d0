/*
 * Accelerated SMMUv3: the state of a vSMMU
 *
 * Used with the BQL held. It is dropped while the host carries out
 * invalidations; SMMUv3AccelMMIO says what must not be touched meanwhile.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_ARM_SMMUV3_ACCEL_STATE_H
#define HW_ARM_SMMUV3_ACCEL_STATE_H

#include "hw/arm/smmuv3.h"
#include "hw/arm/smmuv3-accel.h"
#include "hw/pci/pci.h"
#include "qemu/notify.h"
#include "qemu/queue.h"
#include "qemu/thread.h"

#include "smmuv3-internal.h"
#include "smmuv3-accel-host.h"

/* A host device behind the vSMMU; see smmuv3-accel-device.c */
typedef struct SMMUv3AccelDevice {
    PCIBus *bus;
    int devfn;
    SMMUv3AccelHostDevice *hdev;
    SMMUEventType reported;         /* what the guest was told is wrong */
    QLIST_ENTRY(SMMUv3AccelDevice) next;
} SMMUv3AccelDevice;

/* Events on their way from the host to the guest; see smmuv3-accel-eventq.c */
typedef struct SMMUv3AccelEventq {
    uint32_t next_sequence;
    bool unsupported;               /* kernel has none; the user was told */
} SMMUv3AccelEventq;

/* Faults that wait for the guest; see smmuv3-accel-stall.c */
typedef struct SMMUv3AccelStalls {
    QEMUTimer *timer;               /* for answers that are overdue */
    bool polled;                    /* faults are taken from the kernel */
} SMMUv3AccelStalls;

/*
 * Who is at the registers and the batch, maybe without the BQL; see
 * smmuv3-accel-mmio.c. The rest of the state may change meanwhile.
 */
typedef struct SMMUv3AccelMMIO {
    bool busy;
    bool may_unlock;                /* no other device model is below */
    int64_t locked_ns;              /* when the busy thread got the BQL */
    QemuCond idle;
    unsigned int waiting;           /* threads that wait to write registers */
    bool rung;                      /* by another thread, for the busy one */
    bool resuming;                  /* a vCPU has been asked to continue */
    unsigned int handed_over;
} SMMUv3AccelMMIO;

/* When a message of one kind was given last; see smmuv3-accel-report.c */
typedef struct SMMUv3AccelLimit {
    int64_t next_ms;
    unsigned int suppressed;
} SMMUv3AccelLimit;

struct SMMUv3AccelState {
    SMMUv3State parent_obj;

    /* Properties */
    SMMUv3AccelSpec spec;           /* what the command line gives */
    char *host_smmu;                /* wanted; NULL: any */
    hwaddr msi_doorbell;            /* set by the board; 0: none */
    bool no_hotplug;                /* set by the board, with a device tree */
    uint32_t cmdqv_param;           /* PARAM of a CMDQV; 0: not given */

    /* ID registers: fixed at the latest when the machine is done */
    bool regs_fixed;
    SMMUv3AccelRegs regs;
    char *inherited_from;           /* host device; NULL: all were specified */
    Notifier machine_done;

    char *associated_smmu;          /* sysfs name, kept after the last unplug */
    bool was_associated;            /* with that, or with one without a name */
    SMMUv3AccelHost *host;          /* NULL while there is no host device */
    QLIST_HEAD(, SMMUv3AccelDevice) devices;
    SMMUv3AccelBatch batch;
    SMMUv3AccelMMIO mmio;
    SMMUv3AccelEventq eventq;
    SMMUv3AccelStalls stalls;
    struct SMMUv3AccelCmdqv *cmdqv; /* NULL if the guest cannot have one */
    SMMUv3AccelLimit complaints, exposures;
    QEMUTimer *exposed_timer;       /* runs while a device is exposed */
    SMMUv3AccelCounters counters;

    /* What a migration stream says, to be compared with this side */
    uint32_t migrated_reg[SMMU_ACCEL_NR_REGS];
    uint8_t migrated_bus;           /* number of the root complex's own bus */
};

#endif /* HW_ARM_SMMUV3_ACCEL_STATE_H */
