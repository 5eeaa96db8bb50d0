/*
 * QTest: -device arm-smmuv3, with and without accel=on, as newer QEMU has it
 *
 * These tests need no host device, no KVM and no /dev/iommu. Refusals are in
 * smmuv3-accel-test.c, the IORT is in smmuv3-accel-acpi-test.c.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qobject/qlist.h"
#include "smmuv3-accel.h"
#include "smmuv3-rig.h"

/* These lines are from libvirt's own tests (iommu-smmuv3-pci-bus-accel) */
#define LIBVIRT_PXB "-device '{\"driver\":\"pxb-pcie\",\"bus_nr\":252," \
    "\"id\":\"pci.1\",\"bus\":\"pcie.0\",\"addr\":\"0x1\"}' "
#define LIBVIRT_PORT "-device '{\"driver\":\"pcie-root-port\",\"port\":0," \
    "\"chassis\":21,\"id\":\"pci.3\",\"bus\":\"pci.1\",\"addr\":\"0x0\"}' "
#define LIBVIRT(more) LIBVIRT_PXB LIBVIRT_PORT \
    "-device '{\"driver\":\"arm-smmuv3\",\"primary-bus\":\"pci.1\"," \
    "\"id\":\"iommu0\"" more "}' "
#define PEOPLE(more) PXB("pci.1", "252") \
    "-device arm-smmuv3,id=iommu0,primary-bus=pci.1" more " "

/* In the order of their offsets, from 0 */
enum { IDR0, IDR1, IDR2, IDR3, IDR4, IDR5, IIDR, AIDR, NR_REGS };

typedef struct DropIn {
    const char *name;
    const char *args;
    const char *type;
    const char *mode;           /* NULL: the type has none */
    uint32_t reg[NR_REGS];
} DropIn;

#define ACCEL "arm-smmuv3-accel"
#define PLAIN "arm-smmuv3"

/* Derived by hand from IHI 0070, 6.3 */
static const DropIn dropins[] = {
    { "libvirt/accel", LIBVIRT(",\"accel\":true"), ACCEL, "default",
      { 0xd44301a, 0x2730010, 0, 0x1404, 0, 0x74, 0, 1 } },
    { "libvirt/all", LIBVIRT(",\"accel\":true,\"ats\":\"on\",\"ril\":\"off\","
      "\"ssidsize\":\"20\",\"oas\":\"44\""), ACCEL, "default",
      { 0xd44341a, 0x2730510, 0, 0x1004, 0, 0x74, 0, 1 } },
    { "libvirt/auto", LIBVIRT(",\"accel\":true,\"ats\":\"auto\","
      "\"ril\":\"auto\",\"ssidsize\":\"auto\",\"oas\":\"auto\""), ACCEL,
      "default", { 0xd44301a, 0x2730010, 0, 0x1404, 0, 0x74, 0, 1 } },
    { "libvirt/emulated", LIBVIRT(""), PLAIN, NULL,
      { 0xd44101b, 0x2730010, 0, 0x1414, 0, 0x74, 0, 1 } },
    { "kubevirt", LIBVIRT(",\"accel\":true,\"ats\":\"on\",\"ril\":\"off\","
      "\"ssidsize\":\"20\",\"oas\":\"48\""), ACCEL, "default",
      { 0xd44341a, 0x2730510, 0, 0x1004, 0, 0x75, 0, 1 } },
    { "people/accel", PEOPLE(",accel=on"), ACCEL, "default",
      { 0xd44301a, 0x2730010, 0, 0x1404, 0, 0x74, 0, 1 } },
    { "people/off", PEOPLE(",accel=off"), PLAIN, NULL,
      { 0xd44101b, 0x2730010, 0, 0x1414, 0, 0x74, 0, 1 } },
    { "people/stage", PEOPLE(",stage=1"), PLAIN, NULL,
      { 0xd44101a, 0x2730010, 0, 0x1404, 0, 0x74, 0, 1 } },
    { "people/some", PEOPLE(",accel=on,idr5=0x55,iidr=0x43b"), ACCEL, "default",
      { 0xd44301a, 0x2730010, 0, 0x1404, 0, 0x55, 0x43b, 1 } },
    { "people/specified", PEOPLE(",accel=on," SPEC_A), ACCEL, "specified",
      { 0xd40101a, 0x2730010, 0, 0x1400, 0, 0x74, 0x43b, 1 } },
    { "people/own", PXB("pci.1", "252") "-device arm-smmuv3-accel,bus=pci.1,"
      "id=iommu0,accel=on", ACCEL, "default",
      { 0xd44301a, 0x2730010, 0, 0x1404, 0, 0x74, 0, 1 } },
};

