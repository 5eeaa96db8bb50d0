/*
 * arm-smmuv3-accel: unit tests of a guest's CMDQV that the host executes
 *
 * When QEMU gives the queues to the host, and errors of the queues.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "smmuv3-accel-rig-cmdqv.h"
#include "hw/pci/pci_device.h"

static Rig *start(void)
{
    return rig_cmdqv_started(LINUX_7_3, &cmdqv_smmu);
}

static void test_give(void)
{
    Rig *rig = start();
    uint64_t length;

    g_assert(!rig_cmdqv_is_hardware(rig));
    g_assert_null(smmuv3_accel_cmdqv_why(rig->s));
    rig_cmdqv_invalidate(rig, 1, 1);
    g_assert(rig_cmdqv_is_hardware(rig));
    rig_assert_calls(rig, RIG_GIVE);
    for (int l = 0; l < RIG_QUEUES; l++) {
        g_assert_cmphex(fake_cmdqv_base(rig->iommufd, l, &length), ==,
                        RIG_QUEUE(l));
        g_assert_cmphex(length, ==, 16 << RIG_LOG2_QUEUE);
    }
    g_assert_cmpuint(rig_hardware.n, ==, 2);
    g_assert(rig_cmdqv_is_done(rig, 1));
    for (int n = 0; n < 600; n++) {
        rig_cmdqv_invalidate(rig, n % 2, 1);
        g_assert(rig_cmdqv_is_done(rig, n % 2));
    }
    rig_assert_calls(rig, "");
    g_assert_cmpuint(rig_hardware.n, ==, 1202);
    g_assert_cmpuint(rig_executed()->len, ==, 0);
    g_assert_cmpuint(rig->s->counters.cmdqv_doorbells, ==, 1);
    g_assert_cmpuint(rig->s->counters.cmdqv_given, ==, 1);
    g_assert_cmpuint(rig_cmdqv_irqs(), ==, 0);
    rig_free(rig);
}

/* QEMU's commands, including collected ones, precede those of the hardware */
static void test_outstanding(void)
{
    Rig *rig = start();

    for (int n = 0; n < 150; n++) {
        rig->s->cmdqv->next_give_ms = INT64_MAX;
        rig_cmdqv_invalidate(rig, 0, 1);    /* 300: it has wrapped */
    }
    g_assert(!rig_cmdqv_is_hardware(rig));
    rig_cmdqv_put(rig, 1, TLBI_ASID(1), 0);
    rig_cmdqv_ring(rig, 1);
    g_free(fake_iommufd_calls(rig->iommufd));
    rig_command(rig, SMMU_CMD_TLBI_NH_ALL, 0, 0);   /* in the SMMU's queue */
    rig_cmdqv_put(rig, 0, TLBI_ASID(1), 0);
    rig_cmdqv_put(rig, 0, SMMU_CMD_SYNC, 0);
    rig_hardware.dead = false;
    rig_cmdqv_wait_give(rig);
    rig_cmdqv_ring(rig, 0);
    g_assert(rig_cmdqv_is_hardware(rig));
    rig_assert_calls(rig, "invalidate " RIG_GIVE);
    g_assert_cmpuint(rig_executed()->len, ==, 301);
    g_assert_cmpuint(rig_hardware.n, ==, 2);
    g_assert(rig_cmdqv_is_done(rig, 0) && rig_cmdqv_is_done(rig, 1));
    rig_free(rig);
}

/* Not before all queues are enabled, nor at a doorbell outside of the VINTF */
static void test_not_yet(void)
{
    Rig *rig = start();

    rig_cmdqv_write(rig, PAGE0(1) + A_VCMDQ_CONFIG, 0);
    rig_cmdqv_invalidate(rig, 0, 1);
    g_assert(!rig_cmdqv_is_hardware(rig));
    g_assert(strstr(smmuv3_accel_cmdqv_why(rig->s), "all queues that it has"));
    rig_cmdqv_write(rig, PAGE0(1) + A_VCMDQ_CONFIG, 1);
    g_assert(!rig_cmdqv_is_hardware(rig));
    rig_cmdqv_put(rig, 1, SMMU_CMD_SYNC, 0);
    rig_cmdqv_write(rig, DIRECT0(1) + A_VCMDQ_PROD, 1);
    g_assert(!rig_cmdqv_is_hardware(rig) && rig_cmdqv_is_done(rig, 1));
    rig_cmdqv_give(rig);
    rig_free(rig);
}

