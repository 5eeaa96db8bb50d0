/*
 * BARs of VFIO devices as targets of other devices' DMA
 *
 * The kernel is the functions below: ioctl(2) on a VFIO device, and maps and
 * unmaps of an IOAS.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <sys/ioctl.h>
#include <linux/vfio.h>
#include "qapi/error.h"
#include "hw/pci/pci.h"
#include "hw/pci/pci_device.h"
#include "hw/vfio/vfio-common.h"
#include "system/iommufd.h"
#include "../../hw/vfio/p2p.h"

#define DEVICE_FD   1000
#define IOAS        7
#define IOVA        0x10000000ULL
#define EXP_CAP     0x60
#define PM_CAP      0x40
#define AF_CAP      0x90

static char bar[0x10000];
static IOMMUFDBackend iommufd;
static VFIODevice device;
static PCIDevice pdev;
static VFIOMmap mmaps[2];
static VFIORegion region;

/* The kernel */

static struct {
    int feature_err;
    int map_err;
    unsigned exports, maps, unmaps, mapped;
    struct vfio_region_dma_range range;
    uint32_t bar;
    int fd;
    hwaddr iova;
    uint64_t size, start;
    bool readonly;
} kernel;

int ioctl(int fd, unsigned long request, ...)
{
    struct vfio_device_feature *feature;
    struct vfio_device_feature_dma_buf *buf;
    va_list ap;

    va_start(ap, request);
    feature = va_arg(ap, void *);
    va_end(ap);

    g_assert_cmpint(fd, ==, DEVICE_FD);
    g_assert_cmpint(request, ==, VFIO_DEVICE_FEATURE);
    g_assert_cmpint(feature->flags & VFIO_DEVICE_FEATURE_MASK, ==,
                    VFIO_DEVICE_FEATURE_DMA_BUF);
    g_assert_true(feature->flags & VFIO_DEVICE_FEATURE_GET);
    if (kernel.feature_err) {
        errno = kernel.feature_err;
        return -1;
    }
    if (feature->flags & VFIO_DEVICE_FEATURE_PROBE) {
        return 0;
    }

    buf = (void *)feature->data;
    g_assert_cmpint(feature->argsz, ==, sizeof(*feature) + sizeof(*buf) +
                                        sizeof(buf->dma_ranges[0]));
    g_assert_cmpint(buf->nr_ranges, ==, 1);
    g_assert_cmpint(buf->flags, ==, 0);
    kernel.exports++;
    kernel.bar = buf->region_index;
    kernel.range = buf->dma_ranges[0];
    kernel.fd = open("/dev/null", buf->open_flags);
    return kernel.fd;
}

int iommufd_backend_map_file_dma(IOMMUFDBackend *be, uint32_t ioas_id,
                                 hwaddr iova, uint64_t size, int mfd,
                                 uint64_t start, bool readonly)
{
    g_assert_true(be == &iommufd);
    g_assert_cmpint(ioas_id, ==, IOAS);
    g_assert_cmpint(fcntl(mfd, F_GETFD), >=, 0);
    kernel.maps++;
    if (kernel.map_err) {
        return -kernel.map_err;
    }
    kernel.mapped++;
    kernel.iova = iova;
    kernel.size = size;
    kernel.start = start;
    kernel.readonly = readonly;
    return 0;
}

int iommufd_backend_unmap_dma(IOMMUFDBackend *be, uint32_t ioas_id,
                              hwaddr iova, ram_addr_t size)
{
    g_assert_true(be == &iommufd);
    g_assert_cmpint(ioas_id, ==, IOAS);
    kernel.unmaps++;
    return 0;
}

/* QEMU */

uint8_t pci_find_capability(PCIDevice *dev, uint8_t cap_id)
{
    return cap_id == PCI_CAP_ID_AF ? dev->config[0] : 0;
}

Object *memory_region_owner(MemoryRegion *mr)
{
    return mr->owner;
}

VFIODevice *vfio_get_vfio_device(Object *obj)
{
    return &device;
}

static uint8_t config[256];

/* BAR 2 has two pieces, as around the table of MSI-X */
static void set_up(OnOffAuto p2p)
{
    memset(&kernel, 0, sizeof(kernel));
    device = (VFIODevice) {
        .name = (char *)"0000:01:00.0", .fd = DEVICE_FD,
        .type = VFIO_DEVICE_TYPE_PCI, .iommufd = &iommufd, .p2p = p2p,
    };
    mmaps[0] = (VFIOMmap) { .mmap = bar, .offset = 0, .size = 0x2000 };
    mmaps[1] = (VFIOMmap) { .mmap = bar + 0x4000, .offset = 0x4000,
                            .size = 0x4000 };
    region = (VFIORegion) {
        .vbasedev = &device, .nr = 2, .nr_mmaps = 2, .mmaps = mmaps,
    };
    pdev.config = config;
    pdev.exp.exp_cap = EXP_CAP;
    config[0] = AF_CAP;
}

