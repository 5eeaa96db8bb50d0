/*
 * LD_PRELOAD library for a QEMU in the lab: imitates an older or failing host
 *
 * Intercepts the ioctls of iommufd, those of VFIO that bind and attach a device,
 * and mmap of iommufd. Environment:
 *
 *   IOCTL_SHIM_KERNEL   6.12, 6.13, 6.15, 6.17, 6.19 or 7.3: behave as that release,
 *                       as far as a device model can tell. The names and their
 *                       meaning are those of tests/unit/fake-iommufd.h
 *   IOCTL_SHIM_CONTROL  a file "SERIAL NTH TIMES REQUEST=ERRNO ...": the NTH
 *                       call, from when the file changed, of those requests,
 *                       and TIMES - 1 after it, fail. REQUEST=ERRNO@MS: they
 *                       are delayed by MS milliseconds, and then fail or, if
 *                       ERRNO is 0, are carried out. The file is read at each
 *                       call, and replaced by rename(2) while QEMU runs
 *   IOCTL_SHIM_LOG      a line for each call, and for each close of their fds
 *   IOCTL_SHIM_WORDS    the same in the words of tests/unit/iommufd-words.h
 *
 * The shim cannot allow a call that the newer kernel refuses. There is one such
 * call: to attach stage 1 without a vDEVICE, before 6.15. QEMU does not do this.
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
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "iommufd-words.h"

/* Every argument is a struct of u32 words; those with a name are logged */
static const struct request {
    const char *name;
    uint8_t nr;
    const char *words;
} requests[] = {
    { "IOMMU_DESTROY", NR_DESTROY, "- id" },
    { "IOMMU_IOAS_ALLOC", NR_IOAS_ALLOC, "- - out" },
    { "IOMMU_IOAS_IOVA_RANGES", NR_IOVA_RANGES, "- ioas num" },
    { "IOMMU_IOAS_MAP", NR_IOAS_MAP, "- flags ioas" },
    { "IOMMU_IOAS_UNMAP", NR_IOAS_UNMAP, "- ioas" },
    { "IOMMU_HWPT_ALLOC", NR_HWPT_ALLOC, "- flags dev pt out - type" },
    { "IOMMU_GET_HW_INFO", NR_GET_HW_INFO, "- - dev - - - type" },
    { "IOMMU_HWPT_INVALIDATE", NR_HWPT_INVALIDATE, "- viommu - - - - num" },
    { "IOMMU_VIOMMU_ALLOC", NR_VIOMMU_ALLOC, "- - type dev hwpt out" },
    { "IOMMU_VDEVICE_ALLOC", NR_VDEVICE_ALLOC, "- viommu dev out sid" },
    { "IOMMU_VEVENTQ_ALLOC", NR_VEVENTQ_ALLOC, "- - viommu - depth out evfd" },
    { "IOMMU_FAULT_QUEUE_ALLOC", NR_FAULT_QUEUE_ALLOC, "- - out ffd" },
    { "IOMMU_HW_QUEUE_ALLOC", NR_HW_QUEUE_ALLOC, "- - viommu - index out" },
    { "mmap", NR_MMAP, "- viommu length" },
    { "munmap", NR_MUNMAP, "- viommu length" },
    { "VFIO_DEVICE_BIND_IOMMUFD", NR_BIND, "- - iommufd out" },
    { "VFIO_DEVICE_ATTACH_IOMMUFD_PT", NR_ATTACH, "- - pt" },
    { "VFIO_DEVICE_DETACH_IOMMUFD_PT", NR_DETACH, "- -" },
};
#define N_REQUESTS (sizeof(requests) / sizeof(requests[0]))

enum { NOTHING, NESTED, VDEVICE, ORPHAN, INTERFACE, IOMMUFD, DEVICE, QUEUE };
static const char *const kinds[] = {
    [IOMMUFD] = "iommufd", [DEVICE] = "device", [QUEUE] = "queue",
};

/* The kernel's ids, for the checks of old kernels */
static struct object {
    int kind;
    uint32_t viommu;    /* of a NESTED, VDEVICE or ORPHAN */
    uint32_t dev;       /* of a VDEVICE */
    bool translates;    /* a NESTED */
    uint64_t offset;    /* in the file, of the registers of an INTERFACE */
} objects[4096];
#define N_OBJECTS (sizeof(objects) / sizeof(objects[0]))

