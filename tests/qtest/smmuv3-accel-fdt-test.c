/*
 * QTest: arm-smmuv3-accel, the device tree of its machine
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/cutils.h"
#include <glib/gstdio.h>
#include <libfdt.h>
#include "libqtest.h"
#include "smmuv3-accel.h"

typedef struct FdtProp {
    const char *node;
    const char *name;
    const char *value;  /* cells or "/node" for a phandle; NULL: not there */
} FdtProp;

#define SMMU_NODE "/smmuv3@c000000"
#define HOST "/pcie@10000000"
#define WINDOW "/reserved-memory/msi-window@8000000"
#define WINDOW_CELLS "0x2000000 0 0x8000000 0 0x100000 "

static const char fdt_args[] =
    ROOT_PORT("rp1", "pcie.0", "1", "1") ROOT_PORT("rp2", "pcie.0", "2", "2")
    "-device pci-testdev,bus=pcie.0,addr=3.1 "
    "-device pci-testdev,bus=pcie.0,addr=3.0,multifunction=on "
    "-device nvme,bus=rp2,serial=1 " SMMU_ATS("pcie.0");

/* From pin @p of @slot below the port to pin @to of the port, at 2.0 */
#define SWIZZLE(slot, p, to) #slot " 0 0 " #p " " HOST " 0x1000 0 0 " #to " "

static const FdtProp fdt_props[] = {
    { SMMU_NODE, "reg", "0 0xc000000 0 0x20000" },
    { SMMU_NODE, "#iommu-cells", "1" },
    { SMMU_NODE, "dma-coherent", "" },
    /* Edge-triggered SPIs: eventq, priq, cmdq-sync, gerror */
    { SMMU_NODE, "interrupts", "0 112 1 0 113 1 0 114 1 0 115 1" },
    { HOST, "iommu-map", "0 " SMMU_NODE " 0 0x10000" },
    { HOST, "ats-supported", "" },

    /* The same in reg and iommu-addresses: a one to one mapping */
    { WINDOW, "reg", "0 0x8000000 0 0x100000" },
    { WINDOW, "no-map", "" },
    { WINDOW, "iommu-addresses", HOST "/pci@3,1 " WINDOW_CELLS
                                 HOST "/pci@3,0 " WINDOW_CELLS
                                 HOST "/pci@2,0/pci@0,0 " WINDOW_CELLS },
    { "/reserved-memory", "#address-cells", "2" },
    { "/reserved-memory", "#size-cells", "2" },
    { "/reserved-memory", "ranges", "" },

    { HOST "/pci@3,0", "reg", "0x1800 0 0 0 0" },
    { HOST "/pci@3,0", "memory-region", WINDOW },
    { HOST "/pci@3,1", "reg", "0x1900 0 0 0 0" },
    { HOST "/pci@3,1", "memory-region", WINDOW },
    { HOST "/pci@2,0", "reg", "0x1000 0 0 0 0" },
    { HOST "/pci@2,0", "memory-region", NULL },
    { HOST "/pci@2,0", "#address-cells", "3" },
    { HOST "/pci@2,0", "#size-cells", "2" },
    { HOST "/pci@2,0", "#interrupt-cells", "1" },
    { HOST "/pci@2,0", "ranges", "" },
    { HOST "/pci@2,0", "interrupt-map-mask", "0x1800 0 0 7" },
    { HOST "/pci@2,0", "interrupt-map",
      SWIZZLE(0, 1, 1) SWIZZLE(0, 2, 2) SWIZZLE(0, 3, 3) SWIZZLE(0, 4, 4)
      SWIZZLE(0x800, 1, 2) SWIZZLE(0x800, 2, 3)
      SWIZZLE(0x800, 3, 4) SWIZZLE(0x800, 4, 1)
      SWIZZLE(0x1000, 1, 3) SWIZZLE(0x1000, 2, 4)
      SWIZZLE(0x1000, 3, 1) SWIZZLE(0x1000, 4, 2)
      SWIZZLE(0x1800, 1, 4) SWIZZLE(0x1800, 2, 1)
      SWIZZLE(0x1800, 3, 2) SWIZZLE(0x1800, 4, 3) },
    { HOST "/pci@2,0/pci@0,0", "reg", "0 0 0 0 0" },
    { HOST "/pci@2,0/pci@0,0", "memory-region", WINDOW },
    { HOST "/pci@1,0", "memory-region", NULL },
    { HOST "/pci@1,0/pci@0,0", "reg", NULL },
};

/* Machines whose device tree describes no SMMU */
static const char *const fdt_without[] = {
    "",
    "-device pci-testdev,bus=pcie.0 ",
    PXB("pxb1", "8") ROOT_PORT("rp1", "pxb1", "0", "1")
    "-device pci-testdev,bus=rp1 " SMMU("pxb1"),
    "-bios $TMP " PXB("pxb1", "8") ROOT_PORT("rp1", "pxb1", "0", "1")
    "-device pci-testdev,bus=rp1 " SMMU("pxb1"),
};

