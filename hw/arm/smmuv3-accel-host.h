/*
 * Accelerated SMMUv3: the host
 *
 * A kernel vIOMMU, what stands on it, and the devices behind it. This is the
 * only caller of iommufd and of HostIOMMUDeviceIOMMUFD; it looks at nothing of
 * the guest's SMMU, says nothing, and returns what happened. With the BQL held,
 * but for smmuv3_accel_host_invalidate().
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_ARM_SMMUV3_ACCEL_HOST_H
#define HW_ARM_SMMUV3_ACCEL_HOST_H

#include "qemu/queue.h"
#include "system/iommufd.h"
#include "smmuv3-accel-batch.h"
#include "smmuv3-accel-counters.h"
#include "smmuv3-accel-idregs.h"
#include "smmuv3-accel-target.h"

typedef struct SMMUv3AccelHostDevice SMMUv3AccelHostDevice;
typedef struct SMMUv3AccelStall SMMUv3AccelStall;

/*
 * An IOMMU group of the host: the kernel attaches its members together. Most
 * have one member.
 */
typedef struct SMMUv3AccelGroup {
    int id;                     /* in sysfs; -1: cannot be told, one member */
    QTAILQ_HEAD(, SMMUv3AccelHostDevice) members;

    SMMUv3AccelTarget target;   /* what it is attached to right now */
    uint32_t hwpt_id;           /* of @target; 0: detached, which is abort too */
    /* @hwpt_id does not know a member's StreamID, or a member is elsewhere */
    bool outdated;

    bool has_ats;               /* members may hold ATC entries */
    bool incomplete;            /* a function of it has no vDEVICE (ENOENT) */
    bool lost;                  /* invalidations for a member were lost */
    bool exposed;               /* neither @target is wanted nor could it go */
    QTAILQ_ENTRY(SMMUv3AccelGroup) next;
} SMMUv3AccelGroup;

/* The part of a physical SMMU's Tegra241 CMDQV that a guest can get */
typedef struct SMMUv3AccelHostCmdqvInfo {
    bool present;               /* in hardware, and supported by the kernel */
    uint8_t version;
    uint8_t log2_vcmdqs;        /* of a virtual interface */
    uint8_t log2_sids;          /* StreamIDs of a virtual interface */
    Error *error;               /* why nobody knows whether it is present */
} SMMUv3AccelHostCmdqvInfo;

typedef struct SMMUv3AccelHostCmdqv SMMUv3AccelHostCmdqv;

/* A host device (PCI function) */
struct SMMUv3AccelHostDevice {
    HostIOMMUDeviceIOMMUFD *hiodi;  /* a reference of ours */
    char *name;                 /* host's name, for messages */
    SMMUv3AccelHostInfo smmu;   /* its physical SMMU */
    SMMUv3AccelHostCmdqvInfo cmdqv; /* not present unless asked for */
    uint64_t caps;              /* IOMMU_HW_CAP_* of the device */
    uint8_t max_pasid_log2;     /* the same; 0: no PASIDs */
    bool can_stall;             /* the host's kernel lets it stall */

    SMMUv3AccelGroup *group;    /* NULL: not behind a vIOMMU (yet) */
    uint32_t vdevice_id;        /* 0: none */
    uint32_t vsid;              /* the StreamID of vdevice_id */
    QTAILQ_ENTRY(SMMUv3AccelHostDevice) next;
};

/*
 * The kernel vIOMMU of a vSMMU. It comes with the first host device and goes
 * with the last reference to it: the vSMMU has one while there are devices, and
 * so has who makes a host call without the BQL. Three things a group can be
 * attached to stand on it: stage 2 alone, which is bypass; the abort HWPT; and
 * a nested HWPT for each group.
 */
typedef struct SMMUv3AccelHost {
    unsigned refs;
    IOMMUFDBackend *iommufd;    /* connected */
    uint32_t viommu_id;
    bool invalidates_twice;     /* its SMMU needs each TLBI and CFGI twice */
    uint32_t stage2_hwpt_id;    /* nesting parent; owned by VFIO */
    uint32_t abort_hwpt_id;
    QTAILQ_HEAD(, SMMUv3AccelGroup) groups;

    uint32_t veventq_id;        /* 0: none */
    int veventq_fd;
    uint8_t veventq_log2size;

    uint32_t fault_queue_id;    /* 0: none, no transaction stalls */
    int fault_queue_fd;
    unsigned nb_stalls, max_stalls;
    uint16_t next_stag;
    QTAILQ_HEAD(, SMMUv3AccelStall) stalls; /* that the guest knows of */

    SMMUv3AccelHostCmdqv *cmdqv;    /* NULL: the vIOMMU has no queues */
    Error *cmdqv_error;         /* why it has no queues, if not for the lack
                                   of a CMDQV */
    uint32_t queue_errors_id;   /* 0: none */
    int queue_errors_fd;

    bool tlb_lost;              /* TLB invalidations were lost */
    bool sids_changed;          /* StreamIDs have changed during a batch */
    int64_t stuck_until_ms;     /* of QEMU_CLOCK_REALTIME; 0: it is not */
    SMMUv3AccelCounters *counters;  /* of the vSMMU, which outlives this */
} SMMUv3AccelHost;

