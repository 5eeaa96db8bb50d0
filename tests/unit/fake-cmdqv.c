/*
 * An iommufd in memory: virtual interfaces of a Tegra241 CMDQV
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/memfd.h"
#include "fake-iommufd-internal.h"
#include <sys/mman.h>
#include <sys/syscall.h>

#define PAGE_SIZE       0x10000
/* The first offset; the kernel never returns 0 */
#define FIRST_OFFSET    0x1000000
#define VSID_MAX        0xfffff

static uint64_t page_length = PAGE_SIZE;

void fake_cmdqv_set_page_length(uint64_t length)
{
    page_length = length;
}

/* mmap(2) and munmap(2) of the kernel, without those of this file */

static void *real_mmap(void *addr, size_t length, int prot, int flags, int fd,
                       off_t offset)
{
#ifdef SYS_mmap2
    return (void *)syscall(SYS_mmap2, addr, length, prot, flags, fd,
                           offset / 4096);
#else
    return (void *)syscall(SYS_mmap, addr, length, prot, flags, fd, offset);
#endif
}

static int real_munmap(void *addr, size_t length)
{
    return syscall(SYS_munmap, addr, length);
}

/* Virtual interfaces */

bool fake_viommu_has_queues(const FakeObject *viommu)
{
    return viommu->page;
}

static unsigned interfaces_of(FakeIOMMUFD *f, const FakeSMMU *smmu)
{
    unsigned n = 0;

    for (uint32_t id = 1; id < f->objects->len; id++) {
        FakeObject *obj = fake_object_get(f, id, OBJ_VIOMMU);

        n += obj && obj->smmu == smmu && fake_viommu_has_queues(obj);
    }
    return n;
}

int fake_get_cmdqv_info(FakeIOMMUFD *f, struct iommu_hw_info *info,
                        const FakeSMMU *smmu)
{
    void *data = (void *)(uintptr_t)info->data_uptr;

    if (info->in_data_type != IOMMU_HW_INFO_TYPE_TEGRA241_CMDQV ||
        !smmu->interfaces) {
        return -EOPNOTSUPP;
    }
    memset(data, 0, info->data_len);
    memcpy(data, &smmu->cmdqv, MIN(info->data_len, sizeof(smmu->cmdqv)));
    info->data_len = sizeof(smmu->cmdqv);
    return 0;
}

/* Runs after the checks for all types of vIOMMU */
int fake_interface_check(FakeIOMMUFD *f, struct iommu_viommu_alloc *alloc,
                         const FakeSMMU *smmu)
{
    struct iommu_viommu_tegra241_cmdqv *data =
        (void *)(uintptr_t)alloc->data_uptr;
    const char *tail = (const char *)(data + 1);

    if (alloc->data_len < sizeof(*data)) {
        return -EINVAL;
    }
    if (!data) {
        return -EFAULT;
    }
    for (uint32_t i = sizeof(*data); i < alloc->data_len; i++) {
        if (*tail++) {
            return -E2BIG;
        }
    }
    return interfaces_of(f, smmu) < smmu->interfaces ? 0 : -ENOSPC;
}

void fake_interface_add(FakeIOMMUFD *f, struct iommu_viommu_alloc *alloc,
                        FakeObject *viommu)
{
    struct iommu_viommu_tegra241_cmdqv *data =
        (void *)(uintptr_t)alloc->data_uptr;

    viommu->page_fd = qemu_memfd_create("fake-cmdqv", PAGE_SIZE, false, 0, 0,
                                        &error_abort);
    viommu->page = real_mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE,
                             MAP_SHARED, viommu->page_fd, 0);
    g_assert(viommu->page != MAP_FAILED);
    data->out_vintf_mmap_offset = FIRST_OFFSET + viommu->id * PAGE_SIZE;
    data->out_vintf_mmap_length = page_length;
}

void fake_interface_remove(FakeObject *viommu)
{
    real_munmap(viommu->page, PAGE_SIZE);
    close(viommu->page_fd);
}

