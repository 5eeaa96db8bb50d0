/*
 * An iommufd in memory, for unit tests of vIOMMU models
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "monitor/monitor.h"
#include "qemu/sockets.h"
#include "qapi/error.h"
#include "system/iommufd-errno.h"
#include "fake-iommufd-internal.h"
#include <sys/ioctl.h>
#include <sys/syscall.h>

static const struct {
    const char *name;       /* in the log */
    const char *ioctl;
} calls[] = {
    [GET_HW_INFO]   = { "get-hw-info",   "IOMMU_GET_HW_INFO" },
    [IOAS_ALLOC]    = { "ioas-alloc",    "IOMMU_IOAS_ALLOC" },
    [IOVA_RANGES]   = { "iova-ranges",   "IOMMU_IOAS_IOVA_RANGES" },
    [HWPT_ALLOC]    = { "hwpt-alloc",    "IOMMU_HWPT_ALLOC" },
    [VIOMMU_ALLOC]  = { "viommu-alloc",  "IOMMU_VIOMMU_ALLOC" },
    [VDEVICE_ALLOC] = { "vdevice-alloc", "IOMMU_VDEVICE_ALLOC" },
    [VEVENTQ_ALLOC] = { "veventq-alloc", "IOMMU_VEVENTQ_ALLOC" },
    [FAULT_QUEUE_ALLOC] = { "fault-queue-alloc", "IOMMU_FAULT_QUEUE_ALLOC" },
    [HW_QUEUE_ALLOC] = { "hw-queue-alloc", "IOMMU_HW_QUEUE_ALLOC" },
    [MMAP]          = { "mmap",          "mmap" },
    [IOAS_MAP]      = { "ioas-map",      "IOMMU_IOAS_MAP" },
    [IOAS_UNMAP]    = { "ioas-unmap",    "IOMMU_IOAS_UNMAP" },
    [NESTED_ALLOC]  = { "nested-alloc",  "IOMMU_HWPT_ALLOC" },
    [INVALIDATE]    = { "invalidate",    "IOMMU_HWPT_INVALIDATE" },
    [DESTROY]       = { "destroy",       "IOMMU_DESTROY" },
    [ATTACH]        = { "attach",        "VFIO_DEVICE_ATTACH_IOMMUFD_PT" },
    [DETACH]        = { "detach",        "VFIO_DEVICE_DETACH_IOMMUFD_PT" },
};

/* Calls: count, log, fail */

int fake_inject(FakeIOMMUFD *f, FakeCall call)
{
    int err = iommufd_errno_nth(calls[call].ioctl, f->fail_variant);

    f->n_calls++;
    if (!err || f->n_calls < f->fail_first || f->n_calls > f->fail_last) {
        return 0;
    }
    f->has_failed = true;
    f->has_kept |= call == DESTROY;
    return -err;
}

int fake_finish(FakeIOMMUFD *f, FakeCall call, int ret)
{
    f->total += call != DESTROY && call != MMAP;
    g_string_append_printf(f->log, "%s%s%s", f->log->len ? " " : "",
                           calls[call].name, ret ? "!" : "");
    return ret;
}

char *fake_iommufd_calls(FakeIOMMUFD *f)
{
    char *text = g_strdup(f->log->str);

    g_string_truncate(f->log, 0);
    return text;
}

void fake_words(FakeIOMMUFD *f, unsigned long request, const uint32_t *before,
                const void *after, uint32_t dev, int ret)
{
    uint32_t words[IOMMUFD_WORDS_MAX];
    char line[4096];

    iommufd_words_copy(words, after);
    iommufd_words(&f->names, iommufd_request(request), before, words, dev, -ret,
                  line, sizeof(line));
    g_string_append_printf(f->words, "%s\n", line);
    if (f->watch) {
        f->watch(f->watch_opaque, request, after, fake_device_by_id(f, dev),
                 ret);
    }
}

void fake_iommufd_watch(FakeIOMMUFD *f, FakeWatch *func, void *opaque)
{
    f->watch = func;
    f->watch_opaque = opaque;
}

void fake_name(FakeIOMMUFD *f, const char *request, uint32_t id)
{
    iommufd_names_add(&f->names, iommufd_request_by_name(request), id, false);
}

char *fake_iommufd_words(FakeIOMMUFD *f)
{
    char *text = g_strdup(f->words->str);

    g_string_truncate(f->words, 0);
    return text;
}

void fake_iommufd_fail_nth(FakeIOMMUFD *f, unsigned nth, unsigned variant)
{
    g_assert_cmpuint(variant, <, FAKE_VARIANTS);
    f->n_calls = 0;
    f->fail_first = nth;
    f->fail_last = nth;
    f->fail_variant = variant;
    f->has_failed = false;
}

