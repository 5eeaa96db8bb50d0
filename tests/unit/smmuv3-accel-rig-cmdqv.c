/*
 * arm-smmuv3-accel in a unit test: the guest's command queues in hardware
 *
 * The modules themselves in place of what the rig has for them. Nobody fetches
 * commands here: those that QEMU is to execute are just gone.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/irq.h"
#include "smmuv3-accel-rig-cmdqv.h"

/* Stubs: who reads the queues if that is QEMU */

static const MemoryRegionOps *cmdqv_ops;

void smmuv3_cmdqv_device_init(SMMUv3CmdqvDevice *d, SMMUv3State *s,
                              const MemoryRegionOps *ops, QEMUTimerCB *more,
                              void *opaque)
{
    d->smmu = s;
    smmuv3_cmdqv_reset(&d->regs);
    cmdqv_ops = ops;
}

bool smmuv3_cmdqv_consume_all(SMMUv3CmdqvDevice *d, unsigned limit)
{
    for (unsigned q = 0; q < smmuv3_cmdqv_nb_vcmdqs(&d->regs); q++) {
        while (smmuv3_cmdqv_pending(&d->regs, q)) {
            smmuv3_cmdqv_advance(&d->regs, q);
            d->commands++;
        }
    }
    return false;
}

void smmuv3_cmdqv_soon(SMMUv3CmdqvDevice *d)
{
    g_assert_not_reached();     /* all is consumed at once */
}

/* Stubs: the memory map, which holds who owns what is in it */

void memory_region_set_enabled(MemoryRegion *mr, bool enabled)
{
    mr->enabled = enabled;
}

void memory_region_add_subregion_overlap(MemoryRegion *mr, hwaddr offset,
                                         MemoryRegion *subregion, int priority)
{
    g_assert(!subregion->container);
    subregion->container = mr;
    object_ref(subregion->owner);
}

void memory_region_del_subregion(MemoryRegion *mr, MemoryRegion *subregion)
{
    g_assert(subregion->container == mr);
    subregion->container = NULL;
    object_unref(subregion->owner);
}

void qemu_set_irq(qemu_irq irq, int level)
{
}

/* The guest */

void rig_cmdqv_new(Rig *rig)
{
    rig->s3->cmdqv_wanted = ON_OFF_AUTO_ON;
    g_assert(smmuv3_accel_cmdqv_realize(rig->s, &error_abort));
}

void rig_cmdqv_free(Rig *rig)
{
    g_assert(!rig->s->cmdqv->hardware);
    rig->s3->cmdqv = NULL;
    g_free(rig->s->cmdqv->failure);
    g_free(rig->s->cmdqv);
    rig->s->cmdqv = NULL;
}

bool rig_cmdqv_has_page(Rig *rig)
{
    return rig->s->host && rig->s->host->cmdqv &&
           smmuv3_accel_host_queue_page(rig->s->host)->enabled;
}

static bool is_in_page(Rig *rig, hwaddr offset)
{
    return rig_cmdqv_has_page(rig) && offset - CMDQV_VINTF < 0x10000;
}

void rig_cmdqv_write(Rig *rig, hwaddr offset, uint64_t value, unsigned size)
{
    if (is_in_page(rig, offset)) {
        hwaddr at = offset - CMDQV_VINTF;

        g_assert_cmpuint(size, ==, 4);
        smmuv3_accel_host_queue_write(rig->s->host, at / CMDQV_SLOT_SIZE,
                                      at % CMDQV_SLOT_SIZE, value);
        return;
    }
    g_assert(cmdqv_ops->write_with_attrs(rig->s, offset, value, size,
                                         MEMTXATTRS_UNSPECIFIED) == MEMTX_OK);
}

uint64_t rig_cmdqv_read(Rig *rig, hwaddr offset, unsigned size)
{
    uint64_t value;

    if (is_in_page(rig, offset)) {
        hwaddr at = offset - CMDQV_VINTF;

        return smmuv3_accel_host_queue_read(rig->s->host, at / CMDQV_SLOT_SIZE,
                                            at % CMDQV_SLOT_SIZE);
    }
    g_assert(cmdqv_ops->read_with_attrs(rig->s, offset, &value, size,
                                        MEMTXATTRS_UNSPECIFIED) == MEMTX_OK);
    return value;
}
