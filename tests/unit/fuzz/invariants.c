/*
 * What is always true of a vSMMU and its host
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <linux/vfio.h>
#include "../fake-iommufd-internal.h"
#include "invariants.h"
#include "oracle.h"

#define GBPA_ABORT      20
#define S1STALLD        (1ULL << 27)
#define EATS            (3ULL << 28)

/* A command that the guest believes to be carried out by the next CMD_SYNC */
typedef struct Owed {
    uint64_t cmd[2];
    unsigned viommu;            /* which of those that there have been */
} Owed;

static struct {
    Rig *rig;
    bool disturbed;
    unsigned viommus;
    GArray *owed;
    GHashTable *sids;           /* that the host was ever told */
} inv;

static const uint32_t *idr(void)
{
    return inv.rig->s3->idr;
}

/* Calls */

static bool is_stage1(const FakeObject *hwpt)
{
    return hwpt && hwpt->kind == OBJ_NESTED && hwpt->ste[0] & STE0_V &&
           STE0_CONFIG(hwpt->ste[0]) == ORACLE_STAGE1;
}

static void drop_owed(const uint64_t done[2], uint32_t sid, bool any_of_sid)
{
    for (guint i = inv.owed->len; i-- > 0; ) {
        const Owed *o = &g_array_index(inv.owed, Owed, i);
        bool has_sid = oracle_cmd_has_sid(o->cmd[0]);

        if (any_of_sid ? has_sid && o->cmd[0] >> 32 == sid :
            oracle_cmd_covers(done, o->cmd)) {
            g_array_remove_index_fast(inv.owed, i);
        }
    }
}

static void attached(const FakeDevice *dev)
{
    FakeObject *hwpt = dev->group->attached;

    for (guint i = 0; i < dev->group->devices->len; i++) {
        const FakeDevice *member = g_ptr_array_index(dev->group->devices, i);

        /* One that has been detached is on its way back to VFIO */
        if (is_stage1(hwpt) && member->attached) {
            g_assert(member->vdevice && member->vdevice->pins == hwpt->pins);
        }
        if (member->vdevice) {
            /* The driver invalidates what it has cached for the device */
            drop_owed(NULL, member->vdevice->vsid, true);
        }
    }
}

static void check_ste(const struct iommu_hwpt_alloc *alloc)
{
    const uint64_t *words = (void *)(uintptr_t)alloc->data_uptr;
    uint64_t ste[8] = { le64_to_cpu(words[0]), le64_to_cpu(words[1]) };
    uint64_t mask[2];

    g_assert_cmpuint(alloc->data_len, ==, 16);
    g_assert(ste[0] & STE0_V);
    oracle_ste_mask(idr(), mask);
    if (inv.rig->smmu->info.idr[0] >> 24 & 3) {
        mask[1] &= ~S1STALLD;
    }
    g_assert_cmphex(ste[0] & ~mask[0], ==, 0);
    g_assert_cmphex(ste[1] & ~mask[1], ==, 0);
    ste[1] &= ~S1STALLD;        /* set by QEMU, for hosts that can stall */
    if (STE0_CONFIG(ste[0])) {
        g_assert_cmpuint(STE0_CONFIG(ste[0]), ==, ORACLE_STAGE1);
        g_assert_cmpint(oracle_target(true, false, ste, idr()).kind, ==,
                        ORACLE_STAGE1);
    }
}

static void check_command(const uint64_t cmd[2])
{
    uint64_t mask[2];

    g_assert(oracle_cmd_mask(cmd[0], idr(), mask));
    g_assert_cmphex(cmd[0] & ~mask[0], ==, 0);
    g_assert_cmphex(cmd[1] & ~mask[1], ==, 0);
    if (oracle_cmd_has_sid(cmd[0])) {
        g_assert(g_hash_table_contains(inv.sids,
                                       GUINT_TO_POINTER(cmd[0] >> 32)));
    }
}

static void invalidated(const struct iommu_hwpt_invalidate *call, int ret)
{
    const uint64_t *words = (void *)(uintptr_t)call->data_uptr;

    /* After a failure entry_num says how many were, not how many there are */
    for (uint32_t i = 0; i < call->entry_num; i++) {
        uint64_t cmd[2] = { le64_to_cpu(words[2 * i]),
                            le64_to_cpu(words[2 * i + 1]) };

        check_command(cmd);
        if (!ret) {
            drop_owed(cmd, 0, false);
        }
    }
}

static void watch(void *opaque, unsigned long request, const void *arg,
                  FakeDevice *dev, int ret)
{
    const struct iommu_vdevice_alloc *vdevice = arg;
    const struct iommu_hwpt_alloc *hwpt = arg;

    switch (request) {
    case VFIO_DEVICE_ATTACH_IOMMUFD_PT:
        if (!ret) {
            attached(dev);
        }
        break;
    case IOMMU_HWPT_ALLOC:
        if (hwpt->data_type) {
            check_ste(hwpt);
        }
        break;
    case IOMMU_HWPT_INVALIDATE:
        invalidated(arg, ret);
        break;
    case IOMMU_VIOMMU_ALLOC:
        inv.viommus++;
        break;
    case IOMMU_VDEVICE_ALLOC:
        if (!ret) {
            g_hash_table_add(inv.sids, GUINT_TO_POINTER(vdevice->virt_id));
        }
        break;
    }
}