/* The name of a new, empty file; g_free() */
static char *tmp_file(const char *what)
{
    g_autofree char *template = g_strdup_printf("smmuv3-accel-%s-XXXXXX", what);
    char *path = NULL;
    int fd = g_file_open_tmp(template, &path, NULL);

    g_assert_cmpint(fd, >=, 0);
    close(fd);
    return path;
}

static void *get_fdt(const char *args)
{
    QTestState *qts = qtest_initf("-nodefaults -M virt %s", args);
    g_autofree char *path = tmp_file("dtb");
    char *fdt = NULL;

    qtest_qmp_assert_success(qts, "{'execute': 'dumpdtb', "
                             "'arguments': {'filename': %s}}", path);
    qtest_quit(qts);
    g_assert_true(g_file_get_contents(path, &fdt, NULL, NULL));
    g_assert_cmpint(fdt_check_header(fdt), ==, 0);
    g_unlink(path);
    return fdt;
}

/* @value of an FdtProp in cells */
static GArray *parse_cells(const void *fdt, const char *value)
{
    g_auto(GStrv) words = g_strsplit(value, " ", -1);
    GArray *cells = g_array_new(false, false, sizeof(uint32_t));

    for (int i = 0; words[i]; i++) {
        unsigned int cell;

        if (!*words[i]) {
            continue;
        }
        if (*words[i] == '/') {
            cell = fdt_get_phandle(fdt, fdt_path_offset(fdt, words[i]));
            g_assert_cmphex(cell, !=, 0);
        } else {
            g_assert_cmpint(qemu_strtoui(words[i], NULL, 0, &cell), ==, 0);
        }
        cell = cpu_to_be32(cell);
        g_array_append_val(cells, cell);
    }
    return cells;
}

static void assert_prop(const void *fdt, const FdtProp *prop)
{
    int len;
    const void *data = fdt_getprop(fdt, fdt_path_offset(fdt, prop->node),
                                   prop->name, &len);
    g_autoptr(GArray) want = NULL;

    g_test_message("%s %s", prop->node, prop->name);
    if (!prop->value) {
        g_assert_null(data);
        return;
    }
    g_assert_nonnull(data);
    want = parse_cells(fdt, prop->value);
    g_assert_cmpmem(data, len, want->data, want->len * sizeof(uint32_t));
}

static void test_fdt(void)
{
    static const char names[] = "eventq\0priq\0cmdq-sync\0gerror";
    g_autofree void *fdt = get_fdt(fdt_args);
    const char *interrupt_names;
    int len, node;

    for (int i = 0; i < ARRAY_SIZE(fdt_props); i++) {
        assert_prop(fdt, &fdt_props[i]);
    }
    node = fdt_path_offset(fdt, SMMU_NODE);
    g_assert_cmpint(fdt_node_check_compatible(fdt, node, "arm,smmu-v3"), ==, 0);
    interrupt_names = fdt_getprop(fdt, node, "interrupt-names", &len);
    g_assert_cmpmem(interrupt_names, len, names, sizeof(names));
}

/* The same with ACPI off, which makes no difference without firmware */
static void test_fdt_acpi_off(void)
{
    g_autofree char *args = g_strdup_printf("-M acpi=off %s", fdt_args);
    g_autofree void *fdt = get_fdt(args);

    for (int i = 0; i < ARRAY_SIZE(fdt_props); i++) {
        assert_prop(fdt, &fdt_props[i]);
    }
}

/*
 * With firmware and ACPI the guest may use either: U-Boot passes the device
 * tree on. Configurations that ACPI can describe are not refused.
 */
static void test_fdt_firmware(void)
{
    g_autofree char *firmware = tmp_file("firmware");
    g_autofree char *args = g_strdup_printf("-bios %s %s", firmware, fdt_args);
    g_autofree void *fdt = get_fdt(args);

    for (int i = 0; i < ARRAY_SIZE(fdt_props); i++) {
        assert_prop(fdt, &fdt_props[i]);
    }
    g_unlink(firmware);
}

/* Whether a host device can be hot-plugged: no tree describes its window */
static void test_fdt_hotplug(void)
{
    static const struct {
        const char *args;
        bool refused;
    } cases[] = {
        { "-M acpi=on ", true },            /* no firmware: by device tree */
        { "-M acpi=off -bios $TMP ", true },
        { "-M acpi=on -bios $TMP ", false },
    };
    g_autofree char *firmware = tmp_file("firmware");

    for (int i = 0; i < ARRAY_SIZE(cases); i++) {
        g_auto(GStrv) parts = g_strsplit(cases[i].args, "$TMP", -1);
        g_autofree char *args = g_strjoinv(firmware, parts);
        QTestState *qts =
            qtest_initf("-nodefaults -M virt %s -device arm-smmuv3-accel,"
                        "id=smmu,bus=pcie.0," SPEC_A, args);
        bool refused = qtest_qom_get_bool(qts, "/machine/peripheral/smmu",
                                          "x-no-hotplug");

        g_assert_cmpint(refused, ==, cases[i].refused);
        qtest_quit(qts);
    }
    g_unlink(firmware);
}

