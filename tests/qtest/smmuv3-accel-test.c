/*
 * QTest: errors and registers of arm-smmuv3-accel
 *
 * These tests need no host device, no KVM and no /dev/iommu. The tables for the
 * guest are in smmuv3-accel-acpi-test.c and smmuv3-accel-fdt-test.c.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <glib/gstdio.h>
#include "libqtest.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"
#include "smmuv3-accel.h"

#define SMMU0 "-device arm-smmuv3-accel,id=smmu0,"
#define RP0 ROOT_PORT("rp0", "pcie.0", "1", "1")

static char *tmpdir;

/*
 * Refusals
 */

typedef struct Refusal {
    const char *name;
    const char *args;
    const char *error;  /* stderr after "qemu: -option: "; NULL: none */
} Refusal;

#define INVALID "these ID registers cannot be honoured:\n  "
#define HOW_TO                                                               \
    "Give them on the command line (property \"spec\" of a vSMMU that has "  \
    "them is an option string to paste), or put a vfio-pci device on that "  \
    "root complex at start, to inherit them from its host SMMU."
#define NO_DT                                                                \
    "a device tree cannot describe a pxb-pcie. Boot with ACPI, "             \
    "that is with UEFI firmware (-bios QEMU_EFI.fd) and without acpi=off, "  \
    "or put the SMMU on pcie.0"
#define NOT_ROOT                                                             \
    " is not a PCIe root complex: an SMMU serves pcie.0 or the bus of a "    \
    "pxb-pcie"
#define BYPASSED                                                             \
    " bypasses any IOMMU: remove bypass_iommu=on from its pxb-pcie, or "     \
    "default_bus_bypass_iommu=on from -machine"
#define OTHER_IOMMU(what)                                                    \
    "the machine has an IOMMU already (remove " what "): an "                \
    "arm-smmuv3-accel cannot be added to it"

