/*
 * Meaning of the errnos of iommufd
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "system/iommufd-errno.h"

static const struct {
    const char *call;
    int err;
    const char *text;
    bool old;
} errnos[] = {
#define IOMMUFD_ERRNO(call, err, text) { #call, err, text, false },
#define IOMMUFD_ERRNO_OLD(call, err, text) { #call, err, text, true },
#include "iommufd-errno.h.inc"
#undef IOMMUFD_ERRNO
#undef IOMMUFD_ERRNO_OLD
};

const char *iommufd_errno_text(const char *call, int err)
{
    for (size_t i = 0; i < ARRAY_SIZE(errnos); i++) {
        if (errnos[i].err == err && !strcmp(errnos[i].call, call)) {
            return *errnos[i].text ? errnos[i].text : NULL;
        }
    }
    return NULL;
}

int iommufd_errno_nth(const char *call, unsigned n)
{
    for (size_t i = 0; i < ARRAY_SIZE(errnos); i++) {
        if (!errnos[i].old && !strcmp(errnos[i].call, call) && !n--) {
            return errnos[i].err;
        }
    }
    return 0;
}

void iommufd_set_error(Error **errp, int ret, const char *call)
{
    const char *text = iommufd_errno_text(call, -ret);

    if (text) {
        error_setg_errno(errp, -ret, "%s failed (%s)", call, text);
    } else {
        error_setg_errno(errp, -ret, "%s failed", call);
    }
}
