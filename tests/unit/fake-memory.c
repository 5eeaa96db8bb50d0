/*
 * An iommufd in memory: the mappings of an IOAS, and their locks
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "fake-iommufd-internal.h"

#define PAGE 4096ULL

/* A page of the host is identified by its address in the caller */
typedef struct Area {
    uint64_t iova, length, host;
    unsigned locks;     /* by queues that the hardware reads */
} Area;

static Area *area_at(FakeObject *ioas, uint64_t iova)
{
    for (guint i = 0; ioas->areas && i < ioas->areas->len; i++) {
        Area *area = &g_array_index(ioas->areas, Area, i);

        if (iova - area->iova < area->length) {
            return area;
        }
    }
    return NULL;
}

void fake_ioas_add(FakeObject *ioas, uint64_t iova, uint64_t length,
                   uint64_t host)
{
    Area area = { .iova = iova, .length = length, .host = host };

    ioas->areas = ioas->areas ?: g_array_new(false, false, sizeof(area));
    g_array_append_val(ioas->areas, area);
}

/* Only whole areas can be unmapped */
int fake_ioas_remove(FakeObject *ioas, uint64_t iova, uint64_t length)
{
    uint64_t last = iova + length - 1;

    for (guint i = 0; ioas->areas && i < ioas->areas->len; i++) {
        Area *area = &g_array_index(ioas->areas, Area, i);

        if (area->iova > last || area->iova + area->length - 1 < iova) {
            continue;
        }
        if (area->locks) {
            return -EBUSY;
        }
        if (area->iova < iova || area->iova + area->length - 1 > last) {
            return -ENOENT;
        }
        g_array_remove_index(ioas->areas, i--);
    }
    return 0;
}

int fake_ioas_map(FakeIOMMUFD *f, struct iommu_ioas_map *map)
{
    FakeObject *ioas = fake_object_get(f, map->ioas_id, OBJ_IOAS);

    if (!ioas) {
        return -ENOENT;
    }
    /* The address that the kernel would choose is unknown here */
    g_assert(map->flags & IOMMU_IOAS_MAP_FIXED_IOVA);
    if (!map->length || (map->iova | map->length | map->user_va) % PAGE) {
        return -EINVAL;
    }
    for (uint64_t iova = map->iova; iova < map->iova + map->length;
         iova += PAGE) {
        if (area_at(ioas, iova)) {
            return -EEXIST;
        }
    }
    fake_ioas_add(ioas, map->iova, map->length, map->user_va);
    return 0;
}

int fake_ioas_unmap(FakeIOMMUFD *f, struct iommu_ioas_unmap *unmap)
{
    FakeObject *ioas = fake_object_get(f, unmap->ioas_id, OBJ_IOAS);

    return ioas ? fake_ioas_remove(ioas, unmap->iova, unmap->length) : -ENOENT;
}

void fake_ioas_unlock(FakeObject *ioas, uint64_t iova, uint64_t length)
{
    Area *last = NULL;

    for (uint64_t at = iova & -PAGE; at < iova + length; at += PAGE) {
        Area *area = area_at(ioas, at);

        if (area != last) {
            g_assert(area && area->locks);
            area->locks--;
            last = area;
        }
    }
}

/* Check that all of it is mapped and contiguous in the host */
int fake_ioas_lock(FakeObject *ioas, uint64_t iova, uint64_t length,
                   uint64_t *host)
{
    uint64_t first = iova & -PAGE;
    Area *area = NULL;
    int ret = 0;

    for (uint64_t at = first; at < iova + length; at += PAGE) {
        if (!area_at(ioas, at)) {
            return -ENOENT;
        }
    }
    area = area_at(ioas, first);
    *host = area->host + (iova - area->iova);
    for (uint64_t at = first; at < iova + length; at += PAGE) {
        area = area_at(ioas, at);
        if (area->host + (at - area->iova) != *host + (at - iova)) {
            ret = -EFAULT;
        }
    }
    if (ret) {
        return ret;
    }
    area = NULL;
    for (uint64_t at = first; at < iova + length; at += PAGE) {
        if (area != area_at(ioas, at)) {
            area = area_at(ioas, at);
            area->locks++;
        }
    }
    return 0;
}

/* As VFIO does it */

int fake_iommufd_map(FakeIOMMUFD *f, uint64_t iova, uint64_t length,
                     uint64_t host)
{
    struct iommu_ioas_map map = {
        .flags = IOMMU_IOAS_MAP_FIXED_IOVA,
        .ioas_id = f->ioas->id,
        .user_va = host,
        .length = length,
        .iova = iova,
    };

    return fake_ioas_map(f, &map);
}

int fake_iommufd_unmap(FakeIOMMUFD *f, uint64_t iova, uint64_t length)
{
    return fake_ioas_remove(f->ioas, iova, length);
}
