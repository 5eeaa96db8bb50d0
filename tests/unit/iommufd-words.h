/*
 * Describe a call of iommufd, or of VFIO for its devices, as a line of text
 *
 *   IOMMU_VDEVICE_ALLOC viommu=viommu.1 dev=device.1 sid=0x100 ret=EEXIST
 *
 * Arguments have names. Ids have names from their kind and order of appearance,
 * so two kernels that behave the same give the same text. Unit tests link this
 * file, and so do programs of tests/lab outside of QEMU: it uses only the C
 * library.
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
    NR_HWPT_INVALIDATE = 0x8d, NR_FAULT_QUEUE_ALLOC, NR_VIOMMU_ALLOC = 0x90,
    NR_VDEVICE_ALLOC,
    NR_VEVENTQ_ALLOC = 0x93, NR_HW_QUEUE_ALLOC,
    NR_BIND = 118, NR_ATTACH, NR_DETACH,
    /* Not ioctls, but described like ioctls, with struct IommufdMapping */
    NR_MMAP = 1, NR_MUNMAP,
};

#define IOMMUFD_REQUEST(nr) (';' << 8 | (nr))

/*
 * The argument is a struct of u32 words, the first of which is its size. @words
 * has a name for each: "-" is omitted, "@" is an id, "?" an id that is omitted
 * if it is 0, "<" an id that the call returns, ">" a value that it returns, "+"
 * a value that it takes and, as "got-", returns. The others are numbers, omitted
 * if they are 0. "*" is a pointer to "ste", "cmds", "ranges" or other data.
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

/* The index of word @name of the request, or -1; NULL: the number of words */
int iommufd_word_index(const IommufdRequest *r, const char *name);

/* mmap and munmap of the registers of a virtual IOMMU for its guest */
typedef struct IommufdMapping {
    uint32_t size;
    uint32_t viommu;        /* 0 if there is none at this offset */
    uint32_t length;
} IommufdMapping;

static inline IommufdMapping iommufd_mapping(uint32_t viommu, uint32_t length)
{
    return (IommufdMapping) { sizeof(IommufdMapping), viommu, length };
}

/* The names of the ids of one iommufd; initially all 0 */
typedef struct IommufdNames {
    uint8_t kind[4096];
    uint16_t number[4096];
    uint16_t count[10];
} IommufdNames;

/* Name an id that was returned by a call that is not logged */
void iommufd_names_add(IommufdNames *names, const IommufdRequest *r,
                       uint32_t id, int nested);

/*
 * @before, @after: the argument before and after the call
 * @dev: the id of the device of a call of VFIO
 * @err: errno, positive, or 0
 */
void iommufd_words(IommufdNames *names, const IommufdRequest *r,
                   const uint32_t *before, const uint32_t *after, uint32_t dev,
                   int err, char *text, size_t size);

/* Copy the struct at @arg up to the size that it contains; the rest is 0 */
void iommufd_words_copy(uint32_t to[IOMMUFD_WORDS_MAX], const void *arg);

/* "ENOENT"; NULL: not an errno of iommufd */
const char *iommufd_errno_name(int err);

#endif