/* Files of QEMU that such calls use or return */
static struct file {
    int kind;
    uint32_t id;
    unsigned number;    /* of a DEVICE, among @names */
} files[4096];
#define N_FILES (int)(sizeof(files) / sizeof(files[0]))

/* Registers of vIOMMUs that QEMU has mapped */
static struct mapping {
    void *at;           /* NULL: free */
    int fd;
    uint32_t viommu;
} mappings[64];
#define N_MAPPINGS (sizeof(mappings) / sizeof(mappings[0]))

/* Recursive, because a sanitizer closes files when it reports an error here */
static pthread_mutex_t lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static int kernel = 9999, log_fd = -1, words_fd = -1;
static IommufdNames names;
static const char *control;
static unsigned nth, times, count;
/* The rule for a call; without errno and delay it is not counted */
static struct fate {
    int err;
    unsigned late_ms;
} fates[N_REQUESTS];

static int open_log(const char *variable)
{
    const char *path = getenv(variable);

    return path ?
           open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600) : -1;
}

static void __attribute__((constructor)) start(void)
{
    const char *version = getenv("IOCTL_SHIM_KERNEL");
    unsigned major, minor;

    if (version && sscanf(version, "%u.%u", &major, &minor) == 2) {
        kernel = major * 100 + minor;
    }
    control = getenv("IOCTL_SHIM_CONTROL");
    log_fd = open_log("IOCTL_SHIM_LOG");
    words_fd = open_log("IOCTL_SHIM_WORDS");
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

/* A new version of the control file starts a new count */
static void read_control(void)
{
    static char seen[1024];
    char text[sizeof(seen)] = "", name[64];
    int fd = control ? open(control, O_RDONLY | O_CLOEXEC) : -1, used, more;
    unsigned serial;
    const char *p = text;
    struct fate fate;

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
    memset(fates, 0, sizeof(fates));
    if (sscanf(p, "%u %u %u%n", &serial, &nth, &times, &used) != 3) {
        dprintf(log_fd, "control file: not understood\n");
        return;
    }
    for (p += used; sscanf(p, " %63[^= ]=%d%n", name, &fate.err, &used) == 2;
         p += used) {
        fate.late_ms = 0;
        if (sscanf(p + used, "@%u%n", &fate.late_ms, &more) == 1) {
            used += more;
        }
        for (size_t i = 0; i < N_REQUESTS; i++) {
            if (!strcmp(requests[i].name, name)) {
                fates[i] = fate;
            }
        }
    }
    dprintf(log_fd, "armed serial=%u\n", serial);
}

/* The errno with which this call shall fail, or 0; waits for a delayed call */
static int injected(const struct request *r)
{
    struct fate fate = fates[r - requests];

    if ((!fate.err && !fate.late_ms) || !nth) {
        return 0;
    }
    count++;
    if (count < nth || count - nth >= times) {
        return 0;
    }
    if (fate.late_ms) {
        /* A delayed call does not delay others, as in the kernel */
        pthread_mutex_unlock(&lock);
        usleep(fate.late_ms * 1000);
        pthread_mutex_lock(&lock);
    }
    return fate.err;
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

/* The error that an older kernel returns at once, or 0 */
static int refused(const struct request *r, int fd, const uint32_t *w)
{
    const struct object *hwpt;

    switch (r->nr) {
    case NR_VIOMMU_ALLOC:
        if (kernel < 613) {
            return ENOTTY;
        }
        /* The struct has grown from 24 bytes */
        return kernel < 617 && w[0] >= 40 && (w[6] || w[7] || w[8] || w[9]) ?
               E2BIG : 0;
    case NR_GET_HW_INFO:
        return kernel < 617 && w[1] ? EOPNOTSUPP : 0;
    case NR_HW_QUEUE_ALLOC:
        return kernel < 617 ? ENOTTY : 0;
    case NR_VDEVICE_ALLOC:
        return kernel < 613 ? ENOTTY : 0;
    case NR_VEVENTQ_ALLOC:
        return kernel < 615 ? ENOTTY : 0;
    case NR_ATTACH:
        hwpt = object(w[2]);
        return kernel >= 615 && kernel < 619 && hwpt->kind == NESTED &&
               !hwpt->translates && !has_vdevice(file(fd)->id, hwpt->viommu) ?
               ENOENT : 0;
    case NR_DESTROY:
        return has_orphan(w[1]) ? EBUSY : 0;
    }
    return 0;
}

static void *pointer(const uint32_t *w)
{
    return (void *)(uintptr_t)(w[0] | (uint64_t)w[1] << 32);
}

/*
 * After success: answer like an older kernel, and remember its state.
 * @room: for the data of GET_HW_INFO; the kernel wrote its own length there
 */
static void done(const struct request *r, int fd, uint32_t *w, uint32_t room)
{
    uint64_t ste0;

    switch (r->nr) {
    case NR_GET_HW_INFO:
        if (kernel < 613) {
            memset(pointer(w + 4), 0, room);
            w[6] = 0;   /* IOMMU_HW_INFO_TYPE_NONE */
        }
        break;
    case NR_HWPT_ALLOC:
        if (w[6] == 2) {    /* IOMMU_HWPT_DATA_ARM_SMMUV3 */
            memcpy(&ste0, pointer(w + 8), sizeof(ste0));
            *object(w[4]) = (struct object) {
                .kind = NESTED, .viommu = w[3],
                .translates = (ste0 & 0xf) == 0xb,  /* V, Config 5 */
            };
        }
        break;
    case NR_VIOMMU_ALLOC:
        if (w[2] == 2) {    /* IOMMU_VIOMMU_TYPE_TEGRA241_CMDQV */
            *object(w[5]) = (struct object) { .kind = INTERFACE };
            memcpy(&object(w[5])->offset, pointer(w + 8), sizeof(uint64_t));
        }
        break;
    case NR_VDEVICE_ALLOC:
        *object(w[3]) = (struct object) {
            .kind = VDEVICE, .viommu = w[1], .dev = w[2],
        };
        break;
    case NR_VEVENTQ_ALLOC:
        *file(w[6]) = (struct file) { .kind = QUEUE, .id = w[5] };
        break;
    case NR_FAULT_QUEUE_ALLOC:
        *file(w[3]) = (struct file) { .kind = QUEUE, .id = w[2] };
        break;
    case NR_BIND:
        *file(fd) = (struct file) { .kind = DEVICE, .id = w[3] };
        break;
    case NR_DESTROY:
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
    if (r->nr == NR_HWPT_ALLOC && !err && w[6] == 2) {
        len += snprintf(text + len, sizeof(text) - len, " translates=%d",
                        object(w[4])->translates);
    }
    dprintf(log_fd, "%s ret=%d%s\n", text, -err, by);
}

static void log_words(const struct request *r, int fd, const uint32_t *before,
                      const uint32_t *w, int err)
{
    uint32_t after[IOMMUFD_WORDS_MAX];
    char text[4096];

    iommufd_words_copy(after, w);
    iommufd_words(&names, iommufd_request(IOMMUFD_REQUEST(r->nr)), before,
                  after, file(fd)->id, err, text, sizeof(text));
    if (r->nr == NR_BIND && !err) {
        file(fd)->number = names.number[file(fd)->id % 4096];
    }
    dprintf(words_fd, "%s\n", text);
}

static int real(int fd, const struct request *r, void *arg)
{
    return syscall(SYS_ioctl, fd, ';' << 8 | r->nr, arg) < 0 ? errno : 0;
}

static int watched(int fd, const struct request *r, uint32_t *w)
{
    uint32_t before[IOMMUFD_WORDS_MAX];
    uint32_t room = r->nr == NR_GET_HW_INFO ? w[3] : 0;
    const char *by = " by=inject";
    int err;

    iommufd_words_copy(before, w);
    read_control();
    if (r->nr >= NR_DESTROY && file(fd)->kind == NOTHING) {
        file(fd)->kind = IOMMUFD;
    }
    err = injected(r);
    if (err == ENOENT && (r->nr == NR_DESTROY || r->nr == NR_IOAS_UNMAP)) {
        real(fd, r, w);     /* destroy it, because the caller is told so */
        object(w[1])->kind = NOTHING;
    } else if (err && r->nr == NR_HWPT_INVALIDATE) {
        /* A refused command is the first one; others were converted */
        w[6] = err == ETIMEDOUT && w[6] ? (w[6] < 63 ? w[6] : 63) - 1 : 0;
    } else if (!err) {
        err = refused(r, fd, w);
        by = err ? " by=profile" : "";
        if (!err && !(r->nr == NR_DESTROY && object(w[1])->kind == ORPHAN)) {
            err = real(fd, r, w);
        }
        if (!err) {
            done(r, fd, w, room);
        }
    }
    log_call(r, fd, w, err, by);
    log_words(r, fd, before, w, err);
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

static const struct request *by_nr(uint8_t nr)
{
    for (size_t i = 0; i < N_REQUESTS; i++) {
        if (requests[i].nr == nr) {
            return &requests[i];
        }
    }
    return NULL;
}

static void log_mapping(uint8_t nr, int fd, uint32_t viommu, size_t length,
                        int err, const char *by)
{
    IommufdMapping words = iommufd_mapping(viommu, length);

    log_call(by_nr(nr), fd, (uint32_t *)&words, err, by);
    log_words(by_nr(nr), fd, (uint32_t *)&words, (uint32_t *)&words, err);
}

/* The system calls themselves */
static void *real_mmap(void *addr, size_t length, int prot, int flags, int fd,
                       off_t offset)
{
    return (void *)syscall(SYS_mmap, addr, length, prot, flags, fd, offset);
}

static void *watched_mmap(void *addr, size_t length, int prot, int flags,
                          int fd, off_t offset)
{
    const char *by = " by=inject";
    uint32_t viommu = 0;
    void *at = MAP_FAILED;
    int err;

    read_control();
    for (uint32_t id = 0; id < N_OBJECTS; id++) {
        if (objects[id].kind == INTERFACE &&
            objects[id].offset == (uint64_t)offset) {
            viommu = id;
        }
    }
    err = injected(by_nr(NR_MMAP));
    if (!err) {
        at = real_mmap(addr, length, prot, flags, fd, offset);
        err = at == MAP_FAILED ? errno : 0;
        by = "";
    }
    for (size_t i = 0; !err && i < N_MAPPINGS; i++) {
        if (!mappings[i].at) {
            mappings[i] = (struct mapping) { at, fd, viommu };
            break;
        }
    }
    log_mapping(NR_MMAP, fd, viommu, length, err, by);
    errno = err ?: errno;
    return at;
}

static void unmapped(void *addr, size_t length, int err)
{
    for (size_t i = 0; addr && i < N_MAPPINGS; i++) {
        struct mapping *m = &mappings[i];

        if (m->at == addr) {
            pthread_mutex_lock(&lock);
            m->at = NULL;
            log_mapping(NR_MUNMAP, m->fd, m->viommu, length, err, "");
            pthread_mutex_unlock(&lock);
        }
    }
}

void *mmap(void *addr, size_t length, int prot, int flags, int fd,
           off_t offset)
{
    void *at;

    if (file(fd)->kind != IOMMUFD) {
        at = real_mmap(addr, length, prot, flags, fd, offset);
        if (at != MAP_FAILED && flags & MAP_FIXED) {
            unmapped(addr, length, 0);      /* what was there */
        }
        return at;
    }
    pthread_mutex_lock(&lock);
    at = watched_mmap(addr, length, prot, flags, fd, offset);
    pthread_mutex_unlock(&lock);
    return at;
}

/* By this name for a program with _FILE_OFFSET_BITS=64, as QEMU is */
void *mmap64(void *addr, size_t length, int prot, int flags, int fd,
             off_t offset) __attribute__((alias("mmap")));

int munmap(void *addr, size_t length)
{
    int ret = syscall(SYS_munmap, addr, length);

    unmapped(addr, length, ret ? errno : 0);
    return ret;
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
    if (f->kind == DEVICE) {
        dprintf(words_fd, "close dev=device.%u\n", f->number);
    }
    if (f->kind == IOMMUFD) {
        memset(objects, 0, sizeof(objects));
        memset(&names, 0, sizeof(names));
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
