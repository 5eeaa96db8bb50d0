/*
 * QTest: arm-smmuv3-accel, the IORT and the DSDT of its machine
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "libqtest.h"
#include "libqos/fw_cfg.h"
#include "smmuv3-accel.h"

/* The small ECAM is below 4G, so configuration space has 32-bit addresses */
#define MACHINE "-nodefaults -M virt,gic-version=3,highmem-ecam=off "

#define FW_CFG_BASE 0x09020000
#define TABLES_SIZE 0x4000
#define ECAM_BASE 0x3f000000

/* Arm's fw_cfg: data, then a big-endian selector */
static void fw_cfg_select(QFWCFG *fw_cfg, uint16_t key)
{
    qtest_writew(fw_cfg->qts, fw_cfg->base + 8, cpu_to_be16(key));
}

/* Read in large pieces, because each message to QEMU is slow */
static void fw_cfg_read(QFWCFG *fw_cfg, void *data, size_t len)
{
    uint8_t *p = data;

    for (; len >= 8; len -= 8, p += 8) {
        stq_le_p(p, qtest_readq(fw_cfg->qts, fw_cfg->base));
    }
    for (; len; len--, p++) {
        *p = qtest_readb(fw_cfg->qts, fw_cfg->base);
    }
}

/* The first table in a padded list of tables; g_free() */
static uint8_t *read_tables(QTestState *qts)
{
    QFWCFG fw_cfg = {
        .base = FW_CFG_BASE, .qts = qts,
        .select = fw_cfg_select, .read = fw_cfg_read,
    };
    uint8_t *tables = g_malloc(TABLES_SIZE);

    g_assert_cmpint(qfw_cfg_get_file(&fw_cfg, "etc/acpi/tables", tables,
                                     TABLES_SIZE), >=, TABLES_SIZE);
    return tables;
}

static uint32_t table_len(const uint8_t *table)
{
    return ldl_le_p(table + 4);
}

static const uint8_t *find_table(const uint8_t *tables, const char *signature)
{
    const uint8_t *table = tables;

    while (memcmp(table, signature, 4)) {
        g_assert_cmpint(table_len(table), >=, 36);
        table += table_len(table);
        g_assert_cmpint(table - tables, <, TABLES_SIZE - 36);
    }
    g_assert_cmpint(table - tables + table_len(table), <=, TABLES_SIZE);
    return table;
}

/*
 * Print an IORT as text, a line for each node and each ID mapping, so that the
 * expected tables are readable. Derived from DEN 0049E.d, not from the code.
 */

static void decode_its(GString *text, const uint8_t *node)
{
    g_string_append(text, "its");
    for (uint32_t i = 0; i < ldl_le_p(node + 16); i++) {
        g_string_append_printf(text, " %u", ldl_le_p(node + 20 + 4 * i));
    }
}

static void decode_smmuv3(GString *text, const uint8_t *node)
{
    g_string_append_printf(text, "smmuv3 at %" PRIx64 " flags %x model %u "
                           "proximity %u irqs event %u pri %u gerr %u sync %u",
                           ldq_le_p(node + 16), ldl_le_p(node + 24),
                           ldl_le_p(node + 40), ldl_le_p(node + 60),
                           ldl_le_p(node + 44), ldl_le_p(node + 48),
                           ldl_le_p(node + 52), ldl_le_p(node + 56));
    /* Reserved, VATOS, DeviceID mapping index */
    g_assert_cmphex(ldl_le_p(node + 28), ==, 0);
    g_assert_cmphex(ldq_le_p(node + 32), ==, 0);
    g_assert_cmphex(ldl_le_p(node + 64), ==, 0);
}

static void decode_rc(GString *text, const uint8_t *node)
{
    g_string_append_printf(text, "root complex segment %u cca %u flags %x "
                           "ats %u bits %u", ldl_le_p(node + 28),
                           ldl_le_p(node + 16), node[23], ldl_le_p(node + 24),
                           node[32]);
}

