/*
 * iommufd backend: ids that the kernel keeps, and single calls
 *
 * The kernel is the ioctl(2) below.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include "qapi/error.h"
#include "hw/vfio/vfio-common.h"
#include "monitor/monitor.h"
#include "qemu/module.h"
#include "qom/object.h"
#include "system/iommufd.h"
#include "system/iommufd-viommu.h"
#include <linux/iommufd.h>

/* The kernel */

#define OBJECTS     8
#define RANGES      40

static struct {
    int fd;                     /* that of /dev/iommu */
    bool exists[OBJECTS];
    int needed_by[OBJECTS];     /* this object; 0: by none */
    unsigned destroyed[OBJECTS];
    unsigned refusals;          /* of DESTROY, still to come */
    uint32_t n_ranges, read_ranges;
    unsigned interruptions;     /* of calls, still to come */
    uint32_t taken;             /* commands of an invalidation */
    struct iommu_ioas_map_file map;
} kernel;

static int destroy(uint32_t id)
{
    if (id >= OBJECTS || !kernel.exists[id]) {
        return -ENOENT;
    }
    if (kernel.needed_by[id] || kernel.refusals) {
        kernel.refusals -= kernel.refusals > 0;
        return -EBUSY;
    }
    for (int i = 0; i < OBJECTS; i++) {
        if (kernel.needed_by[i] == id) {
            kernel.needed_by[i] = 0;
        }
    }
    kernel.exists[id] = false;
    kernel.destroyed[id]++;
    return 0;
}

/* The holes are one page each; the last range is not the last in the array */
static int iova_ranges(struct iommu_ioas_iova_ranges *get)
{
    struct iommu_iova_range *ranges = (void *)(uintptr_t)get->allowed_iovas;
    uint32_t room = get->num_iovas;

    get->num_iovas = kernel.n_ranges;
    for (uint32_t i = 0; i < MIN(room, kernel.n_ranges); i++) {
        uint64_t at = (i + 1) % kernel.n_ranges;

        ranges[i] = (struct iommu_iova_range) {
            .start = at << 32, .last = (at << 32) + 0xfffff,
        };
    }
    kernel.read_ranges = room;
    return room < kernel.n_ranges ? -EMSGSIZE : 0;
}

/* Writes entry_num, also if it fails */
static int invalidate(struct iommu_hwpt_invalidate *inv)
{
    uint32_t n = inv->entry_num;

    inv->entry_num = 0;
    if (kernel.interruptions) {
        kernel.interruptions--;
        return -EINTR;
    }
    inv->entry_num = MIN(n, kernel.taken);
    return n > kernel.taken ? -EIO : 0;
}

static int carry_out(unsigned long request, void *arg)
{
    switch (request) {
    case IOMMU_DESTROY:
        return destroy(((struct iommu_destroy *)arg)->id);
    case IOMMU_IOAS_IOVA_RANGES:
        return iova_ranges(arg);
    case IOMMU_HWPT_INVALIDATE:
        return invalidate(arg);
    case IOMMU_IOAS_MAP_FILE:
        kernel.map = *(struct iommu_ioas_map_file *)arg;
        return 0;
    default:
        g_assert_not_reached();
    }
}

int ioctl(int fd, unsigned long request, ...)
{
    va_list ap;
    void *arg;
    int ret;

    va_start(ap, request);
    arg = va_arg(ap, void *);
    va_end(ap);
    if (fd != kernel.fd) {
        return syscall(SYS_ioctl, fd, request, arg);
    }
    ret = carry_out(request, arg);
    errno = -ret;
    return ret ? -1 : 0;
}

int vfio_device_get_aw_bits(VFIODevice *vdev)
{
    g_assert_not_reached();
}

int monitor_fd_param(Monitor *mon, const char *fdname, Error **errp)
{
    g_assert_not_reached();
}

static IOMMUFDBackend *start(bool owned)
{
    IOMMUFDBackend *be = IOMMUFD_BACKEND(object_new(TYPE_IOMMUFD_BACKEND));

    memset(&kernel, 0, sizeof(kernel));
    memset(kernel.exists, true, sizeof(kernel.exists));
    kernel.fd = open("/dev/null", O_RDWR);
    g_assert_cmpint(kernel.fd, >=, 0);
    be->fd = kernel.fd;
    be->owned = owned;
    be->users = 1;
    return be;
}

static void stop(IOMMUFDBackend *be)
{
    bool owned = be->owned;

    g_assert_cmpuint(be->kept->len, ==, 0);
    iommufd_backend_disconnect(be);
    object_unref(OBJECT(be));
    if (!owned) {
        close(kernel.fd);
    }
    kernel.fd = -1;
}

/* Ids */

