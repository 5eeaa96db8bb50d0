/*
 * Describe a call of iommufd, or of VFIO for its devices, as a line of text
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "iommufd-words.h"

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

static const IommufdRequest requests[] = {
    { "IOMMU_DESTROY", NR_DESTROY, "- @id" },
    { "IOMMU_IOAS_ALLOC", NR_IOAS_ALLOC, "- flags <out" },
    { "IOMMU_IOAS_IOVA_RANGES", NR_IOVA_RANGES,
      "- @ioas +num - *ranges - - -" },
    { "IOMMU_IOAS_MAP", NR_IOAS_MAP,
      "- flags @ioas - *memory - length - iova -" },
    { "IOMMU_IOAS_UNMAP", NR_IOAS_UNMAP, "- @ioas iova - length -" },
    { "IOMMU_HWPT_ALLOC", NR_HWPT_ALLOC,
      "- flags @dev @pt <out - type len *ste - ?fault -" },
    { "IOMMU_GET_HW_INFO", NR_GET_HW_INFO,
      "- flags @dev +len *data - >type >pasid >caps -" },
    { "IOMMU_HWPT_INVALIDATE", NR_HWPT_INVALIDATE,
      "- @viommu *cmds - type len +num -" },
    { "IOMMU_VIOMMU_ALLOC", NR_VIOMMU_ALLOC,
      "- flags type @dev @hwpt <out len - *page -" },
    { "IOMMU_VDEVICE_ALLOC", NR_VDEVICE_ALLOC, "- @viommu @dev <out sid -" },
    { "IOMMU_VEVENTQ_ALLOC", NR_VEVENTQ_ALLOC,
      "- flags @viommu type depth <out - -" },
    { "IOMMU_FAULT_QUEUE_ALLOC", NR_FAULT_QUEUE_ALLOC, "- flags <out -" },
    { "IOMMU_HW_QUEUE_ALLOC", NR_HW_QUEUE_ALLOC,
      "- flags @viommu type index <out iova - length -" },
    { "mmap", NR_MMAP, "- @viommu length" },
    { "munmap", NR_MUNMAP, "- @viommu length" },
    { "VFIO_DEVICE_BIND_IOMMUFD", NR_BIND, "- flags - <out" },
    { "VFIO_DEVICE_ATTACH_IOMMUFD_PT", NR_ATTACH, "- flags @pt" },
    { "VFIO_DEVICE_DETACH_IOMMUFD_PT", NR_DETACH, "- flags" },
};

/* Kinds of ids */
enum {
    UNKNOWN, DEVICE, IOAS, HWPT, NESTED, VIOMMU, VDEVICE, VEVENTQ, QUEUE,
    FAULTS,
};
static const char *const kinds[] = {
    "unknown", "device", "ioas", "hwpt", "nested", "viommu", "vdevice",
    "veventq", "hw-queue", "fault-queue",
};

#define E(name) { name, #name }
static const struct {
    int err;
    const char *name;
} errnos[] = {
    E(EPERM), E(ENOENT), E(EIO), E(E2BIG), E(EBADF), E(EAGAIN), E(ENOMEM),
    E(EFAULT), E(EBUSY), E(EEXIST), E(ENODEV), E(EINVAL), E(EMFILE), E(ENOTTY),
    E(ENOSPC), E(ERANGE), E(EBADFD), E(EOVERFLOW), E(EMSGSIZE), E(EOPNOTSUPP),
    E(EADDRINUSE), E(ETIMEDOUT), E(ENXIO),
};

const char *iommufd_errno_name(int err)
{
    for (size_t i = 0; i < ARRAY_LEN(errnos); i++) {
        if (errnos[i].err == err) {
            return errnos[i].name;
        }
    }
    return NULL;
}

const IommufdRequest *iommufd_request(unsigned long request)
{
    for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
        if (IOMMUFD_REQUEST(requests[i].nr) == request) {
            return &requests[i];
        }
    }
    return NULL;
}

const IommufdRequest *iommufd_request_by_name(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
        if (!strcmp(requests[i].name, name)) {
            return &requests[i];
        }
    }
    return NULL;
}

/* The next word of a layout and its mark, if any; 0: there is no word */
static int next_word(const char **words, char *mark, char name[16])
{
    char word[16];
    int used;

    if (sscanf(*words, " %15[^ ]%n", word, &used) != 1) {
        return 0;
    }
    *words += used;
    *mark = strchr("-@?<>+*", word[0]) ? word[0] : ' ';
    strcpy(name, *mark == ' ' ? word : word + 1);
    return 1;
}

int iommufd_word_index(const IommufdRequest *r, const char *name)
{
    const char *words = r->words;
    char mark, word[16];
    int i = 0;

    for (; next_word(&words, &mark, word); i++) {
        if (name && mark != '-' && !strcmp(word, name)) {
            return i;
        }
    }
    return name ? -1 : i;
}

void iommufd_words_copy(uint32_t to[IOMMUFD_WORDS_MAX], const void *arg)
{
    uint32_t size;

    memset(to, 0, IOMMUFD_WORDS_MAX * sizeof(to[0]));
    memcpy(&size, arg, sizeof(size));
    if (size > IOMMUFD_WORDS_MAX * sizeof(to[0])) {
        size = IOMMUFD_WORDS_MAX * sizeof(to[0]);
    }
    memcpy(to, arg, size);
}

/* Text of a limited length */
typedef struct Text {
    char *at, *end;
} Text;

