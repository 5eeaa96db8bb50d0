/*
 * SMMUv3: transactions of emulated functions that stall
 *
 * The SMMU keeps what stalls as a list. A function whose transaction is in the
 * list asks again and again, and is told to wait until CMD_RESUME or
 * CMD_STALL_TERM.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/lockable.h"
#include "hw/arm/smmuv3.h"
#include "trace.h"
#include "smmuv3-ats.h"
#include "smmuv3-stall.h"

/* CMD_RESUME (IHI 0070, 4.6.1); without Ac, Ab does not matter here */
#define RESUME_AC(cmd)          extract32((cmd)->word[0], 12, 1)
#define RESUME_STAG(cmd)        extract32((cmd)->word[2], 0, 16)

/* Faults of one page are one fault */
#define STALL_PAGE(addr)        ((addr) & ~0xfffULL)

struct SMMUv3Stall {
    uint32_t sid;
    SMMUSubstream ss;
    hwaddr page;
    bool is_write;
    uint16_t stag;
    bool terminated;            /* the function has not been told yet */
    QTAILQ_ENTRY(SMMUv3Stall) next;
};

static SMMUv3Stall *find(SMMUv3State *s, const SMMUv3Stall *key)
{
    SMMUv3Stall *stall;

    QTAILQ_FOREACH(stall, &s->stalls, next) {
        if (stall->sid == key->sid && stall->ss.valid == key->ss.valid &&
            stall->ss.id == key->ss.id && stall->page == key->page &&
            stall->is_write == key->is_write) {
            return stall;
        }
    }
    return NULL;
}

static void forget(SMMUv3State *s, SMMUv3Stall *stall)
{
    QTAILQ_REMOVE(&s->stalls, stall, next);
    g_free(stall);
}

/* Only translation-related faults of the configured stage stall (3.12.2) */
static bool can_stall(const SMMUTransCfg *cfg, const SMMUEventInfo *event)
{
    switch (event->type) {
    case SMMU_EVT_F_TRANSLATION:
    case SMMU_EVT_F_ADDR_SIZE:
    case SMMU_EVT_F_ACCESS:
    case SMMU_EVT_F_PERMISSION:
        return event->u.f_translation.s2 ? cfg->s2_stalls : cfg->s1_stalls;
    default:
        return false;
    }
}

/*
 * A fault is stalled only together with its event. If the queue has no room or
 * is off, the function asks again.
 */
static PCIStallResult stall_it(SMMUv3State *s, const SMMUv3Stall *key,
                               SMMUEventInfo *event)
{
    SMMUv3Stall *stall;

    if (!smmuv3_eventq_enabled(s) || smmuv3_q_full(&s->eventq)) {
        event->type = SMMU_EVT_NONE;
        return PCI_STALL_WAIT;
    }
    stall = g_memdup2(key, sizeof(*key));
    stall->stag = s->next_stag++;
    QTAILQ_INSERT_TAIL(&s->stalls, stall, next);
    event->u.f_translation.stall = true;
    event->u.f_translation.stag = stall->stag;
    trace_smmuv3_stall(key->sid, key->ss.id, key->page, key->is_write,
                       stall->stag);
    return PCI_STALL_WAIT;
}

static PCIStallResult bypass(hwaddr addr, IOMMUAccessFlags flag,
                             IOMMUTLBEntry *entry)
{
    entry->translated_addr = entry->iova = STALL_PAGE(addr);
    entry->perm = flag;
    return PCI_STALL_DONE;
}