static void add(void)
{
    vfio_p2p_add(&region, 0);
    vfio_p2p_add(&region, 1);
}

static void del(void)
{
    vfio_p2p_del(&region, 0);
    vfio_p2p_del(&region, 1);
}

static void map(const char *vaddr, uint64_t size)
{
    VFIOP2PPiece *piece = vfio_p2p_find(vaddr, size);

    g_assert_nonnull(piece);
    vfio_p2p_map(piece, &iommufd, IOAS, IOVA + (vaddr - bar), size, vaddr,
                 false);
}

static void write_config(uint32_t addr, uint32_t val, int len)
{
    vfio_p2p_config_written(&pdev, &device, addr, val, len);
}

/* Tests */

static void test_find(void)
{
    set_up(ON_OFF_AUTO_AUTO);
    add();
    g_assert_nonnull(vfio_p2p_find(bar, 0x2000));
    g_assert_nonnull(vfio_p2p_find(bar + 0x1000, 0x1000));
    g_assert_null(vfio_p2p_find(bar + 0x1000, 0x1001));
    g_assert_null(vfio_p2p_find(bar, 0x4000));
    g_assert_null(vfio_p2p_find(bar + 0x2000, 1));
    g_assert_null(vfio_p2p_find(bar, UINT64_MAX));
    g_assert_true(vfio_p2p_find(bar, 1) != vfio_p2p_find(bar + 0x4000, 1));
    g_assert_null(vfio_p2p_find(&device, 1));
    del();
    g_assert_null(vfio_p2p_find(bar, 1));
}

static void test_not_a_target(void)
{
    set_up(ON_OFF_AUTO_AUTO);
    region.nr = VFIO_PCI_ROM_REGION_INDEX;
    add();
    g_assert_null(vfio_p2p_find(bar, 1));

    set_up(ON_OFF_AUTO_AUTO);
    device.iommufd = NULL;
    add();
    g_assert_null(vfio_p2p_find(bar, 1));

    set_up(ON_OFF_AUTO_AUTO);
    device.type = VFIO_DEVICE_TYPE_PLATFORM;
    add();
    g_assert_null(vfio_p2p_find(bar, 1));
    del();
}

static void test_skips(void)
{
    MemoryRegion mr = {};

    set_up(ON_OFF_AUTO_AUTO);
    g_assert_false(vfio_p2p_skips(&mr));
    device.p2p = ON_OFF_AUTO_ON;
    g_assert_false(vfio_p2p_skips(&mr));
    device.p2p = ON_OFF_AUTO_OFF;
    g_assert_true(vfio_p2p_skips(&mr));
}

static void test_map(void)
{
    set_up(ON_OFF_AUTO_AUTO);
    add();
    g_assert_cmpint(kernel.exports, ==, 0);

    map(bar + 0x5000, 0x1000);
    g_assert_cmpint(kernel.exports, ==, 1);
    g_assert_cmpint(kernel.bar, ==, 2);
    g_assert_cmphex(kernel.range.offset, ==, 0x4000);
    g_assert_cmphex(kernel.range.length, ==, 0x4000);
    g_assert_cmphex(kernel.iova, ==, IOVA + 0x5000);
    g_assert_cmphex(kernel.size, ==, 0x1000);
    g_assert_cmphex(kernel.start, ==, 0x1000);
    g_assert_false(kernel.readonly);

    /* The BAR has moved: the same dma-buf */
    vfio_p2p_unmapped(&iommufd, IOAS, IOVA, 0x10000);
    map(bar + 0x4000, 0x4000);
    g_assert_cmpint(kernel.exports, ==, 1);
    g_assert_cmphex(kernel.start, ==, 0);

    vfio_p2p_map(vfio_p2p_find(bar, 1), &iommufd, IOAS, IOVA, 0x1000, bar,
                 true);
    g_assert_true(kernel.readonly);
    del();
    g_assert_cmpint(fcntl(kernel.fd, F_GETFD), ==, -1);
}

static void test_auto_is_silent(void)
{
    set_up(ON_OFF_AUTO_AUTO);
    add();
    kernel.feature_err = ENOTTY;
    map(bar, 0x2000);
    g_assert_cmpint(kernel.maps, ==, 0);

    kernel.feature_err = 0;
    kernel.map_err = EINVAL;
    map(bar, 0x2000);
    g_assert_cmpint(kernel.maps, ==, 1);
    del();
}

