/*
 * An iommufd in memory: vIOMMUs and what stands on them, events
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/sockets.h"
#include "fake-iommufd-internal.h"

/* struct iommu_hwpt_arm_smmuv3: what may be set */
#define STE0_ALLOWED        0xf80fffffffffffffULL
#define STE1_ALLOWED        0x00000000380000ffULL
#define STE_EATS(word1)     (((word1) >> 28) & 3)

#define VEVENTQ_MAX_DEPTH   (1U << 19)
/* Room for so many records in one packet */
#define PACKET_MAX          (64 * 40)

int fake_viommu_alloc(FakeIOMMUFD *f, struct iommu_viommu_alloc *alloc)
{
    FakeDevice *dev = fake_device_by_id(f, alloc->dev_id);
    FakeObject *parent = fake_object_get(f, alloc->hwpt_id, OBJ_STAGE2);
    FakeObject *viommu;
    bool queues = alloc->type == IOMMU_VIOMMU_TYPE_TEGRA241_CMDQV &&
                  f->kernel >= LINUX_6_17 && dev && dev->smmu->interfaces;
    bool nests = dev && !dev->smmu->cannot_nest &&
                 (queues || alloc->type == IOMMU_VIOMMU_TYPE_ARM_SMMUV3);
    int ret;

    if (f->kernel < LINUX_6_13) {
        return -ENOTTY;
    }
    if (f->kernel < LINUX_6_17 && (alloc->data_len || alloc->data_uptr)) {
        return -E2BIG;
    }
    if (alloc->flags || alloc->type == IOMMU_VIOMMU_TYPE_DEFAULT) {
        return -EOPNOTSUPP;
    }
    if (!dev) {
        return -ENOENT;
    }
    if (f->kernel >= LINUX_6_17 && !nests) {
        return -EOPNOTSUPP;
    }
    if (!parent) {
        return -ENOENT;
    }
    if (parent->nests && !nests) {
        return -EOPNOTSUPP;
    }
    if (!parent->nests || parent->smmu != dev->smmu) {
        return -EINVAL;
    }
    ret = queues ? fake_interface_check(f, alloc, dev->smmu) : 0;
    if (ret) {
        return ret;
    }
    viommu = fake_object_add(f, OBJ_VIOMMU, parent, dev->smmu);
    if (queues) {
        fake_interface_add(f, alloc, viommu);
    }
    alloc->out_viommu_id = viommu->id;
    return 0;
}

FakeObject *fake_vdevice_by_vsid(FakeIOMMUFD *f, FakeObject *viommu,
                                 uint64_t vsid)
{
    for (uint32_t id = 1; id < f->objects->len; id++) {
        FakeObject *obj = fake_object_get(f, id, OBJ_VDEVICE);

        if (obj && obj->pins == viommu && obj->vsid == vsid) {
            return obj;
        }
    }
    return NULL;
}

int fake_vdevice_alloc(FakeIOMMUFD *f, struct iommu_vdevice_alloc *alloc)
{
    FakeDevice *dev = fake_device_by_id(f, alloc->dev_id);
    FakeObject *viommu = fake_object_get(f, alloc->viommu_id, OBJ_VIOMMU);
    int ret;

    if (!viommu || !dev) {
        return -ENOENT;
    }
    if (viommu->smmu != dev->smmu) {
        return -EINVAL;
    }
    if (dev->vdevice || fake_vdevice_by_vsid(f, viommu, alloc->virt_id)) {
        return -EEXIST;
    }
    if (fake_viommu_has_queues(viommu)) {
        ret = fake_interface_check_sid(f, viommu, alloc->virt_id);
        if (ret) {
            return ret;
        }
    }
    dev->vdevice = fake_object_add(f, OBJ_VDEVICE, viommu, dev->smmu);
    dev->vdevice->dev = dev;
    dev->vdevice->vsid = alloc->virt_id;
    alloc->out_vdevice_id = dev->vdevice->id;
    return 0;
}

/* @viommu: NULL: any */
static FakeObject *veventq_of(FakeIOMMUFD *f, FakeObject *viommu, uint32_t type)
{
    for (uint32_t id = 1; id < f->objects->len; id++) {
        FakeObject *obj = fake_object_get(f, id, OBJ_VEVENTQ);

        if (obj && obj->type == type && (!viommu || obj->pins == viommu)) {
            return obj;
        }
    }
    return NULL;
}

int fake_veventq_alloc(FakeIOMMUFD *f, struct iommu_veventq_alloc *alloc)
{
    FakeObject *viommu = fake_object_get(f, alloc->viommu_id, OBJ_VIOMMU);
    FakeObject *q;
    int fds[2];

    if (f->kernel < LINUX_6_15) {
        return -ENOTTY;
    }
    if (alloc->flags || alloc->type == IOMMU_VEVENTQ_TYPE_DEFAULT) {
        return -EOPNOTSUPP;
    }
    if (!alloc->veventq_depth || alloc->veventq_depth > VEVENTQ_MAX_DEPTH) {
        return -EINVAL;
    }
    if (!viommu) {
        return -ENOENT;
    }
    if (veventq_of(f, viommu, alloc->type)) {
        return -EEXIST;
    }
    g_assert(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC |
                         SOCK_NONBLOCK, 0, fds));
    q = fake_object_add(f, OBJ_VEVENTQ, viommu, viommu->smmu);
    q->peer = fds[0];
    q->type = alloc->type;
    q->depth = alloc->veventq_depth;
    q->events = g_byte_array_new();
    alloc->out_veventq_id = q->id;
    alloc->out_veventq_fd = fds[1];
    return 0;
}

