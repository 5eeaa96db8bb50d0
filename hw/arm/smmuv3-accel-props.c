/*
 * Accelerated SMMUv3: properties
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/qapi-builtin-visit.h"
#include "qapi/visitor.h"
#include "hw/qdev-core.h"
#include "hw/qdev-properties.h"

#include "smmuv3-accel-props.h"
#include "smmuv3-accel-regs.h"
#include "smmuv3-accel-state.h"

static bool may_set(Object *obj, const char *name, Error **errp)
{
    if (DEVICE(obj)->realized) {
        error_setg(errp, "%s of an arm-smmuv3-accel cannot change once the "
                   "device exists", name);
        return false;
    }
    return true;
}

static void get_reg(Object *obj, Visitor *v, const char *name, void *opaque,
                    Error **errp)
{
    SMMUv3AccelState *s = ARM_SMMUV3_ACCEL(obj);
    SMMUv3AccelReg reg = GPOINTER_TO_UINT(opaque);
    uint32_t value = s->regs_fixed ? s->regs.reg[reg] : s->spec.reg[reg];

    visit_type_uint32(v, name, &value, errp);
}

static void set_reg(Object *obj, Visitor *v, const char *name, void *opaque,
                    Error **errp)
{
    SMMUv3AccelState *s = ARM_SMMUV3_ACCEL(obj);
    SMMUv3AccelReg reg = GPOINTER_TO_UINT(opaque);

    if (!may_set(obj, name, errp) ||
        !visit_type_uint32(v, name, &s->spec.reg[reg], errp)) {
        return;
    }
    s->spec.given[reg] = true;
}

static char *get_mode(Object *obj, Error **errp)
{
    SMMUv3AccelInfoMode mode = smmuv3_accel_regs_mode(ARM_SMMUV3_ACCEL(obj));

    return g_strdup(SMMUv3AccelInfoMode_str(mode));
}

static char *get_spec(Object *obj, Error **errp)
{
    SMMUv3AccelState *s = ARM_SMMUV3_ACCEL(obj);

    return s->regs_fixed ? smmuv3_accel_regs_to_paste(s) : g_strdup("");
}

static char *get_origins(Object *obj, Error **errp)
{
    SMMUv3AccelState *s = ARM_SMMUV3_ACCEL(obj);
    g_autoptr(GString) text = g_string_new(NULL);

    for (int reg = 0; s->regs_fixed && reg < SMMU_ACCEL_NR_REGS; reg++) {
        SMMUv3AccelOrigin origin = s->regs.origin[reg];

        g_string_append_printf(text, "%s%s=%s", reg ? "," : "",
                               smmuv3_accel_reg_name(reg),
                               SMMUv3AccelOrigin_str(origin));
        if (origin == SMMU_ACCEL_ORIGIN_INHERITED) {
            g_string_append_printf(text, ":%s", s->inherited_from);
        }
    }
    return g_strdup(text->str);
}

static char *get_attached(Object *obj, Error **errp)
{
    SMMUv3AccelState *s = ARM_SMMUV3_ACCEL(obj);
    g_autoptr(GString) text = g_string_new(NULL);
    SMMUv3AccelDevice *dev;

    QLIST_FOREACH(dev, &s->devices, next) {
        const SMMUv3AccelGroup *group = dev->hdev->group;
        g_autofree char *target = smmuv3_accel_target_str(&group->target);

        g_string_append_printf(text, "%s%s", text->len ? "; " : "",
                               dev->hdev->name);
        if (dev->hdev->vdevice_id) {
            g_string_append_printf(text, " sid 0x%x", dev->hdev->vsid);
        }
        g_string_append_printf(text, " %s", target);
        if (group->target.kind == SMMU_ACCEL_NESTED) {
            g_string_append_printf(text, " hwpt %u", group->hwpt_id);
        }
    }
    return g_strdup(text->str);
}

static char *get_associated_smmu(Object *obj, Error **errp)
{
    return g_strdup(ARM_SMMUV3_ACCEL(obj)->associated_smmu ?: "");
}

static bool get_no_hotplug(Object *obj, Error **errp)
{
    return ARM_SMMUV3_ACCEL(obj)->no_hotplug;
}

static void set_no_hotplug(Object *obj, bool value, Error **errp)
{
    ARM_SMMUV3_ACCEL(obj)->no_hotplug = value;
}

static const Property smmuv3_accel_properties[] = {
    DEFINE_PROP_STRING("host-smmu", SMMUv3AccelState, host_smmu),
    DEFINE_PROP_UINT32("cmdqv-param", SMMUv3AccelState, cmdqv_param, 0),
    DEFINE_PROP_UINT64("x-msi-doorbell", SMMUv3AccelState, msi_doorbell, 0),
};

static const struct {
    const char *name;
    const char *text;
} descriptions[] = {
    { "idr0", "IDR0 as the guest reads it; not given: from the host" },
    { "idr1", "IDR1 as the guest reads it; not given: from the host" },
    { "idr2", "IDR2 as the guest reads it; not given: 0" },
    { "idr3", "IDR3 as the guest reads it; not given: from the host" },
    { "idr4", "IDR4 as the guest reads it; not given: 0" },
    { "idr5", "IDR5 as the guest reads it; not given: from the host" },
    { "iidr", "IIDR as the guest reads it; not given: from the host" },
    { "aidr", "AIDR as the guest reads it; not given: from the host" },
    { "host-smmu", "sysfs name of the physical SMMU to accept devices of" },
    { "cmdqv-param", "PARAM of the CMDQV; not given: from the host, or 0x4011" },
    { "x-msi-doorbell", "set by the board" },
    { "x-no-hotplug", "set by the board: host devices at start only" },
    { "mode", "specified, inherited, default, or undecided" },
    { "spec", "the registers as options to paste" },
    { "origins", "where each register came from" },
    { "attached", "host devices, their StreamIDs and attachments" },
    { "associated-smmu", "sysfs name of the physical SMMU in use" },
};

bool smmuv3_accel_props_to_spec(SMMUv3AccelState *s, Error **errp)
{
    const SMMUv3State *s3 = ARM_SMMUV3(s);

    s->spec.ril = s3->ril;
    s->spec.ats = s3->ats;
    s->spec.dropin = s3->accel;
    s->spec.cmdqv = s3->cmdqv_wanted;
    s->spec.cmdqv_param = s->cmdqv_param;
    return (!s3->ssidsize ||
            smmuv3_accel_parse_ssidsize(s3->ssidsize, &s->spec.ssidsize,
                                        errp)) &&
           (!s3->oas ||
            smmuv3_accel_parse_oas(s3->oas, &s->spec.oas, errp));
}

void smmuv3_accel_class_add_props(ObjectClass *oc)
{
    device_class_set_props(DEVICE_CLASS(oc), smmuv3_accel_properties);

    for (unsigned reg = 0; reg < SMMU_ACCEL_NR_REGS; reg++) {
        object_class_property_add(oc, smmuv3_accel_reg_name(reg), "uint32",
                                  get_reg, set_reg, NULL,
                                  GUINT_TO_POINTER(reg));
    }
    object_class_property_add_bool(oc, "x-no-hotplug", get_no_hotplug,
                                   set_no_hotplug);
    object_class_property_add_str(oc, "mode", get_mode, NULL);
    object_class_property_add_str(oc, "spec", get_spec, NULL);
    object_class_property_add_str(oc, "origins", get_origins, NULL);
    object_class_property_add_str(oc, "attached", get_attached, NULL);
    object_class_property_add_str(oc, "associated-smmu", get_associated_smmu,
                                  NULL);

    for (int i = 0; i < ARRAY_SIZE(descriptions); i++) {
        object_class_property_set_description(oc, descriptions[i].name,
                                              descriptions[i].text);
    }
}
