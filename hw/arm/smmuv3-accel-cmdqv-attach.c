/*
 * Accelerated SMMUv3: the host's CMDQV comes and goes
 *
 * With the first host device and the last one: the page of its queues in the
 * guest's memory, and the file from which QEMU reads errors of these queues.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/main-loop.h"
#include "qemu/timer.h"
#include "trace.h"
#include <linux/iommufd.h>

#include "smmuv3-accel-cmdqv-refused.h"
#include "smmuv3-accel-state.h"

typedef struct QueueError {
    struct iommufd_vevent_header header;
    struct iommu_vevent_tegra241_cmdqv map;
} QueueError;

/* The kernel writes them one after the other */
QEMU_BUILD_BUG_ON(sizeof(QueueError) !=
                  sizeof(struct iommufd_vevent_header) +
                  sizeof(struct iommu_vevent_tegra241_cmdqv));

static void count_errors(SMMUv3AccelState *s, unsigned n)
{
    int64_t now = qemu_clock_get_ms(QEMU_CLOCK_REALTIME);
    SMMUv3AccelCmdqv *c = s->cmdqv;

    c->dev.errors += n;
    if (now - c->errors_since_ms > CMDQV_ERRORS_WITHIN_MS) {
        c->errors_since_ms = now;
        c->recent_errors = 0;
    }
    c->recent_errors += n;
    if (c->recent_errors >= CMDQV_ERRORS_MAX) {
        c->barred = true;
        smmuv3_accel_cmdqv_take_back(s, "too many errors");
    }
}

static void close_errors(SMMUv3AccelState *s)
{
    if (s->host->queue_errors_id) {
        qemu_set_fd_handler(s->host->queue_errors_fd, NULL, NULL, NULL);
        smmuv3_accel_host_close_queue_errors(s->host);
    }
}

/* The registers tell the guest which queue it is; the records say no more */
static void read_errors(void *opaque)
{
    SMMUv3AccelState *s = opaque;
    const char *why;
    uint8_t buf[512];
    ssize_t len = RETRY_ON_EINTR(read(s->host->queue_errors_fd, buf,
                                      sizeof(buf)));

    trace_smmuv3_accel_cmdqv_errors(s->host->viommu_id, len);
    if (len < 0) {
        /* It would be the same the next time, and the main loop would spin */
        close_errors(s);
        smmuv3_accel_cmdqv_take_back(s, "the host cannot report errors");
        return;
    }
    if (!len) {
        return;
    }
    smmuv3_accel_cmdqv_interrupt(s);
    why = smmuv3_accel_cmdqv_kept_by_device(s);
    if (why) {
        /* The guest did nothing wrong */
        smmuv3_accel_cmdqv_take_back(s, why);
    } else {
        count_errors(s, MAX(len / sizeof(QueueError), 1));
    }
}

void smmuv3_accel_cmdqv_host_new(SMMUv3AccelState *s,
                                 const SMMUv3AccelHostDevice *dev)
{
    MemoryRegion *page;
    Error *err = NULL;

    if (!smmuv3_accel_cmdqv_is_wanted(s)) {
        return;
    }
    if (!s->host->cmdqv) {
        smmuv3_accel_cmdqv_tell_of_none(s, dev);
        return;
    }
    page = smmuv3_accel_host_queue_page(s->host);
    memory_region_set_enabled(page, false);
    memory_region_add_subregion_overlap(&s->cmdqv->dev.iomem, CMDQV_VINTF,
                                        page, 1);
    g_clear_pointer(&s->cmdqv->failure, g_free);
    if (smmuv3_accel_host_open_queue_errors(s->host, &err)) {
        smmuv3_accel_cmdqv_tell_of_no_errors(s, err);
        return;
    }
    qemu_set_fd_handler(s->host->queue_errors_fd, read_errors, NULL, s);
}

void smmuv3_accel_cmdqv_host_gone(SMMUv3AccelState *s)
{
    if (!s->cmdqv || !s->host->cmdqv) {
        return;
    }
    smmuv3_accel_cmdqv_take_back(s, "the last host device is unplugged");
    memory_region_del_subregion(&s->cmdqv->dev.iomem,
                                smmuv3_accel_host_queue_page(s->host));
    close_errors(s);
}