/* A host with more queues, one with fewer, and one of another version */
static void test_fits(void)
{
    static const struct {
        uint8_t version, log2vcmdqs;
        bool fits;
    } cases[] = { { 1, 3, true }, { 1, 0, false }, { 2, 1, false } };

    for (int i = 0; i < ARRAY_SIZE(cases); i++) {
        FakeSMMU smmu = cmdqv_smmu;
        Rig *rig = rig_cmdqv_new(LINUX_7_3, &smmu, ON_OFF_AUTO_ON, 0x4011,
                                 &error_abort);

        smmu.cmdqv.version = cases[i].version;
        smmu.cmdqv.log2vcmdqs = cases[i].log2vcmdqs;
        g_assert(rig_plug(rig, 1, &error_abort));
        smmuv3_accel_cmdqv_decide(rig->s);
        rig_cmdqv_start(rig);
        rig_cmdqv_invalidate(rig, 1, 1);
        g_assert(rig_cmdqv_is_done(rig, 1));
        g_assert(rig_cmdqv_is_hardware(rig) == cases[i].fits);
        g_assert(!smmuv3_accel_cmdqv_why(rig->s) == cases[i].fits);
        rig_free(rig);
    }
}

/* A guest would not invalidate twice where the SMMU needs it */
static void test_twice(void)
{
    FakeSMMU smmu = cmdqv_smmu;
    Rig *rig;

    smmu.info.flags = IOMMU_HW_INFO_ARM_SMMUV3_ERRATA_REPEAT_TLBI_CFGI;
    rig = rig_cmdqv_started(LINUX_7_3, &smmu);
    rig_cmdqv_invalidate(rig, 1, 1);
    g_assert(rig_cmdqv_is_done(rig, 1) && !rig_cmdqv_is_hardware(rig));
    g_assert(strstr(smmuv3_accel_cmdqv_why(rig->s), "T264-SMMU-3"));
    g_assert_cmpuint(rig_executed()->len, ==, 2);
    rig_free(rig);
}

/* Kernels before 6.19 give a queue in the state that another guest has left */
static void test_stale(void)
{
    Rig *rig = start();

    rig_hardware.stale = true;
    rig_cmdqv_give(rig);
    g_assert_cmphex(rig_cmdqv_read(rig, A_CMDQV_VINTF_ERR_MAP), ==, 0);
    rig_cmdqv_write(rig, A_CMDQV_VINTF_INT_MASK, 0);
    g_assert_cmpuint(rig_cmdqv_irqs(), ==, 0);
    rig_cmdqv_invalidate(rig, 0, 1);
    g_assert(rig_cmdqv_is_done(rig, 0));
    rig_free(rig);
}

