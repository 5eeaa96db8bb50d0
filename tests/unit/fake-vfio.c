/*
 * Host devices in memory: hw/vfio/iommufd.c on fake-cdev.c
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "system/iommufd-errno.h"
#include "fake-iommufd-internal.h"

static int set_error(int ret, const char *call, Error **errp)
{
    if (ret) {
        iommufd_set_error(errp, ret, call);
    }
    return ret;
}

static int fake_attach_hwpt(HostIOMMUDeviceIOMMUFD *hiodi, uint32_t hwpt_id,
                            Error **errp)
{
    struct vfio_device_attach_iommufd_pt attach = {
        .argsz = sizeof(attach),
        .pt_id = hwpt_id,
    };

    return set_error(fake_cdev_ioctl(FAKE_DEVICE(hiodi),
                                     VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach),
                     "VFIO_DEVICE_ATTACH_IOMMUFD_PT", errp);
}

static int fake_detach_hwpt(HostIOMMUDeviceIOMMUFD *hiodi, Error **errp)
{
    struct vfio_device_detach_iommufd_pt detach = { .argsz = sizeof(detach) };

    return set_error(fake_cdev_ioctl(FAKE_DEVICE(hiodi),
                                     VFIO_DEVICE_DETACH_IOMMUFD_PT, &detach),
                     "VFIO_DEVICE_DETACH_IOMMUFD_PT", errp);
}

/* Another device of the group with this stage 2: it is the vIOMMU's turn */
static FakeObject *group_stage2(FakeDevice *dev, const void *owner)
{
    for (guint i = 0; i < dev->group->devices->len; i++) {
        FakeDevice *other = g_ptr_array_index(dev->group->devices, i);
        FakeObject *stage2 = other->stage2;

        if (stage2 && stage2->owner == owner) {
            return stage2;
        }
    }
    return NULL;
}

/* An incompatible one, of another SMMU, says EINVAL: then the next, or new */
static FakeObject *vfio_stage2(FakeDevice *dev, const void *owner)
{
    FakeIOMMUFD *f = dev->f;
    FakeObject *hwpt = group_stage2(dev, owner);

    if (hwpt) {
        return hwpt;
    }
    for (uint32_t id = 1; id < f->objects->len; id++) {
        hwpt = fake_object_get(f, id, OBJ_STAGE2);
        if (hwpt && hwpt->owner == owner && !fake_device_attach(dev, id)) {
            return hwpt;
        }
    }
    hwpt = fake_object_add(f, OBJ_STAGE2, f->ioas, dev->smmu);
    fake_name(f, "IOMMU_HWPT_ALLOC", hwpt->id);
    hwpt->nests = true;
    hwpt->owner = owner;
    g_assert_cmpint(fake_device_attach(dev, hwpt->id), ==, 0);
    return hwpt;
}

FakeDevice *fake_vfio_bind(FakeIOMMUFD *f, const FakeSMMU *smmu,
                           const char *name, const void *owner)
{
    return fake_vfio_bind_in_group(f, smmu, name, owner, -1);
}

FakeDevice *fake_vfio_bind_in_group(FakeIOMMUFD *f, const FakeSMMU *smmu,
                                    const char *name, const void *owner,
                                    int group)
{
    FakeDevice *dev = fake_cdev_open(f, smmu, group);

    g_assert(iommufd_backend_connect(f->be, &error_abort));
    HOST_IOMMU_DEVICE(dev)->name = g_strdup(name);
    HOST_IOMMU_DEVICE_IOMMUFD(dev)->iommufd = f->be;
    fake_device_bind(dev);
    fake_name(f, "VFIO_DEVICE_BIND_IOMMUFD",
              HOST_IOMMU_DEVICE_IOMMUFD(dev)->devid);
    if (!f->ioas) {
        f->ioas = fake_object_add(f, OBJ_IOAS, NULL, NULL);
        fake_ioas_add(f->ioas, 0, FAKE_MEMORY_SIZE, 0);
        fake_name(f, "IOMMU_IOAS_ALLOC", f->ioas->id);
    }
    dev->stage2 = vfio_stage2(dev, owner);
    dev->stage2->n_devices++;
    f->ioas->n_devices++;
    return dev;
}

void fake_vfio_unbind(FakeDevice *dev)
{
    FakeIOMMUFD *f = dev->f;
    uint32_t stage2 = dev->stage2->id, ioas = f->ioas->id;

    fake_device_detach(dev);
    /* Calls of VFIO are none of the vSMMU's, but for what is not gone then */
    if (!--dev->stage2->n_devices) {
        dev->stage2->owner = NULL;      /* not for the next one */
        if (fake_object_destroy(f, stage2)) {
            iommufd_backend_free_id(f->be, stage2);
        }
    }
    if (!--f->ioas->n_devices) {
        if (fake_object_destroy(f, ioas)) {
            iommufd_backend_free_id(f->be, ioas);
        }
        f->ioas = NULL;
    }
    fake_cdev_close(dev);
    iommufd_backend_disconnect(f->be);
    if (!f->be->users) {
        /* QEMU closes a file of its own then, and the next one begins anew */
        f->names = (IommufdNames) { 0 };
    }
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

/* Without sysfs neither the SMMU nor the group can be told */
static int fake_iommu_group(HostIOMMUDeviceIOMMUFD *hiodi)
{
    FakeDevice *dev = FAKE_DEVICE(hiodi);

    return dev->smmu->name ? dev->group->id : -1;
}

static void fake_device_class_init(ObjectClass *oc, void *data)
{
    HostIOMMUDeviceIOMMUFDClass *c = HOST_IOMMU_DEVICE_IOMMUFD_CLASS(oc);

    c->attach_hwpt = fake_attach_hwpt;
    c->detach_hwpt = fake_detach_hwpt;
    c->stage2_hwpt = fake_stage2_hwpt;
    c->iommu_name = fake_iommu_name;
    c->host_name = fake_host_name;
    c->iommu_group = fake_iommu_group;
}

static const TypeInfo types[] = {
    {
        .name = TYPE_FAKE_DEVICE,
        .parent = TYPE_HOST_IOMMU_DEVICE_IOMMUFD,
        .instance_size = sizeof(FakeDevice),
        .class_init = fake_device_class_init,
    }
};

DEFINE_TYPES(types)