static PCIStallResult translate(SMMUv3State *s, SMMUDevice *sdev,
                                const SMMUv3Stall *key, hwaddr addr,
                                IOMMUTLBEntry *entry, SMMUEventInfo *event)
{
    IOMMUAccessFlags flag = key->is_write ? IOMMU_WO : IOMMU_RO;
    SMMUTransCfg *cfg;
    SMMUTLBEntry *found;

    if (!smmu_enabled(s)) {
        return FIELD_EX32(s->gbpa, GBPA, ABORT) ? PCI_STALL_FAULT :
               bypass(addr, flag, entry);
    }
    cfg = smmuv3_get_config(sdev, event);
    if (!cfg || cfg->aborted) {
        return PCI_STALL_FAULT;
    }
    if (cfg->bypassed) {
        return bypass(addr, flag, entry);
    }
    if (smmuv3_do_translate(s, addr, cfg, event, flag, &found,
                            SMMU_CLASS_IN) == SMMU_TRANS_SUCCESS) {
        entry->iova = addr & ~found->entry.addr_mask;
        entry->translated_addr = CACHED_ENTRY_TO_ADDR(found, entry->iova);
        entry->addr_mask = found->entry.addr_mask;
        entry->perm = found->entry.perm;
        return PCI_STALL_DONE;
    }
    return can_stall(cfg, event) ? stall_it(s, key, event) : PCI_STALL_FAULT;
}

/* Whether the transaction is known: then @result is for the function */
static bool is_known(SMMUv3State *s, const SMMUv3Stall *key,
                     PCIStallResult *result)
{
    SMMUv3Stall *stall = find(s, key);

    if (stall && !smmu_enabled(s)) {
        forget(s, stall);       /* it is not translated any more */
        return false;
    }
    if (!stall) {
        return false;
    }
    *result = stall->terminated ? PCI_STALL_FAULT : PCI_STALL_WAIT;
    if (stall->terminated) {
        forget(s, stall);
    }
    return true;
}

PCIStallResult smmuv3_stall_translate(PCIBus *bus, void *opaque, int devfn,
                                      uint32_t pasid, hwaddr addr,
                                      bool is_write, IOMMUTLBEntry *entry)
{
    SMMUv3State *s = opaque;
    SMMUDevice *sdev = smmuv3_find_device(ARM_SMMU(s), bus, devfn, pasid);
    SMMUEventInfo event = { .sid = smmu_get_sid(sdev) };
    SMMUv3Stall key = {
        .sid = event.sid,
        .ss = sdev->ss,
        .page = STALL_PAGE(addr),
        .is_write = is_write,
    };
    PCIStallResult result;

    *entry = (IOMMUTLBEntry) {
        .target_as = &address_space_memory,
        .addr_mask = 0xfff,
    };
    WITH_QEMU_LOCK_GUARD(&s->mutex) {
        if (is_known(s, &key, &result)) {
            return result;
        }
        result = translate(s, sdev, &key, addr, entry, &event);
    }
    if (result != PCI_STALL_DONE && event.type != SMMU_EVT_NONE) {
        smmuv3_fixup_event(&event, sdev->ss, addr);
        smmuv3_record_event(s, &event);
    }
    return result;
}

void smmuv3_stall_resume(SMMUv3State *s, const Cmd *cmd)
{
    SMMUv3Stall *stall;

    QTAILQ_FOREACH(stall, &s->stalls, next) {
        if (stall->sid == CMD_SID(cmd) && stall->stag == RESUME_STAG(cmd)) {
            break;
        }
    }
    trace_smmuv3_stall_resume(CMD_SID(cmd), RESUME_STAG(cmd), RESUME_AC(cmd),
                              stall != NULL);
    if (!stall) {
        return;
    }
    if (RESUME_AC(cmd)) {
        forget(s, stall);       /* the function finds a translation or faults */
    } else {
        stall->terminated = true;
    }
}

void smmuv3_stall_terminate(SMMUv3State *s, const Cmd *cmd)
{
    SMMUv3Stall *stall;

    trace_smmuv3_stall_terminate(CMD_SID(cmd));
    QTAILQ_FOREACH(stall, &s->stalls, next) {
        if (stall->sid == CMD_SID(cmd)) {
            stall->terminated = true;
        }
    }
}

void smmuv3_stall_reset(SMMUv3State *s)
{
    SMMUv3Stall *stall, *next;

    QTAILQ_FOREACH_SAFE(stall, &s->stalls, next, next) {
        forget(s, stall);
    }
}