static void decode_rmr(GString *text, const uint8_t *node)
{
    const uint8_t *range = node + ldl_le_p(node + 24);

    g_string_append_printf(text, "rmr flags %x", ldl_le_p(node + 16));
    for (uint32_t i = 0; i < ldl_le_p(node + 20); i++, range += 20) {
        g_string_append_printf(text, " %" PRIx64 "+%" PRIx64,
                               ldq_le_p(range), ldq_le_p(range + 8));
    }
    /* Descriptors are the last in the node */
    g_assert_cmpint(range - node, ==, lduw_le_p(node + 1));
}

static void decode_mappings(GString *text, const uint8_t *node)
{
    const uint8_t *map = node + ldl_le_p(node + 12);

    for (uint32_t i = 0; i < ldl_le_p(node + 8); i++, map += 20) {
        uint32_t input = ldl_le_p(map);

        g_string_append_printf(text, "    %04x-%04x to %02x", input,
                               input + ldl_le_p(map + 4), ldl_le_p(map + 12));
        g_assert_cmphex(ldl_le_p(map + 8), ==, input);
        g_assert_cmphex(ldl_le_p(map + 16), ==, 0);
        g_string_append(text, "\n");
    }
    g_assert_cmpint(map - node, <=, lduw_le_p(node + 1));
}

static void decode_node(GString *text, const uint8_t *node, uint32_t offset)
{
    static const struct {
        void (*decode)(GString *text, const uint8_t *node);
        uint32_t size;          /* without mappings and descriptors */
    } types[] = {
        [0] = { decode_its, 24 },
        [2] = { decode_rc, 36 },
        [4] = { decode_smmuv3, 68 },
        [6] = { decode_rmr, 28 },
    };
    uint8_t type = node[0];

    g_assert_cmpint(type, <, ARRAY_SIZE(types));
    g_assert_nonnull(types[type].decode);
    g_string_append_printf(text, "%02x: id %u rev %u ", offset,
                           ldl_le_p(node + 4), node[3]);
    types[type].decode(text, node);
    g_string_append(text, "\n");
    if (ldl_le_p(node + 8)) {
        g_assert_cmpint(ldl_le_p(node + 12), ==, types[type].size);
    }
    decode_mappings(text, node);
}

static char *decode_iort(const uint8_t *table)
{
    GString *text = g_string_new(NULL);
    uint32_t offset = ldl_le_p(table + 40);

    g_string_append_printf(text, "IORT rev %u\n", table[8]);
    for (uint32_t i = 0; i < ldl_le_p(table + 36); i++) {
        g_assert_cmpint(offset, <, table_len(table));
        decode_node(text, table + offset, offset);
        offset += lduw_le_p(table + offset + 1);
    }
    g_assert_cmpint(offset, ==, table_len(table));
    return g_string_free(text, false);
}

typedef struct Bridge {
    uint8_t bus, devfn;
    uint8_t secondary, subordinate;
} Bridge;

typedef struct AcpiCase {
    const char *name;
    const char *args;
    const char *preserving;     /* host bridges that have _DSM function 5 */
    const char *others;         /* host bridges without it */
    const char *iort;
    Bridge bridges[2];          /* that firmware gave bus numbers */
} AcpiCase;

#define ITS "30: id 0 rev 1 its 0\n"
#define RC(ats) \
    "root complex segment 0 cca 1 flags 3 ats " #ats " bits 64\n"
#define RMR "rmr flags 0 8000000+100000\n"
#define SMMU_1 "smmuv3 at c000000 flags 1 model 0 proximity 0 " \
    "irqs event 144 pri 145 gerr 147 sync 146\n"
#define SMMU_2 "smmuv3 at c020000 flags 1 model 0 proximity 0 " \
    "irqs event 148 pri 149 gerr 151 sync 150\n"

