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
#define STE_CONFIG(word0)   (((word0) >> 1) & 7)

typedef enum FakeCall {
    GET_HW_INFO,
    IOAS_ALLOC,
    IOVA_RANGES,
    HWPT_ALLOC,
    VIOMMU_ALLOC,
    VDEVICE_ALLOC,
    VEVENTQ_ALLOC,
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
    bool nests;             /* a stage 2 */
    const void *owner;      /* of a stage 2, in the books of VFIO */
    unsigned n_devices;     /* the same; of an IOAS too */
    uint64_t ste[2];        /* of a nested HWPT */
    FakeDevice *dev;        /* of a vDEVICE */
    uint32_t vsid;          /* the same */

    /* Of a vEVENTQ */
    int peer;
    uint32_t depth;
    uint32_t sequence;
    unsigned n_events;
    GByteArray *events;
    bool lost;
    uint32_t lost_sequence;
};

struct FakeIOMMUFD {
    IOMMUFDBackend *be;
    FakeKernel kernel;
    GPtrArray *objects;     /* by id; NULL: free */
    GPtrArray *groups;
    FakeObject *ioas;
    GString *log, *words;
    IommufdNames names;     /* in @words */
    GArray *commands;
    unsigned total;         /* calls, ever, but DESTROY */
    unsigned n_calls, fail_first, fail_last, fail_variant;
    bool has_failed, has_kept;  /* injected: any; of a DESTROY */
    QemuSemaphore *entered, *leave;     /* of an invalidation; or NULL */
    bool stuck;             /* no invalidation is carried out */
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
/* @err: to fail with, or 0 */
int fake_invalidate(FakeIOMMUFD *f, struct iommu_hwpt_invalidate *inv, int err);

/* What BIND, ATTACH and DETACH do in the kernel */
void fake_device_bind(FakeDevice *dev);
int fake_device_attach(FakeDevice *dev, uint32_t hwpt_id);
void fake_device_detach(FakeDevice *dev);

#endif
