/*
 * An iommufd in memory, for unit tests of vIOMMU models
 *
 * Stands in for the kernel behind ioctl(2) on an iommufd, and for the part of
 * hw/vfio/iommufd.c that owns a host device. It follows Linux 6.12 to 7.3 on
 * hosts with SMMUv3: ids, who pins whom, and which errno comes first. The flows
 * of test-smmuv3-accel-contract.c show that it does as the kernel of the lab.
 *
 * Not as in the kernel: an event queue that is empty says EAGAIN instead of 0,
 * and gives at most one packet, that is what fake_iommufd_deliver() put there,
 * per read(); IOVAs are not checked; nothing is attached to an IOAS; the whole
 * address space of a guest is mapped contiguously, unless fake_iommufd_unmap()
 * is called; registers of a CMDQV's queue are memory, which may keep values
 * that are written while there is no queue.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TESTS_UNIT_FAKE_IOMMUFD_H
#define TESTS_UNIT_FAKE_IOMMUFD_H

#include "qemu/thread.h"
#include "system/iommufd.h"
#include <linux/iommufd.h>

typedef enum FakeKernel {
    LINUX_6_12,         /* no SMMUv3 nesting */
    LINUX_6_13,         /* vIOMMU, vDEVICE */
    LINUX_6_15,         /* vEVENTQ; nested HWPTs only with a vDEVICE */
    LINUX_6_17,         /* a vDEVICE dies with its device; tombstones */
    LINUX_6_19,         /* abort and bypass without a vDEVICE */
    LINUX_7_3,          /* checks commands; tells of an erratum */
    LINUX_END
} FakeKernel;

/* A physical SMMU */
typedef struct FakeSMMU {
    const char *name;   /* in sysfs; NULL: cannot be told */
    struct iommu_hw_info_arm_smmuv3 info;
    uint64_t caps;      /* IOMMU_HW_CAP_* of its devices, since 6.15 */
    uint8_t max_pasid_log2;     /* the same */
    uint8_t oas_bits;   /* how far stage 2 reaches; 0: 48 */
    bool cannot_nest;   /* neither CANWBS nor FWB */
    /* Its Tegra241 CMDQV, as the kernel has it for guests since 6.17 */
    struct iommu_hw_info_tegra241_cmdqv cmdqv;
    unsigned interfaces;    /* of it that it can give to guests; 0: has none */
} FakeSMMU;

typedef struct FakeIOMMUFD FakeIOMMUFD;
typedef struct FakeDevice FakeDevice;

/* An iommufd object with this QOM id; assert on free that nothing is left */
FakeIOMMUFD *fake_iommufd_new(FakeKernel kernel, const char *id);
void fake_iommufd_free(FakeIOMMUFD *f);
IOMMUFDBackend *fake_iommufd_backend(FakeIOMMUFD *f);

/*
 * What VFIO does around [un]set_iommu_device: bind a device and attach it to
 * a stage 2 that devices with the same @owner on the same SMMU share; and back.
 * An unbind when the vIOMMU still has objects is what leaks.
 */
FakeDevice *fake_vfio_bind(FakeIOMMUFD *f, const FakeSMMU *smmu,
                           const char *name, const void *owner);
void fake_vfio_unbind(FakeDevice *dev);
/* The same for a device in a group with others; -1: in one of its own */
FakeDevice *fake_vfio_bind_in_group(FakeIOMMUFD *f, const FakeSMMU *smmu,
                                    const char *name, const void *owner,
                                    int group);
HostIOMMUDevice *fake_vfio_hiod(FakeDevice *dev);
/*
 * So many devices are in the group, bound or not. Unless this is said, there
 * are those that were ever bound.
 */
void fake_iommufd_set_group(FakeIOMMUFD *f, const FakeSMMU *smmu, int group,
                            unsigned n_devices);

/*
 * The cdev of a device, without VFIO: VFIO_DEVICE_BIND_IOMMUFD, ATTACH and
 * DETACH, which return 0 or -errno
 */
FakeDevice *fake_cdev_open(FakeIOMMUFD *f, const FakeSMMU *smmu, int group);
int fake_cdev_ioctl(FakeDevice *dev, unsigned long request, void *arg);
void fake_cdev_close(FakeDevice *dev);
/* As if its file was closed: all objects go */
void fake_iommufd_close(FakeIOMMUFD *f);

/*
 * What the physical SMMU does with the DMA of @dev: "blocked" (detached),
 * "stage2", "abort", "bypass" or "s1 <S1ContextPtr>", the last three by a
 * nested HWPT, and "s1 <S1ContextPtr> sid <vSID>" if it also reports faults.
 */
char *fake_vfio_dma(FakeDevice *dev);
/* The words of the nested HWPT behind that */
const uint64_t *fake_vfio_ste(FakeDevice *dev);

/* Whether Linux 7.3 issues a command on this SMMU */
bool fake_command_is_valid(const FakeSMMU *smmu, const uint64_t cmd[2]);

/* The calls since the last one of this, "attach detach! ...": ! for refused */
char *fake_iommufd_calls(FakeIOMMUFD *f);
/* The same as lines of iommufd-words.h, with arguments and results */
char *fake_iommufd_words(FakeIOMMUFD *f);