/* Nodes at "offset:", then their mappings "first-last to offset" */
static const AcpiCase acpi_cases[] = {
    { "none", MACHINE PXB("pxb1", "8"), NULL, "PCI0 PC08",
      "IORT rev 3\n"
      ITS
      "48: id 1 rev 3 " RC(0)
      "    0000-ffff to 30\n" },
    { "plain-smmuv3", MACHINE "-M iommu=smmuv3", NULL, "PCI0",
      "IORT rev 3\n"
      ITS
      "48: id 1 rev 4 smmuv3 at 9050000 flags 1 model 0 proximity 0 "
      "irqs event 106 pri 107 gerr 109 sync 108\n"
      "    0000-ffff to 30\n"
      "a0: id 2 rev 3 " RC(0)
      "    0000-00ff to 48\n"
      "    0100-ffff to 30\n" },
    { "pcie.0", MACHINE SMMU("pcie.0"), "PCI0", NULL,
      "IORT rev 5\n"
      ITS
      "48: id 1 rev 4 " SMMU_1
      "    0000-ffff to 30\n"
      "a0: id 2 rev 3 " RC(0)
      "    0000-00ff to 48\n"
      "    0100-ffff to 30\n"
      "ec: id 3 rev 3 " RMR
      "    0000-00ff to 48\n" },
    { "pxb-and-pcie.0", MACHINE PXB("pxb1", "8") SMMU("pxb1") SMMU("pcie.0")
      ROOT_PORT("rp1", "pxb1", "0", "1") ROOT_PORT("rp2", "pcie.0", "2", "2"),
      "PCI0 PC08", NULL,
      "IORT rev 5\n"
      ITS
      "48: id 1 rev 4 " SMMU_1
      "    0000-ffff to 30\n"
      "a0: id 2 rev 4 " SMMU_2
      "    0000-ffff to 30\n"
      "f8: id 3 rev 3 " RC(0)
      "    0000-01ff to a0\n"
      "    0200-07ff to 30\n"
      "    0800-0aff to 48\n"
      "    0b00-ffff to 30\n"
      "16c: id 4 rev 3 " RMR
      "    0800-0aff to 48\n"
      "1b0: id 5 rev 3 " RMR
      "    0000-01ff to a0\n",
      { { 8, 0, 9, 10 }, { 0, 0x10, 1, 1 } } },
    /* Only host devices need a reserved range and fixed bus numbers */
    { "emulated-beside", MACHINE PXB("pxb1", "8") SMMU("pxb1")
      "-device arm-smmuv3,primary-bus=pcie.0 ",
      "PC08", "PCI0",
      "IORT rev 5\n"
      ITS
      "48: id 1 rev 4 " SMMU_1
      "    0000-ffff to 30\n"
      "a0: id 2 rev 4 " SMMU_2
      "    0000-ffff to 30\n"
      "f8: id 3 rev 3 " RC(0)
      "    0000-00ff to a0\n"
      "    0100-07ff to 30\n"
      "    0800-08ff to 48\n"
      "    0900-ffff to 30\n"
      "16c: id 4 rev 3 " RMR
      "    0800-08ff to 48\n" },
    /* A bridge without bus numbers does not include bus 0 */
    { "two-pxb", MACHINE PXB("pxb1", "12") PXB("pxb2", "8") PXB("pxb3", "15")
      ROOT_PORT("rp1", "pxb1", "0", "1") SMMU("pxb1") SMMU_ATS("pxb2"),
      "PC0C PC08", "PCI0 PC0F",
      "IORT rev 5\n"
      ITS
      "48: id 1 rev 4 " SMMU_1
      "    0000-ffff to 30\n"
      "a0: id 2 rev 4 " SMMU_2
      "    0000-ffff to 30\n"
      "f8: id 3 rev 3 " RC(1)
      "    0000-07ff to 30\n"
      "    0800-08ff to a0\n"
      "    0900-0bff to 30\n"
      "    0c00-0cff to 48\n"
      "    0d00-ffff to 30\n"
      "180: id 4 rev 3 " RMR
      "    0c00-0cff to 48\n"
      "1c4: id 5 rev 3 " RMR
      "    0800-08ff to a0\n" },
    { "numa", MACHINE "-m 256 -smp 2 "
      "-object memory-backend-ram,id=m0,size=128M "
      "-object memory-backend-ram,id=m1,size=128M "
      "-numa node,cpus=0,memdev=m0 -numa node,cpus=1,memdev=m1 "
      "-device pxb-pcie,id=pxb1,bus=pcie.0,bus_nr=8,numa_node=1 " SMMU("pxb1"),
      "PC08", "PCI0",
      "IORT rev 5\n"
      ITS
      "48: id 1 rev 4 smmuv3 at c000000 flags 9 model 0 proximity 1 "
      "irqs event 144 pri 145 gerr 147 sync 146\n"
      "    0000-ffff to 30\n"
      "a0: id 2 rev 3 " RC(0)
      "    0000-07ff to 30\n"
      "    0800-08ff to 48\n"
      "    0900-ffff to 30\n"
      "100: id 3 rev 3 " RMR
      "    0800-08ff to 48\n" },
    { "its-off", MACHINE "-M its=off " PXB("pxb1", "8") SMMU("pxb1"),
      "PC08", "PCI0",
      "IORT rev 5\n"
      "30: id 0 rev 4 " SMMU_1
      "74: id 1 rev 3 " RC(0)
      "    0800-08ff to 30\n"
      "ac: id 2 rev 3 " RMR
      "    0800-08ff to 30\n" },
    { "gicv2", "-nodefaults -M virt,gic-version=2 " SMMU_ATS("pcie.0"),
      "PCI0", NULL,
      "IORT rev 5\n"
      "30: id 0 rev 4 " SMMU_1
      "74: id 1 rev 3 " RC(1)
      "    0000-00ff to 30\n"
      "ac: id 2 rev 3 " RMR
      "    0000-00ff to 30\n" },
};