/* Invalidations */

static FakeDevice *fake_of(const SMMUv3AccelDevice *dev)
{
    return FAKE_DEVICE(dev->hdev->hiodi);
}

/* A device that may use what @o should have invalidated */
static bool is_at_risk(const FakeDevice *dev, const Owed *o)
{
    return is_stage1(dev->group->attached) &&
           (!oracle_cmd_has_sid(o->cmd[0]) ||
            (dev->vdevice && dev->vdevice->vsid == o->cmd[0] >> 32));
}

/*
 * All commands before have been carried out. A CMD_SYNC tells the guest so;
 * it fails as long as a device is exposed.
 */
static void check_confirmed(bool is_sync)
{
    SMMUv3AccelDevice *dev;

    for (guint i = 0; i < inv.owed->len; i++) {
        const Owed *o = &g_array_index(inv.owed, Owed, i);

        QLIST_FOREACH(dev, &inv.rig->s->devices, next) {
            g_assert(o->viommu != inv.viommus ||
                     !is_at_risk(fake_of(dev), o) ||
                     (!is_sync && dev->hdev->group->exposed));
        }
    }
}

static bool has_at_risk(const Owed *o)
{
    SMMUv3AccelDevice *dev;

    QLIST_FOREACH(dev, &inv.rig->s->devices, next) {
        const FakeObject *hwpt = fake_of(dev)->group->attached;

        if (is_at_risk(fake_of(dev), o) &&
            ((o->cmd[0] & 0xff) != SMMU_CMD_ATC_INV || hwpt->ste[1] & EATS)) {
            return true;
        }
    }
    return false;
}

static void on_command(const Cmd *cmd, int error)
{
    SMMUv3AccelCmdClass class = smmuv3_accel_cmd_classify(cmd, idr());
    Owed o = { .viommu = inv.viommus };
    SMMUv3AccelHostCmd host;

    if (error) {
        return;
    }
    switch (CMD_TYPE(cmd)) {
    case SMMU_CMD_CFGI_STE:
    case SMMU_CMD_CFGI_STE_RANGE:
        /* A new configuration does not overtake invalidations */
    case SMMU_CMD_SYNC:
        check_confirmed(CMD_TYPE(cmd) == SMMU_CMD_SYNC);
        return;
    }
    if (class == SMMU_ACCEL_CMD_FORWARD ||
        class == SMMU_ACCEL_CMD_FORWARD_SID) {
        smmuv3_accel_cmd_to_host(cmd, idr(), &host);
        o.cmd[0] = le64_to_cpu(host.cmd[0]);
        o.cmd[1] = le64_to_cpu(host.cmd[1]);
        if (has_at_risk(&o)) {
            g_array_append_val(inv.owed, o);
        }
    }
}

/* Attachments */

static void check_record(const SMMUv3AccelDevice *dev)
{
    const SMMUv3AccelGroup *group = dev->hdev->group;
    const FakeObject *hwpt = fake_of(dev)->group->attached;
    const FakeObject *vdevice = fake_of(dev)->vdevice;

    if (dev->hdev->vdevice_id) {
        g_assert(vdevice && vdevice->id == dev->hdev->vdevice_id);
        g_assert_cmphex(dev->hdev->vsid, ==, vdevice->vsid);
    } else {
        /* The host may have refused to destroy it */
        g_assert(!vdevice || inv.disturbed);
    }
    if (!group->outdated) {
        g_assert_cmpuint(group->hwpt_id, ==, hwpt ? hwpt->id : 0);
    }
    g_assert(!group->exposed || inv.disturbed);
    if (inv.rig->s->host->tlb_lost || group->lost) {
        g_assert(inv.disturbed);
    }
}

void invariants_check(void)
{
    SMMUv3AccelDevice *dev;

    g_assert(bql_locked() && !inv.rig->s->mmio.busy);
    g_assert(!inv.rig->s->host == QLIST_EMPTY(&inv.rig->s->devices));
    QLIST_FOREACH(dev, &inv.rig->s->devices, next) {
        check_record(dev);
    }
}

static bool has_sid(const SMMUv3AccelDevice *dev, uint32_t *sid)
{
    int bus = container_of(dev->bus, RigBus, bus)->num;

    *sid = bus << 8 | dev->devfn;
    return bus;
}

/* Another device has the same StreamID, and this one waits */
static bool is_second(const SMMUv3AccelDevice *dev, uint32_t sid)
{
    const SMMUv3AccelDevice *other;

    QLIST_FOREACH(other, &inv.rig->s->devices, next) {
        uint32_t its;

        if (other != dev && has_sid(other, &its) && its == sid &&
            fake_of(other)->vdevice) {
            return true;
        }
    }
    return false;
}

