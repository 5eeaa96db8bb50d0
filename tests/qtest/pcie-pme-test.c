/*
 * QTest: power management events of a hot-plug port
 *
 * As Linux 7.3 uses them: it suspends a port without a device, with the
 * interrupt for hot-plug off, and waits for a PME.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/pci/pci_regs.h"
#include "libqtest.h"
#include "qobject/qdict.h"
#include "smmuv3-accel.h"
#include "smmuv3-rig.h"

#define SLOT        1
#define PORT        (0x3f000000ULL + (SLOT << 15))
#define REQUESTER   (SLOT << 3)
#define MACHINE     "-M virt,gic-version=3,highmem=off -nodefaults "
#define HOTPLUG_PORT \
    "-device pcie-root-port,id=rp1,bus=pcie.0,chassis=1,addr=1 "

typedef struct Port {
    QTestState *qts;
    uint64_t pm, exp;           /* capabilities; 0: none */
} Port;

static uint64_t find_cap(QTestState *qts, uint8_t id)
{
    uint8_t at = qtest_readb(qts, PORT + PCI_CAPABILITY_LIST);

    while (at && qtest_readb(qts, PORT + at) != id) {
        at = qtest_readb(qts, PORT + at + PCI_CAP_LIST_NEXT);
    }
    return at ? PORT + at : 0;
}

static Port start(const char *args)
{
    Port p = { .qts = qtest_init(args) };

    p.pm = find_cap(p.qts, PCI_CAP_ID_PM);
    p.exp = find_cap(p.qts, PCI_CAP_ID_EXP);
    g_assert_cmphex(p.exp, !=, 0);
    return p;
}

static void suspend(const Port *p)
{
    qtest_writew(p->qts, p->exp + PCI_EXP_RTCTL, PCI_EXP_RTCTL_PMEIE);
    qtest_writew(p->qts, p->exp + PCI_EXP_SLTCTL,
                 PCI_EXP_SLTCTL_ABPE | PCI_EXP_SLTCTL_PWR_OFF |
                 PCI_EXP_SLTCTL_PWR_IND_OFF);
    qtest_writew(p->qts, p->pm + PCI_PM_CTRL, 3 | PCI_PM_CTRL_PME_ENABLE);
}

static void plug(const Port *p)
{
    qtest_qmp_device_add(p->qts, "pci-testdev", "dev1", "{ 'bus': 'rp1' }");
}

static uint16_t pmcsr(const Port *p)
{
    return qtest_readw(p->qts, p->pm + PCI_PM_CTRL);
}

static uint32_t root_status(const Port *p)
{
    return qtest_readl(p->qts, p->exp + PCI_EXP_RTSTA);
}

/* A device that is plugged wakes the port, and software acknowledges that */
static void test_wake(void)
{
    Port p = start(MACHINE SMMU("pcie.0") HOTPLUG_PORT);

    g_assert_cmphex(p.pm, !=, 0);
    g_assert_cmphex(qtest_readw(p.qts, p.pm + PCI_PM_PMC) & PCI_PM_CAP_PME_MASK,
                    ==, PCI_PM_CAP_PME_D0 | PCI_PM_CAP_PME_D3hot);
    suspend(&p);
    g_assert_cmphex(pmcsr(&p) & PCI_PM_CTRL_STATE_MASK, ==, 3);
    g_assert_cmphex(root_status(&p), ==, 0);
    plug(&p);
    g_assert_cmphex(root_status(&p), ==, PCI_EXP_RTSTA_PME | REQUESTER);
    g_assert_cmphex(pmcsr(&p) & PCI_PM_CTRL_PME_STATUS, !=, 0);

    qtest_writel(p.qts, p.exp + PCI_EXP_RTSTA, PCI_EXP_RTSTA_PME);
    g_assert_cmphex(root_status(&p) & PCI_EXP_RTSTA_PME, ==, 0);
    qtest_writew(p.qts, p.pm + PCI_PM_CTRL, PCI_PM_CTRL_PME_STATUS);
    g_assert_cmphex(pmcsr(&p) & ~PCI_PM_CTRL_NO_SOFT_RESET, ==, 0);
    qtest_quit(p.qts);
}