static void set_bus_numbers(QTestState *qts, const Bridge *bridge)
{
    uint64_t config = ECAM_BASE + (bridge->bus << 20) + (bridge->devfn << 12);

    g_assert_cmphex(qtest_readw(qts, config + 0xa), ==, 0x0604);
    qtest_writeb(qts, config + 0x18, bridge->bus);
    qtest_writeb(qts, config + 0x19, bridge->secondary);
    qtest_writeb(qts, config + 0x1a, bridge->subordinate);
}

/*
 * The DeviceOp of host bridge @name in the DSDT, and the length of its body. A
 * PkgLength has 2 or 3 bytes here: 4 bits of the first, 8 of each other one.
 */
static const uint8_t *find_device(const uint8_t *dsdt, const char *name,
                                  uint32_t *len)
{
    const uint8_t *end = dsdt + table_len(dsdt);

    for (const uint8_t *p = dsdt + 36; p + 9 < end; p++) {
        int more = p[2] >> 6;

        if (p[0] == 0x5b && p[1] == 0x82 && !memcmp(p + 3 + more, name, 4)) {
            g_assert_true(more == 1 || more == 2);
            *len = (p[2] & 0xf) | p[3] << 4 | (more == 2 ? p[4] << 12 : 0);
            g_assert_true(p + 2 + *len <= end);
            return p + 2;
        }
    }
    g_assert_not_reached();
}

/*
 * AML of a host bridge's _DSM: function 0 returns a mask of the functions, If
 * (Arg2 == 0) { Return (Buffer (1) { ... }) }, and function 5 returns 0.
 */
static void assert_dsm(const uint8_t *dsdt, const char *name, bool preserves)
{
    static const uint8_t only_0[] = {
        0x93, 0x6a, 0x00, 0xa4, 0x11, 0x03, 0x01, 0x00
    };
    static const uint8_t also_5[] = {
        0x93, 0x6a, 0x00, 0xa4, 0x11, 0x03, 0x01, 0x21
    };
    static const uint8_t returns_0[] = { 0x93, 0x6a, 0x0a, 0x05, 0xa4, 0x00 };
    uint32_t len;
    const uint8_t *device = find_device(dsdt, name, &len);

    g_test_message("%s", name);
    g_assert_true(!!memmem(device, len, only_0, sizeof(only_0)) == !preserves);
    g_assert_true(!!memmem(device, len, also_5, sizeof(also_5)) == preserves);
    g_assert_true(!!memmem(device, len, returns_0, sizeof(returns_0)) ==
                  preserves);
}

static void assert_dsm_of_all(const uint8_t *dsdt, const char *names,
                              bool preserves)
{
    g_auto(GStrv) list = g_strsplit(names ?: "", " ", -1);

    for (int i = 0; list[i]; i++) {
        assert_dsm(dsdt, list[i], preserves);
    }
}