/* QEMU has to see the ATC_INVs and notifications for an emulated device */
static void test_emulated(void)
{
    Rig *rig = start();
    PCIDevice pdev = { .exp.ats_cap = 0x100 };
    PCIBus *bus = &rig->bus[1].bus;
    SMMUDevice notified;

    QLIST_INSERT_HEAD(&ARM_SMMU(rig->s)->devices_with_notifiers, &notified,
                      next);
    rig_cmdqv_invalidate(rig, 0, 1);
    g_assert(strstr(smmuv3_accel_cmdqv_why(rig->s), "as with vhost"));
    QLIST_REMOVE(&notified, next);

    QLIST_INSERT_HEAD(&rig->bus[0].bus.child, bus, sibling);
    bus->devices[8] = &pdev;
    g_assert_null(smmuv3_accel_cmdqv_why(rig->s));      /* IDR0.ATS is 0 */
    rig->s3->idr[0] |= R_IDR0_ATS_MASK;
    rig_cmdqv_invalidate(rig, 0, 1);
    g_assert(strstr(smmuv3_accel_cmdqv_why(rig->s), "has ATS"));
    g_assert(!rig_cmdqv_is_hardware(rig) && rig_cmdqv_is_done(rig, 0));
    bus->flags |= PCI_BUS_IS_ROOT;      /* behind another SMMU */
    rig_cmdqv_invalidate(rig, 0, 1);
    g_assert(rig_cmdqv_is_hardware(rig));
    /* It is plugged later: its error does not count as one of the guest */
    bus->flags &= ~PCI_BUS_IS_ROOT;
    rig_hardware_error(rig, 0, CMDQV_CERROR_ACCESS);
    g_assert_cmpuint(rig_cmdqv_irqs(), >=, 1);
    g_assert(!rig_cmdqv_is_hardware(rig));
    g_assert_cmpuint(rig->s->cmdqv->recent_errors, ==, 0);
    rig_cmdqv_repair(rig, 0);
    g_assert(strstr(smmuv3_accel_cmdqv_why(rig->s), "has ATS"));
    rig_free(rig);
}

/*
 * Memory of a device, or no memory: VFIO could not unmap memory that hardware
 * reads. The same is true for a queue that only ends there.
 */
static void test_memory(void)
{
    static const struct {
        uint64_t base;
        unsigned log2size;
        bool gives;
    } cases[] = {
        { RIG_VRAM, 8, false },
        { RIG_VRAM + RIG_VRAM_SIZE, 8, false },
        { 0, 8, false },
        { RIG_RAM, 18, false },
        { RIG_VRAM - 0x1000, 8, true },
    };

    for (int i = 0; i < ARRAY_SIZE(cases); i++) {
        Rig *rig = start();

        rig_cmdqv_write(rig, PAGE0(1) + A_VCMDQ_CONFIG, 0);
        rig_cmdqv_write64(rig, PAGE1(1) + A_VCMDQ_BASE,
                          cases[i].base | cases[i].log2size);
        rig_cmdqv_write(rig, PAGE0(1) + A_VCMDQ_CONFIG, 1);
        rig_cmdqv_invalidate(rig, 0, 1);
        g_assert(rig_cmdqv_is_done(rig, 0));
        g_assert(rig_cmdqv_is_hardware(rig) == cases[i].gives);
        if (!cases[i].gives) {
            g_assert(strstr(smmuv3_accel_cmdqv_why(rig->s),
                            "the machine starts with"));
            rig_assert_calls(rig, "invalidate");
        }
        rig_free(rig);
    }
}

/* A store that was under way when the guest got the page, and unusual stores */
static void test_late_store(void)
{
    Rig *rig = rig_cmdqv_given();

    rig_cmdqv_put(rig, 1, SMMU_CMD_SYNC, 0);
    g_assert_cmpint(rig_cmdqv_trap(rig, PAGE0(1) + A_VCMDQ_PROD, 3, 4), ==,
                    MEMTX_OK);
    g_assert(rig_cmdqv_is_hardware(rig) && rig_cmdqv_is_done(rig, 1));
    /* PROD, and in the same store CONFIG, unchanged */
    rig_cmdqv_put(rig, 1, SMMU_CMD_SYNC, 0);
    rig_hardware_run(rig);
    g_assert_cmpint(rig_cmdqv_trap(rig, PAGE0(1) + A_VCMDQ_CONFIG, 1, 8), ==,
                    MEMTX_OK);
    g_assert(rig_cmdqv_is_hardware(rig));
    g_assert_cmpint(rig_cmdqv_trap(rig, PAGE0(1) + 0x78, -1ULL, 8), ==,
                    MEMTX_OK);
    rig_cmdqv_ring(rig, 1);
    g_assert(rig_cmdqv_is_hardware(rig) && rig_cmdqv_is_done(rig, 1));
    /* The same with KVM; the address is in the guest's page by now */
    rig_set_can_run(true);
    rig_cmdqv_put(rig, 1, SMMU_CMD_SYNC, 0);
    g_assert_cmpint(rig_cmdqv_trap(rig, PAGE0(1) + A_VCMDQ_PROD, 5, 4), ==,
                    MEMTX_OK);
    g_assert(rig_cmdqv_is_hardware(rig) && rig_cmdqv_is_done(rig, 1));
    rig_set_can_run(false);
    /* An LVCMDQ that does not exist */
    g_assert_cmpint(rig_cmdqv_trap(rig, PAGE0(2) + A_VCMDQ_PROD, 3, 4), ==,
                    MEMTX_OK);
    g_assert_cmpint(rig_cmdqv_trap(rig, PAGE1(100), 3, 4), ==, MEMTX_OK);
    g_assert(rig_cmdqv_is_hardware(rig));
    rig_free(rig);
}

