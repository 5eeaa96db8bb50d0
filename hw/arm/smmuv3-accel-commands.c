/*
 * Accelerated SMMUv3: forward guest commands to the host
 *
 * smmuv3-accel-cmd.c classifies a command, and smmuv3-accel-batch.c submits a
 * batch. Commands are collected up to the next CMD_SYNC, or up to a
 * configuration command, which must not overtake them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "trace.h"

#include "smmuv3-accel-cmdqv.h"
#include "smmuv3-accel-commands.h"
#include "smmuv3-accel-evaluate.h"
#include "smmuv3-accel-mmio.h"
#include "smmuv3-accel-report.h"
#include "smmuv3-accel-stall.h"
#include "smmuv3-accel-state.h"

/* "DMA of host device 0000:03:00.0, StreamID 0x900"; g_free() */
static char *describe_dma(SMMUv3AccelState *s, uint32_t sid)
{
    const SMMUv3AccelHostDevice *dev =
        s->host ? smmuv3_accel_host_find(s->host, sid) : NULL;

    return g_strdup_printf("DMA of host device %s, StreamID 0x%x",
                           dev ? dev->name : "(gone)", sid);
}

static void complain_of_batch(SMMUv3AccelState *s,
                              const SMMUv3AccelBatch *batch,
                              const SMMUv3AccelSubmitResult *res)
{
    unsigned lost = find_first_bit(res->lost, SMMU_ACCEL_BATCH_MAX);
    const char *how = smmuv3_accel_is_exposed(s) ? "wrong" : "blocked";
    g_autofree char *what = NULL;
    Error *err = NULL;

    if (res->tlb_lost) {
        what = g_strdup_printf("DMA through stage 1 of all host devices is %s "
                               "until the TLB has been invalidated", how);
    } else if (lost < batch->n) {
        const SMMUv3AccelHostCmd *cmd = &batch->cmd[lost];
        g_autofree char *dma =
            describe_dma(s, smmuv3_accel_host_cmd_sid(cmd));

        what = g_strdup_printf("%s, is %s until %s has been carried out",
                               dma, how,
                               smmu_cmd_string(smmuv3_accel_host_cmd_type(cmd)));
    } else if (res->whole_tlb) {
        what = g_strdup("the whole TLB was invalidated instead");
    }
    error_setg(&err, "arm-smmuv3-accel: the host did not carry out "
               "invalidations (%s)%s%s", strerror(-res->err),
               what ? "; " : "", what ?: "");
    smmuv3_accel_complain(s, err);
}

/* Drops the BQL if possible: an unplug may release the host object meanwhile */
static void invalidate(SMMUv3AccelState *s, SMMUv3AccelHost *host,
                       const SMMUv3AccelBatch *batch,
                       SMMUv3AccelSubmitResult *res)
{
    bool unlocked;

    smmuv3_accel_host_begin(host);
    unlocked = smmuv3_accel_mmio_unlock(s);
    smmuv3_accel_host_invalidate(host, batch, res);
    smmuv3_accel_mmio_lock(s, unlocked);
}

static void make_good(SMMUv3AccelState *s, SMMUv3AccelHost *host)
{
    SMMUv3AccelSubmitResult res;
    SMMUv3AccelBatch batch;

    smmuv3_accel_host_recovery(host, &batch);
    if (!batch.n) {
        return;
    }
    smmuv3_accel_host_ref(host);
    invalidate(s, host, &batch, &res);
    smmuv3_accel_host_recovered(host, &batch, &res);
    smmuv3_accel_host_unref(host);
    smmuv3_accel_evaluate(s, 0, UINT32_MAX);
}

/* Each CMD_SYNC calls this: build a batch on the stack only if it is needed */
void smmuv3_accel_recover(SMMUv3AccelState *s)
{
    if (s->host && smmuv3_accel_host_has_lost(s->host)) {
        make_good(s, s->host);
    }
}

