/*
 * Host devices in memory, on fake-iommufd.c: VFIO and the SMMUv3 driver
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "fake-iommufd-internal.h"

#define STE0_S1CONTEXTPTR   0x000fffffffffffc0ULL

/* Attachment */

static int check_attach_nested(FakeIOMMUFD *f, FakeDevice *dev,
                               FakeObject *hwpt)
{
    bool has_vdevice = dev->vdevice && dev->vdevice->pins == hwpt->pins;
    bool translates = STE_CONFIG(hwpt->ste[0]) == 5;

    if (f->kernel < LINUX_6_15 || has_vdevice ||
        (f->kernel >= LINUX_6_19 && !translates)) {
        return 0;
    }
    return -ENOENT;
}

static int device_attach(FakeIOMMUFD *f, FakeDevice *dev, uint32_t hwpt_id)
{
    FakeObject *hwpt = fake_object_any(f, hwpt_id);
    FakeObject *old = dev->attached;
    bool nested = hwpt && hwpt->kind == OBJ_NESTED;
    int ret;

    if (!hwpt) {
        return -ENOENT;
    }
    if ((!nested && hwpt->kind != OBJ_STAGE2) || hwpt->smmu != dev->smmu) {
        return -EINVAL;
    }
    if (hwpt == old) {
        return 0;
    }
    ret = nested ? check_attach_nested(f, dev, hwpt) : 0;
    if (ret) {
        return ret;
    }
    hwpt->users++;
    dev->attached = hwpt;
    dev->reports = nested && dev->vdevice && f->kernel >= LINUX_6_15;
    dev->reported_sid = dev->vdevice ? dev->vdevice->vsid : 0;
    if (old) {
        old->users--;
    }
    return 0;
}

static void device_detach(FakeDevice *dev)
{
    if (dev->attached) {
        dev->attached->users--;
        dev->attached = NULL;
    }
    dev->reports = false;
}

static int fake_attach_hwpt(HostIOMMUDeviceIOMMUFD *hiodi, uint32_t hwpt_id,
                            Error **errp)
{
    FakeDevice *dev = FAKE_DEVICE(hiodi);
    int ret = fake_inject(dev->f, ATTACH) ?:
              device_attach(dev->f, dev, hwpt_id);

    return fake_finish(dev->f, ATTACH, ret, errp);
}

static int fake_detach_hwpt(HostIOMMUDeviceIOMMUFD *hiodi, Error **errp)
{
    FakeDevice *dev = FAKE_DEVICE(hiodi);
    int ret = fake_inject(dev->f, DETACH);

    if (!ret) {
        device_detach(dev);
    }
    return fake_finish(dev->f, DETACH, ret, errp);
}

char *fake_vfio_dma(FakeDevice *dev)
{
    FakeObject *hwpt = dev->attached;
    uint64_t ctxptr;

    if (!hwpt) {
        return g_strdup("blocked");
    }
    if (hwpt->kind == OBJ_STAGE2) {
        return g_strdup("stage2");
    }
    switch (hwpt->ste[0] & STE0_V ? STE_CONFIG(hwpt->ste[0]) : 0) {
    case 0:
        return g_strdup("abort");
    case 4:
        return g_strdup("bypass");
    }
    ctxptr = hwpt->ste[0] & STE0_S1CONTEXTPTR;
    return dev->reports ?
           g_strdup_printf("s1 %" PRIx64 " sid %x", ctxptr, dev->reported_sid) :
           g_strdup_printf("s1 %" PRIx64, ctxptr);
}

const uint64_t *fake_vfio_ste(FakeDevice *dev)
{
    g_assert(dev->attached && dev->attached->kind == OBJ_NESTED);
    return dev->attached->ste;
}

uint32_t fake_vfio_psid(FakeDevice *dev)
{
    return 0x4000 + HOST_IOMMU_DEVICE_IOMMUFD(dev)->devid;
}

/* VFIO */

/* An incompatible one, of another SMMU, says EINVAL: then the next, or new */
static FakeObject *vfio_stage2(FakeDevice *dev, const void *owner)
{
    FakeIOMMUFD *f = dev->f;
    FakeObject *hwpt;

    for (uint32_t id = 1; id < f->objects->len; id++) {
        hwpt = fake_object_get(f, id, OBJ_STAGE2);
        if (hwpt && hwpt->owner == owner && !device_attach(f, dev, id)) {
            return hwpt;
        }
    }
    hwpt = fake_object_add(f, OBJ_STAGE2, f->ioas, dev->smmu);
    hwpt->owner = owner;
    g_assert_cmpint(device_attach(f, dev, hwpt->id), ==, 0);
    return hwpt;
}