/* LVCMDQ 0 is VCMDQ 1, and vice versa */
static void test_crossed(void)
{
    Rig *rig = start();
    uint64_t length;

    rig_cmdqv_cross(rig);
    rig_cmdqv_give(rig);
    g_assert_cmphex(fake_cmdqv_base(rig->iommufd, 1, &length), ==,
                    RIG_QUEUE(1));
    rig_cmdqv_invalidate(rig, 1, 1);
    g_assert_cmphex(rig_cmdqv_read(rig, DIRECT0(0) + A_VCMDQ_CONS), ==, 4);
    g_assert_cmphex(rig_cmdqv_read(rig, DIRECT0(1) + A_VCMDQ_CONS), ==, 2);
    rig_hardware_error(rig, 0, SMMU_CERROR_ILL);
    g_assert_cmphex(rig_cmdqv_read(rig, A_CMDQV_CMDQ_ERR_MAP), ==, 2);
    rig_cmdqv_repair(rig, 0);
    rig_cmdqv_write(rig, A_CMDQV_VINTF_INT_MASK, 0);
    g_assert(!rig_cmdqv_is_hardware(rig));
    g_assert_cmphex(rig_cmdqv_read(rig, DIRECT0(0) + A_VCMDQ_CONS), ==, 4);
    g_assert_cmphex(rig_cmdqv_read(rig, DIRECT0(1) + A_VCMDQ_CONS), ==, 2);
    rig_free(rig);
}

/* The host reports an error, QEMU reads it in the page, the guest repairs it */
static void test_error(void)
{
    Rig *rig = rig_cmdqv_given();

    for (int l = 0; l < RIG_QUEUES; l++) {
        rig_hardware_error(rig, l, SMMU_CERROR_ILL);
        g_assert_cmpuint(rig_cmdqv_irqs(), ==, 1);
        rig_cmdqv_invalidate(rig, l, 1);
        g_assert(!rig_cmdqv_is_done(rig, l));
        rig_cmdqv_repair(rig, l);
        rig_cmdqv_ring(rig, l);
        /* Hardware need not clear CONS.ERR */
        g_assert_cmphex(rig_cmdqv_read(rig, PAGE0(l) + A_VCMDQ_CONS) &
                        R_VCMDQ_CONS_INDEX_MASK, ==, 4);
    }
    g_assert(rig_cmdqv_is_hardware(rig));
    rig_assert_calls(rig, "");
    g_assert_cmpuint(rig->s->cmdqv->dev.errors, ==, 2);

    /* The guest has masked the interrupt */
    rig_cmdqv_write(rig, A_CMDQV_VINTF_INT_MASK, 1);
    rig_cmdqv_give(rig);
    rig_hardware_error(rig, 0, SMMU_CERROR_ILL);
    g_assert_cmpuint(rig_cmdqv_irqs(), ==, 0);
    rig_free(rig);
}

