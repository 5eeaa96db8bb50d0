/*
 * A process in the guest that gives a device three address spaces, by iommufd
 *
 * The device is the PCI function for tests (hw/misc/pasid-testdev.c), bound to
 * vfio-pci. Its requests without a PASID, and those with PASID 1 and PASID 2, have
 * an address space each. The same address leads to other memory in each.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>
#include <linux/iommufd.h>
#include <linux/vfio.h>

#define SIZE        0x4000
#define IOVA        0x10000000ULL   /* in each space */
#define IOVA_ONE    0x20000000ULL   /* in the space of PASID 1 alone */

/* Registers, as in the device, by their number */
enum {
    STATUS = 1, SOURCE = 2, DESTINATION = 4, SOURCE_PASID = 6,
    DESTINATION_PASID = 7, LENGTH = 8, COMMAND = 9,
};

enum { DONE = 1, READ_FAULT = 2, WRITE_FAULT = 4 };

static int iommufd, device;
static uint32_t device_id;
static volatile uint32_t *regs;

static void call(int fd, unsigned long request, void *arg, const char *name)
{
    if (ioctl(fd, request, arg) < 0) {
        err(1, "%s", name);
    }
}

#define CALL(fd, request, arg) call(fd, request, arg, #request)

static void open_device(const char *path)
{
    struct vfio_device_bind_iommufd bind = { .argsz = sizeof(bind) };

    iommufd = open("/dev/iommu", O_RDWR);
    device = open(path, O_RDWR);
    if (iommufd < 0 || device < 0) {
        err(1, "/dev/iommu or %s", path);
    }
    bind.iommufd = iommufd;
    CALL(device, VFIO_DEVICE_BIND_IOMMUFD, &bind);
    device_id = bind.out_devid;
}

/* Only an attached device may be used */
static void enable_device(void)
{
    struct vfio_region_info config = {
        .argsz = sizeof(config), .index = VFIO_PCI_CONFIG_REGION_INDEX,
    };
    struct vfio_region_info bar = {
        .argsz = sizeof(bar), .index = VFIO_PCI_BAR0_REGION_INDEX,
    };
    uint16_t command = 6;           /* memory, bus master */

    CALL(device, VFIO_DEVICE_GET_REGION_INFO, &config);
    CALL(device, VFIO_DEVICE_GET_REGION_INFO, &bar);
    if (pwrite(device, &command, 2, config.offset + 4) != 2) {
        err(1, "the command register");
    }
    regs = mmap(NULL, bar.size, PROT_READ | PROT_WRITE, MAP_SHARED, device,
                bar.offset);
    if (regs == MAP_FAILED) {
        err(1, "BAR 0");
    }
}

/* An address space: (out) its IOAS, and the page table to attach */
static uint32_t new_space(uint32_t *ioas)
{
    struct iommu_ioas_alloc alloc = { .size = sizeof(alloc) };
    struct iommu_hwpt_alloc hwpt = {
        .size = sizeof(hwpt), .flags = IOMMU_HWPT_ALLOC_PASID,
        .dev_id = device_id,
    };

    CALL(iommufd, IOMMU_IOAS_ALLOC, &alloc);
    *ioas = hwpt.pt_id = alloc.out_ioas_id;
    CALL(iommufd, IOMMU_HWPT_ALLOC, &hwpt);
    return hwpt.out_hwpt_id;
}

static uint8_t *new_memory(uint32_t ioas, uint64_t iova)
{
    uint8_t *p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    struct iommu_ioas_map map = {
        .size = sizeof(map), .ioas_id = ioas,
        .flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
                 IOMMU_IOAS_MAP_WRITEABLE,
        .user_va = (uintptr_t)p, .length = SIZE, .iova = iova,
    };

    if (p == MAP_FAILED || getrandom(p, SIZE, 0) != SIZE) {
        err(1, "memory");
    }
    CALL(iommufd, IOMMU_IOAS_MAP, &map);
    return p;
}

static void attach(uint32_t hwpt, uint32_t pasid)
{
    struct vfio_device_attach_iommufd_pt pt = {
        .argsz = sizeof(pt), .pt_id = hwpt, .pasid = pasid,
        .flags = pasid ? VFIO_DEVICE_ATTACH_PASID : 0,
    };

    CALL(device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &pt);
}

static void detach(uint32_t pasid)
{
    struct vfio_device_detach_iommufd_pt pt = {
        .argsz = sizeof(pt), .flags = VFIO_DEVICE_DETACH_PASID, .pasid = pasid,
    };

    CALL(device, VFIO_DEVICE_DETACH_IOMMUFD_PT, &pt);
}

/* PASID 0 means: without one */
static uint32_t copy(uint32_t from, uint64_t source, uint32_t to,
                     uint64_t destination)
{
    regs[SOURCE] = source;
    regs[SOURCE + 1] = source >> 32;
    regs[DESTINATION] = destination;
    regs[DESTINATION + 1] = destination >> 32;
    regs[SOURCE_PASID] = from ? 1U << 31 | from : 0;
    regs[DESTINATION_PASID] = to ? 1U << 31 | to : 0;
    regs[LENGTH] = SIZE;
    regs[COMMAND] = 1;
    return regs[STATUS];
}

static void expect(const char *what, uint32_t status, uint32_t want)
{
    printf("%s: status %u\n", what, status);
    if (status != want) {
        errx(1, "%s: the status is %u, not %u", what, status, want);
    }
}

static void expect_same(const char *what, const uint8_t *a, const uint8_t *b)
{
    if (memcmp(a, b, SIZE)) {
        errx(1, "%s: other data", what);
    }
}

int main(int argc, char **argv)
{
    uint32_t ioas[3];
    uint8_t *memory[3], *one;

    if (argc != 2) {
        errx(1, "usage: pasid-user /dev/vfio/devices/vfio0");
    }
    open_device(argv[1]);
    for (uint32_t pasid = 0; pasid < 3; pasid++) {
        uint32_t hwpt = new_space(&ioas[pasid]);

        memory[pasid] = new_memory(ioas[pasid], IOVA);
        attach(hwpt, pasid);
    }
    one = new_memory(ioas[1], IOVA_ONE);
    enable_device();

    expect("from PASID 1 to 2", copy(1, IOVA, 2, IOVA), DONE);
    expect_same("from PASID 1 to 2", memory[1], memory[2]);
    expect("from PASID 1 to no PASID", copy(1, IOVA_ONE, 0, IOVA), DONE);
    expect_same("from PASID 1 to no PASID", one, memory[0]);
    expect("PASID 2, an address of PASID 1", copy(2, IOVA_ONE, 1, IOVA), READ_FAULT);
    expect("no PASID, an address of PASID 1", copy(0, IOVA_ONE, 1, IOVA), READ_FAULT);
    expect("PASID 3", copy(3, IOVA, 1, IOVA), READ_FAULT);

    detach(2);
    expect("PASID 2, detached", copy(1, IOVA, 2, IOVA), WRITE_FAULT);
    expect("PASID 1, still attached", copy(1, IOVA_ONE, 1, IOVA), DONE);
    expect_same("PASID 1, still attached", one, memory[1]);
    puts("all right");
    return 0;
}
