/*
 * Meaning of the errnos of iommufd: access to backends/iommufd-errno.h.inc
 *
 * Pure: no ioctl, no QOM, no globals.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef SYSTEM_IOMMUFD_ERRNO_H
#define SYSTEM_IOMMUFD_ERRNO_H

/**
 * iommufd_errno_text:
 * @call: name of an ioctl as in <linux/iommufd.h>, "IOMMU_VIOMMU_ALLOC"
 * @err: errno, positive
 *
 * Returns: a text that says what is wrong in the host, or NULL if the errno
 * alone is sufficient.
 */
const char *iommufd_errno_text(const char *call, int err);

/**
 * iommufd_errno_nth:
 * @call: as above
 * @n: counts from 0
 *
 * Called by tests that make @call fail in every way.
 *
 * Returns: the @n-th errno that a correct caller can get, 0 after the last.
 */
int iommufd_errno_nth(const char *call, unsigned n);

/**
 * iommufd_set_error:
 * @ret: -errno of @call
 *
 * Sets @errp to "@call failed (what it means): strerror".
 */
void iommufd_set_error(Error **errp, int ret, const char *call);

#endif /* SYSTEM_IOMMUFD_ERRNO_H */