/* V=0 is always taken, and acts as abort */
static bool ste_is_legal(uint64_t *ste)
{
    if (!(ste[0] & STE0_V)) {
        ste[0] = ste[1] = 0;
        return true;
    }
    return !(ste[0] & ~STE0_ALLOWED) && !(ste[1] & ~STE1_ALLOWED) &&
           (STE0_CONFIG(ste[0]) == 0 || STE0_CONFIG(ste[0]) == 4 ||
            STE0_CONFIG(ste[0]) == 5) && STE_EATS(ste[1]) <= 1;
}

int fake_nested_alloc(FakeIOMMUFD *f, struct iommu_hwpt_alloc *alloc,
                      FakeDevice *dev, FakeObject *viommu)
{
    const uint64_t *words = (void *)(uintptr_t)alloc->data_uptr;
    uint64_t ste[2];
    FakeObject *hwpt, *queue = NULL;

    if (viommu->smmu != dev->smmu) {
        return -EINVAL;
    }
    if (alloc->flags & ~IOMMU_HWPT_FAULT_ID_VALID || !alloc->data_len) {
        return -EOPNOTSUPP;
    }
    if (alloc->data_type != IOMMU_HWPT_DATA_ARM_SMMUV3 ||
        alloc->data_len != sizeof(ste)) {
        return -EINVAL;
    }
    ste[0] = le64_to_cpu(words[0]);
    ste[1] = le64_to_cpu(words[1]);
    if (!ste_is_legal(ste)) {
        return -EIO;
    }
    if (alloc->flags & IOMMU_HWPT_FAULT_ID_VALID) {
        queue = fake_object_get(f, alloc->fault_id, OBJ_FAULT_QUEUE);
        if (!queue) {
            return -ENOENT;
        }
        queue->users++;
    }
    hwpt = fake_object_add(f, OBJ_NESTED, viommu, viommu->smmu);
    hwpt->fault_queue = queue;
    memcpy(hwpt->ste, ste, sizeof(ste));
    alloc->out_hwpt_id = hwpt->id;
    return 0;
}

/* Events */

bool fake_veventq_add(FakeIOMMUFD *f, FakeObject *viommu, uint32_t type,
                      const void *event, size_t size)
{
    struct iommufd_vevent_header header = { 0 };
    FakeObject *q = veventq_of(f, viommu, type);

    if (!q) {
        return false;
    }
    header.sequence = q->sequence;
    q->sequence = (q->sequence + 1U) & INT_MAX;
    if (q->n_events == q->depth) {
        q->lost = true;
        q->lost_sequence = header.sequence;
        return false;
    }
    q->lost = false;
    g_byte_array_append(q->events, (uint8_t *)&header, sizeof(header));
    g_byte_array_append(q->events, event, size);
    q->n_events++;
    return true;
}

bool fake_vfio_fault(FakeDevice *dev, uint8_t event, uint64_t addr)
{
    uint64_t evt[4] = {
        [0] = cpu_to_le64(event | (uint64_t)dev->reported_sid << 32),
        [2] = cpu_to_le64(addr),
    };

    return dev->reports &&
           fake_veventq_add(dev->f, dev->group->attached->pins,
                            IOMMU_VEVENTQ_TYPE_ARM_SMMUV3, evt, sizeof(evt));
}

void fake_veventq_deliver(FakeIOMMUFD *f, uint32_t type)
{
    FakeObject *q = veventq_of(f, NULL, type);

    if (q->lost) {
        struct iommufd_vevent_header lost = {
            .flags = IOMMU_VEVENTQ_FLAG_LOST_EVENTS,
            .sequence = q->lost_sequence,
        };

        g_byte_array_append(q->events, (uint8_t *)&lost, sizeof(lost));
        q->lost = false;
    }
    for (guint pos = 0, n; pos <= q->events->len; pos += MAX(n, 1)) {
        n = MIN(q->events->len - pos, PACKET_MAX);
        if (n || !pos) {
            g_assert_cmpint(send(q->peer, q->events->data + pos, n, 0), ==, n);
        }
    }
    g_byte_array_set_size(q->events, 0);
    q->n_events = 0;
}

bool fake_iommufd_send(FakeIOMMUFD *f, uint32_t type, const void *data,
                       size_t size)
{
    FakeObject *q = veventq_of(f, NULL, type);

    return q && send(q->peer, data, size, MSG_DONTWAIT) == size;
}

void fake_iommufd_deliver(FakeIOMMUFD *f)
{
    fake_veventq_deliver(f, IOMMU_VEVENTQ_TYPE_ARM_SMMUV3);
}

uint32_t fake_iommufd_veventq_depth(FakeIOMMUFD *f)
{
    FakeObject *q = veventq_of(f, NULL, IOMMU_VEVENTQ_TYPE_ARM_SMMUV3);

    return q ? q->depth : 0;
}

void fake_iommufd_set_sequence(FakeIOMMUFD *f, uint32_t sequence)
{
    veventq_of(f, NULL, IOMMU_VEVENTQ_TYPE_ARM_SMMUV3)->sequence = sequence;
}