FakeDevice *fake_vfio_bind(FakeIOMMUFD *f, const FakeSMMU *smmu,
                           const char *name, const void *owner)
{
    FakeDevice *dev = FAKE_DEVICE(object_new(TYPE_FAKE_DEVICE));
    FakeObject *obj = fake_object_add(f, OBJ_DEVICE, NULL, smmu);

    obj->dev = dev;
    dev->f = f;
    dev->smmu = smmu;
    HOST_IOMMU_DEVICE(dev)->name = g_strdup(name);
    HOST_IOMMU_DEVICE_IOMMUFD(dev)->iommufd = &f->be;
    HOST_IOMMU_DEVICE_IOMMUFD(dev)->devid = obj->id;
    if (!f->ioas) {
        f->ioas = fake_object_add(f, OBJ_IOAS, NULL, NULL);
    }
    dev->stage2 = vfio_stage2(dev, owner);
    dev->stage2->n_devices++;
    f->ioas->n_devices++;
    return dev;
}

/* The device's file is closed, which ends its vDEVICE by force */
static void vfio_close(FakeDevice *dev)
{
    FakeIOMMUFD *f = dev->f;
    FakeObject *vdev = dev->vdevice;
    uint32_t devid = HOST_IOMMU_DEVICE_IOMMUFD(dev)->devid;

    fake_object_remove(f, fake_object_get(f, devid, OBJ_DEVICE));
    if (!vdev) {
        return;
    }
    if (f->kernel >= LINUX_6_17) {
        vdev->pins->users--;
        *vdev = (FakeObject) { .kind = OBJ_TOMBSTONE, .id = vdev->id };
    } else {
        vdev->dev = NULL;
    }
}

void fake_vfio_unbind(FakeDevice *dev)
{
    FakeIOMMUFD *f = dev->f;

    device_detach(dev);
    /* As VFIO does, try once: what is refused is found to be left */
    if (!--dev->stage2->n_devices) {
        fake_object_destroy(f, dev->stage2->id);
    }
    if (!--f->ioas->n_devices) {
        fake_object_destroy(f, f->ioas->id);
        f->ioas = NULL;
    }
    vfio_close(dev);
    /* Nobody but VFIO may keep it */
    g_assert_cmpuint(OBJECT(dev)->ref, ==, 1);
    object_unref(dev);
}

HostIOMMUDevice *fake_vfio_hiod(FakeDevice *dev)
{
    return HOST_IOMMU_DEVICE(dev);
}

static uint32_t fake_stage2_hwpt(HostIOMMUDeviceIOMMUFD *hiodi)
{
    return FAKE_DEVICE(hiodi)->stage2->id;
}

static char *fake_iommu_name(HostIOMMUDeviceIOMMUFD *hiodi)
{
    return g_strdup(FAKE_DEVICE(hiodi)->smmu->name);
}

/* Only the agent's name is known, as with a kernel without sysfs */
static char *fake_host_name(HostIOMMUDeviceIOMMUFD *hiodi)
{
    return NULL;
}

static GList *fake_get_iova_ranges(HostIOMMUDevice *hiod)
{
    return FAKE_DEVICE(hiod)->iova_ranges;
}

static void fake_device_init(Object *obj)
{
    FakeDevice *dev = FAKE_DEVICE(obj);

    range_set_bounds(&dev->iova_range, 0, MAKE_64BIT_MASK(0, 48));
    dev->iova_ranges = g_list_append(NULL, &dev->iova_range);
}

static void fake_device_finalize(Object *obj)
{
    g_list_free(FAKE_DEVICE(obj)->iova_ranges);
}

static void fake_device_class_init(ObjectClass *oc, void *data)
{
    HostIOMMUDeviceIOMMUFDClass *c = HOST_IOMMU_DEVICE_IOMMUFD_CLASS(oc);

    HOST_IOMMU_DEVICE_CLASS(oc)->get_iova_ranges = fake_get_iova_ranges;
    c->attach_hwpt = fake_attach_hwpt;
    c->detach_hwpt = fake_detach_hwpt;
    c->stage2_hwpt = fake_stage2_hwpt;
    c->iommu_name = fake_iommu_name;
    c->host_name = fake_host_name;
}

/* The abstract type stands in for that of backends/iommufd.c */
static const TypeInfo types[] = {
    {
        .name = TYPE_HOST_IOMMU_DEVICE_IOMMUFD,
        .parent = TYPE_HOST_IOMMU_DEVICE,
        .instance_size = sizeof(HostIOMMUDeviceIOMMUFD),
        .class_size = sizeof(HostIOMMUDeviceIOMMUFDClass),
        .abstract = true,
    }, {
        .name = TYPE_FAKE_DEVICE,
        .parent = TYPE_HOST_IOMMU_DEVICE_IOMMUFD,
        .instance_size = sizeof(FakeDevice),
        .instance_init = fake_device_init,
        .instance_finalize = fake_device_finalize,
        .class_init = fake_device_class_init,
    }
};

DEFINE_TYPES(types)