static void test_acpi(gconstpointer opaque)
{
    const AcpiCase *test = opaque;
    QTestState *qts = qtest_init(test->args);
    g_autofree uint8_t *tables = NULL;
    g_autofree char *iort = NULL;

    for (int i = 0; i < ARRAY_SIZE(test->bridges); i++) {
        if (test->bridges[i].secondary) {
            set_bus_numbers(qts, &test->bridges[i]);
        }
    }
    tables = read_tables(qts);
    iort = decode_iort(find_table(tables, "IORT"));
    g_assert_cmpstr(iort, ==, test->iort);
    assert_dsm_of_all(find_table(tables, "DSDT"), test->preserving, true);
    assert_dsm_of_all(find_table(tables, "DSDT"), test->others, false);
    qtest_quit(qts);
}

/*
 * The second SMMU has a CMDQV, whose _UID is the identifier of the SMMU's node:
 * 2, after the ITS and the other SMMU. The bytes are those of ACPI 6.5.
 */
static void assert_cmdqv(const char *args, const uint8_t *crs, size_t size)
{
    static const uint8_t hid[] = "\x08_HID\x0dNVDA200C";   /* and a NUL */
    static const uint8_t uid[] = { 0x08, '_', 'U', 'I', 'D', 0x0a, 0x02 };
    static const uint8_t cca[] = { 0x08, '_', 'C', 'C', 'A', 0x01 };
    QTestState *qts = qtest_init(args);
    g_autofree uint8_t *tables = read_tables(qts);
    const uint8_t *dsdt = find_table(tables, "DSDT");
    g_autofree char *iort = decode_iort(find_table(tables, "IORT"));
    const uint8_t *device;
    uint32_t len;

    g_assert_nonnull(strstr(iort, ": id 2 rev 4 " SMMU_2));
    device = find_device(dsdt, "CQ02", &len);
    g_assert_nonnull(memmem(device, len, hid, sizeof(hid)));
    g_assert_nonnull(memmem(device, len, uid, sizeof(uid)));
    g_assert_nonnull(memmem(device, len, cca, sizeof(cca)));
    g_assert_nonnull(memmem(device, len, crs, size));
    qtest_quit(qts);
}

static void assert_no_cmdqv(const char *args)
{
    QTestState *qts = qtest_init(args);
    g_autofree uint8_t *tables = read_tables(qts);
    const uint8_t *dsdt = find_table(tables, "DSDT");

    g_assert_null(memmem(dsdt, table_len(dsdt), "NVDA", 4));
    qtest_quit(qts);
}

static void test_acpi_cmdqv(void)
{
    /* Memory32Fixed, writable; Interrupt: consumer, edge, high, exclusive */
    static const uint8_t crs[] = {
        0x86, 0x09, 0x00, 0x01, 0x00, 0x00, 0x10, 0x0c, 0x00, 0x00, 0x0b, 0x00,
        0x89, 0x06, 0x00, 0x03, 0x01, 0x98, 0x00, 0x00, 0x00, 0x79,
    };

    assert_cmdqv(MACHINE PXB("pxb1", "8") SMMU("pxb1")
                 "-device arm-smmuv3,primary-bus=pcie.0,x-cmdqv-vintfs=4",
                 crs, sizeof(crs));
    assert_no_cmdqv(MACHINE "-device arm-smmuv3,primary-bus=pcie.0");
}

/* The CMDQV of an accelerated SMMU is smaller, because it has one VINTF */
static void test_acpi_cmdqv_accel(void)
{
    static const uint8_t crs[] = {
        0x86, 0x09, 0x00, 0x01, 0x00, 0x00, 0x08, 0x0c, 0x00, 0x00, 0x05, 0x00,
        0x89, 0x06, 0x00, 0x03, 0x01, 0x98, 0x00, 0x00, 0x00, 0x79,
    };

    assert_cmdqv(MACHINE PXB("pxb1", "8") SMMU("pxb1")
                 "-device arm-smmuv3-accel,bus=pcie.0,cmdqv=on," SPEC_A,
                 crs, sizeof(crs));
    assert_no_cmdqv(MACHINE SMMU("pcie.0"));
    /* No host device at start, whose SMMU could have one */
    assert_no_cmdqv(MACHINE "-device arm-smmuv3-accel,bus=pcie.0,cmdqv=auto,"
                    SPEC_A);
}

