/*
 * Run calls of iommufd and VFIO that are lines of text
 *
 *   bind d 1                                  the cdev of device 1
 *   a = IOMMU_IOAS_ALLOC
 *   p = IOMMU_HWPT_ALLOC flags=1 dev=d pt=a
 *   IOMMU_HWPT_ALLOC dev=d pt=v ste=0xb:0     sets type and len as well
 *   IOMMU_HWPT_INVALIDATE viommu=v cmd=0x10:0*63 cmd=0x46:0
 *   IOMMU_IOAS_IOVA_RANGES ioas=a room=4      with room for 4 ranges
 *   IOMMU_IOAS_MAP ioas=a iova=0x10000 length=0x1000 memory=0x2000
 *                                             an offset into 64 KiB of memory
 *   v = IOMMU_VIOMMU_ALLOC type=2 dev=d hwpt=p    with len and data of the type
 *   m = mmap viommu=v                         registers of the vIOMMU, all
 *                                             64 KiB if there is no length=
 *   VFIO_DEVICE_ATTACH_IOMMUFD_PT dev=d pt=p
 *   close d                   a cdev, the file of a queue, or what was mapped
 *
 * Arguments have the names of iommufd-words.h. A value is a number, or the
 * variable of an earlier line, which is 0 if that call failed. A later argument
 * overrides the values that an earlier one implies. A unit test and a program
 * of tests/lab link this file, like iommufd-words.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TESTS_UNIT_IOMMUFD_SCRIPT_H
#define TESTS_UNIT_IOMMUFD_SCRIPT_H

/* The target of the calls; functions return 0 or -errno */
typedef struct IommufdScriptHost {
    int iommufd;                /* for ioctl(2) */
    void *opaque;
    /* Open the cdev of a device by its name in the script, "3.1" */
    void *(*open)(void *opaque, const char *name);
    int (*device)(void *device, unsigned long request, void *arg);
    void (*close)(void *device);
    /* A line of iommufd_words() */
    void (*say)(void *opaque, const char *line);
} IommufdScriptHost;

typedef struct IommufdScript IommufdScript;

IommufdScript *iommufd_script_new(const IommufdScriptHost *host);
/* Returns NULL, or the error in the line */
const char *iommufd_script_line(IommufdScript *script, const char *line);
/* Close all files but the iommufd, cdevs last */
void iommufd_script_free(IommufdScript *script);

#endif