static void complain_twice(void)
{
    set_up(ON_OFF_AUTO_ON);
    add();
    kernel.feature_err = EINVAL;
    map(bar, 0x2000);
    map(bar, 0x1000);
    del();
}

static void test_on_complains(void)
{
    if (g_test_subprocess()) {
        complain_twice();
        return;
    }
    g_test_trap_subprocess(NULL, 0, 0);
    g_test_trap_assert_passed();
    g_test_trap_assert_stderr("*0000:01:00.0: BAR 2 cannot be the target of "
                              "other devices' DMA, which faults (x-p2p=off if "
                              "that is intended): VFIO_DEVICE_FEATURE_DMA_BUF "
                              "failed (the kernel cannot use this BAR for peer "
                              "to peer): Invalid argument\n");
    g_test_trap_assert_stderr_unmatched("*BAR 2*BAR 2*");
    /* Here as well: the user's page quotes this test */
    complain_twice();
}

static void test_check(void)
{
    Error *err = NULL;

    set_up(ON_OFF_AUTO_ON);
    g_assert_true(vfio_p2p_check(&device, &error_abort));

    kernel.feature_err = ENOTTY;
    g_assert_false(vfio_p2p_check(&device, &err));
    g_assert_cmpstr(error_get_pretty(err), ==, "x-p2p=on, but the host's "
                    "kernel does not export the BARs of this device: boot Linux "
                    "6.19 or later with CONFIG_VFIO_PCI_DMABUF, or use "
                    "x-p2p=auto: Inappropriate ioctl for device");
    g_test_message("%s", error_get_pretty(err));
    error_free(err);

    device.p2p = ON_OFF_AUTO_AUTO;
    g_assert_true(vfio_p2p_check(&device, &error_abort));
    device.p2p = ON_OFF_AUTO_ON;
    device.iommufd = NULL;
    g_assert_true(vfio_p2p_check(&device, &error_abort));
}

/* Whether this write makes QEMU map the only mapping again */
static bool remaps(uint32_t addr, uint32_t val, int len)
{
    unsigned maps = kernel.maps, unmaps = kernel.unmaps;

    write_config(addr, val, len);
    g_assert_cmpint(kernel.maps - maps, ==, kernel.unmaps - unmaps);
    return kernel.maps != maps;
}

static void test_revoked(void)
{
    const uint32_t devctl = EXP_CAP + PCI_EXP_DEVCTL;

    set_up(ON_OFF_AUTO_AUTO);
    add();
    map(bar + 0x4000, 0x4000);

    g_assert_true(remaps(devctl, PCI_EXP_DEVCTL_BCR_FLR, 2));
    g_assert_true(remaps(devctl, PCI_EXP_DEVCTL_BCR_FLR | 0x2810, 4));
    g_assert_true(remaps(devctl + 1, PCI_EXP_DEVCTL_BCR_FLR >> 8, 1));
    g_assert_false(remaps(devctl, 0x2810, 2));
    g_assert_false(remaps(devctl, 0x80, 1));
    g_assert_false(remaps(EXP_CAP, 0xffffffff, 4));

    g_assert_true(remaps(AF_CAP + PCI_AF_CTRL, PCI_AF_CTRL_FLR, 1));
    g_assert_false(remaps(AF_CAP + PCI_AF_CTRL, 0, 1));

    /* QEMU's memory listener unmaps and maps the BARs for these */
    g_assert_false(remaps(PM_CAP + PCI_PM_CTRL, 0, 2));
    g_assert_false(remaps(PM_CAP + PCI_PM_CTRL, 3, 2));
    g_assert_false(remaps(PCI_COMMAND, 0, 2));
    g_assert_false(remaps(PCI_COMMAND, PCI_COMMAND_MEMORY, 2));

    g_assert_cmphex(kernel.iova, ==, IOVA + 0x4000);
    g_assert_cmphex(kernel.size, ==, 0x4000);

    /* What is unmapped stays so */
    vfio_p2p_unmapped(&iommufd, IOAS, IOVA + 0x4000, 0x4000);
    g_assert_false(remaps(devctl, PCI_EXP_DEVCTL_BCR_FLR, 2));
    del();
}