/* $TMP is a directory; "image" in it is neither kernel nor firmware */
static const Refusal refusals[] = {
    /* Options that must work, which also shows that failures are detected */
    { "accepted/pcie.0", SMMU0 "bus=pcie.0," SPEC_A, NULL },
    { "accepted/pxb", PXB("pxb1", "8") SMMU0 "primary-bus=pxb1," SPEC_B, NULL },
    { "accepted/both", PXB("pxb1", "8") SMMU0 "bus=pxb1," SPEC_B
      " -device arm-smmuv3-accel,bus=pcie.0," SPEC_A, NULL },
    { "accepted/kernel", SMMU0 "bus=pcie.0," SPEC_A " -kernel $TMP/image",
      NULL },
    { "accepted/firmware", PXB("pxb1", "8") SMMU0 "bus=pxb1," SPEC_A
      " -bios $TMP/image -kernel $TMP/image", NULL },
    /* Emulated devices may precede their SMMU, host devices may not */
    { "accepted/emulated", RP0 "-device virtio-rng-pci,bus=rp0 "
      SMMU0 "bus=pcie.0," SPEC_A, NULL },

    { "bus/none", SMMU0 SPEC_A,
      "arm-smmuv3-accel needs the root complex it serves: bus=pcie.0, or bus= "
      "with the id of a pxb-pcie" },
    { "bus/unknown", SMMU0 "bus=nowhere," SPEC_A,
      "Device 'nowhere' not found" },
    { "bus/twice", SMMU0 "bus=pcie.0,primary-bus=pcie.0," SPEC_A,
      "'bus' and 'primary-bus' are the same option: give only one of them" },
    { "bus/root-port", RP0 SMMU0 "bus=rp0," SPEC_A, "bus rp0" NOT_ROOT },
    { "bus/conventional", "-device pcie-pci-bridge,id=br0 "
      SMMU0 "bus=br0," SPEC_A, "bus br0" NOT_ROOT },
    { "bus/cxl", "-device pxb-cxl,id=cxl0,bus=pcie.0,bus_nr=8 "
      SMMU0 "bus=cxl0," SPEC_A, "bus cxl0" NOT_ROOT },
    { "bus/bypass", "-device pxb-pcie,id=pxb1,bus=pcie.0,bus_nr=8,"
      "bypass_iommu=on " SMMU0 "bus=pxb1," SPEC_A,
      "root complex pxb1" BYPASSED },
    { "bus/default-bypass", "-M default_bus_bypass_iommu=on "
      SMMU0 "bus=pcie.0," SPEC_A, "root complex pcie.0" BYPASSED },

    { "other/second", SMMU0 "bus=pcie.0," SPEC_A
      " -device arm-smmuv3-accel,bus=pcie.0," SPEC_A,
      "bus pcie.0 already has an IOMMU" },
    { "other/machine", "-M iommu=smmuv3 " SMMU0 "bus=pcie.0," SPEC_A,
      OTHER_IOMMU("iommu=smmuv3 from -machine") },
    { "other/virtio-before", "-device virtio-iommu-pci "
      SMMU0 "bus=pcie.0," SPEC_A, OTHER_IOMMU("virtio-iommu-pci") },
    { "other/virtio-after", SMMU0 "bus=pcie.0," SPEC_A
      " -device virtio-iommu-pci",
      "virt machine does not support multiple IOMMUs" },

    { "regs/missing", SMMU0 "bus=pcie.0",
      "arm-smmuv3-accel smmu0 on pcie.0: ID registers missing: idr0, idr1, "
      "idr3, idr5, iidr, aidr\n" HOW_TO },
    { "regs/missing-some", PXB("pxb1", "8")
      "-device arm-smmuv3-accel,bus=pxb1,idr0=0xd40101a,idr3=0,iidr=0",
      "arm-smmuv3-accel (no id) on pxb1: ID registers missing: idr1, idr5, "
      "aidr\n" HOW_TO },
    { "regs/idr0", SMMU0 "bus=pcie.0,idr0=0xd51103a",
      INVALID "IDR0.BTM: 1, can be 0 (broadcast TLB maintenance does not reach "
      "a nested SMMU)\n  IDR0.PRI: 1, can be 0 (QEMU has no PRI queue)\n"
      "  IDR0.VATOS: 1, can be 0 (QEMU has no address translation operations)"
    },
    { "regs/reserved", SMMU0 "bus=pcie.0,idr2=0x400",
      INVALID "IDR2[10]: 1, can be 0 (reserved)" },
    { "regs/granule", SMMU0 "bus=pcie.0,idr5=0x4",
      INVALID "IDR5.GRAN4K, GRAN16K, GRAN64K: all 0, one must be 1" },
    { "regs/number", SMMU0 "bus=pcie.0,iidr=arm",
      "Parameter 'iidr' expects integer" },
    { "regs/ssidsize", SMMU0 "bus=pcie.0,ssidsize=21",
      "ssidsize '21' is neither 0..20 nor 'auto'" },
    { "regs/oas", SMMU0 "bus=pcie.0,oas=52",
      "oas '52' is none of 32, 36, 40, 42, 44, 48 and 'auto' (QEMU does not "
      "walk tables of 52 bits)" },
    { "regs/ats", SMMU0 "bus=pcie.0,ats=maybe",
      "Parameter 'ats' does not accept value 'maybe'" },
    { "regs/ril-or-idr3", SMMU0 "bus=pcie.0,ril=on," SPEC_A ",idr3=0",
      INVALID "IDR3.RIL: 0 by idr3=0x0, but 1 by ril=on" },
    { "regs/ats-or-idr0", SMMU0 "bus=pcie.0,ats=off," SPEC_B,
      INVALID "IDR0.ATS: 1 by idr0=0xd40041a, but 0 by ats=off" },
    { "regs/ssidsize-or-idr1", SMMU0 "bus=pcie.0,ssidsize=5," SPEC_A,
      INVALID "IDR1.SSIDSIZE: 0 by idr1=0x2730010, but 5 by ssidsize=5" },
    { "regs/oas-or-idr5", SMMU0 "bus=pcie.0,oas=40," SPEC_A,
      INVALID "IDR5.OAS: 4 by idr5=0x74, but 2 by oas=40" },
    { "regs/stage", SMMU0 "bus=pcie.0,stage=nested," SPEC_A,
      "stage= has no meaning for arm-smmuv3-accel: S1P and S2P of idr0= say "
      "what it translates" },

    { "boot/kernel", PXB("pxb1", "8") SMMU0 "bus=pxb1," SPEC_A
      " -kernel $TMP/image", "arm-smmuv3-accel on pxb1: " NO_DT },
    { "boot/acpi-off", "-M acpi=off " PXB("pxb1", "8") SMMU0 "bus=pxb1," SPEC_A
      " -bios $TMP/image", "arm-smmuv3-accel on pxb1: " NO_DT },

    { "dropin/emulated", "-device arm-smmuv3,bus=pcie.0", NULL },
    { "dropin/beside", PXB("pxb1", "8") "-device arm-smmuv3,bus=pcie.0 "
      "-device arm-smmuv3,primary-bus=pxb1,accel=on", NULL },
    { "dropin/bus", "-device arm-smmuv3",
      "arm-smmuv3 needs the root complex it serves: bus=pcie.0, or bus= "
      "with the id of a pxb-pcie" },
    { "dropin/root-port", RP0 "-device arm-smmuv3,bus=rp0",
      "bus rp0" NOT_ROOT },
    { "dropin/second", "-device arm-smmuv3,bus=pcie.0 "
      "-device arm-smmuv3,bus=pcie.0", "bus pcie.0 already has an IOMMU" },
    { "dropin/machine", "-M iommu=smmuv3 -device arm-smmuv3,bus=pcie.0",
      "the machine has an IOMMU already (remove iommu=smmuv3 from -machine): "
      "an arm-smmuv3 cannot be added to it" },
    { "dropin/global", "-M iommu=smmuv3 -global arm-smmuv3.accel=on",
      "accel=on has to be an option of -device arm-smmuv3: remove it from "
      "-global" },
    { "dropin/global-per-bus", "-M iommu=smmuv3 "
      "-global arm-smmuv3.smmu_per_bus=on", NULL },
    { "dropin/no-stage", "-device arm-smmuv3,bus=pcie.0,stage=7",
      "stage '7' is none of 1, 2 and nested" },
    { "dropin/accel", "-device arm-smmuv3,bus=pcie.0,accel=maybe",
      "Parameter 'accel' expects 'on' or 'off'" },
    { "dropin/ats", "-device arm-smmuv3,bus=pcie.0,ats=on",
      "ats= needs accel=on: an emulated SMMUv3 cannot vary" },
    { "dropin/ril", "-device arm-smmuv3,bus=pcie.0,accel=off,ril=off",
      "ril= needs accel=on: an emulated SMMUv3 cannot vary" },
    { "dropin/oas", "-device arm-smmuv3,bus=pcie.0,oas=44",
      "oas= needs accel=on: an emulated SMMUv3 cannot vary" },
    { "dropin/cmdqv", "-device arm-smmuv3,bus=pcie.0,cmdqv=auto",
      "cmdqv= needs accel=on: an emulated SMMUv3 cannot vary" },
    { "dropin/stage", "-device arm-smmuv3,bus=pcie.0,accel=on,stage=nested",
      "stage= has no meaning for arm-smmuv3-accel: S1P and S2P of idr0= say "
      "what it translates" },
    { "dropin/kernel", PXB("pxb1", "8") "-device arm-smmuv3,bus=pxb1 "
      "-kernel $TMP/image", "arm-smmuv3 on pxb1: " NO_DT },

    { "cmdqv/accepted", "-device arm-smmuv3,bus=pcie.0,x-cmdqv-vintfs=64",
      NULL },
    { "cmdqv/power", "-device arm-smmuv3,bus=pcie.0,x-cmdqv-vintfs=3",
      "x-cmdqv-vintfs=3 is no power of 2 from 1 to 64, nor 0 for no CMDQV" },
    { "cmdqv/many", "-device arm-smmuv3,bus=pcie.0,x-cmdqv-vintfs=128",
      "x-cmdqv-vintfs=128 is no power of 2 from 1 to 64, nor 0 for no CMDQV" },
    { "cmdqv/global", "-M iommu=smmuv3 -global arm-smmuv3.x-cmdqv-vintfs=4",
      "x-cmdqv-vintfs= has to be an option of -device arm-smmuv3: remove it "
      "from -global" },
    { "cmdqv/accel", SMMU0 "bus=pcie.0,x-cmdqv-vintfs=4," SPEC_A,
      "x-cmdqv-vintfs= is for an emulated SMMUv3: remove accel=on, or it" },
};