/**
 * smmuv3_accel_host_device_new - a device that VFIO has just realized
 *
 * Takes a reference. Free it with smmuv3_accel_host_device_free(), after it has
 * left its group.
 */
SMMUv3AccelHostDevice *smmuv3_accel_host_device_new(HostIOMMUDevice *hiod);
void smmuv3_accel_host_device_free(SMMUv3AccelHostDevice *dev);

/**
 * smmuv3_accel_host_ask - read what the physical SMMU of a device is
 *
 * @queues: ask for cmdqv as well; a host without a CMDQV is not an error
 *
 * Fills in all that depends on the kernel: smmu, caps, max_pasid_log2.
 * Returns: false with @errp set if it is no SMMUv3 that nests.
 */
bool smmuv3_accel_host_ask(SMMUv3AccelHostDevice *dev, bool queues,
                           SMMUv3AccelCounters *counters, Error **errp);

/* Name in sysfs of the device's physical SMMU, or NULL; g_free() */
char *smmuv3_accel_host_smmu_name(const SMMUv3AccelHostDevice *dev);
/* Number of its IOMMU group, or -1 */
int smmuv3_accel_host_group_id(const SMMUv3AccelHostDevice *dev);
/* The nesting parent that VFIO has for it */
uint32_t smmuv3_accel_host_stage2(const SMMUv3AccelHostDevice *dev);
/* The largest PARAM of a guest's CMDQV; 0: not asked for, or none is possible */
uint32_t smmuv3_accel_host_cmdqv_param(const SMMUv3AccelHostDevice *dev);

/**
 * smmuv3_accel_host_new - make a vIOMMU on the physical SMMU of @dev
 * @dev: attached by VFIO to its nesting parent HWPT
 * @queues: allocate a vIOMMU with command queues in hardware if @dev->cmdqv is
 *          present. If the host refuses, the vIOMMU has no queues, and
 *          cmdqv_error has the reason
 * @counters: of the vSMMU
 *
 * Returns: the host with one reference, or NULL with @errp set and nothing left
 * in the kernel.
 */
SMMUv3AccelHost *smmuv3_accel_host_new(const SMMUv3AccelHostDevice *dev,
                                       bool queues,
                                       SMMUv3AccelCounters *counters,
                                       Error **errp);
void smmuv3_accel_host_ref(SMMUv3AccelHost *host);
/*
 * The last one destroys it and its command queues. Then it must not have
 * devices or event queues, and the queue page must not be in guest memory.
 */
void smmuv3_accel_host_unref(SMMUv3AccelHost *host);

/**
 * smmuv3_accel_host_join - put a device behind the vIOMMU
 *
 * It is part of its group from now on; what the group is attached to does not
 * change, and the device, if it is not the first, is attached to that by the
 * next smmuv3_accel_host_attach().
 */
void smmuv3_accel_host_join(SMMUv3AccelHost *host, SMMUv3AccelHostDevice *dev);

/**
 * smmuv3_accel_host_leave - give a device back to VFIO
 * @errp: why its DMA could not be blocked
 *
 * Its DMA is blocked, but if others of its group stay: then it is where these
 * are, until VFIO closes it, which resets it.
 *
 * Returns: false with @errp set if its DMA may go on.
 */
bool smmuv3_accel_host_leave(SMMUv3AccelHost *host, SMMUv3AccelHostDevice *dev,
                             Error **errp);

/* The group whose members the kernel attaches together with @dev, or NULL */
SMMUv3AccelGroup *smmuv3_accel_host_group_of(SMMUv3AccelHost *host,
                                             const SMMUv3AccelHostDevice *dev);

/**
 * smmuv3_accel_host_attach - make a group's DMA what @target says
 *
 * From one stage 1 to another in a single step, without a moment of abort.
 * Abort is a detach where the kernel has no other way.
 *
 * Returns: false with @errp set; the group is then where it was.
 */
bool smmuv3_accel_host_attach(SMMUv3AccelHost *host, SMMUv3AccelGroup *group,
                              const SMMUv3AccelTarget *target, Error **errp);

