/*
 * What the parts of the fake iommufd share
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TESTS_UNIT_FAKE_IOMMUFD_INTERNAL_H
#define TESTS_UNIT_FAKE_IOMMUFD_INTERNAL_H

#include "hw/vfio/vfio-common.h"
#include "fake-iommufd.h"
#include "iommufd-words.h"

/* struct iommu_hwpt_arm_smmuv3 */
#define STE0_V              1ULL
#define STE0_CONFIG(word0)   (((word0) >> 1) & 7)

typedef enum FakeCall {
    GET_HW_INFO,
    IOAS_ALLOC,
    IOVA_RANGES,
    HWPT_ALLOC,
    VIOMMU_ALLOC,
    VDEVICE_ALLOC,
    VEVENTQ_ALLOC,
    FAULT_QUEUE_ALLOC,
    HW_QUEUE_ALLOC,
    MMAP,
    IOAS_MAP,
    IOAS_UNMAP,
    NESTED_ALLOC,
    INVALIDATE,
    DESTROY,
    ATTACH,
    DETACH,
} FakeCall;

typedef enum FakeKind {
    OBJ_IOAS,
    OBJ_STAGE2,
    OBJ_NESTED,
    OBJ_VIOMMU,
    OBJ_VDEVICE,
    OBJ_VEVENTQ,
    OBJ_FAULT_QUEUE,
    OBJ_HW_QUEUE,
    OBJ_DEVICE,
    OBJ_TOMBSTONE,
} FakeKind;

/* An id: what it is, and who depends on it (EBUSY) */
typedef struct FakeObject FakeObject;
struct FakeObject {
    FakeKind kind;
    uint32_t id;
    unsigned users;         /* beside the id itself */
    FakeObject *pins;       /* holds one of that object's users */
    const FakeSMMU *smmu;   /* not of an IOAS */
    GArray *areas;          /* of an IOAS: what is mapped; or NULL */
    bool nests;             /* a stage 2 */
    const void *owner;      /* of a stage 2, in the books of VFIO */
    unsigned n_devices;     /* the same; of an IOAS too */
    uint64_t ste[2];        /* of a nested HWPT */
    FakeObject *fault_queue;    /* the same; or NULL */
    FakeDevice *dev;        /* of a vDEVICE */
    uint32_t vsid;          /* the same */

    /* Of a vIOMMU that has a virtual interface of a CMDQV: its registers */
    uint8_t *page;
    int page_fd;

    /* Of a queue in hardware */
    uint32_t index;
    uint64_t iova, length;

    /* Of a queue of faults: the caller's end, and whose it is */
    int fd;
    FakeIOMMUFD *faults_of;

    /* Of a vEVENTQ; the peer also of a queue of faults */
    uint32_t type;
    int peer;
    uint32_t depth;
    uint32_t sequence;
    unsigned n_events;
    GByteArray *events;
    bool lost;
    uint32_t lost_sequence;
};

/* Registers of a vIOMMU as the caller sees them; pins it */
typedef struct FakeMapping {
    void *at;
    FakeObject *viommu;
} FakeMapping;

/* A queue as the hardware sees it */
typedef struct FakeQueue {
    uint32_t *regs;
    uint32_t mask;          /* of an index, with its wrap bit */
} FakeQueue;

struct FakeIOMMUFD {
    IOMMUFDBackend *be;
    FakeKernel kernel;
    GPtrArray *objects;     /* by id; NULL: free */
    GPtrArray *groups;
    FakeObject *ioas;
    GArray *mappings;
    GPtrArray *stalls;      /* ever */

    /* Consumes queues, perhaps in a thread of its own */
    QemuMutex hw_lock;
    QemuThread hw_thread;
    bool hw_works;
    GArray *hw_queues;
    uint64_t hw_commands;

    GString *log, *words;
    IommufdNames names;     /* in @words */
    GArray *commands;
    unsigned total;         /* calls, ever, but DESTROY */
    unsigned n_calls, fail_first, fail_last, fail_variant;
    bool has_failed, has_kept;  /* injected: any; of a DESTROY */
    QemuSemaphore *entered, *leave;     /* of an invalidation; or NULL */
    bool stuck;             /* no invalidation is carried out */
    unsigned slow_ms;       /* each invalidation fails after that; 0: none */
    FakeWatch *watch;
    void *watch_opaque;
};

/* An IOMMU group: attached as a whole */
typedef struct FakeGroup {
    int id;
    const FakeSMMU *smmu;
    FakeObject *attached;   /* NULL: blocked */
    GPtrArray *devices;     /* bound ones */
    unsigned n_present;     /* with those that are not, or not any more */
} FakeGroup;

struct FakeDevice {
    HostIOMMUDeviceIOMMUFD parent_obj;
    FakeIOMMUFD *f;
    const FakeSMMU *smmu;
    FakeGroup *group;
    bool attached;          /* by itself, to what its group is attached to */
    FakeObject *stage2;     /* where VFIO believes it is */
    FakeObject *vdevice;
    bool reports;           /* the driver's vmaster, taken at attach */
    uint32_t reported_sid;
};

#define TYPE_FAKE_DEVICE TYPE_HOST_IOMMU_DEVICE_IOMMUFD "-fake"
OBJECT_DECLARE_SIMPLE_TYPE(FakeDevice, FAKE_DEVICE)

