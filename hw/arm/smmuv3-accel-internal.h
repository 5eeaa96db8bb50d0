/*
 * Accelerated SMMUv3: state shared by its modules
 *
 * Everything here is used with the BQL held. It is dropped during the ioctl of
 * an invalidation, while SMMUv3AccelMMIO.busy keeps others away.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_ARM_SMMUV3_ACCEL_INTERNAL_H
#define HW_ARM_SMMUV3_ACCEL_INTERNAL_H

#include "hw/arm/smmuv3.h"
#include "hw/arm/smmuv3-accel.h"
#include "hw/pci/pci.h"
#include "qemu/notify.h"
#include "qemu/queue.h"

#include "smmuv3-internal.h"
#include "smmuv3-accel-batch.h"
#include "smmuv3-accel-counters.h"
#include "smmuv3-accel-idregs.h"
#include "smmuv3-accel-ste.h"
#include "smmuv3-accel-viommu.h"

/* A host device (PCI function) behind the vSMMU */
typedef struct SMMUv3AccelDevice {
    SMMUv3AccelState *smmu;
    HostIOMMUDeviceIOMMUFD *hiodi;  /* a reference of ours */
    char *name;                     /* host's name, for messages */
    PCIBus *bus;
    int devfn;
    uint32_t host_idr0;             /* of its physical SMMU, raw */
    uint64_t host_caps;             /* IOMMU_HW_CAP_* of the device */
    uint8_t max_pasid_log2;         /* the same; 0: no PASIDs */

    SMMUv3AccelTarget target;       /* what it is attached to right now */
    uint32_t nested_hwpt_id;        /* of @target if it is NESTED, else 0 */

    uint32_t vdevice_id;            /* 0: none */
    uint32_t vsid;                  /* the StreamID of vdevice_id */

    bool due;                       /* for evaluate to look at */
    QLIST_ENTRY(SMMUv3AccelDevice) next;
} SMMUv3AccelDevice;

/* What VFIO does for a host device */
static inline HostIOMMUDeviceIOMMUFDClass *
accel_hiodc(const SMMUv3AccelDevice *dev)
{
    return HOST_IOMMU_DEVICE_IOMMUFD_GET_CLASS(dev->hiodi);
}

/* The kernel's queue of events for the guest; see smmuv3-accel-eventq.c */
typedef struct SMMUv3AccelEventq {
    uint32_t id;                    /* 0: none */
    int fd;
    uint32_t log2size;              /* of the number of events it holds */
    uint32_t next_sequence;
    bool unsupported;               /* kernel has none; the user was told */
} SMMUv3AccelEventq;

/* Who is at the registers while the BQL is free; see smmuv3-accel-mmio.c */
typedef struct SMMUv3AccelMMIO {
    const MemoryRegionOps *base;    /* of arm-smmuv3 */
    MemoryRegionOps ops;
    bool busy;
    QemuThread owner;               /* if busy */
    QemuCond idle;
    bool rung;                      /* by another thread, for the owner */
    unsigned int handed_over;
} SMMUv3AccelMMIO;

/* At most one message in a while about what a guest can provoke at will */
typedef struct SMMUv3AccelComplaint {
    int64_t next_ms;
    unsigned int suppressed;
} SMMUv3AccelComplaint;

struct SMMUv3AccelState {
    SMMUv3State parent_obj;

    /* Properties */
    SMMUv3AccelSpec spec;           /* what the command line gives */
    char *host_smmu;                /* wanted; NULL: any */
    hwaddr msi_doorbell;            /* set by the board; 0: none */
    bool no_hotplug;                /* set by the board, with a device tree */

    /* ID registers: fixed at the latest when the machine is done */
    bool regs_fixed;
    SMMUv3AccelRegs regs;
    char *inherited_from;           /* host device; NULL: all were specified */
    Notifier machine_done;

    char *associated_smmu;          /* sysfs name, kept after the last unplug */
    SMMUv3AccelViommu *viommu;      /* NULL while there is no host device */
    QLIST_HEAD(, SMMUv3AccelDevice) devices;
    SMMUv3AccelBatch batch;
    SMMUv3AccelMMIO mmio;
    SMMUv3AccelEventq eventq;
    SMMUv3AccelComplaint complaint;
    SMMUv3AccelCounters counters;

    /* What a migration stream says, to be compared with this side */
    uint32_t migrated_reg[SMMU_ACCEL_NR_REGS];
    uint8_t migrated_bus;           /* number of the root complex's own bus */
};

/*
 * smmuv3-accel-regs.c: when the ID registers are decided
 */

/**
 * smmuv3_accel_regs_from_spec - fix the registers if the command line has all
 *
 * Called by realize. Returns: false with @errp set if a given value is wrong;
 * true with regs_fixed unset if registers are to be inherited.
 */
bool smmuv3_accel_regs_from_spec(SMMUv3AccelState *s, Error **errp);

/**
 * smmuv3_accel_regs_admit - may this host device serve the vSMMU?
 * @dev: host device that is being plugged
 * @smmu: the name of its physical SMMU, or NULL
 *
 * Inherits from it what is still missing, then compares. Returns: false with
 * every difference in @errp.
 */
