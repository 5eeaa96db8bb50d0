/*
 * VFIO: unit tests of the PASID capability that QEMU creates
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/pci/pci.h"
#include "hw/pci/pcie_regs.h"
#include "hw/vfio/pasid.h"

/* A config space as the guest sees it: a chain of capabilities */
typedef struct Space {
    uint8_t config[PCIE_CONFIG_SPACE_SIZE];
    uint16_t last;              /* capability; 0: none */
} Space;

/* Like QEMU, add it after all others */
static void add_cap(Space *s, uint16_t id, uint16_t offset)
{
    if (s->last) {
        pci_set_long(s->config + s->last,
                     pci_get_long(s->config + s->last) |
                     (uint32_t)offset << 20);
    }
    pci_set_long(s->config + offset, PCI_EXT_CAP(id, 1, 0));
    s->last = offset;
}

/* With its length: VSEC or DVSEC */
static void add_vendor_cap(Space *s, uint16_t id, uint16_t offset,
                           uint16_t length)
{
    add_cap(s, id, offset);
    pci_set_long(s->config + offset + 4, (uint32_t)length << 20 | 0x1abc);
}

static void assert_place(const Space *s, uint16_t want)
{
    uint16_t offset = vfio_pasid_find_offset(s->config);

    g_assert_cmphex(offset, ==, want);
    if (offset) {
        g_assert_true(vfio_pasid_check_offset(s->config, offset,
                                              &error_abort));
    }
}

static void test_find(void)
{
    g_autofree Space *s = g_new0(Space, 1);

    /* The first capability has a fixed place */
    assert_place(s, 0x100);

    add_cap(s, PCI_EXT_CAP_ID_ERR, 0x100);
    assert_place(s, 0xff8);

    /* A register outside of capabilities */
    s->config[0xfff] = 1;
    assert_place(s, 0xff0);
    s->config[0xff0] = 0x80;
    assert_place(s, 0xfe8);

    /* The last one in the chain need not have the highest offset */
    add_vendor_cap(s, PCI_EXT_CAP_ID_VNDR, 0xd00, 0x2e8);
    assert_place(s, 0xfe8);
    add_cap(s, PCI_EXT_CAP_ID_DSN, 0x148);
    assert_place(s, 0xfe8);
    pci_set_long(s->config + 0xd04, 0x2e9U << 20);
    assert_place(s, 0xcf8);
}

static void test_find_sizes(void)
{
    g_autofree Space *s = g_new0(Space, 1);

    /* The size of a capability without a length is unknown */
    add_cap(s, PCI_EXT_CAP_ID_VC, 0x100);
    add_cap(s, PCI_EXT_CAP_ID_DPA, 0xf80);
    assert_place(s, 0xf78);
    add_vendor_cap(s, PCI_EXT_CAP_ID_DVSEC, 0xf00, 0x10);
    assert_place(s, 0xf78);
    add_vendor_cap(s, PCI_EXT_CAP_ID_VNDR, 0xf10, 0x70);
    assert_place(s, 0xef8);
    /* An invalid length */
    add_vendor_cap(s, PCI_EXT_CAP_ID_VNDR, 0xef8, 0);
    assert_place(s, 0xef0);
}

static void test_find_full(void)
{
    g_autofree Space *s = g_new0(Space, 1);

    add_vendor_cap(s, PCI_EXT_CAP_ID_VNDR, 0x100, 0xf00);
    assert_place(s, 0);
    pci_set_long(s->config + 0x104, 0xef8U << 20);
    assert_place(s, 0xff8);
    pci_set_long(s->config + 0x104, 0x8U << 20);
    memset(s->config + 0x108, 0xff, PCIE_CONFIG_SPACE_SIZE - 0x108);
    assert_place(s, 0);
}