static void assert_str(QTestState *qts, const char *property, const char *value)
{
    QDict *reply = qtest_qmp(qts, "{'execute': 'qom-get', 'arguments': {'path':"
                             " '/machine/peripheral/iommu0', 'property': %s}}",
                             property);

    g_assert_cmpstr(qdict_get_str(reply, "return"), ==, value);
    qobject_unref(reply);
}

static void test_dropin(gconstpointer opaque)
{
    const DropIn *test = opaque;
    QTestState *qts = qtest_initf("-M virt -nodefaults %s", test->args);

    assert_str(qts, "type", test->type);
    if (test->mode) {
        assert_str(qts, "mode", test->mode);
    }
    for (int i = 0; i < NR_REGS; i++) {
        g_test_message("register %d", i);
        g_assert_cmphex(qtest_readl(qts, MMIO_BASE + 4 * i), ==, test->reg[i]);
    }
    qtest_quit(qts);
}

/* The properties that libvirt looks for, with the types that it writes */
static void test_probe(void)
{
    static const struct {
        const char *name, *type;
    } wanted[] = {
        { "smmu_per_bus", "bool" }, { "accel", "bool" },
        { "primary-bus", "link<PCI>" },
        { "ats", "OnOffAuto" }, { "ril", "OnOffAuto" },
        { "ssidsize", "str" }, { "oas", "str" },
    };
    QTestState *qts = qtest_init("-M none");
    QDict *reply = qtest_qmp(qts, "{'execute': 'device-list-properties', "
                             "'arguments': {'typename': 'arm-smmuv3'}}");
    QListEntry *entry;

    for (int i = 0; i < ARRAY_SIZE(wanted); i++) {
        bool found = false;

        QLIST_FOREACH_ENTRY(qdict_get_qlist(reply, "return"), entry) {
            QDict *property = qobject_to(QDict, qlist_entry_obj(entry));

            if (g_str_equal(qdict_get_str(property, "name"), wanted[i].name)) {
                found = true;
                g_assert_cmpstr(qdict_get_str(property, "type"), ==,
                                wanted[i].type);
                g_assert_true(qdict_haskey(property, "description") ||
                          g_str_has_prefix(wanted[i].type, "link"));
            }
        }
        g_test_message("%s", wanted[i].name);
        g_assert_true(found);
    }
    qobject_unref(reply);
    qtest_quit(qts);
}

#define A_SID 0x20              /* 00:04.0 */
#define B_SID 0x900             /* 09:00.0 */
#define A_BAR 0x10000000
#define B_BAR 0x10100000

/* Each of two emulated SMMUs translates for its own root complex */
static void test_two_emulated(void)
{
    Rig a = { .smmu = MMIO_BASE }, b = { .smmu = MMIO_BASE + MMIO_SIZE };

    a.qts = b.qts = qtest_init("-M virt,highmem-ecam=off -nodefaults "
        PXB("pxb1", "8") "-device arm-smmuv3,primary-bus=pcie.0 "
        "-device arm-smmuv3,primary-bus=pxb1 "
        ROOT_PORT("rp1", "pxb1", "1.0", "1")
        RIG_EDU ",bus=pcie.0,addr=4.0 " RIG_EDU ",bus=rp1");
    rig_setup_bridge(&b, rig_config(8, 1), 8, 9, 9, B_BAR);
    rig_setup_edu(&a, rig_config(0, 4), A_BAR);
    rig_setup_edu(&b, rig_config(9, 0), B_BAR);

    /* They share their tables and the memory of their queues */
    rig_put_ste_s1(&a, A_SID);
    rig_enable(&a);
    rig_assert_write(&a, RIG_IOVA_S1, RIG_NO_EVENT);
    rig_assert_write(&a, RIG_IOVA_BYPASS, RIG_F_TRANSLATION);
    rig_assert_write(&b, RIG_IOVA_BYPASS, RIG_NO_EVENT);

    rig_enable(&b);
    rig_assert_write(&b, RIG_IOVA_BYPASS, RIG_C_BAD_STE);
    g_assert_cmphex(b.event_sid, ==, B_SID);
    g_assert_cmpint(rig_take_event(&a), ==, RIG_NO_EVENT);
    rig_put_ste_bypass(&b, B_SID);
    rig_invalidate(&b, B_SID);
    rig_assert_write(&b, RIG_IOVA_BYPASS, RIG_NO_EVENT);
    rig_assert_write(&a, RIG_IOVA_S1, RIG_NO_EVENT);

    qtest_system_reset(a.qts);
    qtest_quit(a.qts);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (int i = 0; i < ARRAY_SIZE(dropins); i++) {
        g_autofree char *path = g_strdup_printf("smmuv3-accel/dropin/%s",
                                                dropins[i].name);

        qtest_add_data_func(path, &dropins[i], test_dropin);
    }
    qtest_add_func("smmuv3-accel/dropin/probe", test_probe);
    qtest_add_func("smmuv3-accel/dropin/two-emulated", test_two_emulated);
    return g_test_run();
}
