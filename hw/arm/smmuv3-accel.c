/*
 * Accelerated SMMUv3: stage 1 of the guest walked by the host's SMMUv3
 *
 * This is an arm-smmuv3 whose host devices (VFIO on iommufd) are translated by
 * the physical SMMU: stream table entries become nested HWPTs, invalidations
 * are forwarded, and events are reported to the guest. Emulated devices below
 * the same root complex use the software walk of arm-smmuv3.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "hw/pci/pci.h"
#include "hw/pci/pcie_pme.h"
#include "hw/qdev-core.h"
#include "migration/vmstate.h"
#include "system/runstate.h"
#include "system/system.h"
#include "qemu/timer.h"

#include "smmuv3-accel-cmdqv.h"
#include "smmuv3-accel-evaluate.h"
#include "smmuv3-accel-hooks.h"
#include "smmuv3-accel-mmio.h"
#include "smmuv3-accel-pci.h"
#include "smmuv3-accel-props.h"
#include "smmuv3-accel-regs.h"
#include "smmuv3-accel-state.h"

static void vm_state_changed(void *opaque, bool running, RunState state)
{
    if (running) {
        smmuv3_accel_started(opaque);
    } else {
        smmuv3_accel_cmdqv_take_back(opaque, "the machine stops");
    }
}

static void machine_done(Notifier *notifier, void *data)
{
    SMMUv3AccelState *s = container_of(notifier, SMMUv3AccelState,
                                       machine_done);
    g_autofree char *missing = NULL;

    smmuv3_accel_cmdqv_decide(s);
    /* Host devices are plugged into these ports while the guest runs */
    pcie_pme_init_below(ARM_SMMU(s)->primary_bus);
    if (s->regs_fixed || smmuv3_accel_regs_from_defaults(s)) {
        return;
    }
    missing = smmuv3_accel_spec_missing(&s->spec);
    error_report("arm-smmuv3-accel %s on %s: ID registers missing: %s",
                 DEVICE(s)->id ?: "(no id)",
                 BUS(ARM_SMMU(s)->primary_bus)->name, missing);
    error_printf("Give them on the command line (property \"spec\" of a vSMMU "
                 "that has them is an option string to paste), or put a "
                 "vfio-pci device on that root complex at start, to inherit "
                 "them from its host SMMU.\n");
    exit(EXIT_FAILURE);
}

static void smmuv3_accel_realize(DeviceState *d, Error **errp)
{
    SMMUv3AccelState *s = ARM_SMMUV3_ACCEL(d);
    DeviceClass *parent =
        DEVICE_CLASS(object_class_by_name(TYPE_ARM_SMMUV3));
    ERRP_GUARD();

    if (ARM_SMMUV3(s)->stage) {
        error_setg(errp, "stage= has no meaning for arm-smmuv3-accel: S1P and "
                   "S2P of idr0= say what it translates");
        return;
    }
    /* Nothing is there yet that a failure would have to free */
    if (!smmuv3_accel_props_to_spec(s, errp) ||
        !smmuv3_accel_regs_from_spec(s, errp) ||
        !smmuv3_accel_cmdqv_check(s, errp)) {
        return;
    }
    parent->realize(d, errp);
    if (*errp) {
        return;
    }

    smmuv3_accel_cmdqv_realize(s);
    smmuv3_accel_mmio_init(s);
    s->exposed_timer = timer_new_ms(QEMU_CLOCK_REALTIME,
                                    smmuv3_accel_exposed_timer, s);
    s->machine_done.notify = machine_done;
    qemu_add_machine_init_done_notifier(&s->machine_done);
    qemu_add_vm_change_state_handler(vm_state_changed, s);
}

static void smmuv3_accel_instance_init(Object *obj)
{
    SMMUv3AccelState *s = ARM_SMMUV3_ACCEL(obj);

    smmuv3_accel_spec_init(&s->spec);
    QLIST_INIT(&s->devices);
}

static void smmuv3_accel_instance_finalize(Object *obj)
{
    SMMUv3AccelState *s = ARM_SMMUV3_ACCEL(obj);

    g_free(s->associated_smmu);
    g_free(s->inherited_from);
}

/*
 * The guest has read the ID registers, so a migration cannot change them. The
 * stream contains them, so that the destination can compare its command line.
 */
static int pre_save(void *opaque)
{
    SMMUv3AccelState *s = opaque;

    memcpy(s->migrated_reg, s->regs.reg, sizeof(s->migrated_reg));
    s->migrated_bus = pci_bus_num(ARM_SMMU(s)->primary_bus);
    return 0;
}

static char *migrated_spec(const SMMUv3AccelState *s)
{
    SMMUv3AccelRegs regs = { 0 };

    for (int reg = 0; reg < SMMU_ACCEL_NR_REGS; reg++) {
        regs.reg[reg] = s->migrated_reg[reg];
        regs.origin[reg] = SMMU_ACCEL_ORIGIN_GIVEN;
    }
    return smmuv3_accel_regs_spec(&regs);
}

