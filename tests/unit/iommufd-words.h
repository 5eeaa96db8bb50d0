/*
 * A call of iommufd, or of VFIO for a device of it, as a line of words
 *
 *   IOMMU_VDEVICE_ALLOC viommu=viommu.1 dev=device.1 sid=0x100 ret=EEXIST
 *
 * Arguments have names, ids are told by what they are and when they came, so
 * that two kernels that behave the same give the same text. It is linked into
 * unit tests, and into programs of tests/lab that know nothing of QEMU: only
 * the C library is used.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TESTS_UNIT_IOMMUFD_WORDS_H
#define TESTS_UNIT_IOMMUFD_WORDS_H

#include <stddef.h>
#include <stdint.h>

/* include/uapi/linux: the numbers of _IO(';', nr) in iommufd.h and vfio.h */
enum {
    NR_DESTROY = 0x80, NR_IOAS_ALLOC, NR_IOVA_RANGES = 0x84, NR_IOAS_MAP,
    NR_IOAS_UNMAP, NR_HWPT_ALLOC = 0x89, NR_GET_HW_INFO,
    NR_HWPT_INVALIDATE = 0x8d, NR_VIOMMU_ALLOC = 0x90, NR_VDEVICE_ALLOC,
    NR_VEVENTQ_ALLOC = 0x93, NR_HW_QUEUE_ALLOC,
    NR_BIND = 118, NR_ATTACH, NR_DETACH,
    /* Not ioctls, but told as if they were, with struct IommufdMapping */
    NR_MMAP = 1, NR_MUNMAP,
};

#define IOMMUFD_REQUEST(nr) (';' << 8 | (nr))

/*
 * The argument is a struct of u32 words, the first of which is its size. @words
 * has a name for each: "-" is not told, "@" an id, "<" an id that is returned,
 * ">" what is returned, "+" what is asked and, as "got-", what is returned; the
 * others are numbers, told if they are not 0. At "*" is a pointer to "ste",
 * "cmds", "ranges" or other data.
 */
typedef struct IommufdRequest {
    const char *name;
    uint8_t nr;
    const char *words;
} IommufdRequest;

#define IOMMUFD_WORDS_MAX 16

/* NULL: no such request */
const IommufdRequest *iommufd_request(unsigned long request);
const IommufdRequest *iommufd_request_by_name(const char *name);

/* At which word of the request @name is, or -1; NULL: how many words it has */
int iommufd_word_index(const IommufdRequest *r, const char *name);

/* mmap and munmap of the registers that a virtual IOMMU has for its guest */
typedef struct IommufdMapping {
    uint32_t size;
    uint32_t viommu;        /* 0: there is none at this offset */
    uint32_t length;
} IommufdMapping;

static inline IommufdMapping iommufd_mapping(uint32_t viommu, uint32_t length)
{
    return (IommufdMapping) { sizeof(IommufdMapping), viommu, length };
}

/* The names of the ids of one iommufd; all 0 at first */
typedef struct IommufdNames {
    uint8_t kind[4096];
    uint16_t number[4096];
    uint16_t count[9];
} IommufdNames;

/* An id that was returned by a call that is not to be told */
void iommufd_names_add(IommufdNames *names, const IommufdRequest *r,
                       uint32_t id, int nested);

/*
 * @before, @after: the argument at either time
 * @dev: the id of the device that a call of VFIO is for
 * @err: errno, positive, or 0
 */
void iommufd_words(IommufdNames *names, const IommufdRequest *r,
                   const uint32_t *before, const uint32_t *after, uint32_t dev,
                   int err, char *text, size_t size);

/* Copy the struct at @arg, as far as it says it goes; the rest is 0 */
void iommufd_words_copy(uint32_t to[IOMMUFD_WORDS_MAX], const void *arg);

/* "ENOENT"; NULL: none of those that iommufd has */
const char *iommufd_errno_name(int err);

#endif