/* One of the tables above byte by byte, checked by hand against DEN 0049E.d */
static const uint8_t iort_pcie0[] = {
    /* Table header, without checksum */
    0x49, 0x4f, 0x52, 0x54, 0x30, 0x01, 0x00, 0x00, 0x05, 0x00, 0x42, 0x4f,
    0x43, 0x48, 0x53, 0x20, 0x42, 0x58, 0x50, 0x43, 0x20, 0x20, 0x20, 0x20,
    0x01, 0x00, 0x00, 0x00, 0x42, 0x58, 0x50, 0x43, 0x01, 0x00, 0x00, 0x00,
    /* Nodes: 4, from 0x30 */
    0x04, 0x00, 0x00, 0x00, 0x30, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    /* 0x30: ITS group */
    0x00, 0x18, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    /* 0x48: SMMUv3 */
    0x04, 0x58, 0x00, 0x04, 0x01, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00,
    0x44, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x0c, 0x00, 0x00, 0x00, 0x00,
    0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x90, 0x00, 0x00, 0x00,
    0x91, 0x00, 0x00, 0x00, 0x93, 0x00, 0x00, 0x00, 0x92, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    /* 0x0-0xffff to 0x30 */
    0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x30, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    /* 0xa0: root complex */
    0x02, 0x4c, 0x00, 0x03, 0x02, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00,
    0x24, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x03,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x40, 0x00, 0x00, 0x00,
    /* 0x0-0xff to 0x48 */
    0x00, 0x00, 0x00, 0x00, 0xff, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x48, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    /* 0x100-0xffff to 0x30 */
    0x00, 0x01, 0x00, 0x00, 0xff, 0xfe, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00,
    0x30, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    /* 0xec: reserved memory range */
    0x06, 0x44, 0x00, 0x03, 0x03, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00,
    0x1c, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00,
    0x30, 0x00, 0x00, 0x00,
    /* 0x0-0xff to 0x48 */
    0x00, 0x00, 0x00, 0x00, 0xff, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x48, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    /* Descriptor */
    0x00, 0x00, 0x00, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x10, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
};

static void test_acpi_bytes(void)
{
    QTestState *qts = qtest_init(MACHINE SMMU("pcie.0"));
    g_autofree uint8_t *tables = read_tables(qts);
    const uint8_t *iort = find_table(tables, "IORT");

    g_assert_cmpmem(iort, table_len(iort), iort_pcie0, sizeof(iort_pcie0));
    qtest_quit(qts);
}

/* The tables of other machines do not change: those of bios-tables-test */
static void test_acpi_unchanged(void)
{
    static const char *const signatures[] = { "IORT", "DSDT" };
    /* The options of bios-tables-test: firmware gets another power button */
    QTestState *qts = qtest_init("-nodefaults -M virt,gic-version=3 "
                                 "-cpu cortex-a57 -bios /dev/null");
    g_autofree uint8_t *tables = read_tables(qts);

    for (int i = 0; i < ARRAY_SIZE(signatures); i++) {
        const uint8_t *table = find_table(tables, signatures[i]);
        g_autofree char *path = g_strdup_printf("tests/data/acpi/aarch64/virt/"
                                                "%s", signatures[i]);
        g_autofree char *golden = NULL;
        gsize golden_size;

        g_assert_true(g_file_get_contents(path, &golden, &golden_size, NULL));
        golden[9] = 0;      /* the checksum, which firmware sets */
        g_assert_cmpmem(table, table_len(table), golden, golden_size);
    }
    qtest_quit(qts);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (int i = 0; i < ARRAY_SIZE(acpi_cases); i++) {
        g_autofree char *path = g_strdup_printf("smmuv3-accel/acpi/%s",
                                                acpi_cases[i].name);

        qtest_add_data_func(path, &acpi_cases[i], test_acpi);
    }
    qtest_add_func("smmuv3-accel/acpi/bytes", test_acpi_bytes);
    qtest_add_func("smmuv3-accel/acpi/unchanged", test_acpi_unchanged);
    qtest_add_func("smmuv3-accel/acpi/cmdqv", test_acpi_cmdqv);
    qtest_add_func("smmuv3-accel/acpi/cmdqv-accel", test_acpi_cmdqv_accel);
    return g_test_run();
}