/*
 * Start a machine that quits when it is complete; returns its stderr. dumpdtb=
 * replaces the file, so it must not be a device.
 */
static char *run_qemu(const char *args, int *status)
{
    g_auto(GStrv) parts = g_strsplit(args, "$TMP", -1);
    g_autofree char *expanded = g_strjoinv(tmpdir, parts);
    g_autofree char *command =
        g_strdup_printf("%s -accel qtest -M virt,dumpdtb=%s/dtb -display none "
                        "-nodefaults %s", getenv("QTEST_QEMU_BINARY"), tmpdir,
                        expanded);
    g_autoptr(GError) err = NULL;
    g_auto(GStrv) argv = NULL;
    char *text = NULL;

    g_shell_parse_argv(command, NULL, &argv, &err);
    g_assert_no_error(err);
    /* Standard input is /dev/null */
    g_spawn_sync(NULL, argv, NULL, G_SPAWN_STDOUT_TO_DEV_NULL, NULL, NULL,
                 NULL, &text, status, &err);
    g_assert_no_error(err);
    return text;
}

static void assert_refused(const char *args, const char *error)
{
    int status;
    g_autofree char *text = run_qemu(args, &status);
    g_autofree char *want = error ? g_strdup_printf(": %s\n", error) : NULL;

    g_assert_true(WIFEXITED(status));
    if (!error) {
        g_assert_cmpstr(text, ==, "");
        g_assert_cmpint(WEXITSTATUS(status), ==, 0);
        return;
    }
    if (!g_str_has_suffix(text, want)) {
        /* Never equal: shows both */
        g_assert_cmpstr(text, ==, want);
    }
    g_assert_cmpint(WEXITSTATUS(status), ==, 1);
}