/* Hardware would complete a CMD_SYNC in the queues of a CMDQV without QEMU */
static void take_queues_back(SMMUv3AccelState *s)
{
    if (s->host && smmuv3_accel_host_has_lost(s->host)) {
        smmuv3_accel_cmdqv_take_back(s, "invalidations were lost");
    }
}

void smmuv3_accel_flush(SMMUv3AccelState *s)
{
    SMMUv3AccelHost *host = s->host;
    SMMUv3AccelSubmitResult res;

    if (!s->batch.n || !host) {
        smmuv3_accel_batch_reset(&s->batch);
        return;
    }
    smmuv3_accel_host_ref(host);
    invalidate(s, host, &s->batch, &res);
    smmuv3_accel_host_invalidated(host, &s->batch, &res);
    smmuv3_accel_host_unref(host);
    if (res.err) {
        /* Block all devices that may use stale entries before the report */
        smmuv3_accel_evaluate(s, 0, UINT32_MAX);
        complain_of_batch(s, &s->batch, &res);
        take_queues_back(s);
    }
    smmuv3_accel_batch_reset(&s->batch);
}

static void push(SMMUv3AccelState *s, const SMMUv3AccelHostCmd *cmd)
{
    if (smmuv3_accel_batch_full(&s->batch)) {
        smmuv3_accel_flush(s);
    }
    smmuv3_accel_batch_push(&s->batch, cmd);
}

static void forward(SMMUv3AccelState *s, const Cmd *cmd)
{
    SMMUv3AccelHostCmd host_cmd;

    smmuv3_accel_cmd_to_host(cmd, ARM_SMMUV3(s)->idr, &host_cmd);
    push(s, &host_cmd);
}

/*
 * The kernel refuses StreamIDs that it does not know, such as those of emulated
 * devices. A device that may not use ATS has no translations in its ATC, and
 * would not answer.
 */
static void forward_atc_inv(SMMUv3AccelState *s, const Cmd *cmd)
{
    SMMUv3AccelHostDevice *dev = smmuv3_accel_host_find(s->host, CMD_SID(cmd));

    if (dev && smmuv3_accel_target_has_ats(&dev->group->target)) {
        forward(s, cmd);
    }
}

/* Copy the StreamIDs: a push may drop the BQL, and an unplug may follow */
static void append_sids(GArray *sids, const SMMUv3AccelGroup *group)
{
    const SMMUv3AccelHostDevice *dev;

    QTAILQ_FOREACH(dev, &group->members, next) {
        if (dev->vdevice_id) {
            g_array_append_val(sids, dev->vsid);
        }
    }
}

static void push_for_each(SMMUv3AccelState *s, const SMMUv3AccelHostCmd *cmd,
                          const GArray *sids)
{
    for (guint i = 0; i < sids->len; i++) {
        SMMUv3AccelHostCmd one =
            smmuv3_accel_host_cmd_for(cmd, g_array_index(sids, uint32_t, i));

        push(s, &one);
    }
}

/* All members of a group use one table of CDs, and each of them caches it */
static void forward_cfgi_cd(SMMUv3AccelState *s, const Cmd *cmd)
{
    SMMUv3AccelHostDevice *dev = smmuv3_accel_host_find(s->host, CMD_SID(cmd));
    g_autoptr(GArray) sids = g_array_new(false, false, sizeof(uint32_t));
    SMMUv3AccelHostCmd host_cmd;

    if (dev) {
        smmuv3_accel_cmd_to_host(cmd, ARM_SMMUV3(s)->idr, &host_cmd);
        append_sids(sids, dev->group);
        push_for_each(s, &host_cmd, sids);
    }
}

static void forward_to_device(SMMUv3AccelState *s, const Cmd *cmd)
{
    if (CMD_TYPE(cmd) == SMMU_CMD_ATC_INV) {
        forward_atc_inv(s, cmd);
    } else {
        forward_cfgi_cd(s, cmd);
    }
}

