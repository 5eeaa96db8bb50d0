/*
 * QTest: SMMUv3 releases the state of an unplugged bridge
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "smmuv3-rig.h"

#define CYCLES          16
#define PORT            rig_config(0, 1)

static int count_address_spaces(Rig *r)
{
    g_autofree char *mtree = qtest_hmp(r->qts, "info mtree");
    int n = 0;

    for (const char *p = mtree;
         (p = strstr(p, "address-space: smmuv3-iommu-memory-region")); p++) {
        n++;
    }
    return n;
}

static void plug_bridge(Rig *r)
{
    qtest_qmp_device_add(r->qts, "pcie-pci-bridge", "br", "{'bus': 'rp'}");
    qtest_qmp_device_add(r->qts, "pci-testdev", "dev",
                         "{'bus': 'br', 'addr': '1.0'}");
}

/* So that the next bridge has another address than the last one */
static void use_memory(Rig *r, int cycle)
{
    for (int i = 0; i < 8; i++) {
        g_autofree char *id = g_strdup_printf("memory%d-%d", cycle, i);

        qtest_qmp_assert_success(r->qts, "{'execute': 'chardev-add',"
            " 'arguments': {'id': %s, 'backend': {'type': 'ringbuf',"
            " 'data': {'size': %d}}}}", id, 512 << i / 2);
    }
}

/* Repeated plugs and ejects leave nothing behind */
static void test_memory(const void *accel)
{
    Rig r;
    int n;

    rig_start(&r, GPOINTER_TO_INT(accel),
              "-device pcie-root-port,id=rp,bus=pcie.0,addr=1.0,chassis=1");
    plug_bridge(&r);
    n = count_address_spaces(&r);
    g_assert_cmpint(n, >, 0);
    for (int i = 0; i < CYCLES; i++) {
        rig_eject(&r, PORT, "br");
        use_memory(&r, i);
        plug_bridge(&r);
    }
    g_assert_cmpint(count_address_spaces(&r), ==, n);
    qtest_quit(r.qts);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    rig_add_func("plug/memory", test_memory);
    return g_test_run();
}