static void test_refusal(gconstpointer opaque)
{
    const Refusal *refusal = opaque;

    assert_refused(refusal->args, refusal->error);
}

/* A machine has room for @max of them, each with @option */
static void assert_too_many(int max, const char *option, const char *error)
{
    g_autoptr(GString) args = g_string_new(NULL);

    for (int i = 1; i <= max + 1; i++) {
        g_string_append_printf(args, "-device pxb-pcie,id=pxb%d,bus=pcie.0,"
                               "bus_nr=%d -device arm-smmuv3-accel,bus=pxb%d,"
                               SPEC_A "%s ", i, 8 * i, i, option);
        if (i == max) {
            assert_refused(args->str, NULL);
        }
    }
    assert_refused(args->str, error);
}

/* The platform bus has 64 interrupts: four for each, five with a CMDQV */
static void test_too_many(void)
{
    assert_too_many(16, "", "no interrupts left on the platform bus: "
                    "a machine has room for 16 arm-smmuv3-accel");
    assert_too_many(12, ",cmdqv=on", "no interrupts left on the platform bus: "
                    "a machine has room for 12 arm-smmuv3-accel with a CMDQV "
                    "each, and for more without");
}

/* Linux needs a command queue of 128; other guests may not: only a warning */
static void test_few_commands(void)
{
    int status;
    g_autofree char *text = run_qemu("-device arm-smmuv3-accel,bus=pcie.0,"
        "cmdqv=on,idr0=0xd40101a,idr1=0x0d30010,idr3=0x1400,idr5=0x74,"
        "iidr=0x43b,aidr=0x1", &status);

    g_assert_true(WIFEXITED(status));
    g_assert_cmpint(WEXITSTATUS(status), ==, 0);
    g_assert_true(g_str_has_suffix(text, ": warning: IDR1.CMDQS is 6: Linux as "
                                   "a guest uses neither an SMMU with less "
                                   "than 7, nor its CMDQV; idr1=0x1130010 has "
                                   "8\n"));

    assert_refused("-device arm-smmuv3-accel,bus=pcie.0,idr0=0xd40101a,"
                   "idr1=0x0d30010,idr3=0x1400,idr5=0x74,iidr=0x43b,aidr=0x1",
                   NULL);
}