__attribute__((format(printf, 2, 3)))
static void say(Text *text, const char *fmt, ...)
{
    size_t room = text->end - text->at;
    va_list args;
    int len;

    va_start(args, fmt);
    len = vsnprintf(text->at, room, fmt, args);
    va_end(args);
    text->at += (size_t)len < room ? (size_t)len : room - 1;
}

static int kind_of(const IommufdRequest *r, int nested)
{
    switch (r->nr) {
    case NR_IOAS_ALLOC:
        return IOAS;
    case NR_HWPT_ALLOC:
        return nested ? NESTED : HWPT;
    case NR_VIOMMU_ALLOC:
        return VIOMMU;
    case NR_VDEVICE_ALLOC:
        return VDEVICE;
    case NR_VEVENTQ_ALLOC:
        return VEVENTQ;
    case NR_FAULT_QUEUE_ALLOC:
        return FAULTS;
    case NR_HW_QUEUE_ALLOC:
        return QUEUE;
    case NR_BIND:
        return DEVICE;
    default:
        return UNKNOWN;
    }
}

/* An id keeps its name after its object has been destroyed */
void iommufd_names_add(IommufdNames *names, const IommufdRequest *r,
                       uint32_t id, int nested)
{
    int kind = kind_of(r, nested);

    if (id < ARRAY_LEN(names->kind)) {
        names->kind[id] = kind;
        names->number[id] = ++names->count[kind];
    }
}

static void say_id(Text *text, const IommufdNames *names, const char *name,
                   uint32_t id)
{
    int kind = id < ARRAY_LEN(names->kind) ? names->kind[id] : UNKNOWN;

    if (kind == UNKNOWN) {
        say(text, " %s=%s", name, id ? "unknown" : "0");
    } else {
        say(text, " %s=%s.%u", name, kinds[kind], names->number[id]);
    }
}

static void say_number(Text *text, const char *name, uint32_t value)
{
    say(text, value < 10 ? " %s=%u" : " %s=0x%x", name, value);
}

static const void *pointer(const uint32_t *w)
{
    return (const void *)(uintptr_t)(w[0] | (uint64_t)w[1] << 32);
}

static void say_pair(Text *text, const uint64_t pair[2])
{
    say(text, "0x%llx:0x%llx", (unsigned long long)pair[0],
        (unsigned long long)pair[1]);
}

/* Commands; equal ones in sequence are counted */
static void say_commands(Text *text, const uint64_t *cmd, uint32_t n)
{
    say(text, " cmds=");
    for (uint32_t i = 0, same = 1; i < n; i++, same++) {
        if (i + 1 < n && !memcmp(cmd + 2 * i, cmd + 2 * i + 2, 16)) {
            continue;
        }
        say(text, "%s", i + 1 > same ? "," : "");
        say_pair(text, cmd + 2 * i);
        if (same > 1) {
            say(text, "*%u", same);
        }
        same = 0;
    }
}

static void say_data(Text *text, const IommufdRequest *r, const uint32_t *w)
{
    switch (r->nr) {
    case NR_HWPT_ALLOC:
        /* struct iommu_hwpt_arm_smmuv3 */
        if (w[7] == 16 && pointer(w + 8)) {
            say(text, " ste=");
            say_pair(text, pointer(w + 8));
        }
        break;
    case NR_HWPT_INVALIDATE:
        /* struct iommu_viommu_arm_smmuv3_invalidate */
        if (w[5] == 16 && pointer(w + 2)) {
            say_commands(text, pointer(w + 2), w[6]);
        }
        break;
    case NR_GET_HW_INFO:
        if (w[1] & 1) {     /* IOMMU_HW_INFO_FLAG_INPUT_TYPE */
            say_number(text, "in-type", w[6]);
        }
        break;
    }
}

static void say_ranges(Text *text, const uint64_t *range, uint32_t n)
{
    say(text, " ranges=");
    for (uint32_t i = 0; i < n; i++) {
        say(text, "%s0x%llx-0x%llx", i ? "," : "",
            (unsigned long long)range[2 * i],
            (unsigned long long)range[2 * i + 1]);
    }
}

void iommufd_words(IommufdNames *names, const IommufdRequest *r,
                   const uint32_t *before, const uint32_t *after, uint32_t dev,
                   int err, char *buf, size_t size)
{
    Text text = { buf, buf + size };
    const char *words = r->words, *err_name = iommufd_errno_name(err);
    char mark, name[16], got[24];

    say(&text, "%s", r->name);
    if (r->nr == NR_ATTACH || r->nr == NR_DETACH) {
        say_id(&text, names, "dev", dev);
    }
    for (int i = 0; next_word(&words, &mark, name); i++) {
        switch (mark) {
        case '@':
            say_id(&text, names, name, before[i]);
            break;
        case '?':
            if (before[i]) {
                say_id(&text, names, name, before[i]);
            }
            break;
        case ' ':
            if (before[i]) {
                say_number(&text, name, before[i]);
            }
            break;
        case '*':
            say_data(&text, r, before);
            break;
        case '+':
            snprintf(got, sizeof(got), "got-%s", name);
            say_number(&text, name, before[i]);
            say_number(&text, got, after[i]);
            break;
        case '<':
            if (!err) {
                iommufd_names_add(names, r, after[i], before[6]);
                say_id(&text, names, name, after[i]);
            }
            break;
        case '>':
            if (!err) {
                say_number(&text, name, after[i]);
            }
            break;
        }
    }
    if (r->nr == NR_IOVA_RANGES && !err) {
        say_ranges(&text, pointer(before + 4), after[2]);
    }
    if (err_name) {
        say(&text, " ret=%s", err_name);
    } else {
        say(&text, " ret=%d", err);
    }
}