bool smmuv3_accel_regs_admit(SMMUv3AccelState *s, SMMUv3AccelDevice *dev,
                             const char *smmu, Error **errp);

/**
 * smmuv3_accel_pasid_cap - what the guest may do with PASIDs of this device
 * @dev: host device that has been admitted
 *
 * Returns: the PASID Capability register (PCI_PASID_CAP_*), 0 for none: the
 * device has none in the host, or the vSMMU no substreams.
 */
uint16_t smmuv3_accel_pasid_cap(const SMMUv3AccelDevice *dev);

/* smmuv3-accel-props.c: called by class_init */
void smmuv3_accel_class_add_props(ObjectClass *oc);

/* smmuv3-accel-pci.c: SMMUBaseClass::setup_pci_iommu */
bool smmuv3_accel_setup_pci_iommu(SMMUState *bs, Error **errp);

/*
 * smmuv3-accel-device.c
 */

/**
 * smmuv3_accel_device_plug - take over a host device from VFIO
 * @hiod: the device, attached by VFIO to its nesting parent HWPT
 *
 * On success the device's attachment is what the registers and the STE of its
 * StreamID ask for, and remains so until smmuv3_accel_device_unplug().
 */
bool smmuv3_accel_device_plug(SMMUv3AccelState *s, PCIBus *bus, int devfn,
                              HostIOMMUDevice *hiod, Error **errp);

/* Give the device back to VFIO, with its DMA blocked; none there: no effect */
void smmuv3_accel_device_unplug(SMMUv3AccelState *s, PCIBus *bus, int devfn);

/* The host device at this place, or NULL */
SMMUv3AccelDevice *smmuv3_accel_device_find(SMMUv3AccelState *s, PCIBus *bus,
                                            int devfn);

/* The host device that the kernel knows by this StreamID, or NULL */
SMMUv3AccelDevice *smmuv3_accel_device_by_vsid(SMMUv3AccelState *s,
                                               uint32_t vsid);

/**
 * smmuv3_accel_put_id - destroy a kernel object that stands on the vIOMMU
 *
 * Complains if the kernel refuses, and tries again later.
 */
void smmuv3_accel_put_id(SMMUv3AccelState *s, uint32_t id);

/*
 * smmuv3-accel-attach.c
 */

/*
 * The StreamID as of now. A bus behind a bridge has no number until the guest
 * gives it one, and a device there no StreamID: false.
 */
bool smmuv3_accel_device_sid(const SMMUv3AccelDevice *dev, uint32_t *sid);

/**
 * smmuv3_accel_evaluate - make attachments what the guest configured
 * @first: first StreamID concerned
 * @last: last one; 0 to UINT32_MAX for all devices
 *
 * Idempotent. Called by whatever may have changed the outcome: a control
 * register, a configuration command, reset, a bridge that gets another bus
 * number. A device whose StreamID is found to have changed is always concerned.
 * One that the host refuses to attach as wanted ends with its DMA blocked, and
 * a message. What the guest got wrong is recorded in its event queue.
 */
void smmuv3_accel_evaluate(SMMUv3AccelState *s, uint32_t first, uint32_t last);

/* The same for devices without a StreamID yet, or with another one than before */
void smmuv3_accel_evaluate_moved(SMMUv3AccelState *s);

/* A device that VFIO has just attached to stage 2 */
void smmuv3_accel_attach_begin(SMMUv3AccelDevice *dev);

/**
 * smmuv3_accel_attach - attach one device to what the guest configured for it
 *
 * For plug, which can fail; evaluate is for all others. On failure it is where
 * it was.
 */
bool smmuv3_accel_attach(SMMUv3AccelDevice *dev, Error **errp);

/* Leave the device to VFIO, off all HWPTs of ours, with its DMA blocked */
void smmuv3_accel_attach_end(SMMUv3AccelDevice *dev);

/* smmuv3-accel-invalidate.c: SMMUv3Class::command and cmdq_drained */
int smmuv3_accel_command(SMMUv3State *s, const Cmd *cmd);
void smmuv3_accel_cmdq_drained(SMMUv3State *s);

/*
 * smmuv3-accel-mmio.c
 */

/* Called by realize, with the region that the base class has made */
void smmuv3_accel_mmio_init(SMMUv3AccelState *s, MemoryRegion *iomem);

/* Until no vCPU is at the registers; drops the BQL if it has to wait */
void smmuv3_accel_mmio_wait(SMMUv3AccelState *s);

/*
 * smmuv3-accel-eventq.c
 */

/* Make the kernel's event queue exist when, and as large as, the guest's */
void smmuv3_accel_eventq_update(SMMUv3AccelState *s);
/* Before the vIOMMU is freed */
void smmuv3_accel_eventq_free(SMMUv3AccelState *s);

/**
 * smmuv3_accel_complain - report what went wrong on behalf of the guest
 * @err: consumed
 *
 * Rate limited, as the guest may be able to repeat the cause.
 */
void smmuv3_accel_complain(SMMUv3AccelState *s, Error *err);

#endif /* HW_ARM_SMMUV3_ACCEL_INTERNAL_H */