static void test_hotplug(void)
{
    QTestState *qts = qtest_init("-M virt -nodefaults " PXB("pxb1", "8"));
    QDict *error = qtest_qmp_assert_failure_ref(qts,
        "{'execute': 'device_add', 'arguments': {'driver': 'arm-smmuv3-accel',"
        " 'bus': 'pxb1', 'id': 'smmu0'}}");

    g_assert_cmpstr(qdict_get_str(error, "desc"), ==,
                    "Device 'arm-smmuv3-accel' does not support hotplugging");
    qobject_unref(error);
    qtest_quit(qts);
}

/*
 * Registers
 */

/* In the order of their offsets, from 0 */
static const char *const reg_names[] = {
    "idr0", "idr1", "idr2", "idr3", "idr4", "idr5", "iidr", "aidr"
};

typedef struct Smmu {
    const char *qom;
    uint64_t base;
    const char *spec;
    const char *origins;
    uint32_t reg[ARRAY_SIZE(reg_names)];
} Smmu;

static const Smmu smmus[] = {
    { "/machine/peripheral/a", MMIO_BASE, SPEC_A,
      "idr0=given,idr1=given,idr2=default,idr3=given,idr4=default,idr5=given,"
      "iidr=given,aidr=given",
      { 0xd40101a, 0x2730010, 0, 0x1400, 0, 0x74, 0x43b, 0x1 } },
    { "/machine/peripheral/b", MMIO_BASE + MMIO_SIZE, SPEC_B,
      "idr0=given,idr1=given,idr2=default,idr3=given,idr4=given,idr5=given,"
      "iidr=given,aidr=given",
      { 0xd40041a, 0x1080018, 0, 0xc00, 0xdeadbeef, 0x12, 0x48302b4c, 0x3 } },
};

static QDict *qom_get(QTestState *qts, const char *path, const char *property)
{
    QDict *reply = qtest_qmp(qts, "{'execute': 'qom-get', 'arguments': "
                             "{'path': %s, 'property': %s}}", path, property);

    g_assert_true(qdict_haskey(reply, "return"));
    return reply;
}

/* Not given, and no host: as many entries as are always contiguous */
static void test_cmdqs(void)
{
    static const struct {
        const char *option;
        uint32_t idr1;
    } cases[] = {
        { "", 0x02730010 | 20 << 6 },
        { ",cmdqv=on", 0x01130010 | 20 << 6 },
        { ",cmdqv=auto", 0x02730010 | 20 << 6 },
    };

    for (int i = 0; i < ARRAY_SIZE(cases); i++) {
        QTestState *qts = qtest_initf("-M virt -nodefaults -device arm-smmuv3,"
                                      "accel=on,id=smmu,bus=pcie.0,"
                                      "ssidsize=20%s", cases[i].option);
        QDict *reply = qom_get(qts, "/machine/peripheral/smmu", "idr1");

        g_assert_cmphex(qdict_get_int(reply, "return"), ==, cases[i].idr1);
        qobject_unref(reply);
        qtest_quit(qts);
    }
}