/* Called after every call that has an argument, with its result; or NULL */
typedef void FakeWatch(void *opaque, unsigned long request, const void *arg,
                       FakeDevice *dev, int ret);
void fake_iommufd_watch(FakeIOMMUFD *f, FakeWatch *func, void *opaque);

/*
 * Let the @nth call from now on, counted from 1, fail with the @variant-th of
 * the errnos that the kernel has for it; 0 to stop. The calls of VFIO itself
 * do not count.
 */
void fake_iommufd_fail_nth(FakeIOMMUFD *f, unsigned nth, unsigned variant);
/* The same for that call and all later ones */
void fake_iommufd_fail_from(FakeIOMMUFD *f, unsigned nth, unsigned variant);
#define FAKE_VARIANTS 9

/* Calls since one of these, and whether any was made to fail */
unsigned fake_iommufd_n_calls(FakeIOMMUFD *f);
bool fake_iommufd_has_failed(FakeIOMMUFD *f);
/* Calls since it was made, but DESTROY, which the backend repeats by itself */
unsigned fake_iommufd_total(FakeIOMMUFD *f);

/* Commands that reached the SMMU's queue, with SID and VMID rewritten */
typedef struct FakeCommand {
    uint64_t cmd[2];
} FakeCommand;
const GArray *fake_iommufd_commands(FakeIOMMUFD *f);
/* From now on each invalidation says that it is there, and waits; or NULLs */
void fake_iommufd_hold(FakeIOMMUFD *f, QemuSemaphore *entered,
                       QemuSemaphore *leave);
/* The SMMU carries no command out: every invalidation times out */
void fake_iommufd_set_stuck(FakeIOMMUFD *f, bool stuck);
/* It refuses each invalidation, and takes so long for it; 0: no longer */
void fake_iommufd_set_slow(FakeIOMMUFD *f, unsigned ms);
uint32_t fake_vfio_psid(FakeDevice *dev);

/* Stage 1 of @dev faults. Returns false if the event went to nobody */
bool fake_vfio_fault(FakeDevice *dev, uint8_t event, uint64_t addr);
/*
 * Stage 1 of @dev faults and stalls, with @pasid or, if negative, without one;
 * @perm: IOMMU_PGFAULT_PERM_*. Returns NULL if it does not stall. What it
 * returns is there as long as the iommufd is.
 */
typedef struct FakeStall FakeStall;
typedef enum FakeStallState {
    FAKE_WAITS,
    FAKE_RETRIED,
    FAKE_TERMINATED,        /* by an answer, or by the kernel */
} FakeStallState;
FakeStall *fake_vfio_stall(FakeDevice *dev, int64_t pasid, uint64_t addr,
                           uint32_t perm);
FakeStallState fake_stall_state(FakeStall *stall);

/* Make what is queued readable, and an empty read if nothing is */
void fake_iommufd_deliver(FakeIOMMUFD *f);
/* The next read() of an event queue gives this. Returns false if it is full */
bool fake_iommufd_send(FakeIOMMUFD *f, uint32_t type, const void *data,
                       size_t size);
/* Depth of the only event queue, or 0 */
uint32_t fake_iommufd_veventq_depth(FakeIOMMUFD *f);
/* As if so many events had been before */
void fake_iommufd_set_sequence(FakeIOMMUFD *f, uint32_t sequence);

/*
 * VFIO maps guest memory at @host in the host, and unmaps everything from @iova
 * on, whole areas only. Returns 0 or -errno.
 */
int fake_iommufd_map(FakeIOMMUFD *f, uint64_t iova, uint64_t length,
                     uint64_t host);
int fake_iommufd_unmap(FakeIOMMUFD *f, uint64_t iova, uint64_t length);
#define FAKE_MEMORY_SIZE (1ULL << 48)

/*
 * The CMDQV of the only vIOMMU that has one: the registers of a queue, 32 bits
 * each in little endian, or NULL if there is no such queue; the number of
 * queues; and the address of a queue in guest memory.
 */
uint32_t *fake_cmdqv_regs(FakeIOMMUFD *f, unsigned lvcmdq);
unsigned fake_cmdqv_queues(FakeIOMMUFD *f);
uint64_t fake_cmdqv_base(FakeIOMMUFD *f, unsigned lvcmdq, uint64_t *length);
/* Run the hardware until it is idle. Returns the number of commands */
unsigned fake_cmdqv_run(FakeIOMMUFD *f);
/* Run it all the time, or stop that; returns the number of commands */
void fake_cmdqv_work(FakeIOMMUFD *f, bool works);
uint64_t fake_cmdqv_commands(FakeIOMMUFD *f);
/* The length of the page of an interface, as the kernel says; initially 64K */
void fake_cmdqv_set_page_length(uint64_t length);
/* Let nothing else be mapped where the page of an interface is */
void fake_cmdqv_keep_mappings(bool keep);
/* Let it stop at a command, with this ERR and an event */
void fake_cmdqv_stop_queue(FakeIOMMUFD *f, unsigned lvcmdq, unsigned err);
/* Send only an event with this map. Returns false if it was not delivered */
bool fake_cmdqv_event(FakeIOMMUFD *f, uint64_t map0, uint64_t map1);
/* Like fake_iommufd_deliver(), for these events */
void fake_cmdqv_deliver(FakeIOMMUFD *f);

#endif