static bool check_migrated_regs(SMMUv3AccelState *s, const char *id,
                                const char *bus)
{
    g_autoptr(GString) other = g_string_new(NULL);
    g_autofree char *spec = migrated_spec(s);

    for (int reg = 0; reg < SMMU_ACCEL_NR_REGS; reg++) {
        if (s->migrated_reg[reg] != s->regs.reg[reg]) {
            g_string_append_printf(other, "%s%s is 0x%x there and 0x%x here",
                                   other->len ? ", " : "",
                                   smmuv3_accel_reg_name(reg),
                                   s->migrated_reg[reg], s->regs.reg[reg]);
        }
    }
    if (!other->len) {
        return true;
    }
    error_report("arm-smmuv3-accel %s on %s: the incoming guest has other ID "
                 "registers: %s", id, bus, other->str);
    error_printf("Start this side with %s.\n", spec);
    return false;
}

/* Streams identify vSMMUs by a number, the order of their creation */
static bool check_migrated_bus(SMMUv3AccelState *s, const char *id,
                               const char *bus)
{
    int number = pci_bus_num(ARM_SMMU(s)->primary_bus);

    if (s->migrated_bus == number) {
        return true;
    }
    error_report("arm-smmuv3-accel %s on %s: the incoming guest has this SMMU "
                 "on the root complex whose first bus is %u, here that is %d: "
                 "give both sides the same root complexes (bus_nr=), and the "
                 "same order of -device arm-smmuv3-accel", id, bus,
                 s->migrated_bus, number);
    return false;
}

/*
 * The guest would find the CMDQV at its next reset. Before that, its SMMUs after
 * this one would have other interrupts than its tables say.
 */
static bool check_migrated_cmdqv(SMMUv3AccelState *s, const char *id,
                                 const char *bus)
{
    const SMMUv3CmdqvDevice *cmdqv = ARM_SMMUV3(s)->cmdqv;

    if (!cmdqv || cmdqv->loaded) {
        return true;
    }
    error_report("arm-smmuv3-accel %s on %s: the incoming guest does not have "
                 "a CMDQV, but this side does: give both sides the same "
                 "cmdqv=", id, bus);
    return false;
}

static int pre_load(void *opaque)
{
    SMMUv3State *s3 = ARM_SMMUV3(opaque);

    if (s3->cmdqv) {
        s3->cmdqv->loaded = false;
    }
    return 0;
}

static int post_load(void *opaque, int version_id)
{
    SMMUv3AccelState *s = opaque;
    const char *id = DEVICE(s)->id ?: "(no id)";
    const char *bus = BUS(ARM_SMMU(s)->primary_bus)->name;

    return check_migrated_bus(s, id, bus) &&
           check_migrated_cmdqv(s, id, bus) &&
           check_migrated_regs(s, id, bus) ? 0 : -EINVAL;
}

static const VMStateDescription vmstate_smmuv3_accel = {
    .name = "arm-smmuv3-accel",
    .version_id = 1,
    .minimum_version_id = 1,
    .priority = MIG_PRI_IOMMU,
    .pre_save = pre_save,
    .pre_load = pre_load,
    .post_load = post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT8(migrated_bus, SMMUv3AccelState),
        VMSTATE_UINT32_ARRAY(migrated_reg, SMMUv3AccelState,
                             SMMU_ACCEL_NR_REGS),
        VMSTATE_STRUCT(parent_obj, SMMUv3AccelState, 1, vmstate_smmuv3,
                       SMMUv3State),
        VMSTATE_END_OF_LIST(),
    },
};

/* Runs before the registers are reset, which the hardware may use */
static void smmuv3_accel_reset_hold(Object *obj, ResetType type)
{
    ResettableClass *parent =
        RESETTABLE_CLASS(object_class_by_name(TYPE_ARM_SMMUV3));

    smmuv3_accel_cmdqv_reset(ARM_SMMUV3_ACCEL(obj));
    if (parent->phases.hold) {
        parent->phases.hold(obj, type);
    }
}

static void smmuv3_accel_class_init(ObjectClass *oc, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(oc);
    SMMUBaseClass *sbc = ARM_SMMU_CLASS(oc);

    dc->desc = "SMMUv3 with stage 1 in hardware, for VFIO devices on iommufd";
    dc->realize = smmuv3_accel_realize;
    dc->vmsd = &vmstate_smmuv3_accel;
    /* The user has chosen this type, whatever accel= says */
    dc->user_type = NULL;
    ARM_SMMUV3_CLASS(oc)->has_accel_options = true;
    smmuv3_accel_class_add_props(oc);

    sbc->setup_pci_iommu = smmuv3_accel_setup_pci_iommu;
    smmuv3_accel_class_add_hooks(oc);
    RESETTABLE_CLASS(oc)->phases.hold = smmuv3_accel_reset_hold;
}

static const TypeInfo smmuv3_accel_type_info = {
    .name              = TYPE_ARM_SMMUV3_ACCEL,
    .parent            = TYPE_ARM_SMMUV3,
    .instance_size     = sizeof(SMMUv3AccelState),
    .instance_init     = smmuv3_accel_instance_init,
    .instance_finalize = smmuv3_accel_instance_finalize,
    .class_init        = smmuv3_accel_class_init,
};

static void smmuv3_accel_register_types(void)
{
    type_register_static(&smmuv3_accel_type_info);
}

type_init(smmuv3_accel_register_types)