static void assert_qom_str(QTestState *qts, const char *path,
                           const char *property, const char *value)
{
    QDict *reply = qom_get(qts, path, property);

    g_assert_cmpstr(qdict_get_str(reply, "return"), ==, value);
    qobject_unref(reply);
}

static void assert_regs(QTestState *qts, const Smmu *smmu)
{
    for (int i = 0; i < ARRAY_SIZE(smmu->reg); i++) {
        QDict *reply = qom_get(qts, smmu->qom, reg_names[i]);

        g_assert_cmphex(qtest_readl(qts, smmu->base + 4 * i), ==,
                        smmu->reg[i]);
        g_assert_cmphex(qdict_get_int(reply, "return"), ==, smmu->reg[i]);
        qobject_unref(reply);
    }
}

static QTestState *start_two(const char *spec_a, const char *spec_b)
{
    return qtest_initf("-M virt -nodefaults " PXB("pxb1", "8")
                       "-device arm-smmuv3-accel,id=a,bus=pcie.0,%s "
                       "-device arm-smmuv3-accel,id=b,bus=pxb1,%s",
                       spec_a, spec_b);
}

static void test_id_registers(void)
{
    QTestState *qts = start_two(SPEC_A, SPEC_B);

    for (int i = 0; i < ARRAY_SIZE(smmus); i++) {
        const Smmu *smmu = &smmus[i];

        assert_regs(qts, smmu);
        for (int reg = 0; reg < ARRAY_SIZE(smmu->reg); reg++) {
            qtest_writel(qts, smmu->base + 4 * reg, ~smmu->reg[reg]);
        }
        assert_regs(qts, smmu);
        qtest_system_reset(qts);
        assert_regs(qts, smmu);
    }
    qtest_quit(qts);
}

static void test_properties(void)
{
    QTestState *qts = start_two(SPEC_A, SPEC_B);
    QDict *error = qtest_qmp_assert_failure_ref(qts,
        "{'execute': 'qom-set', 'arguments': "
        "{'path': %s, 'property': 'idr0', 'value': 0}}", smmus[0].qom);

    g_assert_cmpstr(qdict_get_str(error, "desc"), ==,
                    "idr0 of an arm-smmuv3-accel cannot change once the "
                    "device exists");
    qobject_unref(error);

    for (int i = 0; i < ARRAY_SIZE(smmus); i++) {
        assert_qom_str(qts, smmus[i].qom, "mode", "specified");
        assert_qom_str(qts, smmus[i].qom, "spec", smmus[i].spec);
        assert_qom_str(qts, smmus[i].qom, "origins", smmus[i].origins);
        assert_qom_str(qts, smmus[i].qom, "attached", "");
        assert_qom_str(qts, smmus[i].qom, "associated-smmu", "");
    }
    assert_qom_str(qts, smmus[0].qom, "oas", "44");
    assert_qom_str(qts, smmus[1].qom, "oas", "40");
    assert_qom_str(qts, smmus[1].qom, "ssidsize", "0");
    qtest_quit(qts);
}

/* "spec" of one machine gives the same registers in another */
static void test_paste_spec(void)
{
    QTestState *qts = start_two(SPEC_A, SPEC_B);
    QDict *a = qom_get(qts, smmus[0].qom, "spec");
    QDict *b = qom_get(qts, smmus[1].qom, "spec");

    qtest_quit(qts);
    qts = start_two(qdict_get_str(a, "return"), qdict_get_str(b, "return"));
    assert_regs(qts, &smmus[0]);
    assert_regs(qts, &smmus[1]);
    qtest_quit(qts);
    qobject_unref(a);
    qobject_unref(b);
}

