/*
 * LD_PRELOAD for a QEMU in the lab: an older host kernel, or one that fails
 *
 * Stands between QEMU and the ioctls of iommufd, and those of VFIO that bind
 * and attach a device. Environment:
 *
 *   IOCTL_SHIM_KERNEL   6.12, 6.13, 6.15, 6.17 or 6.19: behave as that release,
 *                       as far as a device model can tell. The names, and what
 *                       they mean, are those of tests/unit/fake-iommufd.h
 *   IOCTL_SHIM_CONTROL  a file "SERIAL NTH TIMES REQUEST=ERRNO ...": the NTH
 *                       call, from when the file changed, of those requests,
 *                       and TIMES - 1 after it, fail so; with -ERRNO they are
 *                       late by so many milliseconds instead. Replaced by
 *                       rename(2) while QEMU runs; read at each call
 *   IOCTL_SHIM_LOG      a line for each call, and for each close of their fds
 *
 * What a newer kernel refuses cannot be allowed here. There is one such thing,
 * stage 1 attached without a vDEVICE, before 6.15, which QEMU does not do.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* include/uapi/linux: the numbers of _IO(';', nr) in iommufd.h and vfio.h */
enum {
    DESTROY = 0x80, IOAS_ALLOC, IOVA_RANGES = 0x84, IOAS_MAP, IOAS_UNMAP,
    HWPT_ALLOC = 0x89, GET_HW_INFO, HWPT_INVALIDATE = 0x8d, VIOMMU_ALLOC = 0x90,
    VDEVICE_ALLOC, VEVENTQ_ALLOC = 0x93,
    BIND = 118, ATTACH, DETACH,
};

/* Every argument is a struct of u32 words; those with a name are logged */
static const struct request {
    const char *name;
    uint8_t nr;
    const char *words;
} requests[] = {
    { "IOMMU_DESTROY",         DESTROY,         "- id" },
    { "IOMMU_IOAS_ALLOC",      IOAS_ALLOC,      "- - out" },
    { "IOMMU_IOAS_IOVA_RANGES", IOVA_RANGES,    "- ioas num" },
    { "IOMMU_IOAS_MAP",        IOAS_MAP,        "- flags ioas" },
    { "IOMMU_IOAS_UNMAP",      IOAS_UNMAP,      "- ioas" },
    { "IOMMU_HWPT_ALLOC",      HWPT_ALLOC,      "- flags dev pt out - type" },
    { "IOMMU_GET_HW_INFO",     GET_HW_INFO,     "- - dev - - - type" },
    { "IOMMU_HWPT_INVALIDATE", HWPT_INVALIDATE, "- viommu - - - - num" },
    { "IOMMU_VIOMMU_ALLOC",    VIOMMU_ALLOC,    "- - type dev hwpt out" },
    { "IOMMU_VDEVICE_ALLOC",   VDEVICE_ALLOC,   "- viommu dev out sid" },
    { "IOMMU_VEVENTQ_ALLOC",   VEVENTQ_ALLOC,   "- - viommu - depth out evfd" },
    { "VFIO_DEVICE_BIND_IOMMUFD",      BIND,    "- - iommufd out" },
    { "VFIO_DEVICE_ATTACH_IOMMUFD_PT", ATTACH,  "- - pt" },
    { "VFIO_DEVICE_DETACH_IOMMUFD_PT", DETACH,  "- -" },
};
#define N_REQUESTS (sizeof(requests) / sizeof(requests[0]))

enum { NOTHING, NESTED, VDEVICE, ORPHAN, IOMMUFD, DEVICE, QUEUE };
static const char *const kinds[] = {
    [IOMMUFD] = "iommufd", [DEVICE] = "device", [QUEUE] = "queue",
};

/* The kernel's ids, as far as old kernels judge by them */
static struct object {
    int kind;
    uint32_t viommu;    /* that a NESTED, VDEVICE or ORPHAN stands on */
    uint32_t dev;       /* of a VDEVICE */
    bool translates;    /* a NESTED */
} objects[4096];
#define N_OBJECTS (sizeof(objects) / sizeof(objects[0]))

/* Files of QEMU that such calls are made on, or that they returned */
static struct file {
    int kind;
    uint32_t id;
} files[4096];
#define N_FILES (int)(sizeof(files) / sizeof(files[0]))

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int kernel = 9999, log_fd = -1;
static const char *control;
static unsigned nth, times, count;
static int errnos[N_REQUESTS];      /* to fail with; 0: such calls do not count */

