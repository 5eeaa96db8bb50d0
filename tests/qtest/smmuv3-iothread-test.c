/*
 * QTest: SMMUv3 translates DMA of an iothread
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "smmuv3-rig.h"

/* A modern virtio-blk: registers at fixed places in its BAR 4 */
#define VIRTIO          "-object iothread,id=io -blockdev null-co," \
                        "node-name=n,size=1048576,read-zeroes=on " \
                        "-device virtio-blk-pci,drive=n,iothread=io," \
                        "bus=pcie.0,addr=2.0,iommu_platform=on," \
                        "disable-legacy=on"
#define COMMON          RIG_BAR
#define NOTIFY          (COMMON + 0x3000)
#define DESC            0x42000000ULL
#define AVAIL           0x42001000ULL
#define USED            0x42002000ULL

static void put_descriptor(Rig *r, int n, uint64_t addr, uint32_t len,
                           uint16_t flags)
{
    qtest_writeq(r->qts, DESC + n * 16, addr);
    qtest_writel(r->qts, DESC + n * 16 + 8, len);
    qtest_writew(r->qts, DESC + n * 16 + 12, flags);
    qtest_writew(r->qts, DESC + n * 16 + 14, n + 1);
}

static void start_virtio(Rig *r, uint16_t queue_size)
{
    const struct {
        uint8_t offset, size;
        uint64_t value;
    } writes[] = {
        { 0x14, 1, 0 }, { 0x14, 1, 1 }, { 0x14, 1, 3 },
        { 0x08, 4, 1 }, { 0x0c, 4, 3 }, { 0x14, 1, 11 },
        { 0x16, 2, 0 }, { 0x18, 2, queue_size },
        { 0x20, 4, DESC }, { 0x24, 4, 0 }, { 0x28, 4, AVAIL }, { 0x2c, 4, 0 },
        { 0x30, 4, USED }, { 0x34, 4, 0 }, { 0x1c, 2, 1 }, { 0x14, 1, 15 },
    };

    qtest_writel(r->qts, rig_config(0, 2) + 0x20, COMMON);
    qtest_writel(r->qts, rig_config(0, 2) + 0x24, 0);
    qtest_writew(r->qts, rig_config(0, 2) + 4, 6);
    for (int i = 0; i < ARRAY_SIZE(writes); i++) {
        uint64_t addr = COMMON + writes[i].offset;

        switch (writes[i].size) {
        case 1:
            qtest_writeb(r->qts, addr, writes[i].value);
            break;
        case 2:
            qtest_writew(r->qts, addr, writes[i].value);
            break;
        default:
            qtest_writel(r->qts, addr, writes[i].value);
        }
    }
}

/*
 * A disk in an iothread causes an event while the guest resets the disk: the
 * reset waits for the iothread, which must not wait for the BQL to signal.
 */
static void test_reset(const void *accel)
{
    for (int i = 0; i < 4; i++) {
        Rig r;

        rig_start(&r, GPOINTER_TO_INT(accel), "-M gic-version=2 " VIRTIO);
        rig_enable(&r);
        rig_put_ste_s1(&r, 0x10);
        /* The rings are mapped by 4K pages, the buffers are not mapped */
        qtest_writeq(r.qts, RIG_PAGES, 0);
        qtest_writeq(r.qts, RIG_PAGES + 8, (RIG_PAGES + 0x1000) | 3);
        qtest_writeq(r.qts, RIG_PAGES + 0x1080, (RIG_PAGES + 0x2000) | 3);
        for (int page = 0; page < 3; page++) {
            qtest_writeq(r.qts, RIG_PAGES + 0x2000 + page * 8,
                         (DESC + page * 0x1000) | 0x403);
        }
        put_descriptor(&r, 0, 0x42003000, 16, 1);
        put_descriptor(&r, 1, 0x42004000, 512, 3);
        put_descriptor(&r, 2, 0x42005000, 1, 2);
        qtest_writew(r.qts, AVAIL + 2, 1);
        /* The MSI goes to the GICv2m doorbell, else the interrupt is wired */
        qtest_writeq(r.qts, r.smmu + RIG_EVENTQ_IRQ_CFG0, 0x08020040);
        qtest_writel(r.qts, r.smmu + RIG_EVENTQ_IRQ_CFG1, 100);
        qtest_writel(r.qts, r.smmu + RIG_IRQ_CTRL, 4);
        start_virtio(&r, 8);
        qtest_writew(r.qts, NOTIFY, 0);
        qtest_writeb(r.qts, COMMON + 0x14, 0);
        g_assert_cmphex(qtest_readb(r.qts, COMMON + 0x14), ==, 0);
        qtest_quit(r.qts);
    }
}

