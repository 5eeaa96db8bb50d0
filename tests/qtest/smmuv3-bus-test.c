/*
 * QTest: SMMUv3 when a bus gets another number or is unplugged
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "smmuv3-rig.h"

#define BAR             0x10000000
#define SID(bus)        ((bus) << 8)

#define PORT            rig_config(0, 1)
#define PORT_ARGS       "-device pcie-root-port,id=rp,bus=pcie.0,addr=1.0," \
                        "chassis=1 "

static void set_secondary(Rig *r, uint64_t config, uint8_t bus)
{
    qtest_writeb(r->qts, config + 0x19, bus);
}

/* A device below a root port, with DMA through STEs of two bus numbers */
static void start_below_port(Rig *r, bool accel)
{
    rig_start(r, accel, PORT_ARGS RIG_EDU ",bus=rp");
    rig_setup_bridge(r, PORT, 0, 1, 2, BAR);
    rig_setup_edu(r, rig_config(1, 0), BAR);
    rig_enable(r);
    rig_put_ste_bypass(r, SID(1));
    rig_put_ste_s1(r, SID(2));
}

static void test_renumber(const void *accel)
{
    Rig r;

    start_below_port(&r, GPOINTER_TO_INT(accel));
    rig_assert_write(&r, RIG_IOVA_BYPASS, RIG_NO_EVENT);
    set_secondary(&r, PORT, 2);
    rig_assert_write(&r, RIG_IOVA_S1, RIG_NO_EVENT);
    rig_assert_write(&r, RIG_IOVA_BYPASS, RIG_F_TRANSLATION);
    g_assert_cmphex(r.event_sid, ==, SID(2));
    set_secondary(&r, PORT, 1);
    rig_assert_write(&r, RIG_IOVA_BYPASS, RIG_NO_EVENT);
    qtest_quit(r.qts);
}

/* An entry invalidated while another bus had the number does not return */
static void test_renumber_back(const void *accel)
{
    Rig r;

    start_below_port(&r, GPOINTER_TO_INT(accel));
    rig_assert_write(&r, RIG_IOVA_BYPASS, RIG_NO_EVENT);

    set_secondary(&r, PORT, 2);
    rig_put_ste_s1(&r, SID(1));
    rig_cfgi_ste(&r, SID(1));
    set_secondary(&r, PORT, 1);
    rig_assert_write(&r, RIG_IOVA_S1, RIG_NO_EVENT);

    set_secondary(&r, PORT, 2);
    rig_put_ste_bypass(&r, SID(1));
    rig_command(&r, 0x05ULL | (uint64_t)SID(1) << 32, 1);       /* CFGI_CD */
    set_secondary(&r, PORT, 1);
    rig_assert_write(&r, RIG_IOVA_BYPASS, RIG_NO_EVENT);

    set_secondary(&r, PORT, 2);
    rig_put_ste_s1(&r, SID(1));
    rig_command(&r, 0x04ULL | (uint64_t)SID(1) << 32, 7);       /* of a bus */
    set_secondary(&r, PORT, 1);
    rig_assert_write(&r, RIG_IOVA_S1, RIG_NO_EVENT);
    qtest_quit(r.qts);
}

/* An invalidation affects the current device of a StreamID, not a former one */
static void test_renumber_invalidate(const void *accel)
{
    Rig r;

    start_below_port(&r, GPOINTER_TO_INT(accel));
    rig_cfgi_ste(&r, SID(1));
    set_secondary(&r, PORT, 2);
    rig_assert_write(&r, RIG_IOVA_S1, RIG_NO_EVENT);
    rig_put_ste_bypass(&r, SID(2));
    rig_cfgi_ste(&r, SID(2));
    rig_assert_write(&r, RIG_IOVA_BYPASS, RIG_NO_EVENT);
    qtest_quit(r.qts);
}

/* The SMMU of pcie.0 serves an extra root complex, too */
static void test_renumber_pxb(void)
{
    Rig r;

    rig_start(&r, false, "-device pxb-pcie,id=pxb,bus=pcie.0,bus_nr=8 "
              "-device pcie-root-port,id=rp,bus=pxb,addr=1.0,chassis=1 "
              RIG_EDU ",bus=rp");
    rig_setup_bridge(&r, rig_config(8, 1), 8, 9, 10, BAR);
    rig_setup_edu(&r, rig_config(9, 0), BAR);
    rig_enable(&r);
    rig_put_ste_bypass(&r, SID(9));
    rig_put_ste_s1(&r, SID(10));
    rig_assert_write(&r, RIG_IOVA_BYPASS, RIG_NO_EVENT);
    set_secondary(&r, rig_config(8, 1), 10);
    rig_assert_write(&r, RIG_IOVA_S1, RIG_NO_EVENT);
    qtest_quit(r.qts);
}

