/*
 * An iommufd in memory: ids, IOAS and page tables
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bitops.h"
#include "fake-iommufd-internal.h"

/* Objects */

FakeObject *fake_object_add(FakeIOMMUFD *f, FakeKind kind, FakeObject *pins,
                              const FakeSMMU *smmu)
{
    FakeObject *obj = g_new0(FakeObject, 1);
    uint32_t id = 1;

    while (id < f->objects->len && g_ptr_array_index(f->objects, id)) {
        id++;
    }
    if (id >= f->objects->len) {
        g_ptr_array_set_size(f->objects, id + 1);
    }
    g_ptr_array_index(f->objects, id) = obj;
    *obj = (FakeObject) { .kind = kind, .id = id, .pins = pins, .smmu = smmu };
    if (pins) {
        pins->users++;
    }
    return obj;
}

FakeObject *fake_object_any(FakeIOMMUFD *f, uint32_t id)
{
    FakeObject *obj = id < f->objects->len ? g_ptr_array_index(f->objects, id)
                                           : NULL;

    return obj && obj->kind != OBJ_TOMBSTONE ? obj : NULL;
}

FakeObject *fake_object_get(FakeIOMMUFD *f, uint32_t id, FakeKind kind)
{
    FakeObject *obj = fake_object_any(f, id);

    return obj && obj->kind == kind ? obj : NULL;
}

void fake_object_remove(FakeIOMMUFD *f, FakeObject *obj)
{
    g_assert_cmpuint(obj->users, ==, 0);
    g_ptr_array_index(f->objects, obj->id) = NULL;
    if (obj->pins) {
        obj->pins->users--;
    }
    if (obj->kind == OBJ_VDEVICE && obj->dev) {
        obj->dev->vdevice = NULL;
    }
    if (obj->kind == OBJ_VEVENTQ) {
        close(obj->peer);
        g_byte_array_unref(obj->events);
    }
    if (obj->kind == OBJ_FAULT_QUEUE) {
        close(obj->peer);
    }
    if (obj->fault_queue) {
        obj->fault_queue->users--;
    }
    if (obj->kind == OBJ_HW_QUEUE) {
        fake_hw_queue_remove(f, obj);
    }
    if (obj->kind == OBJ_VIOMMU && fake_viommu_has_queues(obj)) {
        fake_interface_remove(obj);
    }
    if (obj->areas) {
        g_array_unref(obj->areas);
    }
    g_free(obj);
}

/* Whether the other end of the queue is open; it may have left answers */
static bool queue_is_open(FakeObject *q)
{
    char c;
    ssize_t len = recv(q->peer, &c, 1, MSG_PEEK | MSG_DONTWAIT);

    return len > 0 || (len < 0 && errno == EAGAIN);
}

static bool is_open_queue(FakeObject *obj)
{
    return (obj->kind == OBJ_VEVENTQ || obj->kind == OBJ_FAULT_QUEUE) &&
           queue_is_open(obj);
}

int fake_object_destroy(FakeIOMMUFD *f, uint32_t id)
{
    FakeObject *obj = fake_object_any(f, id);

    if (!obj) {
        return -ENOENT;
    }
    if (obj->users || obj->kind == OBJ_DEVICE || is_open_queue(obj)) {
        return -EBUSY;
    }
    fake_object_remove(f, obj);
    return 0;
}

FakeDevice *fake_device_by_id(FakeIOMMUFD *f, uint32_t id)
{
    FakeObject *obj = fake_object_get(f, id, OBJ_DEVICE);

    return obj ? obj->dev : NULL;
}

/* IOAS, stage 2, and what a device is */