/* A queue of commands that takes about as long as the requests below */
#define TLBIS           0x44000000ULL
#define LOG2_TLBIS      15
#define SEGMENTS        254
#define REQUESTS        64
#define ROUNDS          300

static void put_tlbis(Rig *r)
{
    static const uint64_t nsnh_all[] = { 0x30, 0 };

    qtest_writel(r->qts, r->smmu + RIG_CR0, 0x5);       /* without CMDQEN */
    qtest_writeq(r->qts, r->smmu + RIG_CMDQ_BASE, TLBIS | LOG2_TLBIS);
    qtest_writel(r->qts, r->smmu + RIG_CR0, 0xd);
    for (int i = 0; i < 1 << LOG2_TLBIS; i += 4096) {
        g_autofree uint64_t *some = g_new(uint64_t, 4096 * 2);

        for (int j = 0; j < 4096; j++) {
            memcpy(&some[j * 2], nsnh_all, sizeof(nsnh_all));
        }
        qtest_bufwrite(r->qts, TLBIS + i * 16, some, 4096 * 16);
    }
}

/* One read into many buffers, each of which is translated */
static void put_requests(Rig *r)
{
    put_descriptor(r, 0, 0x42003000, 16, 1);
    for (int i = 1; i < SEGMENTS + 1; i++) {
        put_descriptor(r, i, 0x42004000, 512, 3);
    }
    put_descriptor(r, SEGMENTS + 1, 0x42005000, 1, 2);
    qtest_writew(r->qts, AVAIL, 1);                     /* no interrupt */
}

/* Waits until the disk has answered @n requests */
static void assert_answered(Rig *r, uint16_t n)
{
    for (int tries = 0; tries < 60000; tries++) {
        g_assert_cmphex(qtest_readb(r->qts, COMMON + 0x14), ==, 15);
        if (qtest_readw(r->qts, USED + 2) == n) {
            return;
        }
        g_usleep(1000);
    }
    g_assert_not_reached();
}

/*
 * A disk in an iothread does DMA while the guest invalidates the TLB: what a
 * translation has found must not be read after another thread has freed it. If
 * it is, the disk gets an address that is in no table, and gives up.
 */
static void test_tlb_race(const void *accel)
{
    Rig r;

    /* So that freed memory cannot be mistaken for an address */
    g_setenv("MALLOC_PERTURB_", "165", true);
    rig_start(&r, GPOINTER_TO_INT(accel), VIRTIO);
    rig_enable(&r);
    put_tlbis(&r);
    rig_put_ste_s1(&r, 0x10);
    /* Memory at its own address: the second gigabyte is that block, too */
    qtest_writeq(r.qts, RIG_PAGES + 8, qtest_readq(r.qts, RIG_PAGES));
    put_requests(&r);
    start_virtio(&r, 256);
    for (int round = 1; round <= ROUNDS; round++) {
        qtest_writew(r.qts, AVAIL + 2, round * REQUESTS);
        qtest_writew(r.qts, NOTIFY, 0);
        qtest_writel(r.qts, r.smmu + RIG_CMDQ_PROD,
                     (round & 1) << LOG2_TLBIS);
        assert_answered(&r, round * REQUESTS);
    }
    qtest_quit(r.qts);
    g_unsetenv("MALLOC_PERTURB_");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    if (qtest_has_device("virtio-blk-pci")) {
        rig_add_func("iothread/reset", test_reset);
        rig_add_func("iothread/tlb-race", test_tlb_race);
    }
    return g_test_run();
}