/* QEMU gives the queues after an error that the guest has acknowledged */
static void test_give_after_error(void)
{
    Rig *rig = rig_cmdqv_given();

    rig_hardware_error(rig, 0, SMMU_CERROR_ILL);
    /* The hardware leaves CONS.ERR, which has no meaning after that */
    rig_hardware.dead = true;
    rig_cmdqv_repair(rig, 0);
    g_assert_cmphex(rig_cmdqv_read(rig, PAGE0(0) + A_VCMDQ_CONS), ==,
                    2 | SMMU_CERROR_ILL << R_VCMDQ_CONS_ERR_SHIFT);
    rig_cmdqv_write(rig, A_CMDQV_VINTF_INT_MASK, 0);
    rig_hardware.dead = false;
    g_assert(!rig_cmdqv_is_hardware(rig));
    g_assert_cmphex(rig_cmdqv_read(rig, PAGE0(0) + A_VCMDQ_CONS), ==, 2);
    rig_cmdqv_give(rig);
    rig_free(rig);
}

/* An error that the guest has not acknowledged is still there in QEMU */
static void take_error_back(bool masked)
{
    Rig *rig = start();

    rig_cmdqv_write(rig, A_CMDQV_VINTF_INT_MASK, masked);
    rig_cmdqv_give(rig);
    rig_cmdqv_put(rig, 1, TLBI_ASID(7), 0);
    /* The host has not reported the error yet */
    fake_cmdqv_stop_queue(rig->iommufd, 1, CMDQV_CERROR_ACCESS);
    rig_cmdqv_ring(rig, 1);
    rig_cmdqv_write(rig, VINTF0(A_VINTF_SID_REPLACE), 1);
    g_assert(!rig_cmdqv_is_hardware(rig));
    g_assert_cmpuint(rig_cmdqv_irqs(), ==, !masked);
    g_assert_cmpuint(rig_executed()->len, ==, 0);
    g_assert_cmphex(rig_cmdqv_read(rig, PAGE0(1) + A_VCMDQ_CONS), ==,
                    2 | CMDQV_CERROR_ACCESS << R_VCMDQ_CONS_ERR_SHIFT);
    rig_cmdqv_wait_give(rig);
    rig_cmdqv_invalidate(rig, 0, 1);
    g_assert(!rig_cmdqv_is_hardware(rig));
    g_assert(strstr(smmuv3_accel_cmdqv_why(rig->s), "not acknowledged"));
    /* The acknowledgement is a doorbell */
    rig_cmdqv_repair(rig, 1);
    g_assert(rig_cmdqv_is_hardware(rig));
    g_assert(rig_cmdqv_is_done(rig, 1));
    rig_free(rig);
}

static void test_error_taken_back(void)
{
    take_error_back(false);
    take_error_back(true);
}

int main(int argc, char **argv)
{
    rig_init(&argc, &argv);
    g_test_add_func("/smmuv3-accel/cmdqv-give/give", test_give);
    g_test_add_func("/smmuv3-accel/cmdqv-give/outstanding", test_outstanding);
    g_test_add_func("/smmuv3-accel/cmdqv-give/not-yet", test_not_yet);
    g_test_add_func("/smmuv3-accel/cmdqv-give/fits", test_fits);
    g_test_add_func(  "/smmuv3-accel/cmdqv-give/twice", test_twice);
    g_test_add_func("/smmuv3-accel/cmdqv-give/stale", test_stale);
    g_test_add_func("/smmuv3-accel/cmdqv-give/emulated", test_emulated);
    g_test_add_func("/smmuv3-accel/cmdqv-give/memory", test_memory);
    g_test_add_func("/smmuv3-accel/cmdqv-give/late-store", test_late_store);
    g_test_add_func("/smmuv3-accel/cmdqv-give/crossed", test_crossed);
    g_test_add_func("/smmuv3-accel/cmdqv-give/error", test_error);
    g_test_add_func("/smmuv3-accel/cmdqv-give/give-after-error",
                    test_give_after_error);
    g_test_add_func("/smmuv3-accel/cmdqv-give/error-taken-back",
                    test_error_taken_back);
    return g_test_run();
}