/* Whether the host can use ATS with every member; older kernels do not say */
bool smmuv3_accel_host_has_ats(const SMMUv3AccelGroup *group);

/* Whether attaching @group to @target would change nothing */
bool smmuv3_accel_host_is_attached(const SMMUv3AccelGroup *group,
                                   const SMMUv3AccelTarget *target);

/* Tell the kernel the StreamID of a device, which has none there yet */
bool smmuv3_accel_host_set_sid(SMMUv3AccelHost *host,
                               SMMUv3AccelHostDevice *dev, uint32_t sid,
                               Error **errp);
/*
 * Take it back. Stage 1 that is attached stays so, but reports events with the
 * old StreamID until the group is attached anew.
 */
void smmuv3_accel_host_drop_sid(SMMUv3AccelHost *host,
                                SMMUv3AccelHostDevice *dev);

/* Destroy an object of the kernel's and count it; 0 is none */
void smmuv3_accel_host_put_id(SMMUv3AccelHost *host, uint32_t id);

/* Objects that the kernel would not destroy may stand in the way of new ones */
void smmuv3_accel_host_reap(SMMUv3AccelHost *host);

/* Whether a member has a StreamID from @first to @last */
bool smmuv3_accel_host_is_in_range(const SMMUv3AccelGroup *group,
                                   uint32_t first, uint32_t last);

/* The device that the kernel knows by this StreamID, or NULL */
SMMUv3AccelHostDevice *smmuv3_accel_host_find(SMMUv3AccelHost *host,
                                              uint32_t vsid);

/* Do not leave a host alone any longer that was found to be stuck */
void smmuv3_accel_host_try_again(SMMUv3AccelHost *host);

/* A batch is about to be carried out: with the BQL held, if no other is */
void smmuv3_accel_host_begin(SMMUv3AccelHost *host);

/**
 * smmuv3_accel_host_invalidate - have the host carry out a batch
 *
 * Without the BQL if the caller wants so, with a reference. A host that was
 * found to be stuck a moment ago is not tried; one that refuses a command after
 * it has worked on the batch for eight seconds counts as stuck soon. For the result see
 * smmuv3_accel_batch_submit(); it is for smmuv3_accel_host_invalidated().
 */
void smmuv3_accel_host_invalidate(const SMMUv3AccelHost *host,
                                  const SMMUv3AccelBatch *batch,
                                  SMMUv3AccelSubmitResult *res);

/**
 * smmuv3_accel_host_invalidated - count, and note what was lost
 *
 * A group one of whose members was to forget CDs or ATC entries and may not
 * have, or with a lost TLB invalidation the whole host, must not be nested until
 * smmuv3_accel_host_recovered().
 */
void smmuv3_accel_host_invalidated(SMMUv3AccelHost *host,
                                   const SMMUv3AccelBatch *batch,
                                   const SMMUv3AccelSubmitResult *res);

/* Whether invalidations were lost that have not been made good */
bool smmuv3_accel_host_has_lost(const SMMUv3AccelHost *host);

/**
 * smmuv3_accel_host_recovery - what makes good for what was lost
 * @batch: (out) commands for smmuv3_accel_host_invalidate(), none if nothing was
 *         lost or the host was found to be stuck a moment ago
 *
 * The result is for smmuv3_accel_host_recovered().
 */
void smmuv3_accel_host_recovery(const SMMUv3AccelHost *host,
                                SMMUv3AccelBatch *batch);
void smmuv3_accel_host_recovered(SMMUv3AccelHost *host,
                                 const SMMUv3AccelBatch *batch,
                                 const SMMUv3AccelSubmitResult *res);

/**
 * smmuv3_accel_host_open_events - make the kernel's queue of events
 *
 * Returns: 0, or -errno with @errp set; -ENOTTY if the kernel has none at all.
 */
int smmuv3_accel_host_open_events(SMMUv3AccelHost *host, uint8_t log2size,
                                  Error **errp);
/* Nothing may poll the file any more; no effect if it is not open */
void smmuv3_accel_host_close_events(SMMUv3AccelHost *host);

/*
 * Transactions that stall. fault_queue_id must be set, but for _open_faults(),
 * _close_faults() and _can_stall().
 */

/**
 * smmuv3_accel_host_open_faults - make the kernel's queue of such faults
 * @max_stalls: how many of them the guest is told of at a time
 *
 * Stage 1 that is attached from now on may stall if its target says so.
 *
 * Returns: false with @errp set if no device can stall.
 */