/* The memory of a device is off when an incoming migration maps its BARs */
static void test_memory_off(void)
{
    set_up(ON_OFF_AUTO_ON);
    add();
    kernel.map_err = ENODEV;
    map(bar, 0x2000);
    g_assert_cmpint(kernel.mapped, ==, 0);
    write_config(PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
    g_assert_cmpint(kernel.mapped, ==, 0);

    kernel.map_err = 0;
    write_config(PCI_COMMAND, 0, 2);
    g_assert_cmpint(kernel.mapped, ==, 0);
    write_config(PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
    g_assert_cmpint(kernel.mapped, ==, 1);
    write_config(PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
    g_assert_cmpint(kernel.mapped, ==, 1);
    g_assert_cmpint(kernel.unmaps, ==, 0);
    del();
}

/* A vIOMMU maps a BAR that the memory listener skips */
static void test_off(void)
{
    set_up(ON_OFF_AUTO_OFF);
    add();
    map(bar, 0x2000);
    g_assert_cmpint(kernel.exports, ==, 0);
    write_config(EXP_CAP + PCI_EXP_DEVCTL, PCI_EXP_DEVCTL_BCR_FLR, 2);
    g_assert_cmpint(kernel.maps, ==, 0);
    del();
}

/* A guest with a vIOMMU maps a page without end: the records are limited */
static void test_many(void)
{
    set_up(ON_OFF_AUTO_AUTO);
    add();
    for (int i = 0; i < 100000; i++) {
        map(bar, 0x1000);
    }
    g_assert_cmpint(kernel.mapped, ==, 100000);
    write_config(EXP_CAP + PCI_EXP_DEVCTL, PCI_EXP_DEVCTL_BCR_FLR, 2);
    g_assert_cmpint(kernel.mapped, <, 110000);
    del();
}

/* A BAR that is smaller than a page, which QEMU extends to one */
static void test_small(void)
{
    uint64_t page = qemu_real_host_page_size();

    set_up(ON_OFF_AUTO_AUTO);
    mmaps[0].size = 0x100;
    vfio_p2p_add(&region, 0);
    g_assert_nonnull(vfio_p2p_find(bar, page));
    kernel.feature_err = EINVAL;
    map(bar, page);
    g_assert_cmpint(kernel.maps, ==, 0);
    vfio_p2p_del(&region, 0);
}

static void test_no_capabilities(void)
{
    set_up(ON_OFF_AUTO_AUTO);
    pdev.exp.exp_cap = config[0] = 0;
    add();
    map(bar, 0x2000);
    for (uint32_t addr = 0; addr < 0x40; addr += 4) {
        g_assert_false(remaps(addr, 0xffffffff, 4));
        g_assert_false(remaps(addr, 0, 4));
    }
    del();
}

static void test_unmapped(void)
{
    const uint32_t devctl = EXP_CAP + PCI_EXP_DEVCTL;
    IOMMUFDBackend other;

    set_up(ON_OFF_AUTO_AUTO);
    add();
    map(bar, 0x2000);
    map(bar + 0x4000, 0x4000);

    vfio_p2p_unmapped(&other, IOAS, 0, UINT64_MAX);
    vfio_p2p_unmapped(&iommufd, IOAS + 1, 0, UINT64_MAX);
    vfio_p2p_unmapped(&iommufd, IOAS, IOVA + 0x8000, 0x1000);
    vfio_p2p_unmapped(&iommufd, IOAS, 0, IOVA);
    kernel.maps = 0;
    write_config(devctl, PCI_EXP_DEVCTL_BCR_FLR, 2);
    g_assert_cmpint(kernel.maps, ==, 2);

    vfio_p2p_unmapped(&iommufd, IOAS, IOVA, 0x2000);
    kernel.maps = 0;
    write_config(devctl, PCI_EXP_DEVCTL_BCR_FLR, 2);
    g_assert_cmpint(kernel.maps, ==, 1);
    g_assert_cmphex(kernel.iova, ==, IOVA + 0x4000);
    del();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vfio/p2p/find", test_find);
    g_test_add_func("/vfio/p2p/not-a-target", test_not_a_target);
    g_test_add_func("/vfio/p2p/skips", test_skips);
    g_test_add_func("/vfio/p2p/map", test_map);
    g_test_add_func("/vfio/p2p/auto-is-silent", test_auto_is_silent);
    g_test_add_func("/vfio/p2p/on-complains", test_on_complains);
    g_test_add_func("/vfio/p2p/check", test_check);
    g_test_add_func("/vfio/p2p/revoked", test_revoked);
    g_test_add_func("/vfio/p2p/memory-off", test_memory_off);
    g_test_add_func("/vfio/p2p/off", test_off);
    g_test_add_func("/vfio/p2p/many", test_many);
    g_test_add_func("/vfio/p2p/small", test_small);
    g_test_add_func("/vfio/p2p/no-capabilities", test_no_capabilities);
    g_test_add_func("/vfio/p2p/unmapped", test_unmapped);
    return g_test_run();
}
