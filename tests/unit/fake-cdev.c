/*
 * Host devices in memory, on fake-iommufd.c: the cdev of vfio-pci, IOMMU
 * groups, and the SMMUv3 driver
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "fake-iommufd-internal.h"
#include <linux/vfio.h>

#define STE0_S1CONTEXTPTR   0x000fffffffffffc0ULL

/* Groups */

/* Numbers of those that no test gives a number */
#define FIRST_OWN_GROUP     1000

static FakeGroup *group_get(FakeIOMMUFD *f, int id, const FakeSMMU *smmu)
{
    FakeGroup *group;

    for (guint i = 0; i < f->groups->len; i++) {
        group = g_ptr_array_index(f->groups, i);
        if (id >= 0 && group->id == id) {
            g_assert(group->smmu == smmu);
            return group;
        }
    }
    group = g_new0(FakeGroup, 1);
    group->id = id >= 0 ? id : FIRST_OWN_GROUP + f->groups->len;
    group->smmu = smmu;
    group->devices = g_ptr_array_new();
    g_ptr_array_add(f->groups, group);
    return group;
}

static FakeDevice *group_device(const FakeGroup *group, guint i)
{
    return g_ptr_array_index(group->devices, i);
}

void fake_iommufd_set_group(FakeIOMMUFD *f, const FakeSMMU *smmu, int group,
                            unsigned n_devices)
{
    group_get(f, group, smmu)->n_present = n_devices;
}

/* Attachment */

/* @dev: NULL for one of the group that is bound to nobody */
static bool may_attach_nested(FakeIOMMUFD *f, const FakeDevice *dev,
                              const FakeObject *hwpt)
{
    bool has_vdevice = dev && dev->vdevice && dev->vdevice->pins == hwpt->pins;
    bool translates = STE0_CONFIG(hwpt->ste[0]) == 5;

    return f->kernel < LINUX_6_15 || has_vdevice ||
           (f->kernel >= LINUX_6_19 && !translates);
}

/* The driver is called for each device of the group, whoever has asked */
static int group_attach(FakeIOMMUFD *f, FakeGroup *group, FakeObject *hwpt)
{
    bool nested = hwpt->kind == OBJ_NESTED;

    for (guint i = 0; i < group->n_present; i++) {
        const FakeDevice *dev = i < group->devices->len ?
                                group_device(group, i) : NULL;

        if (nested && !may_attach_nested(f, dev, hwpt)) {
            return -ENOENT;
        }
    }
    for (guint i = 0; i < group->devices->len; i++) {
        FakeDevice *dev = group_device(group, i);

        fake_faults_end(dev);
        dev->reports = nested && dev->vdevice && f->kernel >= LINUX_6_15;
        dev->reported_sid = dev->vdevice ? dev->vdevice->vsid : 0;
        if (dev->attached) {
            group->attached->users--;
            hwpt->users++;
        }
    }
    group->attached = hwpt;
    return 0;
}

int fake_device_attach(FakeDevice *dev, uint32_t hwpt_id)
{
    FakeIOMMUFD *f = dev->f;
    FakeObject *hwpt = fake_object_any(f, hwpt_id);
    FakeGroup *group = dev->group;
    int ret = 0;

    if (!hwpt) {
        return -ENOENT;
    }
    if ((hwpt->kind != OBJ_NESTED && hwpt->kind != OBJ_STAGE2) ||
        hwpt->smmu != dev->smmu) {
        return -EINVAL;
    }
    if (!dev->attached && group->attached && group->attached != hwpt) {
        return -EINVAL;     /* the first time it has to go to the others */
    }
    if (group->attached != hwpt) {
        ret = group_attach(f, group, hwpt);
    }
    if (!ret && !dev->attached) {
        dev->attached = true;
        hwpt->users++;
    }
    return ret;
}