/* The iommufd that has this file, or NULL */
FakeIOMMUFD *fake_by_fd(int fd);
/* Ask each iommufd for the mapping at an address, until one has it */
void fake_each(bool (*func)(FakeIOMMUFD *f, void *addr, size_t length),
               void *addr, size_t length);

/*
 * Around every call that can be made to fail: the errno to fail with or 0; and
 * its entry in the log
 */
int fake_inject(FakeIOMMUFD *f, FakeCall call);
int fake_finish(FakeIOMMUFD *f, FakeCall call, int ret);

/*
 * A line of all calls: @before and @after are its argument at either time, @dev
 * is the device if it was made on a cdev. And an id without a call.
 */
void fake_words(FakeIOMMUFD *f, unsigned long request, const uint32_t *before,
                const void *after, uint32_t dev, int ret);
void fake_name(FakeIOMMUFD *f, const char *request, uint32_t id);

/* A new object, which is a user of @pins */
FakeObject *fake_object_add(FakeIOMMUFD *f, FakeKind kind, FakeObject *pins,
                            const FakeSMMU *smmu);
/* NULL: no such id, or it is something else */
FakeObject *fake_object_any(FakeIOMMUFD *f, uint32_t id);
FakeObject *fake_object_get(FakeIOMMUFD *f, uint32_t id, FakeKind kind);
/* One that nobody uses; and IOMMU_DESTROY, which asks first */
void fake_object_remove(FakeIOMMUFD *f, FakeObject *obj);
int fake_object_destroy(FakeIOMMUFD *f, uint32_t id);
FakeDevice *fake_device_by_id(FakeIOMMUFD *f, uint32_t id);
FakeObject *fake_vdevice_by_vsid(FakeIOMMUFD *f, FakeObject *viommu,
                                 uint64_t vsid);

/* The ioctls: what the kernel does; 0 or -errno */
int fake_get_hw_info(FakeIOMMUFD *f, struct iommu_hw_info *info);
int fake_ioas_alloc(FakeIOMMUFD *f, struct iommu_ioas_alloc *alloc);
int fake_iova_ranges(FakeIOMMUFD *f, struct iommu_ioas_iova_ranges *get);
int fake_hwpt_alloc(FakeIOMMUFD *f, struct iommu_hwpt_alloc *alloc);
int fake_nested_alloc(FakeIOMMUFD *f, struct iommu_hwpt_alloc *alloc,
                      FakeDevice *dev, FakeObject *viommu);
int fake_viommu_alloc(FakeIOMMUFD *f, struct iommu_viommu_alloc *alloc);
int fake_vdevice_alloc(FakeIOMMUFD *f, struct iommu_vdevice_alloc *alloc);
int fake_veventq_alloc(FakeIOMMUFD *f, struct iommu_veventq_alloc *alloc);
int fake_fault_queue_alloc(FakeIOMMUFD *f, struct iommu_fault_alloc *alloc);
int fake_hw_queue_alloc(FakeIOMMUFD *f, struct iommu_hw_queue_alloc *alloc);
int fake_ioas_map(FakeIOMMUFD *f, struct iommu_ioas_map *map);
int fake_ioas_unmap(FakeIOMMUFD *f, struct iommu_ioas_unmap *unmap);
/* @err: to fail with, or 0 */
int fake_invalidate(FakeIOMMUFD *f, struct iommu_hwpt_invalidate *inv, int err);

/* Mapped memory; a queue in hardware locks it, if it is contiguous */
void fake_ioas_add(FakeObject *ioas, uint64_t iova, uint64_t length,
                   uint64_t host);
int fake_ioas_remove(FakeObject *ioas, uint64_t iova, uint64_t length);
int fake_ioas_lock(FakeObject *ioas, uint64_t iova, uint64_t length,
                   uint64_t *host);
void fake_ioas_unlock(FakeObject *ioas, uint64_t iova, uint64_t length);

/* Virtual interfaces of a CMDQV: parts of the calls above */
bool fake_viommu_has_queues(const FakeObject *viommu);
int fake_get_cmdqv_info(FakeIOMMUFD *f, struct iommu_hw_info *info,
                        const FakeSMMU *smmu);
int fake_interface_check(FakeIOMMUFD *f, struct iommu_viommu_alloc *alloc,
                         const FakeSMMU *smmu);
void fake_interface_add(FakeIOMMUFD *f, struct iommu_viommu_alloc *alloc,
                        FakeObject *viommu);
void fake_interface_remove(FakeObject *viommu);
int fake_interface_check_sid(FakeIOMMUFD *f, FakeObject *viommu,
                             uint64_t vsid);
FakeObject *fake_hw_queue(FakeIOMMUFD *f, FakeObject *viommu, uint32_t index);
void fake_hw_queue_remove(FakeIOMMUFD *f, FakeObject *queue);

/* Deliver an event. Returns false if there is no queue for it, or no room */
bool fake_veventq_add(FakeIOMMUFD *f, FakeObject *viommu, uint32_t type,
                      const void *event, size_t size);
void fake_veventq_deliver(FakeIOMMUFD *f, uint32_t type);

/* The kernel answers what waits when a device is attached to something else */
void fake_faults_end(FakeDevice *dev);

/* What BIND, ATTACH and DETACH do in the kernel */
void fake_device_bind(FakeDevice *dev);
int fake_device_attach(FakeDevice *dev, uint32_t hwpt_id);
void fake_device_detach(FakeDevice *dev);

#endif