/* A StreamID needs a slot. Runs after the checks for all vDEVICEs */
int fake_interface_check_sid(FakeIOMMUFD *f, FakeObject *viommu, uint64_t vsid)
{
    unsigned n = 0;

    if (vsid > VSID_MAX) {
        return -EINVAL;
    }
    for (uint32_t id = 1; id < f->objects->len; id++) {
        FakeObject *obj = fake_object_get(f, id, OBJ_VDEVICE);

        n += obj && obj->pins == viommu;
    }
    return n < 1U << viommu->smmu->cmdqv.log2vsids ? 0 : -ENOSPC;
}

/* Mappings of the page */

static FakeObject *interface_at(FakeIOMMUFD *f, uint64_t offset)
{
    FakeObject *obj = fake_object_get(f, (offset - FIRST_OFFSET) / PAGE_SIZE,
                                      OBJ_VIOMMU);

    return obj && fake_viommu_has_queues(obj) ? obj : NULL;
}

static void *map_page(FakeIOMMUFD *f, FakeObject *viommu, size_t length,
                      int prot, int flags, off_t offset, int *ret)
{
    FakeMapping mapping = { .viommu = viommu };

    *ret = fake_inject(f, MMAP);
    if (*ret) {
        return MAP_FAILED;
    }
    if (!(flags & MAP_SHARED)) {
        *ret = -EINVAL;
    } else if (prot & PROT_EXEC) {
        *ret = -EPERM;
    } else if (!viommu || offset % PAGE_SIZE || length != PAGE_SIZE) {
        *ret = -ENXIO;
    }
    if (*ret) {
        return MAP_FAILED;
    }
    mapping.at = real_mmap(NULL, length, prot, flags, viommu->page_fd, 0);
    g_assert(mapping.at != MAP_FAILED);
    g_array_append_val(f->mappings, mapping);
    viommu->users++;
    return mapping.at;
}

static bool unmap_page(FakeIOMMUFD *f, void *addr, size_t length);

static bool keep_mappings;

void fake_cmdqv_keep_mappings(bool keep)
{
    keep_mappings = keep;
}

/* Replaces the C library's function, like ioctl() */
void *mmap(void *addr, size_t length, int prot, int flags, int fd,
           off_t offset)
{
    FakeIOMMUFD *f = fake_by_fd(fd);
    IommufdMapping words;
    FakeObject *viommu;
    void *page;
    int ret;

    if (!f && flags & MAP_FIXED) {
        if (keep_mappings) {
            errno = ENOMEM;
            return MAP_FAILED;
        }
        fake_each(unmap_page, addr, length);
    }
    if (!f) {
        return real_mmap(addr, length, prot, flags, fd, offset);
    }
    viommu = interface_at(f, offset);
    page = map_page(f, viommu, length, prot, flags, offset, &ret);
    words = iommufd_mapping(viommu ? viommu->id : 0, length);
    fake_finish(f, MMAP, ret);
    fake_words(f, IOMMUFD_REQUEST(NR_MMAP), (uint32_t *)&words, &words, 0, ret);
    errno = -ret;
    return page;
}

static bool unmap_page(FakeIOMMUFD *f, void *addr, size_t length)
{
    for (guint i = 0; i < f->mappings->len; i++) {
        FakeMapping *mapping = &g_array_index(f->mappings, FakeMapping, i);

        if (mapping->at == addr) {
            IommufdMapping words = iommufd_mapping(mapping->viommu->id, length);

            g_assert_cmpuint(length, ==, PAGE_SIZE);
            mapping->viommu->users--;
            g_array_remove_index_fast(f->mappings, i);
            fake_words(f, IOMMUFD_REQUEST(NR_MUNMAP), (uint32_t *)&words,
                       &words, 0, 0);
            return true;
        }
    }
    return false;
}

int munmap(void *addr, size_t length)
{
    fake_each(unmap_page, addr, length);
    return real_munmap(addr, length);
}