/* The walk ends for the worst contents that a device may have */
static void test_find_broken(void)
{
    g_autofree Space *s = g_new0(Space, 1);

    /* A loop */
    pci_set_long(s->config + 0x100, PCI_EXT_CAP(1, 1, 0x200));
    pci_set_long(s->config + 0x200, PCI_EXT_CAP(3, 1, 0x100));
    assert_place(s, 0xff8);
    /* A pointer outside of config space, and one into that of PCI */
    pci_set_long(s->config + 0x200, PCI_EXT_CAP(3, 1, 0xffc));
    assert_place(s, 0xff8);
    pci_set_long(s->config + 0x200, PCI_EXT_CAP(3, 1, 0x40));
    assert_place(s, 0xff8);
    memset(s->config, 0xff, sizeof(s->config));
    assert_place(s, 0);
}

static void assert_refused(const Space *s, uint16_t offset, const char *want)
{
    Error *err = NULL;

    g_assert_false(vfio_pasid_check_offset(s->config, offset, &err));
    g_assert_nonnull(strstr(error_get_pretty(err), want));
    g_test_message("%s", error_get_pretty(err));    /* for the manual */
    error_free(err);
}

static void test_check(void)
{
    g_autofree Space *s = g_new0(Space, 1);

    assert_refused(s, 0x40, "from 0x100 to 0xff8");
    assert_refused(s, 0xffc, "from 0x100 to 0xff8");
    assert_refused(s, 0x1000, "from 0x100 to 0xff8");
    assert_refused(s, 0xff6, "multiple of 4");
    assert_refused(s, 0xff8, "has to be at 0x100");
    g_assert_true(vfio_pasid_check_offset(s->config, 0x100, &error_abort));

    add_cap(s, PCI_EXT_CAP_ID_ERR, 0x100);
    add_cap(s, PCI_EXT_CAP_ID_DSN, 0x200);
    assert_refused(s, 0x100, "overlaps another capability");
    assert_refused(s, 0x104, "overlaps another capability");
    assert_refused(s, 0x1fc, "overlaps another capability");
    assert_refused(s, 0x204, "overlaps another capability");
    /* The user may override it */
    s->config[0x300] = 1;
    g_assert_true(vfio_pasid_check_offset(s->config, 0x108, &error_abort));
    g_assert_true(vfio_pasid_check_offset(s->config, 0x1f8, &error_abort));
    g_assert_true(vfio_pasid_check_offset(s->config, 0x300, &error_abort));
    g_assert_true(vfio_pasid_check_offset(s->config, 0xff8, &error_abort));
}

/* The bytes, and the bits that a guest can write */
static void test_registers(void)
{
    static const struct {
        uint16_t value;
        uint8_t wmask;
    } cases[] = {
        { 0x1400, 0x1 },        /* 20 bits */
        { 0x1002, 0x3 },        /* 16 bits, execute permission */
        { 0x0804, 0x5 },        /* 8 bits, privileged mode */
        { 0x0106, 0x7 },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        uint8_t config[PCI_EXT_CAP_PASID_SIZEOF];
        uint8_t wmask[PCI_EXT_CAP_PASID_SIZEOF] = { 0 };
        const uint8_t want[PCI_EXT_CAP_PASID_SIZEOF] = {
            0x1b, 0x00, 0x01, 0x00, cases[i].value, cases[i].value >> 8, 0, 0
        };
        const uint8_t want_wmask[PCI_EXT_CAP_PASID_SIZEOF] = {
            [PCI_PASID_CTRL] = cases[i].wmask,
        };

        memset(config, 0x5a, sizeof(config));
        pci_set_long(config, PCI_EXT_CAP(PCI_EXT_CAP_ID_PASID, 1, 0));
        vfio_pasid_init(config, wmask, cases[i].value);
        g_assert_cmpmem(config, sizeof(config), want, sizeof(want));
        g_assert_cmpmem(wmask, sizeof(wmask), want_wmask, sizeof(want_wmask));

        config[PCI_PASID_CTRL] = 0x7;
        vfio_pasid_reset(config);
        g_assert_cmpmem(config, sizeof(config), want, sizeof(want));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vfio/pasid/find", test_find);
    g_test_add_func("/vfio/pasid/find-sizes", test_find_sizes);
    g_test_add_func("/vfio/pasid/find-full", test_find_full);
    g_test_add_func("/vfio/pasid/find-broken", test_find_broken);
    g_test_add_func("/vfio/pasid/check", test_check);
    g_test_add_func("/vfio/pasid/registers", test_registers);
    return g_test_run();
}