void fake_iommufd_fail_from(FakeIOMMUFD *f, unsigned nth, unsigned variant)
{
    fake_iommufd_fail_nth(f, nth, variant);
    f->fail_last = UINT_MAX;
}

unsigned fake_iommufd_n_calls(FakeIOMMUFD *f)
{
    return f->n_calls;
}

bool fake_iommufd_has_failed(FakeIOMMUFD *f)
{
    return f->has_failed;
}

unsigned fake_iommufd_total(FakeIOMMUFD *f)
{
    return f->total;
}

/* ioctl(2) */

/* All that there are, by the file of the backend */
static GHashTable *fakes;

FakeIOMMUFD *fake_by_fd(int fd)
{
    return fakes ? g_hash_table_lookup(fakes, GINT_TO_POINTER(fd)) : NULL;
}

void fake_each(bool (*func)(FakeIOMMUFD *f, void *addr, size_t length),
               void *addr, size_t length)
{
    GHashTableIter iter;
    gpointer f;

    if (!fakes) {
        return;
    }
    g_hash_table_iter_init(&iter, fakes);
    while (g_hash_table_iter_next(&iter, NULL, &f)) {
        if (func(f, addr, length)) {
            return;
        }
    }
}

static FakeCall which_call(unsigned long request, void *arg)
{
    struct iommu_hwpt_alloc *alloc = arg;

    switch (request) {
    case IOMMU_GET_HW_INFO:
        return GET_HW_INFO;
    case IOMMU_IOAS_ALLOC:
        return IOAS_ALLOC;
    case IOMMU_IOAS_IOVA_RANGES:
        return IOVA_RANGES;
    case IOMMU_HWPT_ALLOC:
        return alloc->data_type ? NESTED_ALLOC : HWPT_ALLOC;
    case IOMMU_VIOMMU_ALLOC:
        return VIOMMU_ALLOC;
    case IOMMU_VDEVICE_ALLOC:
        return VDEVICE_ALLOC;
    case IOMMU_VEVENTQ_ALLOC:
        return VEVENTQ_ALLOC;
    case IOMMU_FAULT_QUEUE_ALLOC:
        return FAULT_QUEUE_ALLOC;
    case IOMMU_HW_QUEUE_ALLOC:
        return HW_QUEUE_ALLOC;
    case IOMMU_IOAS_MAP:
        return IOAS_MAP;
    case IOMMU_IOAS_UNMAP:
        return IOAS_UNMAP;
    case IOMMU_HWPT_INVALIDATE:
        return INVALIDATE;
    case IOMMU_DESTROY:
        return DESTROY;
    }
    g_assert_not_reached();
}

static int carry_out(FakeIOMMUFD *f, FakeCall call, void *arg)
{
    int err = fake_inject(f, call);

    if (call == INVALIDATE) {
        return fake_invalidate(f, arg, err);
    }
    if (err == -ENOENT && call == DESTROY) {
        /* It is said to be gone, so it shall be, unless it is in use */
        err = fake_object_destroy(f, ((struct iommu_destroy *)arg)->id) ?: err;
    }
    if (err) {
        return err;
    }
    switch (call) {
    case GET_HW_INFO:
        return fake_get_hw_info(f, arg);
    case IOAS_ALLOC:
        return fake_ioas_alloc(f, arg);
    case IOVA_RANGES:
        return fake_iova_ranges(f, arg);
    case HWPT_ALLOC:
    case NESTED_ALLOC:
        return fake_hwpt_alloc(f, arg);
    case VIOMMU_ALLOC:
        return fake_viommu_alloc(f, arg);
    case VDEVICE_ALLOC:
        return fake_vdevice_alloc(f, arg);
    case VEVENTQ_ALLOC:
        return fake_veventq_alloc(f, arg);
    case FAULT_QUEUE_ALLOC:
        return fake_fault_queue_alloc(f, arg);
    case HW_QUEUE_ALLOC:
        return fake_hw_queue_alloc(f, arg);
    case IOAS_MAP:
        return fake_ioas_map(f, arg);
    case IOAS_UNMAP:
        return fake_ioas_unmap(f, arg);
    case DESTROY:
        return fake_object_destroy(f, ((struct iommu_destroy *)arg)->id);
    default:
        g_assert_not_reached();
    }
}