/* The current nested HWPT of each group, to detect a change later */
static GHashTable *nested_hwpts(SMMUv3AccelState *s)
{
    GHashTable *hwpts = g_hash_table_new(NULL, NULL);
    SMMUv3AccelGroup *group;

    QTAILQ_FOREACH(group, &s->host->groups, next) {
        if (group->target.kind == SMMU_ACCEL_NESTED) {
            g_hash_table_insert(hwpts, group, GUINT_TO_POINTER(group->hwpt_id));
        }
    }
    return hwpts;
}

/*
 * The invalidation of an STE also invalidates the CDs that were cached through
 * it (IHI 0070, 4.3.1). The kernel does so when it attaches a stage 1, but if
 * the words of the STE have not changed, nothing is attached.
 */
static void forget_cds(SMMUv3AccelState *s, GHashTable *before, uint32_t first,
                       uint32_t last)
{
    const SMMUv3AccelHostCmd all = smmuv3_accel_host_cmd_cfgi_cd_all(0);
    g_autoptr(GArray) sids = g_array_new(false, false, sizeof(uint32_t));
    SMMUv3AccelGroup *group;

    QTAILQ_FOREACH(group, &s->host->groups, next) {
        if (group->target.kind == SMMU_ACCEL_NESTED &&
            smmuv3_accel_host_is_in_range(group, first, last) &&
            g_hash_table_lookup(before, group) ==
            GUINT_TO_POINTER(group->hwpt_id)) {
            append_sids(sids, group);
        }
    }
    push_for_each(s, &all, sids);
}

static void configure(SMMUv3AccelState *s, const Cmd *cmd)
{
    uint32_t first = CMD_SID(cmd), last = first;
    g_autoptr(GHashTable) before = NULL;

    if (CMD_TYPE(cmd) == SMMU_CMD_CFGI_STE_RANGE) {
        /* Range 31 is CMD_CFGI_ALL, IHI 0070 4.3.2 */
        uint64_t size = 1ULL << (CMD_STE_RANGE(cmd) + 1);

        first &= ~(size - 1);
        last = first + (size - 1);
    }
    smmuv3_accel_flush(s);
    if (!s->host) {
        return;
    }
    before = nested_hwpts(s);
    smmuv3_accel_evaluate(s, first, last);
    if (s->host) {
        forget_cds(s, before, first, last);
    }
}

/*
 * Confirm to the guest only what the host has confirmed. If invalidations were
 * lost and their devices are blocked, the CMD_SYNC may complete. If the DMA of
 * one of them could not be blocked, it ends with CERROR_ABT, and the SMMU reads
 * the command again after the guest has acknowledged that (IHI 0070, 7.1).
 */
static SMMUCmdError confirm(SMMUv3AccelState *s)
{
    smmuv3_accel_recover(s);
    smmuv3_accel_flush(s);
    if (smmuv3_accel_is_exposed(s)) {
        smmuv3_accel_evaluate_moved(s);
    }
    return smmuv3_accel_is_exposed(s) ? SMMU_CERROR_ABT : SMMU_CERROR_NONE;
}

SMMUCmdError smmuv3_accel_command(SMMUv3AccelState *s, const Cmd *cmd)
{
    SMMUv3AccelCmdClass class =
        smmuv3_accel_cmd_classify(cmd, ARM_SMMUV3(s)->idr);

    s->counters.commands[smmuv3_accel_cmd_kind(cmd, class)]++;
    if (class == SMMU_ACCEL_CMD_ILLEGAL) {
        return SMMU_CERROR_ILL;
    }
    if (!s->host) {
        return SMMU_CERROR_NONE;
    }

    switch (class) {
    case SMMU_ACCEL_CMD_FORWARD_SID:
        forward_to_device(s, cmd);
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
        case SMMU_CMD_RESUME:
        case SMMU_CMD_STALL_TERM:
            smmuv3_accel_stall_command(s, cmd);
            break;
        case SMMU_CMD_SYNC:
            return confirm(s);
        }
    }
    return SMMU_CERROR_NONE;
}