static void __attribute__((constructor)) start(void)
{
    const char *version = getenv("IOCTL_SHIM_KERNEL");
    const char *log = getenv("IOCTL_SHIM_LOG");
    unsigned major, minor;

    if (version && sscanf(version, "%u.%u", &major, &minor) == 2) {
        kernel = major * 100 + minor;
    }
    control = getenv("IOCTL_SHIM_CONTROL");
    if (log) {
        log_fd = open(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    }
}

static struct object *object(uint32_t id)
{
    static struct object none;

    return id < N_OBJECTS ? &objects[id] : &none;
}

static struct file *file(int fd)
{
    static struct file none;

    return fd >= 0 && fd < N_FILES ? &files[fd] : &none;
}

/* Another version of the control file starts a new count */
static void read_control(void)
{
    static char seen[1024];
    char text[sizeof(seen)] = "", name[64];
    int fd = control ? open(control, O_RDONLY | O_CLOEXEC) : -1, err, used;
    unsigned serial;
    const char *p = text;

    if (fd < 0) {
        return;
    }
    if (read(fd, text, sizeof(text) - 1) < 0) {
        text[0] = '\0';
    }
    syscall(SYS_close, fd);
    if (!strcmp(text, seen)) {
        return;
    }
    strcpy(seen, text);
    count = nth = 0;
    memset(errnos, 0, sizeof(errnos));
    if (sscanf(p, "%u %u %u%n", &serial, &nth, &times, &used) != 3) {
        dprintf(log_fd, "control file: not understood\n");
        return;
    }
    for (p += used; sscanf(p, " %63[^= ]=%d%n", name, &err, &used) == 2;
         p += used) {
        for (size_t i = 0; i < N_REQUESTS; i++) {
            if (!strcmp(requests[i].name, name)) {
                errnos[i] = err;
            }
        }
    }
    dprintf(log_fd, "armed serial=%u\n", serial);
}

/* The errno that this call shall fail with, 0, or - its milliseconds */
static int injected(const struct request *r)
{
    int err = errnos[r - requests];

    if (!err || !nth) {
        return 0;
    }
    count++;
    return count >= nth && count - nth < times ? err : 0;
}

static bool has_vdevice(uint32_t dev, uint32_t viommu)
{
    for (size_t id = 0; id < N_OBJECTS; id++) {
        if (objects[id].kind == VDEVICE && objects[id].dev == dev &&
            objects[id].viommu == viommu) {
            return true;
        }
    }
    return false;
}

static bool has_orphan(uint32_t viommu)
{
    for (size_t id = 0; id < N_OBJECTS; id++) {
        if (objects[id].kind == ORPHAN && objects[id].viommu == viommu) {
            return true;
        }
    }
    return false;
}

/* What an older kernel says before it does anything, or 0 */
static int refused(const struct request *r, int fd, const uint32_t *w)
{
    const struct object *hwpt;

    switch (r->nr) {
    case VIOMMU_ALLOC:
        if (kernel < 613) {
            return ENOTTY;
        }
        /* The struct has grown from 24 bytes */
        return kernel < 617 && w[0] >= 40 && (w[6] || w[7] || w[8] || w[9]) ?
               E2BIG : 0;
    case VDEVICE_ALLOC:
        return kernel < 613 ? ENOTTY : 0;
    case VEVENTQ_ALLOC:
        return kernel < 615 ? ENOTTY : 0;
    case ATTACH:
        hwpt = object(w[2]);
        return kernel >= 615 && kernel < 619 && hwpt->kind == NESTED &&
               !hwpt->translates && !has_vdevice(file(fd)->id, hwpt->viommu) ?
               ENOENT : 0;
    case DESTROY:
        return has_orphan(w[1]) ? EBUSY : 0;
    }
    return 0;
}

static void *pointer(const uint32_t *w)
{
    return (void *)(uintptr_t)(w[0] | (uint64_t)w[1] << 32);
}

/* After success: answer as an older kernel, and remember what it would */
static void done(const struct request *r, int fd, uint32_t *w)
{
    uint64_t ste0;

    switch (r->nr) {
    case GET_HW_INFO:
        if (kernel < 613) {
            memset(pointer(w + 4), 0, w[3]);
            w[6] = 0;   /* IOMMU_HW_INFO_TYPE_NONE */
        }
        break;
    case HWPT_ALLOC:
        if (w[6] == 2) {    /* IOMMU_HWPT_DATA_ARM_SMMUV3 */
            memcpy(&ste0, pointer(w + 8), sizeof(ste0));
            *object(w[4]) = (struct object) {
                .kind = NESTED, .viommu = w[3],
                .translates = (ste0 & 0xf) == 0xb,  /* V, Config 5 */
            };
        }
        break;
    case VDEVICE_ALLOC:
        *object(w[3]) = (struct object) {
            .kind = VDEVICE, .viommu = w[1], .dev = w[2],
        };
        break;
    case VEVENTQ_ALLOC:
        *file(w[6]) = (struct file) { QUEUE, w[5] };
        break;
    case BIND:
        *file(fd) = (struct file) { DEVICE, w[3] };
        break;
    case DESTROY:
        object(w[1])->kind = NOTHING;
        break;
    }
}

static void log_call(const struct request *r, int fd, const uint32_t *w,
                     int err, const char *by)
{
    char text[256], word[16];
    const char *names = r->words;
    int len = snprintf(text, sizeof(text), "%s fd=%d", r->name, fd), used;

    for (int i = 0; sscanf(names, " %15[^ ]%n", word, &used) == 1; i++) {
        names += used;
        if (strcmp(word, "-")) {
            len += snprintf(text + len, sizeof(text) - len, " %s=%u", word,
                            w[i]);
        }
    }
    if (r->nr == HWPT_ALLOC && !err && w[6] == 2) {
        len += snprintf(text + len, sizeof(text) - len, " translates=%d",
                        object(w[4])->translates);
    }
    dprintf(log_fd, "%s ret=%d%s\n", text, -err, by);
}

static int real(int fd, const struct request *r, void *arg)
{
    return syscall(SYS_ioctl, fd, ';' << 8 | r->nr, arg) < 0 ? errno : 0;
}

static int watched(int fd, const struct request *r, uint32_t *w)
{
    const char *by = " by=inject";
    int err;

    read_control();
    if (r->nr >= DESTROY && file(fd)->kind == NOTHING) {
        file(fd)->kind = IOMMUFD;
    }
    err = injected(r);
    if (err < 0) {
        usleep(-err * 1000);
        err = 0;
    }
    if (err == ENOENT && (r->nr == DESTROY || r->nr == IOAS_UNMAP)) {
        real(fd, r, w);     /* it is said to be gone, so it shall be */
        object(w[1])->kind = NOTHING;
    } else if (err && r->nr == HWPT_INVALIDATE) {
        /* A command refused is the first; one not issued was converted */
        w[6] = err == ETIMEDOUT && w[6] ? (w[6] < 63 ? w[6] : 63) - 1 : 0;
    } else if (!err) {
        err = refused(r, fd, w);
        by = err ? " by=profile" : "";
        if (!err && !(r->nr == DESTROY && object(w[1])->kind == ORPHAN)) {
            err = real(fd, r, w);
        }
        if (!err) {
            done(r, fd, w);
        }
    }
    log_call(r, fd, w, err, by);
    return err;
}

int ioctl(int fd, unsigned long request, ...)
{
    const struct request *r = NULL;
    va_list args;
    void *arg;
    int err;

    va_start(args, request);
    arg = va_arg(args, void *);
    va_end(args);

    for (size_t i = 0; request >> 8 == ';' && i < N_REQUESTS; i++) {
        if (requests[i].nr == (request & 0xff)) {
            r = &requests[i];
        }
    }
    if (!r) {
        return syscall(SYS_ioctl, fd, request, arg);
    }
    pthread_mutex_lock(&lock);
    err = watched(fd, r, arg);
    pthread_mutex_unlock(&lock);
    errno = err ?: errno;
    return err ? -1 : 0;
}

/* A device's vDEVICE outlives it before 6.17, and pins the vIOMMU */
static void closed(const struct file *f, int fd)
{
    for (size_t id = 0; id < N_OBJECTS; id++) {
        if (f->kind == DEVICE && objects[id].kind == VDEVICE &&
            objects[id].dev == f->id) {
            objects[id].kind = kernel < 617 ? ORPHAN : NOTHING;
            dprintf(log_fd, "%s id=%zu\n", kernel < 617 ? "orphan" : "tombstone",
                    id);
        }
    }
    if (f->kind == IOMMUFD) {
        memset(objects, 0, sizeof(objects));
    }
    dprintf(log_fd, "close fd=%d %s=%u\n", fd, kinds[f->kind], f->id);
}

int close(int fd)
{
    struct file *f = file(fd), was;
    int ret;

    pthread_mutex_lock(&lock);
    was = *f;
    f->kind = NOTHING;
    ret = syscall(SYS_close, fd);
    if (was.kind) {
        closed(&was, fd);
    }
    pthread_mutex_unlock(&lock);
    return ret;
}