/* In place of the C library's: what is for an iommufd never reaches a kernel */
int ioctl(int fd, unsigned long request, ...)
{
    FakeIOMMUFD *f = fake_by_fd(fd);
    uint32_t before[IOMMUFD_WORDS_MAX];
    FakeCall call;
    va_list args;
    void *arg;
    int ret;

    va_start(args, request);
    arg = va_arg(args, void *);
    va_end(args);
    if (!f) {
        return syscall(SYS_ioctl, fd, request, arg);
    }
    call = which_call(request, arg);
    iommufd_words_copy(before, arg);
    ret = fake_finish(f, call, carry_out(f, call, arg));
    fake_words(f, request, before, arg, 0, ret);
    if (ret) {
        errno = -ret;
        return -1;
    }
    return 0;
}

/* Stubs of what backends/iommufd.c needs of QEMU */

int vfio_device_get_aw_bits(VFIODevice *vdev)
{
    g_assert_not_reached();
}

int monitor_fd_param(Monitor *mon, const char *fdname, Error **errp)
{
    g_assert_not_reached();
}

/* Fakes */

static const char *const kinds[] = {
    "IOAS", "stage 2 HWPT", "nested HWPT", "vIOMMU", "vDEVICE", "vEVENTQ",
    "queue of faults", "queue in hardware", "device", "tombstone",
};

FakeIOMMUFD *fake_iommufd_new(FakeKernel kernel, const char *id)
{
    FakeIOMMUFD *f = g_new0(FakeIOMMUFD, 1);
    Object *obj = object_new(TYPE_IOMMUFD_BACKEND);

    f->be = IOMMUFD_BACKEND(obj);
    f->kernel = kernel;
    f->objects = g_ptr_array_new();
    f->groups = g_ptr_array_new();
    f->log = g_string_new(NULL);
    f->words = g_string_new(NULL);
    f->stalls = g_ptr_array_new_with_free_func(g_free);
    f->mappings = g_array_new(false, false, sizeof(FakeMapping));
    f->hw_queues = g_array_new(false, false, sizeof(FakeQueue));
    qemu_mutex_init(&f->hw_lock);
    f->commands = g_array_new(false, false, sizeof(FakeCommand));
    object_property_add_child(object_get_objects_root(), id, obj);
    object_unref(obj);
    /* As if a file had been passed; nobody but ioctl() above knows it */
    f->be->owned = false;
    f->be->fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    fakes = fakes ?: g_hash_table_new(NULL, NULL);
    g_hash_table_insert(fakes, GINT_TO_POINTER(f->be->fd), f);
    return f;
}

IOMMUFDBackend *fake_iommufd_backend(FakeIOMMUFD *f)
{
    return f->be;
}

void fake_iommufd_close(FakeIOMMUFD *f)
{
    bool progress = true;

    while (progress) {
        progress = false;
        for (uint32_t id = 1; id < f->objects->len; id++) {
            FakeObject *obj = g_ptr_array_index(f->objects, id);

            if (obj && obj->kind == OBJ_TOMBSTONE) {
                g_ptr_array_index(f->objects, id) = NULL;
                g_free(obj);
            } else if (obj && !fake_object_destroy(f, id)) {
                progress = true;
            }
        }
    }
}

void fake_iommufd_free(FakeIOMMUFD *f)
{
    g_autoptr(GString) left = g_string_new(NULL);

    for (uint32_t id = 1; id < f->objects->len; id++) {
        FakeObject *obj = g_ptr_array_index(f->objects, id);

        if (obj && !(obj->kind == OBJ_TOMBSTONE && f->has_kept)) {
            g_string_append_printf(left, " %s", kinds[obj->kind]);
        }
        g_free(obj);
    }
    g_assert_cmpstr(left->str, ==, "");
    g_assert_cmpuint(f->be->users, ==, 0);
    g_assert_cmpuint(f->be->kept->len, ==, 0);
    g_assert_cmpuint(f->mappings->len, ==, 0);
    g_hash_table_remove(fakes, GINT_TO_POINTER(f->be->fd));
    close(f->be->fd);
    g_ptr_array_unref(f->objects);
    for (guint i = 0; i < f->groups->len; i++) {
        FakeGroup *group = g_ptr_array_index(f->groups, i);

        g_ptr_array_unref(group->devices);
        g_free(group);
    }
    g_ptr_array_unref(f->groups);
    fake_cmdqv_work(f, false);
    g_assert_cmpuint(f->hw_queues->len, ==, 0);
    g_array_unref(f->hw_queues);
    qemu_mutex_destroy(&f->hw_lock);
    g_array_unref(f->mappings);
    g_ptr_array_unref(f->stalls);
    g_array_unref(f->commands);
    g_string_free(f->log, true);
    g_string_free(f->words, true);
    object_unparent(OBJECT(f->be));
    g_free(f);
}
