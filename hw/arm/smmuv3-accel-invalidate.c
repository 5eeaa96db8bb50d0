/*
 * Accelerated SMMUv3: guest commands that the host has to hear of
 *
 * What a command is, is decided in smmuv3-accel-cmdq.c, how a batch is brought
 * home in smmuv3-accel-batch.c. Commands are collected up to the next CMD_SYNC, or up to
 * a configuration command, which must not overtake them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "qemu/main-loop.h"
#include "qemu/timer.h"
#include "system/iommufd-viommu.h"
#include "trace.h"
#include <linux/iommufd.h>

#include "smmuv3-accel-internal.h"

/* Enough to see that it goes on, too few to fill a log */
#define COMPLAINT_INTERVAL_MS 5000

QEMU_BUILD_BUG_ON(sizeof(SMMUv3AccelHostCmd) !=
                  sizeof(struct iommu_viommu_arm_smmuv3_invalidate));

void smmuv3_accel_complain(SMMUv3AccelState *s, Error *err)
{
    SMMUv3AccelComplaint *c = &s->complaint;
    int64_t now = qemu_clock_get_ms(QEMU_CLOCK_REALTIME);

    trace_smmuv3_accel_complain(error_get_pretty(err));
    s->counters.complaints++;
    if (now < c->next_ms) {
        s->counters.complaints_suppressed++;
        c->suppressed++;
        error_free(err);
        return;
    }
    if (c->suppressed) {
        error_append_hint(&err, "(%u more since the last message)\n",
                          c->suppressed);
    }
    c->suppressed = 0;
    c->next_ms = now + COMPLAINT_INTERVAL_MS;
    error_report_err(err);
}

static int submit(void *opaque, const SMMUv3AccelHostCmd *cmds, uint32_t *n)
{
    SMMUv3AccelViommu *viommu = opaque;
    Error *err = NULL;
    int ret;

    ret = iommufd_viommu_invalidate(viommu->iommufd, viommu->id,
                                    IOMMU_VIOMMU_INVALIDATE_DATA_ARM_SMMUV3,
                                    (void *)cmds, sizeof(*cmds), n, &err);
    error_free(err);
    return smmuv3_accel_count(viommu->counters, SMMU_ACCEL_IOCTL_INVALIDATE,
                              ret);
}

static void complain_of_batch(SMMUv3AccelState *s,
                              const SMMUv3AccelSubmitResult *res)
{
    g_autoptr(GString) text = g_string_new("arm-smmuv3-accel: the host did "
                                           "not take invalidations (");
    Error *err = NULL;

    g_string_append_printf(text, "%s)", strerror(-res->err));
    if (res->n_failed) {
        const SMMUv3AccelHostCmd *cmd = &s->batch.cmd[res->failed[0]];

        g_string_append_printf(text, "; %u refused, the first %s for StreamID "
                               "0x%x", res->n_failed,
                               smmu_cmd_string(smmuv3_accel_host_cmd_type(cmd)),
                               smmuv3_accel_host_cmd_sid(cmd));
    }
    if (res->stale) {
        g_string_append(text, "; the host's TLB may hold stale entries");
    } else if (res->fallback) {
        g_string_append(text, "; its TLB was invalidated as a whole instead");
    }
    error_setg(&err, "%s", text->str);
    smmuv3_accel_complain(s, err);
}

/* Called within a register write only, hence the batch stays as it is */
static void flush(SMMUv3AccelState *s)
{
    SMMUv3AccelCounters *counters = &s->counters;
    SMMUv3AccelSubmitResult res;

    if (!s->batch.n) {
        return;
    }
    bql_unlock();
    smmuv3_accel_batch_submit(&s->batch, submit, s->viommu, &res);
    bql_lock();
    trace_smmuv3_accel_flush(s->viommu->id, s->batch.n, res.ioctls, res.err);
    counters->batches++;
    counters->forwarded += s->batch.n;
    counters->refused += res.n_failed;
    counters->fallbacks += res.fallback;
    if (res.err) {
        complain_of_batch(s, &res);
    }
    smmuv3_accel_batch_reset(&s->batch);
}

static void forward(SMMUv3AccelState *s, const Cmd *cmd)
{
    SMMUv3AccelHostCmd host_cmd;

    if (smmuv3_accel_batch_full(&s->batch)) {
        flush(s);
    }
    smmuv3_accel_cmd_to_host(cmd, ARM_SMMUV3(s)->idr, &host_cmd);
    smmuv3_accel_batch_push(&s->batch, &host_cmd);
}

static void configure(SMMUv3AccelState *s, const Cmd *cmd)
{
    uint32_t first = CMD_SID(cmd), last = first;

    if (CMD_TYPE(cmd) == SMMU_CMD_CFGI_STE_RANGE) {
        /* Range 31 is CMD_CFGI_ALL, IHI 0070 4.3.2 */
        uint64_t size = 1ULL << (CMD_STE_RANGE(cmd) + 1);

        first &= ~(size - 1);
        last = first + (size - 1);
    }
    flush(s);
    smmuv3_accel_evaluate(s, first, last);
}

int smmuv3_accel_command(SMMUv3State *s3, const Cmd *cmd)
{
    SMMUv3AccelState *s = ARM_SMMUV3_ACCEL(s3);
    SMMUv3AccelCmdClass class = smmuv3_accel_cmd_classify(cmd, s3->idr);

    s->counters.commands[smmuv3_accel_cmd_kind(cmd, class)]++;
    if (class == SMMU_ACCEL_CMD_ILLEGAL) {
        return SMMU_CERROR_ILL;
    }
    if (!s->viommu) {
        return SMMU_CERROR_NONE;
    }

    switch (class) {
    case SMMU_ACCEL_CMD_FORWARD_SID:
        /* The kernel refuses a StreamID it does not know: an emulated device */
        if (smmuv3_accel_device_by_vsid(s, CMD_SID(cmd))) {
            forward(s, cmd);
        }
        break;
    case SMMU_ACCEL_CMD_FORWARD:
        forward(s, cmd);
        break;
    default:
        switch (CMD_TYPE(cmd)) {
        case SMMU_CMD_CFGI_STE:
        case SMMU_CMD_CFGI_STE_RANGE:
            configure(s, cmd);
            break;
        case SMMU_CMD_SYNC:
            flush(s);
            break;
        }
    }
    return SMMU_CERROR_NONE;
}

void smmuv3_accel_cmdq_drained(SMMUv3State *s3)
{
    flush(ARM_SMMUV3_ACCEL(s3));
}