/* What happened before the port was suspended wakes it as well */
static void test_late(void)
{
    Port p = start(MACHINE SMMU("pcie.0") HOTPLUG_PORT);

    plug(&p);
    g_assert_cmphex(root_status(&p), ==, 0);
    suspend(&p);
    g_assert_cmphex(root_status(&p), ==, PCI_EXP_RTSTA_PME | REQUESTER);
    qtest_quit(p.qts);
}

/* Neither a port that runs nor one whose PME is off sends any */
static void test_no_event(void)
{
    Port p = start(MACHINE SMMU("pcie.0") HOTPLUG_PORT);

    suspend(&p);
    qtest_writew(p.qts, p.pm + PCI_PM_CTRL, PCI_PM_CTRL_PME_ENABLE);
    plug(&p);
    qtest_writew(p.qts, p.pm + PCI_PM_CTRL, 3);
    g_assert_cmphex(root_status(&p), ==, 0);
    g_assert_cmphex(pmcsr(&p) & PCI_PM_CTRL_PME_STATUS, ==, 0);
    qtest_quit(p.qts);
}

static void test_reset(void)
{
    Port p = start(MACHINE SMMU("pcie.0") HOTPLUG_PORT);

    suspend(&p);
    plug(&p);
    qtest_qmp_assert_success(p.qts, "{ 'execute': 'system_reset' }");
    qtest_qmp_eventwait(p.qts, "RESET");
    g_assert_cmphex(pmcsr(&p), ==, PCI_PM_CTRL_NO_SOFT_RESET);
    g_assert_cmphex(root_status(&p), ==, 0);
    g_assert_cmphex(qtest_readw(p.qts, p.exp + PCI_EXP_RTCTL), ==, 0);
    qtest_quit(p.qts);
}

/* An event that software has not handled migrates, and so does the last one */
static void test_migrate(void)
{
    g_autofree char *dir = g_dir_make_tmp("pcie-pme-XXXXXX", NULL);
    g_autofree char *uri = g_strdup_printf("file:%s/state", dir);
    Port p = start(MACHINE SMMU("pcie.0") HOTPLUG_PORT);

    suspend(&p);
    plug(&p);
    rig_save(p.qts, uri);
    qtest_quit(p.qts);

    p = start(MACHINE SMMU("pcie.0") HOTPLUG_PORT
              "-device pci-testdev,id=dev1,bus=rp1 -incoming defer");
    qtest_qmp_assert_success(p.qts, "{'execute': 'migrate-incoming', "
                             "'arguments': {'uri': %s}}", uri);
    g_assert_true(rig_migrated(p.qts));
    g_assert_cmphex(root_status(&p), ==, PCI_EXP_RTSTA_PME | REQUESTER);
    g_assert_cmphex(pmcsr(&p) & PCI_PM_CTRL_PME_STATUS, !=, 0);
    qtest_quit(p.qts);
    g_assert_cmpint(unlink(uri + strlen("file:")), ==, 0);
    g_assert_cmpint(rmdir(dir), ==, 0);
}

/* The ports of other machines do not change, nor do those without hot-plug */
static void test_none(void)
{
    static const char *const machines[] = {
        MACHINE HOTPLUG_PORT,
        MACHINE "-device pxb-pcie,id=pcie.1,bus_nr=8,bus=pcie.0,addr=2 "
            SMMU("pcie.1") HOTPLUG_PORT,
        MACHINE SMMU("pcie.0")
            "-device pcie-root-port,bus=pcie.0,chassis=1,addr=1,hotplug=off",
    };

    for (int i = 0; i < ARRAY_SIZE(machines); i++) {
        Port p = start(machines[i]);

        g_assert_cmphex(p.pm, ==, 0);
        qtest_writew(p.qts, p.exp + PCI_EXP_RTCTL, PCI_EXP_RTCTL_PMEIE);
        g_assert_cmphex(qtest_readw(p.qts, p.exp + PCI_EXP_RTCTL), ==, 0);
        qtest_quit(p.qts);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("pcie-pme/wake", test_wake);
    qtest_add_func("pcie-pme/late", test_late);
    qtest_add_func("pcie-pme/no-event", test_no_event);
    qtest_add_func("pcie-pme/reset", test_reset);
    qtest_add_func("pcie-pme/migrate", test_migrate);
    qtest_add_func("pcie-pme/none", test_none);
    return g_test_run();
}
