/*
 * QTest: targets of MSIs of arm-smmuv3-accel, and devices that ring doorbells
 *
 * A guest chooses the address of an MSI, which may be in memory. An MSI to a
 * register of a device would run that device's model from within the SMMU's, so
 * it is an abort (IHI 0070 3.18).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "smmuv3-rig.h"

#define BAR             0x10000000
#define SID             0x100           /* in the root port */
#define PORT            rig_config(0, 1)
#define OTHER_BASE      0x0c020000
#define MSI_MEMORY      0x41100000
#define EDU_ID          0x11e81234

enum { SLOT_CONTROL, OWN_CMDQ_PROD, OTHER_CMDQ_PROD, MEMORY, N_PLACES };

static const char *const places[] = {
    "slot-control", "own-cmdq-prod", "other-cmdq-prod", "memory",
};

static void start(Rig *r)
{
    rig_start(r, true, "-device pcie-root-port,id=rp,bus=pcie.0,addr=1.0,"
              "chassis=1 -device pxb-pcie,id=pxb,bus=pcie.0,bus_nr=8 "
              "-device arm-smmuv3-accel,bus=pxb,idr0=0xd48301a,"
              "idr1=0x2730290,idr3=0x1400,idr5=0x74,iidr=0,aidr=1 "
              RIG_EDU ",bus=rp");
    rig_setup_bridge(r, PORT, 0, 1, 1, BAR);
    rig_setup_edu(r, rig_config(1, 0), BAR);
    rig_enable(r);
    qtest_writew(r->qts, rig_slot_control(r, PORT), RIG_SLOT_ON);

    /* The other SMMU, with commands in its queue, but without a doorbell */
    qtest_writeq(r->qts, OTHER_BASE + RIG_CMDQ_BASE, RIG_CMDQ | RIG_LOG2_QUEUE);
    qtest_writel(r->qts, OTHER_BASE + RIG_CR0, 0x8);
}

static uint64_t place_addr(Rig *r, int place)
{
    switch (place) {
    case SLOT_CONTROL:
        return rig_slot_control(r, PORT);
    case OWN_CMDQ_PROD:
        return r->smmu + RIG_CMDQ_PROD;
    case OTHER_CMDQ_PROD:
        return OTHER_BASE + RIG_CMDQ_PROD;
    default:
        return MSI_MEMORY;
    }
}

static uint32_t place_data(int place)
{
    return place == SLOT_CONTROL ? RIG_SLOT_OFF : 0x11;
}

/* The write reached only memory */
static void assert_arrived(Rig *r, int place)
{
    g_assert_cmphex(qtest_readl(r->qts, MSI_MEMORY), ==,
                    place == MEMORY ? place_data(place) : 0);
    g_assert_cmphex(qtest_readl(r->qts, r->smmu + RIG_CMDQ_PROD), ==,
                    r->cmdq_prod);
    g_assert_cmphex(qtest_readl(r->qts, OTHER_BASE + RIG_CMDQ_PROD), ==, 0);
    g_assert_cmphex(qtest_readl(r->qts, rig_config(1, 0)), ==, EDU_ID);
    qtest_quit(r->qts);
}

static void test_cmd_sync(const void *opaque)
{
    int place = GPOINTER_TO_INT(opaque);
    Rig r;

    start(&r);
    rig_command(&r, 0x46 | 1 << 12 | (uint64_t)place_data(place) << 32,
                place_addr(&r, place));
    g_assert_cmphex(qtest_readl(r.qts, r.smmu + RIG_GERROR), ==,
                    place == MEMORY ? 0 : RIG_GERROR_MSI_CMDQ_ABT);
    assert_arrived(&r, place);
}

/* The device's DMA causes an event, whose MSI must not unplug the device */
static void test_event_queue(const void *opaque)
{
    int place = GPOINTER_TO_INT(opaque);
    Rig r;

    start(&r);
    qtest_writeq(r.qts, r.smmu + RIG_EVENTQ_IRQ_CFG0, place_addr(&r, place));
    qtest_writel(r.qts, r.smmu + RIG_EVENTQ_IRQ_CFG1, place_data(place));
    qtest_writel(r.qts, r.smmu + RIG_IRQ_CTRL, 0x5);
    rig_assert_write(&r, RIG_IOVA_BYPASS, RIG_C_BAD_STE);
    g_assert_cmphex(qtest_readl(r.qts, r.smmu + RIG_GERROR), ==,
                    place == MEMORY ? 0 : RIG_GERROR_MSI_EVENTQ_ABT);
    assert_arrived(&r, place);
}