static void test_control_registers(void)
{
    static const uint32_t gbpa_reset = 0x1000;  /* SHCFG: incoming */
    static const uint32_t gbpa_abort = 0x101000, gbpa_update = 0x80000000;
    QTestState *qts = start_two(SPEC_A, SPEC_B);
    uint64_t other = MMIO_BASE + MMIO_SIZE;

    g_assert_cmphex(qtest_readl(qts, MMIO_BASE + GBPA), ==, gbpa_reset);
    qtest_writel(qts, MMIO_BASE + GBPA, gbpa_abort);
    g_assert_cmphex(qtest_readl(qts, MMIO_BASE + GBPA), ==, gbpa_reset);
    qtest_writel(qts, MMIO_BASE + GBPA, gbpa_abort | gbpa_update);
    g_assert_cmphex(qtest_readl(qts, MMIO_BASE + GBPA), ==, gbpa_abort);

    qtest_writel(qts, MMIO_BASE + CR0, 0xd);
    g_assert_cmphex(qtest_readl(qts, MMIO_BASE + CR0), ==, 0xd);
    g_assert_cmphex(qtest_readl(qts, MMIO_BASE + CR0ACK), ==, 0xd);

    /* The two have nothing in common */
    g_assert_cmphex(qtest_readl(qts, other + GBPA), ==, gbpa_reset);
    g_assert_cmphex(qtest_readl(qts, other + CR0ACK), ==, 0);

    qtest_system_reset(qts);
    g_assert_cmphex(qtest_readl(qts, MMIO_BASE + GBPA), ==, gbpa_reset);
    g_assert_cmphex(qtest_readl(qts, MMIO_BASE + CR0), ==, 0);
    g_assert_cmphex(qtest_readl(qts, MMIO_BASE + CR0ACK), ==, 0);
    qtest_quit(qts);
}

/* Commands are consumed without a host device, up to an invalid one */
static void test_command_queue(void)
{
    /* CMD_CFGI_ALL, CMD_TLBI_NSNH_ALL, CMD_SYNC, and an invalid opcode */
    static const uint64_t commands[] = { 0x04, 0x30, 0x46, 0xff };
    static const uint64_t queue = 0x40000000;
    QTestState *qts = start_two(SPEC_A, SPEC_B);

    for (int i = 0; i < ARRAY_SIZE(commands); i++) {
        qtest_writeq(qts, queue + 16 * i, commands[i]);
        qtest_writeq(qts, queue + 16 * i + 8, 0);
    }
    qtest_writeq(qts, MMIO_BASE + CMDQ_BASE, queue | 3);
    qtest_writel(qts, MMIO_BASE + CR0, 0x8);
    qtest_writel(qts, MMIO_BASE + CMDQ_PROD, 3);
    g_assert_cmphex(qtest_readl(qts, MMIO_BASE + CMDQ_CONS), ==, 3);
    g_assert_cmphex(qtest_readl(qts, MMIO_BASE + GERROR), ==, 0);

    qtest_writel(qts, MMIO_BASE + CMDQ_PROD, 4);
    /* CERROR_ILL at index 3 */
    g_assert_cmphex(qtest_readl(qts, MMIO_BASE + CMDQ_CONS), ==, 1 << 24 | 3);
    g_assert_cmphex(qtest_readl(qts, MMIO_BASE + GERROR), ==, 1);
    qtest_quit(qts);
}

/*
 * Introspection
 */

/* Property name to description, "" if it has none */
static GHashTable *list_properties(QTestState *qts, const char *driver)
{
    QDict *reply = qtest_qmp(qts, "{'execute': 'device-list-properties', "
                             "'arguments': {'typename': %s}}", driver);
    GHashTable *list = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                             g_free);
    QListEntry *entry;

    QLIST_FOREACH_ENTRY(qdict_get_qlist(reply, "return"), entry) {
        QDict *property = qobject_to(QDict, qlist_entry_obj(entry));

        g_hash_table_insert(list, g_strdup(qdict_get_str(property, "name")),
            g_strdup(qdict_get_try_str(property, "description") ?: ""));
    }
    qobject_unref(reply);
    return list;
}