/* The last one ends it for the group */
void fake_device_detach(FakeDevice *dev)
{
    FakeGroup *group = dev->group;

    if (!dev->attached) {
        return;
    }
    group->attached->users--;
    dev->attached = false;
    for (guint i = 0; i < group->devices->len; i++) {
        if (group_device(group, i)->attached) {
            return;
        }
    }
    group->attached = NULL;
    for (guint i = 0; i < group->devices->len; i++) {
        fake_faults_end(group_device(group, i));
        group_device(group, i)->reports = false;
    }
}

char *fake_vfio_dma(FakeDevice *dev)
{
    FakeObject *hwpt = dev->group->attached;
    uint64_t ctxptr;

    if (!hwpt) {
        return g_strdup("blocked");
    }
    if (hwpt->kind == OBJ_STAGE2) {
        return g_strdup("stage2");
    }
    switch (hwpt->ste[0] & STE0_V ? STE0_CONFIG(hwpt->ste[0]) : 0) {
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
    g_assert(dev->group->attached->kind == OBJ_NESTED);
    return dev->group->attached->ste;
}

uint32_t fake_vfio_psid(FakeDevice *dev)
{
    return 0x4000 + HOST_IOMMU_DEVICE_IOMMUFD(dev)->devid;
}

/* The cdev */

FakeDevice *fake_cdev_open(FakeIOMMUFD *f, const FakeSMMU *smmu, int group)
{
    FakeDevice *dev = FAKE_DEVICE(object_new(TYPE_FAKE_DEVICE));

    dev->f = f;
    dev->smmu = smmu;
    dev->group = group_get(f, group, smmu);
    return dev;
}

void fake_device_bind(FakeDevice *dev)
{
    FakeObject *obj = fake_object_add(dev->f, OBJ_DEVICE, NULL, dev->smmu);
    FakeGroup *group = dev->group;

    obj->dev = dev;
    HOST_IOMMU_DEVICE_IOMMUFD(dev)->devid = obj->id;
    g_ptr_array_add(group->devices, dev);
    group->n_present = MAX(group->n_present, group->devices->len);
}

int fake_cdev_ioctl(FakeDevice *dev, unsigned long request, void *arg)
{
    struct vfio_device_attach_iommufd_pt *attach = arg;
    struct vfio_device_bind_iommufd *bind = arg;
    uint32_t before[IOMMUFD_WORDS_MAX];
    FakeCall call = request == VFIO_DEVICE_DETACH_IOMMUFD_PT ? DETACH : ATTACH;
    int ret;

    iommufd_words_copy(before, arg);
    if (request == VFIO_DEVICE_BIND_IOMMUFD) {
        fake_device_bind(dev);
        bind->out_devid = HOST_IOMMU_DEVICE_IOMMUFD(dev)->devid;
        return 0;
    }
    ret = fake_inject(dev->f, call);
    if (!ret && call == ATTACH) {
        ret = fake_device_attach(dev, attach->pt_id);
    } else if (!ret) {
        fake_device_detach(dev);
    }
    fake_words(dev->f, request, before, arg,
               HOST_IOMMU_DEVICE_IOMMUFD(dev)->devid, ret);
    return fake_finish(dev->f, call, ret);
}

/* Ends the vDEVICE by force */
void fake_cdev_close(FakeDevice *dev)
{
    FakeIOMMUFD *f = dev->f;
    FakeObject *vdev = dev->vdevice;
    uint32_t devid = HOST_IOMMU_DEVICE_IOMMUFD(dev)->devid;

    fake_device_detach(dev);
    g_ptr_array_remove(dev->group->devices, dev);
    fake_object_remove(f, fake_object_get(f, devid, OBJ_DEVICE));
    if (vdev && f->kernel >= LINUX_6_17) {
        vdev->pins->users--;
        *vdev = (FakeObject) { .kind = OBJ_TOMBSTONE, .id = vdev->id };
    } else if (vdev) {
        vdev->dev = NULL;
    }
    /* Nobody else may keep it */
    g_assert_cmpuint(OBJECT(dev)->ref, ==, 1);
    object_unref(dev);
}
