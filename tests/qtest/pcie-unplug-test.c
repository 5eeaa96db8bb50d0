/*
 * QTest: unplug requests that the guest does not answer
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/pci/pci_regs.h"
#include "libqtest.h"
#include "qobject/qdict.h"

#define PORT        (0x3f000000ULL + (1 << 15))
#define MACHINE \
    "-M virt,highmem=off -nodefaults " \
    "-device pcie-root-port,id=rp1,bus=pcie.0,chassis=1,addr=1 "
#define FUNCTION(n) \
    "-device pci-testdev,id=dev" #n ",bus=rp1,addr=0." #n ",multifunction=on "

static uint64_t express(QTestState *qts)
{
    uint8_t at = qtest_readb(qts, PORT + PCI_CAPABILITY_LIST);

    while (at && qtest_readb(qts, PORT + at) != PCI_CAP_ID_EXP) {
        at = qtest_readb(qts, PORT + at + PCI_CAP_LIST_NEXT);
    }
    g_assert_cmphex(at, !=, 0);
    return PORT + at;
}

static void slot_is(QTestState *qts, bool occupied)
{
    uint64_t exp = express(qts);

    g_assert_cmphex(qtest_readw(qts, exp + PCI_EXP_SLTSTA), ==,
                    occupied ? PCI_EXP_SLTSTA_PDS : 0);
    g_assert_cmphex(qtest_readw(qts, exp + PCI_EXP_SLTCTL) &
                    PCI_EXP_SLTCTL_PCC, ==,
                    occupied ? PCI_EXP_SLTCTL_PWR_ON : PCI_EXP_SLTCTL_PWR_OFF);
}

static void reset(QTestState *qts)
{
    qtest_qmp_assert_success(qts, "{ 'execute': 'system_reset' }");
    qtest_qmp_eventwait(qts, "RESET");
}

static bool exists(QTestState *qts, const char *id)
{
    g_autofree char *path = g_strdup_printf("/machine/peripheral/%s", id);
    QDict *answer = qtest_qmp(qts, "{ 'execute': 'qom-list',"
                              " 'arguments': { 'path': %s } }", path);
    bool found = qdict_haskey(answer, "return");

    qobject_unref(answer);
    return found;
}

/* The guest answers neither before nor after the reset */
static void test_reset(void)
{
    QTestState *qts = qtest_init(MACHINE FUNCTION(0));

    for (int i = 0; i < 2; i++) {
        qtest_qmp_device_del_send(qts, "dev0");
        reset(qts);
        qtest_qmp_eventwait(qts, "DEVICE_DELETED");
        g_assert_false(exists(qts, "dev0"));
        slot_is(qts, false);
        qtest_qmp_device_add(qts, "pci-testdev", "dev0", "{ 'bus': 'rp1' }");
    }
    qtest_quit(qts);
}

/* A guest that has begun to release the device, and hangs */
static void test_blinking(void)
{
    QTestState *qts = qtest_init(MACHINE FUNCTION(0));

    qtest_qmp_device_del_send(qts, "dev0");
    qtest_writew(qts, express(qts) + PCI_EXP_SLTCTL,
                 PCI_EXP_SLTCTL_PWR_IND_BLINK);
    g_assert_true(exists(qts, "dev0"));
    reset(qts);
    qtest_qmp_eventwait(qts, "DEVICE_DELETED");
    slot_is(qts, false);
    qtest_quit(qts);
}

/* The slot has one button for all functions of a device */
static void test_functions(void)
{
    QTestState *qts = qtest_init(MACHINE FUNCTION(1) FUNCTION(0));

    qtest_qmp_device_del_send(qts, "dev1");
    reset(qts);
    qtest_qmp_eventwait(qts, "DEVICE_DELETED");
    qtest_qmp_eventwait(qts, "DEVICE_DELETED");
    g_assert_false(exists(qts, "dev0"));
    g_assert_false(exists(qts, "dev1"));
    slot_is(qts, false);
    qtest_quit(qts);
}

/* The port goes away with the devices below it */
static void test_nested(void)
{
    QTestState *qts = qtest_init(
        MACHINE "-device x3130-upstream,id=up1,bus=rp1 "
        "-device xio3130-downstream,id=dn1,bus=up1,chassis=2,slot=1 "
        "-device pci-testdev,id=dev0,bus=dn1 ");

    qtest_qmp_device_del_send(qts, "dev0");
    qtest_qmp_device_del_send(qts, "up1");
    reset(qts);
    for (int i = 0; exists(qts, "up1") && i < 100; i++) {
        g_usleep(20 * 1000);
    }
    g_assert_false(exists(qts, "dev0"));
    g_assert_false(exists(qts, "up1"));
    slot_is(qts, false);
    qtest_quit(qts);
}

/* Without a request a device stays */
static void test_none(void)
{
    QTestState *qts = qtest_init(MACHINE FUNCTION(0));

    reset(qts);
    g_assert_true(exists(qts, "dev0"));
    slot_is(qts, true);
    qtest_quit(qts);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("pcie-unplug/reset", test_reset);
    qtest_add_func("pcie-unplug/blinking", test_blinking);
    qtest_add_func("pcie-unplug/functions", test_functions);
    qtest_add_func("pcie-unplug/nested", test_nested);
    qtest_add_func("pcie-unplug/none", test_none);
    return g_test_run();
}