static void test_introspection(void)
{
    static const char *const own[] = {
        "idr0", "idr1", "idr2", "idr3", "idr4", "idr5", "iidr", "aidr",
        "host-smmu", "mode", "spec", "origins", "attached", "associated-smmu",
    };
    /* libvirt reads capabilities from the plain device */
    static const char *const base[] = {
        "stage", "primary-bus", "bus_num", "smmu_per_bus", "accel", "ril",
        "ats", "ssidsize", "oas",
    };
    QTestState *qts = qtest_init("-M none");
    g_autoptr(GHashTable) accel = list_properties(qts, "arm-smmuv3-accel");
    g_autoptr(GHashTable) plain = list_properties(qts, "arm-smmuv3");
    const char *name, *description;
    GHashTableIter iter;

    qtest_quit(qts);
    for (int i = 0; i < ARRAY_SIZE(own); i++) {
        g_test_message("%s", own[i]);
        g_assert_true(g_hash_table_contains(accel, own[i]));
        g_assert_false(g_hash_table_contains(plain, own[i]));
    }
    for (int i = 0; i < ARRAY_SIZE(base); i++) {
        g_test_message("%s", base[i]);
        g_assert_true(g_hash_table_contains(plain, base[i]));
    }
    g_hash_table_iter_init(&iter, accel);
    while (g_hash_table_iter_next(&iter, (void **)&name,
                                  (void **)&description)) {
        g_test_message("%s: %s", name, description);
        g_assert_true(*description || g_hash_table_contains(plain, name));
    }
    /* Not abstract */
    g_assert_true(qtest_has_device("arm-smmuv3"));
}

static void make_tmpdir(void)
{
    static const char zeros[4096];
    g_autofree char *image = NULL;

    tmpdir = g_dir_make_tmp("smmuv3-accel-test-XXXXXX", NULL);
    g_assert_nonnull(tmpdir);
    image = g_build_filename(tmpdir, "image", NULL);
    g_assert_true(g_file_set_contents(image, zeros, sizeof(zeros), NULL));
}

static void remove_tmpdir(void)
{
    g_autofree char *image = g_build_filename(tmpdir, "image", NULL);
    g_autofree char *dtb = g_build_filename(tmpdir, "dtb", NULL);

    g_unlink(image);
    g_unlink(dtb);
    g_rmdir(tmpdir);
    g_free(tmpdir);
}

int main(int argc, char **argv)
{
    int ret;

    g_test_init(&argc, &argv, NULL);
    make_tmpdir();
    for (int i = 0; i < ARRAY_SIZE(refusals); i++) {
        g_autofree char *path = g_strdup_printf("smmuv3-accel/refusal/%s",
                                                refusals[i].name);

        qtest_add_data_func(path, &refusals[i], test_refusal);
    }
    qtest_add_func("smmuv3-accel/refusal/too-many", test_too_many);
    qtest_add_func("smmuv3-accel/cmdqv/few-commands", test_few_commands);
    qtest_add_func("smmuv3-accel/cmdqv/cmdqs", test_cmdqs);
    qtest_add_func("smmuv3-accel/refusal/hotplug", test_hotplug);
    qtest_add_func("smmuv3-accel/id-registers", test_id_registers);
    qtest_add_func("smmuv3-accel/properties", test_properties);
    qtest_add_func("smmuv3-accel/paste-spec", test_paste_spec);
    qtest_add_func("smmuv3-accel/control-registers", test_control_registers);
    qtest_add_func("smmuv3-accel/command-queue", test_command_queue);
    qtest_add_func("smmuv3-accel/introspection", test_introspection);
    ret = g_test_run();
    remove_tmpdir();
    return ret;
}