int fake_get_hw_info(FakeIOMMUFD *f, struct iommu_hw_info *info)
{
    FakeDevice *dev = fake_device_by_id(f, info->dev_id);
    void *data = (void *)(uintptr_t)info->data_uptr;
    uint32_t room = info->data_len;
    struct iommu_hw_info_arm_smmuv3 smmu;

    if (info->flags & ~(f->kernel >= LINUX_6_17 ?
                        IOMMU_HW_INFO_FLAG_INPUT_TYPE : 0)) {
        return -EOPNOTSUPP;
    }
    if (!dev) {
        return -ENOENT;
    }
    if (info->flags && info->in_data_type != IOMMU_HW_INFO_TYPE_DEFAULT &&
        info->in_data_type != IOMMU_HW_INFO_TYPE_ARM_SMMUV3) {
        int ret = fake_get_cmdqv_info(f, info, dev->smmu);

        if (ret) {
            return ret;
        }
    } else {
        memset(data, 0, room);
        info->out_data_type = IOMMU_HW_INFO_TYPE_NONE;
        info->data_len = 0;
        if (f->kernel >= LINUX_6_13) {
            info->out_data_type = IOMMU_HW_INFO_TYPE_ARM_SMMUV3;
            info->data_len = sizeof(smmu);
            smmu = dev->smmu->info;
            if (f->kernel < LINUX_7_3) {
                smmu.flags = 0;
            }
            memcpy(data, &smmu, MIN(room, info->data_len));
        }
    }
    /* Older kernels leave zeros in what was reserved then */
    if (f->kernel >= LINUX_6_15) {
        info->out_capabilities = dev->smmu->caps;
        info->out_max_pasid_log2 = dev->smmu->max_pasid_log2;
    }
    return 0;
}

int fake_ioas_alloc(FakeIOMMUFD *f, struct iommu_ioas_alloc *alloc)
{
    if (alloc->flags) {
        return -EOPNOTSUPP;
    }
    alloc->out_ioas_id = fake_object_add(f, OBJ_IOAS, NULL, NULL)->id;
    return 0;
}

/* The IOAS below an HWPT */
static FakeObject *ioas_of(FakeObject *hwpt)
{
    while (hwpt && hwpt->kind != OBJ_IOAS) {
        hwpt = hwpt->pins;
    }
    return hwpt;
}

static bool ioas_has_device(FakeIOMMUFD *f, FakeObject *ioas)
{
    for (guint i = 0; i < f->groups->len; i++) {
        FakeGroup *group = g_ptr_array_index(f->groups, i);

        if (ioas_of(group->attached) == ioas) {
            return true;
        }
    }
    return false;
}

/*
 * The least of what the page tables in the IOAS can map, and, if there are
 * devices that use it, without the MSI window
 */
int fake_iova_ranges(FakeIOMMUFD *f, struct iommu_ioas_iova_ranges *get)
{
    struct iommu_iova_range *out = (void *)(uintptr_t)get->allowed_iovas;
    FakeObject *ioas = fake_object_get(f, get->ioas_id, OBJ_IOAS);
    struct iommu_iova_range ranges[2] = { { 0, 0x7ffffff }, { 0x8100000 } };
    uint32_t room = get->num_iovas, n;
    unsigned bits = 64;

    if (!ioas) {
        return -ENOENT;
    }
    for (uint32_t id = 1; id < f->objects->len; id++) {
        FakeObject *hwpt = fake_object_get(f, id, OBJ_STAGE2);

        if (hwpt && hwpt->pins == ioas) {
            bits = MIN(bits, hwpt->smmu->oas_bits ?: 48);
        }
    }
    if (ioas_has_device(f, ioas)) {
        n = 2;
    } else {
        n = 1;
        ranges[0].start = 0;
    }
    ranges[n - 1].last = MAKE_64BIT_MASK(0, bits);
    memcpy(out, ranges, MIN(room, n) * sizeof(ranges[0]));
    get->num_iovas = n;
    return n > room ? -EMSGSIZE : 0;
}

int fake_hwpt_alloc(FakeIOMMUFD *f, struct iommu_hwpt_alloc *alloc)
{
    FakeDevice *dev = fake_device_by_id(f, alloc->dev_id);
    FakeObject *pt = fake_object_any(f, alloc->pt_id), *hwpt;

    if (!alloc->data_type != !alloc->data_len) {
        return -EINVAL;
    }
    if (!dev) {
        return -ENOENT;
    }
    if (pt && pt->kind == OBJ_VIOMMU) {
        return fake_nested_alloc(f, alloc, dev, pt);
    }
    if (pt && pt->kind == OBJ_STAGE2) {
        return -EOPNOTSUPP;
    }
    if (!pt || pt->kind != OBJ_IOAS) {
        return -EINVAL;
    }
    if ((alloc->flags & ~IOMMU_HWPT_ALLOC_NEST_PARENT) || alloc->data_type) {
        return -EOPNOTSUPP;
    }
    hwpt = fake_object_add(f, OBJ_STAGE2, pt, dev->smmu);
    hwpt->nests = alloc->flags;
    alloc->out_hwpt_id = hwpt->id;
    return 0;
}