bool smmuv3_accel_host_open_faults(SMMUv3AccelHost *host, unsigned max_stalls,
                                   Error **errp);
/*
 * After all groups have gone, and when nothing polls the file any more; no
 * effect if it is not open
 */
void smmuv3_accel_host_close_faults(SMMUv3AccelHost *host);

/* Whether transactions of @group may stall */
bool smmuv3_accel_host_can_stall(const SMMUv3AccelHost *host,
                                 const SMMUv3AccelGroup *group);

/* A fault of a stalled transaction */
typedef struct SMMUv3AccelFault {
    uint32_t vsid;
    bool ssv;
    uint32_t ssid;              /* if @ssv */
    uint64_t addr;
    bool writes, executes, privileged;
    uint16_t stag;
} SMMUv3AccelFault;

/* Whether the guest can be told of one more */
bool smmuv3_accel_host_has_room(const SMMUv3AccelHost *host);

/**
 * smmuv3_accel_host_next_fault - take the next fault from the kernel
 *
 * Its transaction waits until one of the following functions is called for it,
 * or until its device is attached to something else.
 *
 * Returns: 1, or 0 if there is none; -ENODEV if it was for no device, and was
 * terminated; another -errno if the queue cannot be read.
 */
int smmuv3_accel_host_next_fault(SMMUv3AccelHost *host,
                                 SMMUv3AccelFault *fault);

/* Let it be tried again, or terminated. Returns: false if there is none */
bool smmuv3_accel_host_resume(SMMUv3AccelHost *host, uint32_t vsid,
                              uint16_t stag, bool retry);
/* Terminate all of a device. Returns: how many */
unsigned smmuv3_accel_host_terminate(SMMUv3AccelHost *host, uint32_t vsid);
/*
 * Terminate all that have waited for @age_ms of QEMU_CLOCK_VIRTUAL. Returns: how
 * many. @oldest_ms is since when the oldest remaining one waits, or -1.
 */
unsigned smmuv3_accel_host_terminate_old(SMMUv3AccelHost *host, int64_t age_ms,
                                         int64_t *oldest_ms);
/* The kernel has terminated those of @group, which it has attached anew */
void smmuv3_accel_host_forget_stalls(SMMUv3AccelHost *host,
                                     const SMMUv3AccelGroup *group);

/*
 * Command queues in hardware. host->cmdqv must be set, except for
 * smmuv3_accel_host_queues_free(), _nb_queues() and _close_queue_errors().
 */

/**
 * smmuv3_accel_host_queue_page - page 0 of the virtual interface, as RAM
 *
 * 64 KiB for the guest's memory. A reference to the region keeps it and its
 * vIOMMU alive longer than the host. VFIO does not map it.
 */
MemoryRegion *smmuv3_accel_host_queue_page(SMMUv3AccelHost *host);

/*
 * The register @reg (below 0x80) of queue @lvcmdq in that page. Queues that are
 * not allocated read as 0 and ignore writes.
 */
uint32_t smmuv3_accel_host_queue_read(SMMUv3AccelHost *host, unsigned lvcmdq,
                                      uint32_t reg);
void smmuv3_accel_host_queue_write(SMMUv3AccelHost *host, unsigned lvcmdq,
                                   uint32_t reg, uint32_t value);

/**
 * smmuv3_accel_host_queue_alloc - allocate a queue in hardware
 * @lvcmdq: its number, which is the number of queues allocated before
 * @gpa: its address in the guest's memory, which is pinned
 * @length: its size in bytes
 *
 * The registers of the new queue are 0, and it is not enabled.
 *
 * Returns: 0, or -errno with @errp set.
 */
int smmuv3_accel_host_queue_alloc(SMMUv3AccelHost *host, unsigned lvcmdq,
                                  uint64_t gpa, uint64_t length,
                                  Error **errp);

/* Free all queues, the last one first; may take a second for each */
void smmuv3_accel_host_queues_free(SMMUv3AccelHost *host);

/* Returns: the number of allocated queues */
unsigned smmuv3_accel_host_nb_queues(const SMMUv3AccelHost *host);

/**
 * smmuv3_accel_host_open_queue_errors - open the kernel's queue of their errors
 *
 * Each record of queue_errors_fd has a struct iommu_vevent_tegra241_cmdqv.
 *
 * Returns: 0, or -errno with @errp set.
 */
int smmuv3_accel_host_open_queue_errors(SMMUv3AccelHost *host, Error **errp);
/* Nothing may poll the file any more; no effect if it is not open */
void smmuv3_accel_host_close_queue_errors(SMMUv3AccelHost *host);

#endif /* HW_ARM_SMMUV3_ACCEL_HOST_H */