/* A reset of the bus above clears the numbers of the bridges below it */
static void test_reset(const void *accel)
{
    const uint64_t up = rig_config(1, 0), down = rig_config(2, 0);
    Rig r;

    rig_start(&r, GPOINTER_TO_INT(accel), PORT_ARGS
              "-device x3130-upstream,id=up,bus=rp "
              "-device xio3130-downstream,id=down,bus=up,chassis=2 "
              RIG_EDU ",bus=down");
    rig_setup_bridge(&r, PORT, 0, 1, 4, BAR);
    rig_setup_bridge(&r, up, 1, 2, 4, BAR);
    rig_setup_bridge(&r, down, 2, 3, 3, BAR);
    rig_setup_edu(&r, rig_config(3, 0), BAR);
    rig_enable(&r);
    rig_put_ste_bypass(&r, SID(3));
    rig_put_ste_s1(&r, SID(4));
    rig_assert_write(&r, RIG_IOVA_BYPASS, RIG_NO_EVENT);

    qtest_writew(r.qts, PORT + 0x3e, 0x40);
    qtest_writew(r.qts, PORT + 0x3e, 0);
    rig_setup_bridge(&r, up, 1, 2, 4, BAR);
    g_assert_cmphex(qtest_readb(r.qts, down + 0x19), ==, 0);
    rig_setup_bridge(&r, down, 2, 4, 4, BAR);
    qtest_writel(r.qts, rig_config(4, 0) + 0x10, BAR);
    qtest_writew(r.qts, rig_config(4, 0) + 0x04, 0x6);
    rig_assert_write(&r, RIG_IOVA_S1, RIG_NO_EVENT);
    qtest_quit(r.qts);
}

/*
 * All devices below this bridge have the StreamID of its secondary bus. The bus
 * is freed with the bridge, and a later one with its number must not use it.
 */
#define BRIDGED         SID(10)

static void plug_bridge(Rig *r)
{
    qtest_qmp_device_add(r->qts, "pcie-pci-bridge", "br", "{'bus': 'rp'}");
    qtest_qmp_device_add(r->qts, "edu", "edu",
                         "{'bus': 'br', 'addr': '1.0',"
                         " 'dma_mask': 281474976710655}");
    qtest_writew(r->qts, rig_slot_control(r, PORT), RIG_SLOT_ON);
}

static void setup_bridge(Rig *r)
{
    rig_setup_bridge(r, PORT, 0, 9, 10, BAR);
    rig_setup_bridge(r, rig_config(9, 0), 9, 10, 10, BAR);
    rig_setup_edu(r, rig_config(10, 1), BAR);
}

static void test_unplug(const void *accel)
{
    Rig r;

    rig_start(&r, GPOINTER_TO_INT(accel), PORT_ARGS
              "-device pcie-pci-bridge,id=br,bus=rp "
              RIG_EDU ",id=edu,bus=br,addr=1.0");
    setup_bridge(&r);
    rig_enable(&r);
    rig_put_ste_bypass(&r, BRIDGED);
    rig_cfgi_ste(&r, BRIDGED);
    rig_assert_write(&r, RIG_IOVA_BYPASS, RIG_NO_EVENT);

    for (int i = 0; i < 3; i++) {
        rig_eject(&r, PORT, "br");
        rig_cfgi_ste(&r, BRIDGED);
        rig_command(&r, 0x04, 31);                      /* CFGI_ALL */

        /* A new device is behind the SMMU again, with the current STE */
        rig_put_ste_bypass(&r, BRIDGED);
        plug_bridge(&r);
        setup_bridge(&r);
        rig_assert_write(&r, RIG_IOVA_BYPASS, RIG_NO_EVENT);
        rig_put_ste_s1(&r, BRIDGED);
        rig_cfgi_ste(&r, BRIDGED);
        rig_assert_write(&r, RIG_IOVA_S1, RIG_NO_EVENT);
    }
    qtest_quit(r.qts);
}

int main(int argc, char **argv)
{
    /* No freed memory is used */
    g_setenv("MALLOC_PERTURB_", "165", true);
    g_test_init(&argc, &argv, NULL);
    rig_add_func("bus/renumber", test_renumber);
    rig_add_func("bus/renumber-back", test_renumber_back);
    rig_add_func("bus/renumber-invalidate", test_renumber_invalidate);
    qtest_add_func("smmuv3/bus/renumber-pxb", test_renumber_pxb);
    rig_add_func("bus/reset", test_reset);
    rig_add_func("bus/unplug", test_unplug);
    return g_test_run();
}