static OracleTarget wanted(const SMMUv3AccelDevice *dev)
{
    const SMMUv3State *s3 = inv.rig->s3;
    const FakeSMMU *smmu = inv.rig->smmu;
    const STE *ste = NULL;
    uint64_t words[8];
    OracleTarget t;
    uint32_t sid;

    if (has_sid(dev, &sid) && !is_second(dev, sid)) {
        ste = rig_ste(sid);
    }
    for (int i = 0; ste && i < 8; i++) {
        words[i] = (uint64_t)ste->word[2 * i + 1] << 32 | ste->word[2 * i];
    }
    t = oracle_target(s3->cr[0] & 1, s3->gbpa >> GBPA_ABORT & 1,
                      ste ? words : NULL, idr());
    if (t.kind == ORACLE_STAGE1) {
        t.ste[1] |= smmu->info.idr[0] >> 24 & 3 ? 0 : S1STALLD;
        if (dev->hdev->caps & IOMMU_HW_CAP_PCI_ATS_NOT_SUPPORTED) {
            t.ste[1] &= ~EATS;
        }
    }
    return t;
}

/* What all members want; their tables of CDs may be at different places */
static OracleTarget wanted_by_group(const SMMUv3AccelGroup *group)
{
    const SMMUv3AccelDevice *dev, *lowest = NULL;
    OracleTarget t = { .kind = ORACLE_ABORT };
    const uint64_t ctxptr = 0x000fffffffffffc0ULL;
    bool agree = true;

    QLIST_FOREACH(dev, &inv.rig->s->devices, next) {
        OracleTarget its;

        if (dev->hdev->group != group) {
            continue;
        }
        its = wanted(dev);
        agree &= !lowest || (its.kind == t.kind && its.ste[1] == t.ste[1] &&
                             !((its.ste[0] ^ t.ste[0]) & ~ctxptr));
        if (!lowest || dev->devfn < lowest->devfn) {
            lowest = dev;
            t = its;
        }
    }
    return agree ? t : (OracleTarget) { .kind = ORACLE_ABORT };
}

static bool is_blocked(const FakeObject *hwpt)
{
    return !hwpt || (hwpt->kind == OBJ_NESTED && !is_stage1(hwpt) &&
                     (!(hwpt->ste[0] & STE0_V) || !STE0_CONFIG(hwpt->ste[0])));
}

static bool is_as_wanted(const FakeObject *hwpt, const OracleTarget *t)
{
    switch (t->kind) {
    case ORACLE_ABORT:
        return is_blocked(hwpt);
    case ORACLE_BYPASS:
        return hwpt && hwpt->kind == OBJ_STAGE2;
    default:
        return is_stage1(hwpt) && hwpt->ste[0] == t->ste[0] &&
               hwpt->ste[1] == t->ste[1];
    }
}

/* A function of the group has no vDEVICE: newer kernels refuse stage 1 */
static bool is_incomplete(const FakeGroup *group)
{
    for (guint i = 0; i < group->n_present; i++) {
        const FakeDevice *dev = i < group->devices->len ?
                                g_ptr_array_index(group->devices, i) : NULL;

        if (!dev || !dev->vdevice) {
            return true;
        }
    }
    return false;
}

void invariants_settled(void)
{
    SMMUv3AccelDevice *dev;

    QLIST_FOREACH(dev, &inv.rig->s->devices, next) {
        const SMMUv3AccelGroup *group = dev->hdev->group;
        const FakeObject *hwpt = fake_of(dev)->group->attached;
        OracleTarget t = wanted_by_group(group);
        bool may_be_blocked = inv.disturbed ||
                              is_incomplete(fake_of(dev)->group);

        g_assert(is_as_wanted(hwpt, &t) || group->exposed ||
                 (may_be_blocked && is_blocked(hwpt)));
        /* The guest of a fault is told the StreamID that it knows */
        if (is_stage1(hwpt) && fake_of(dev)->reports && !group->exposed) {
            g_assert_cmphex(fake_of(dev)->reported_sid, ==,
                            fake_of(dev)->vdevice->vsid);
        }
    }
}

void invariants_disturbed(void)
{
    inv.disturbed = true;
}

bool invariants_are_disturbed(void)
{
    return inv.disturbed;
}

void invariants_begin(Rig *rig)
{
    SMMUv3AccelDevice *dev;

    inv.rig = rig;
    inv.disturbed = false;
    inv.viommus = 0;
    inv.owed = g_array_new(false, false, sizeof(Owed));
    inv.sids = g_hash_table_new(NULL, NULL);
    QLIST_FOREACH(dev, &rig->s->devices, next) {
        g_hash_table_add(inv.sids, GUINT_TO_POINTER(dev->hdev->vsid));
    }
    fake_iommufd_watch(rig->iommufd, watch, NULL);
    rig_on_command(on_command);
}

void invariants_end(void)
{
    rig_on_command(NULL);
    fake_iommufd_watch(inv.rig->iommufd, NULL, NULL);
    g_array_unref(inv.owed);
    g_hash_table_unref(inv.sids);
}