/* Without endpoints there is no window, but there is an SMMU */
static void test_fdt_no_endpoint(void)
{
    g_autofree void *fdt = get_fdt(ROOT_PORT("rp1", "pcie.0", "1", "1")
                                   SMMU("pcie.0"));

    assert_prop(fdt, &(FdtProp) { HOST, "iommu-map",
                                  "0 " SMMU_NODE " 0 0x10000" });
    assert_prop(fdt, &(FdtProp) { HOST, "ats-supported", NULL });
    g_assert_cmpint(fdt_path_offset(fdt, "/reserved-memory"), <, 0);
}

/* An SMMU with a CMDQV has another compatible first; the CMDQV follows it */
static void assert_cmdqv(const char *args, const char *node, const char *reg)
{
    const FdtProp props[] = {
        { SMMU_NODE, "nvidia,cmdqv", node },
        { SMMU_NODE, "reg", "0 0xc000000 0 0x20000" },
        { SMMU_NODE, "interrupts", "0 112 1 0 113 1 0 114 1 0 115 1" },
        { node, "reg", reg },
        { node, "interrupts", "0 116 1" },
    };
    static const char names[] = "nvidia,tegra264-smmu\0arm,smmu-v3";
    g_autofree void *fdt = get_fdt(args);
    const char *compatible;
    int len;

    for (int i = 0; i < ARRAY_SIZE(props); i++) {
        assert_prop(fdt, &props[i]);
    }
    compatible = fdt_getprop(fdt, fdt_path_offset(fdt, SMMU_NODE),
                             "compatible", &len);
    g_assert_cmpmem(compatible, len, names, sizeof(names));
    g_assert_cmpint(fdt_node_check_compatible(fdt, fdt_path_offset(fdt, node),
                                              "nvidia,tegra264-cmdqv"), ==, 0);
}

static void assert_no_cmdqv(const char *args)
{
    g_autofree void *fdt = get_fdt(args);
    int len;
    const char *compatible = fdt_getprop(fdt, fdt_path_offset(fdt, SMMU_NODE),
                                         "compatible", &len);

    g_assert_cmpmem(compatible, len, "arm,smmu-v3", sizeof("arm,smmu-v3"));
    assert_prop(fdt, &(FdtProp) { SMMU_NODE, "nvidia,cmdqv", NULL });
}

static void test_fdt_cmdqv(void)
{
    assert_cmdqv("-device arm-smmuv3,primary-bus=pcie.0,x-cmdqv-vintfs=4",
                 "/cmdqv@c100000", "0 0xc100000 0 0xb0000");
    assert_no_cmdqv("-device arm-smmuv3,primary-bus=pcie.0");
}

/* That of an accelerated one is smaller, it has one VINTF */
static void test_fdt_cmdqv_accel(void)
{
    assert_cmdqv("-device arm-smmuv3-accel,bus=pcie.0,cmdqv=on," SPEC_A,
                 "/cmdqv@c080000", "0 0xc080000 0 0x50000");
    assert_no_cmdqv(SMMU("pcie.0"));
    /* No host device at start, whose SMMU could have one */
    assert_no_cmdqv("-device arm-smmuv3-accel,bus=pcie.0,cmdqv=auto," SPEC_A);
}

static void test_fdt_without(void)
{
    g_autofree char *firmware = tmp_file("firmware");

    for (int i = 0; i < ARRAY_SIZE(fdt_without); i++) {
        g_auto(GStrv) parts = g_strsplit(fdt_without[i], "$TMP", -1);
        g_autofree char *args = g_strjoinv(firmware, parts);
        g_autofree void *fdt = get_fdt(args);

        g_assert_cmpint(fdt_path_offset(fdt, SMMU_NODE), <, 0);
        g_assert_cmpint(fdt_path_offset(fdt, "/reserved-memory"), <, 0);
        assert_prop(fdt, &(FdtProp) { HOST, "iommu-map", NULL });
        g_assert_cmpint(fdt_path_offset(fdt, HOST), >=, 0);
        g_assert_cmpint(fdt_first_subnode(fdt, fdt_path_offset(fdt, HOST)), <,
                        0);
    }
    g_unlink(firmware);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("smmuv3-accel/fdt/endpoints", test_fdt);
    qtest_add_func("smmuv3-accel/fdt/acpi-off", test_fdt_acpi_off);
    qtest_add_func("smmuv3-accel/fdt/firmware", test_fdt_firmware);
    qtest_add_func("smmuv3-accel/fdt/hotplug", test_fdt_hotplug);
    qtest_add_func("smmuv3-accel/fdt/no-endpoint", test_fdt_no_endpoint);
    qtest_add_func("smmuv3-accel/fdt/cmdqv", test_fdt_cmdqv);
    qtest_add_func("smmuv3-accel/fdt/cmdqv-accel", test_fdt_cmdqv_accel);
    qtest_add_func("smmuv3-accel/fdt/without", test_fdt_without);
    return g_test_run();
}
