/*
 * What the two halves of the fake iommufd share
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TESTS_UNIT_FAKE_IOMMUFD_INTERNAL_H
#define TESTS_UNIT_FAKE_IOMMUFD_INTERNAL_H

#include "qemu/range.h"
#include "fake-iommufd.h"

/* struct iommu_hwpt_arm_smmuv3 */
#define STE0_V              1ULL
#define STE_CONFIG(word0)   (((word0) >> 1) & 7)

typedef enum FakeCall {
    GET_HW_INFO,
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
    IOMMUFDBackend be;
    FakeKernel kernel;
    GPtrArray *objects;     /* by id; NULL: free */
    FakeObject *ioas;
    GString *log;
    GArray *commands;
    unsigned total;         /* calls, ever */
    unsigned n_calls, fail_first, fail_last, fail_variant;
    bool has_failed, has_kept;  /* injected: any; of a DESTROY */
    QemuSemaphore *entered, *leave;     /* of an invalidation; or NULL */
};

struct FakeDevice {
    HostIOMMUDeviceIOMMUFD parent_obj;
    FakeIOMMUFD *f;
    const FakeSMMU *smmu;
    FakeObject *attached;   /* NULL: blocked */
    FakeObject *stage2;     /* where VFIO believes it is */
    FakeObject *vdevice;
    bool reports;           /* the driver's vmaster, taken at attach */
    uint32_t reported_sid;
    GList *iova_ranges;
    Range iova_range;
};

#define TYPE_FAKE_DEVICE TYPE_HOST_IOMMU_DEVICE_IOMMUFD "-fake"
OBJECT_DECLARE_SIMPLE_TYPE(FakeDevice, FAKE_DEVICE)

/*
 * Around every call that can be made to fail: the errno to fail with or 0; and
 * its entry in the log
 */
int fake_inject(FakeIOMMUFD *f, FakeCall call);
int fake_finish(FakeIOMMUFD *f, FakeCall call, int ret, Error **errp);

/* A new object, which is a user of @pins */
FakeObject *fake_object_add(FakeIOMMUFD *f, FakeKind kind, FakeObject *pins,
                            const FakeSMMU *smmu);
/* NULL: no such id, or it is something else */
FakeObject *fake_object_any(FakeIOMMUFD *f, uint32_t id);
FakeObject *fake_object_get(FakeIOMMUFD *f, uint32_t id, FakeKind kind);
/* One that nobody uses; and IOMMU_DESTROY, which asks first */
void fake_object_remove(FakeIOMMUFD *f, FakeObject *obj);
int fake_object_destroy(FakeIOMMUFD *f, uint32_t id);

#endif