/* Each one needs another, and they were refused in the wrong order */
static void test_kept(void)
{
    IOMMUFDBackend *be = start(false);

    kernel.needed_by[1] = 2;
    kernel.needed_by[2] = 3;
    kernel.needed_by[3] = 4;
    for (uint32_t id = 1; id <= 3; id++) {
        g_assert_false(iommufd_backend_free_id(be, id));
        g_assert_cmpuint(be->kept->len, ==, id);
    }
    g_assert_true(iommufd_backend_free_id(be, 4));
    g_assert_cmpuint(be->kept->len, ==, 0);
    for (uint32_t id = 1; id <= 4; id++) {
        g_assert_cmpuint(kernel.destroyed[id], ==, 1);
    }
    stop(be);
}

/* One that is refused again is listed once: the kernel will reuse the id */
static void test_kept_once(void)
{
    IOMMUFDBackend *be = start(false);

    kernel.refusals = 3;
    for (int i = 0; i < 3; i++) {
        g_assert_false(iommufd_backend_free_id(be, 1));
        g_assert_cmpuint(be->kept->len, ==, 1);
    }
    iommufd_backend_reap(be);
    g_assert_cmpuint(be->kept->len, ==, 0);
    g_assert_cmpuint(kernel.destroyed[1], ==, 1);
    /* It is not kept if it is destroyed by its user at last */
    kernel.refusals = 1;
    g_assert_false(iommufd_backend_free_id(be, 2));
    g_assert_true(iommufd_backend_free_id(be, 2));
    g_assert_cmpuint(be->kept->len, ==, 0);
    stop(be);
}

/* Ids are those of the file: nothing is destroyed in the next one */
static void test_kept_closed(void)
{
    IOMMUFDBackend *be = start(true);

    kernel.refusals = 1;
    g_assert_false(iommufd_backend_free_id(be, 1));
    iommufd_backend_disconnect(be);
    g_assert_cmpint(be->fd, ==, -1);
    g_assert_cmpuint(be->kept->len, ==, 0);
    object_unref(OBJECT(be));
    kernel.fd = -1;
}

/* Calls */

static void test_last_iova(void)
{
    for (uint32_t n = 1; n <= RANGES; n++) {
        IOMMUFDBackend *be = start(false);
        uint64_t last;

        kernel.n_ranges = n;
        g_assert_true(iommufd_backend_last_iova(be, 5, &last, &error_abort));
        g_assert_cmphex(last, ==, ((uint64_t)(n - 1) << 32) + 0xfffff);
        g_assert_cmpuint(kernel.read_ranges, >=, n);
        stop(be);
    }
}

/* All commands are sent again, although the kernel has said that it took 0 */
static void test_interrupted(void)
{
    IOMMUFDBackend *be = start(false);
    uint64_t commands[10][2] = { { 0 } };
    uint32_t n = 10;

    kernel.interruptions = 2;
    kernel.taken = 10;
    g_assert_cmpint(iommufd_backend_invalidate(be, 1, 1, commands, 16, &n), ==,
                    0);
    g_assert_cmpuint(n, ==, 10);
    kernel.taken = 3;
    g_assert_cmpint(iommufd_backend_invalidate(be, 1, 1, commands, 16, &n), ==,
                    -EIO);
    g_assert_cmpuint(n, ==, 3);
    stop(be);
}

static void test_map_file(void)
{
    for (int readonly = 0; readonly < 2; readonly++) {
        IOMMUFDBackend *be = start(false);

        g_assert_cmpint(iommufd_backend_map_file_dma(be, 5, 0x10000, 0x2000, 7,
                                                     0x1000, readonly), ==, 0);
        g_assert_cmphex(kernel.map.flags, ==,
                        IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
                        (readonly ? 0 : IOMMU_IOAS_MAP_WRITEABLE));
        g_assert_cmpuint(kernel.map.size, ==, sizeof(kernel.map));
        g_assert_cmpuint(kernel.map.ioas_id, ==, 5);
        g_assert_cmpint(kernel.map.fd, ==, 7);
        g_assert_cmphex(kernel.map.iova, ==, 0x10000);
        g_assert_cmphex(kernel.map.length, ==, 0x2000);
        g_assert_cmphex(kernel.map.start, ==, 0x1000);
        stop(be);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    module_call_init(MODULE_INIT_QOM);
    g_test_add_func("/iommufd/kept", test_kept);
    g_test_add_func("/iommufd/kept-once", test_kept_once);
    g_test_add_func("/iommufd/kept-closed", test_kept_closed);
    g_test_add_func("/iommufd/last-iova", test_last_iova);
    g_test_add_func("/iommufd/interrupted", test_interrupted);
    g_test_add_func("/iommufd/map-file", test_map_file);
    return g_test_run();
}