static void test_gerror(const void *opaque)
{
    int place = GPOINTER_TO_INT(opaque);
    Rig r;

    start(&r);
    qtest_writeq(r.qts, r.smmu + RIG_GERROR_IRQ_CFG0, place_addr(&r, place));
    qtest_writel(r.qts, r.smmu + RIG_GERROR_IRQ_CFG1, place_data(place));
    qtest_writel(r.qts, r.smmu + RIG_IRQ_CTRL, 0x5);
    rig_submit(&r, 0xff, 0);
    g_assert_cmphex(qtest_readl(r.qts, r.smmu + RIG_GERROR) & RIG_GERROR_CMDQ,
                    ==, RIG_GERROR_CMDQ);
    assert_arrived(&r, place);
}

/*
 * A device has written CMDQ_PROD. The commands may have been executed or not,
 * and the queue works for later writes of the guest.
 */
static void assert_queue_works(Rig *r)
{
    uint32_t cons = qtest_readl(r->qts, r->smmu + RIG_CMDQ_CONS);

    g_assert_true(cons == r->cmdq_prod || cons == r->cmdq_prod + 1);
    r->cmdq_prod++;
    rig_command(r, 0x46, 0);
    g_assert_cmphex(qtest_readl(r->qts, r->smmu + RIG_GERROR), ==, 0);
    qtest_quit(r->qts);
}

/* Puts a command in the queue without telling the SMMU */
static void prepare_command(Rig *r)
{
    uint64_t entry = RIG_CMDQ + r->cmdq_prod * 16;

    qtest_writeq(r->qts, entry, 0x46);
    qtest_writeq(r->qts, entry + 8, 0);
}

static void test_prod_by_dma(void)
{
    Rig r;

    start(&r);
    rig_put_ste_bypass(&r, SID);
    rig_invalidate(&r, SID);
    prepare_command(&r);
    qtest_writel(r.qts, RIG_TARGET, r.cmdq_prod + 1);
    rig_edu_dma(&r, RIG_TARGET, RIG_EDU_BUFFER, false);
    rig_edu_dma(&r, RIG_EDU_BUFFER, r.smmu + RIG_CMDQ_PROD, true);
    assert_queue_works(&r);
}

/* Write CMDQ_PROD from within a handler of the device */
static void test_prod_by_msi(void)
{
    const uint64_t config = rig_config(1, 0);
    uint64_t cap;
    Rig r;

    start(&r);
    rig_put_ste_bypass(&r, SID);
    rig_invalidate(&r, SID);
    prepare_command(&r);

    cap = config + qtest_readb(r.qts, config + 0x34);
    g_assert_cmphex(qtest_readb(r.qts, cap), ==, 0x05);
    qtest_writel(r.qts, cap + 4, r.smmu + RIG_CMDQ_PROD);
    qtest_writel(r.qts, cap + 8, 0);
    qtest_writew(r.qts, cap + 12, r.cmdq_prod + 1);
    qtest_writew(r.qts, cap + 2, qtest_readw(r.qts, cap + 2) | 1);
    qtest_writel(r.qts, r.edu + 0x60, 1);
    assert_queue_works(&r);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (int i = 0; i < N_PLACES; i++) {
        static const struct {
            const char *name;
            void (*fn)(const void *);
        } tests[] = {
            { "cmd-sync", test_cmd_sync },
            { "event-queue", test_event_queue },
            { "gerror", test_gerror },
        };

        for (int j = 0; j < ARRAY_SIZE(tests); j++) {
            g_autofree char *name = g_strdup_printf("smmuv3-accel/msi/%s/%s",
                                                    tests[j].name, places[i]);

            qtest_add_data_func(name, GINT_TO_POINTER(i), tests[j].fn);
        }
    }
    qtest_add_func("smmuv3-accel/msi/prod-by-dma", test_prod_by_dma);
    qtest_add_func("smmuv3-accel/msi/prod-by-msi", test_prod_by_msi);
    return g_test_run();
}
