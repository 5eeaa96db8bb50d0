/*
 * arm-smmuv3-accel: unit tests of stalled transactions, on a fake host
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "smmuv3-accel-rig.h"
#include "hw/arm/smmuv3-accel-stall.h"
#include "hw/pci/pci_device.h"
#include "qemu/timer.h"
#include "system/cpu-timers.h"

#define STALL_MODEL     (3U << 24)
#define STALL_MAX       32      /* unless it is given */
#define S1STALLD        (1ULL << 27)
#define BOTH            (CR0_SMMUEN | CR0_EVENTQEN)
#define RESUME          0x44
#define STALL_TERM      0x45
#define RETRY           (1U << 12)
#define ABORT           (1U << 13)
#define READ            IOMMU_PGFAULT_PERM_READ
#define WRITE           IOMMU_PGFAULT_PERM_WRITE
#define NO_PASID        -1

static FakeSMMU stalling;
static int64_t now_ms = 1000;

/* In place of QEMU's: the time of the guest goes on when the test says so */
int64_t cpu_get_clock(void)
{
    return now_ms * SCALE_MS;
}

static uint8_t config[PCI_CONFIG_SPACE_SIZE];
static PCIDevice pdev = { .config = config };

static void set_ids(uint16_t vendor, uint16_t device, uint8_t revision)
{
    pci_set_word(config + PCI_VENDOR_ID, vendor);
    pci_set_word(config + PCI_DEVICE_ID, device);
    pci_set_byte(config + PCI_REVISION_ID, revision);
}

/* A vSMMU that can stall, and a device on bus 1 that can, too */
static Rig *rig_new_stall(void)
{
    Rig *rig = rig_new(LINUX_7_3);

    stalling = host_smmu;
    stalling.info.idr[0] &= ~STALL_MODEL;
    rig->smmu = &stalling;
    set_ids(0x19e5, 0xa250, 0x21);
    rig->bus[1].bus.devices[0] = &pdev;
    rig->s3->eventq.log2size = 6;
    rig_set_s1(SID(1), 0x1000);
    return rig;
}

static Rig *rig_new_plugged(void)
{
    Rig *rig = rig_new_stall();

    g_assert(rig_plug(rig, 1, &error_abort));
    rig_write_cr0(rig, BOTH);
    g_free(fake_iommufd_calls(rig->iommufd));
    return rig;
}

static FakeStall *stall(Rig *rig, uint64_t addr)
{
    FakeStall *st = fake_vfio_stall(rig->dev[1], NO_PASID, addr, READ);

    g_assert(st);
    return st;
}

/* The STAG of the one event that there is now */
static uint16_t event_stag(void)
{
    RigEvents got = rig_events();

    g_assert_cmpuint(got.n, ==, 1);
    g_assert_cmphex(got.last.word[0] & 0xff, ==, 0x10);
    g_assert(got.last.word[2] >> 31);
    return got.last.word[2];
}

static void resume(Rig *rig, uint32_t sid, uint16_t stag, uint32_t action)
{
    rig_put_words(rig, RESUME | action | (uint64_t)sid << 32, stag);
    g_assert_cmpint(rig_ring(rig), ==, SMMU_CERROR_NONE);
}

static void assert_state(FakeStall *st, FakeStallState state)
{
    g_assert_cmpint(fake_stall_state(st), ==, state);
}

/* All of the event, and the answers that a guest can give */
static void test_answers(void)
{
    Rig *rig = rig_new_plugged();
    SMMUv3AccelCounters *c = &rig->s->counters;
    FakeStall *st = fake_vfio_stall(rig->dev[1], 0x12345, 0x123456789000,
                                    WRITE | IOMMU_PGFAULT_PERM_PRIV |
                                    IOMMU_PGFAULT_PERM_EXEC);
    RigEvents got = rig_events();
    uint16_t stag = got.last.word[2];

    g_assert_cmpuint(got.n, ==, 1);
    g_assert_cmphex(got.last.word[0], ==, 0x12345810);
    g_assert_cmphex(got.last.word[1], ==, SID(1));
    g_assert_cmphex(got.last.word[2], ==, (1U << 31) | stag);
    /* PnU, InD, a write; class IN, stage 1 */
    g_assert_cmphex(got.last.word[3], ==, 6 | 2 << 8);
    g_assert_cmphex(got.last.word[4], ==, 0x56789000);
    g_assert_cmphex(got.last.word[5], ==, 0x1234);
    assert_state(st, FAKE_WAITS);
    resume(rig, SID(1), stag, RETRY);
    assert_state(st, FAKE_RETRIED);

    st = stall(rig, 0);
    got = rig_events();
    g_assert_cmphex(got.last.word[0], ==, 0x10);
    g_assert_cmphex(got.last.word[3], ==, 1 << 3 | 2 << 8);
    resume(rig, SID(1), got.last.word[2], ABORT);
    assert_state(st, FAKE_TERMINATED);

    st = stall(rig, 0);
    resume(rig, SID(1), event_stag(), 0);
    assert_state(st, FAKE_TERMINATED);

    st = stall(rig, 0);
    event_stag();
    rig_put_words(rig, STALL_TERM | (uint64_t)SID(2) << 32, 0);
    g_assert_cmpint(rig_ring(rig), ==, SMMU_CERROR_NONE);
    assert_state(st, FAKE_WAITS);
    rig_put_words(rig, STALL_TERM | (uint64_t)SID(1) << 32, 0);
    g_assert_cmpint(rig_ring(rig), ==, SMMU_CERROR_NONE);
    assert_state(st, FAKE_TERMINATED);

    g_assert_cmpuint(c->stalled, ==, 4);
    g_assert_cmpuint(c->stalls_resumed, ==, 1);
    g_assert_cmpuint(c->stalls_terminated, ==, 3);
    g_assert_cmpuint(c->stalls_expired, ==, 0);
    rig_free(rig);
}

/* An answer that is for nothing does not hit anything else */
static void test_wrong_answers(void)
{
    Rig *rig = rig_new_plugged();
    FakeStall *first = stall(rig, 0), *second;
    uint16_t stag = event_stag();

    resume(rig, SID(2), stag, RETRY);
    resume(rig, SID(1), stag + 1, RETRY);
    assert_state(first, FAKE_WAITS);
    resume(rig, SID(1), stag, RETRY);
    resume(rig, SID(1), stag, ABORT);
    assert_state(first, FAKE_RETRIED);

    /*
     * The kernel terminates what waits when the guest changes the STE, and
     * gives its cookie to the next one
     */
    first = stall(rig, 0);
    stag = event_stag();
    rig_set_s1(SID(1), 0x2000);
    rig_cfgi_ste(rig, SID(1));
    assert_state(first, FAKE_TERMINATED);
    second = stall(rig, 0);
    g_assert_cmphex(event_stag(), !=, stag);
    resume(rig, SID(1), stag, ABORT);
    assert_state(second, FAKE_WAITS);
    rig_free(rig);
}

/* What was not taken from the kernel when the STE changed reaches no guest */
static void test_ended_unseen(void)
{
    Rig *rig = rig_new_plugged();
    FakeStall *st = stall(rig, 0);

    rig_set_config(SID(1), 0);
    rig_cfgi_ste(rig, SID(1));
    assert_state(st, FAKE_TERMINATED);
    g_assert_cmpuint(rig_events().n, ==, 0);
    g_assert(!fake_vfio_stall(rig->dev[1], NO_PASID, 0, READ));
    rig_free(rig);
}

/* The event waits for a queue that has room */
static void test_queue(void)
{
    Rig *rig = rig_new_plugged();
    SMMUQueue *q = &rig->s3->eventq;
    FakeStall *st;
    uint32_t prod;

    rig_write_cr0(rig, CR0_SMMUEN);
    st = stall(rig, 0);
    g_assert_cmpuint(rig_events().n, ==, 0);
    assert_state(st, FAKE_WAITS);
    rig_write_cr0(rig, BOTH);
    resume(rig, SID(1), event_stag(), RETRY);
    assert_state(st, FAKE_RETRIED);

    prod = q->prod;
    q->prod = q->cons ^ (1 << q->log2size);
    g_assert(smmuv3_q_full(q));
    st = stall(rig, 0);
    g_assert_cmpuint(rig_events().n, ==, 0);
    g_assert_cmpuint(rig_events().overflows, ==, 0);
    assert_state(st, FAKE_WAITS);
    q->prod = prod;
    rig_set_any_register(true);
    rig_write(rig, A_EVENTQ_CONS, q->cons);
    rig_set_any_register(false);
    resume(rig, SID(1), event_stag(), RETRY);
    assert_state(st, FAKE_RETRIED);
    rig_free(rig);
}

/* The guest is told of STALL_MAX of them; the others wait in the kernel */
static void test_max(void)
{
    Rig *rig = rig_new_plugged();
    FakeStall *st[STALL_MAX + 2];
    RigEvents got;

    for (int i = 0; i < ARRAY_SIZE(st); i++) {
        st[i] = stall(rig, i << 12);
    }
    got = rig_events();
    g_assert_cmpuint(got.n, ==, STALL_MAX);
    g_assert_cmphex(got.last.word[4], ==, (STALL_MAX - 1) << 12);
    g_assert_cmpuint(rig_events().n, ==, 0);
    resume(rig, SID(1), got.last.word[2], RETRY);
    assert_state(st[STALL_MAX - 1], FAKE_RETRIED);
    event_stag();
    rig_put_words(rig, STALL_TERM | (uint64_t)SID(1) << 32, 0);
    g_assert_cmpint(rig_ring(rig), ==, SMMU_CERROR_NONE);
    resume(rig, SID(1), event_stag(), RETRY);
    assert_state(st[STALL_MAX + 1], FAKE_RETRIED);
    rig_free(rig);
}

/* A guest that does not answer; its time stands still while it is stopped */
static void test_expire(void)
{
    Rig *rig = rig_new_plugged();
    FakeStall *first = stall(rig, 0), *second;

    event_stag();
    now_ms += 20000;
    second = stall(rig, 0x1000);
    event_stag();
    now_ms += 9999;
    rig_events();
    assert_state(first, FAKE_WAITS);
    now_ms += 1;
    rig_events();
    assert_state(first, FAKE_TERMINATED);
    assert_state(second, FAKE_WAITS);
    now_ms += 20000;
    rig_events();
    assert_state(second, FAKE_TERMINATED);
    g_assert_cmpuint(rig->s->counters.stalls_expired, ==, 2);
    rig_free(rig);
}

static void test_unplug(void)
{
    Rig *rig = rig_new_plugged();
    FakeStall *seen = stall(rig, 0), *unseen;

    event_stag();
    unseen = stall(rig, 0x1000);
    rig_unplug(rig, 1);
    assert_state(seen, FAKE_TERMINATED);
    assert_state(unseen, FAKE_TERMINATED);
    g_assert_cmpuint(rig_events().n, ==, 0);

    /* And once more with a reset in between */
    g_assert(rig_plug(rig, 1, &error_abort));
    seen = stall(rig, 0);
    event_stag();
    rig_reset(rig);
    assert_state(seen, FAKE_TERMINATED);
    rig_free(rig);
}

/* A device that has used up STALL_MAX makes room when it goes */
static void test_unplug_makes_room(void)
{
    Rig *rig = rig_new_plugged();
    FakeStall *other;

    rig->bus[2].bus.devices[0] = &pdev;
    rig_set_s1(SID(2), 0x1000);
    g_assert(rig_plug(rig, 2, &error_abort));
    for (int i = 0; i < STALL_MAX; i++) {
        stall(rig, i << 12);
    }
    g_assert_cmpuint(rig_events().n, ==, STALL_MAX);
    other = fake_vfio_stall(rig->dev[2], NO_PASID, 0, READ);
    g_assert_cmpuint(rig_events().n, ==, 0);
    rig_unplug(rig, 1);
    resume(rig, SID(2), event_stag(), RETRY);
    assert_state(other, FAKE_RETRIED);
    rig_free(rig);
}

/* S1STALLD for a device that the host's kernel does not let stall */
static void test_ids(void)
{
    static const struct {
        uint16_t vendor, device;
        uint8_t revision;
        bool stalls;
    } cases[] = {
        { 0x19e5, 0xa250, 0x21, true }, { 0x19e5, 0xa251, 0x30, true },
        { 0x19e5, 0xa255, 0x21, true }, { 0x19e5, 0xa256, 0x21, true },
        { 0x19e5, 0xa258, 0x30, true }, { 0x19e5, 0xa259, 0x30, true },
        { 0x19e5, 0xa250, 0x22 }, { 0x19e5, 0xa252, 0x21 },
        { 0x1b36, 0xa250, 0x21 },
    };

    for (int i = 0; i < ARRAY_SIZE(cases); i++) {
        Rig *rig = rig_new_stall();
        uint64_t want = S1STALLD;

        if (cases[i].stalls) {
            want = 0;
        }
        set_ids(cases[i].vendor, cases[i].device, cases[i].revision);
        g_assert(rig_plug(rig, 1, &error_abort));
        rig_write_cr0(rig, BOTH);
        g_assert_cmphex(fake_vfio_ste(rig->dev[1])[1], ==, want);
        g_assert(!fake_vfio_stall(rig->dev[1], NO_PASID, 0, READ) ==
                 !cases[i].stalls);
        rig_free(rig);
    }
}

/* Without a place in PCI, in a group of two, and by the guest's own STE */
static void test_no_stall(void)
{
    Rig *rig = rig_new_stall();
    FakeDevice *other;
    STE ste = { .word = { 0x1000 | 5 << 1 | 1, 0, S1STALLD } };

    rig->bus[1].bus.devices[0] = NULL;
    g_assert(rig_plug(rig, 1, &error_abort));
    rig_write_cr0(rig, BOTH);
    g_assert_cmphex(fake_vfio_ste(rig->dev[1])[1], ==, S1STALLD);
    rig_unplug(rig, 1);

    rig->bus[1].bus.devices[0] = &pdev;
    g_assert(rig_plug(rig, 1, &error_abort));
    g_assert_cmphex(fake_vfio_ste(rig->dev[1])[1], ==, 0);
    rig_set_ste(SID(1), &ste);
    rig_cfgi_ste(rig, SID(1));
    g_assert_cmphex(fake_vfio_ste(rig->dev[1])[1], ==, S1STALLD);
    g_assert(!fake_vfio_stall(rig->dev[1], NO_PASID, 0, READ));
    rig_unplug(rig, 1);

    rig_set_s1(SID(2), 0x1000);
    rig_set_s1(SID(2) + 1, 0x1000);
    rig->bus[2].bus.devices[0] = rig->bus[2].bus.devices[1] = &pdev;
    rig->dev[2] = rig_plug_in_group(rig, 2, 0, 7, &error_abort);
    g_assert_cmphex(fake_vfio_ste(rig->dev[2])[1], ==, 0);
    other = rig_plug_in_group(rig, 2, 1, 7, &error_abort);
    g_assert_cmphex(fake_vfio_ste(rig->dev[2])[1], ==, S1STALLD);
    smmuv3_accel_device_unplug(rig->s, &rig->bus[2].bus, 1);
    fake_vfio_unbind(other);
    rig_free(rig);
}

/* The host refuses the queue: the device works, and does not stall */
static void test_refused(void)
{
    Rig *rig = rig_new_stall();
    g_autofree char *calls = NULL, *said = NULL;
    unsigned nth;

    g_assert(rig_plug(rig, 1, &error_abort));
    nth = fake_iommufd_n_calls(rig->iommufd);
    calls = fake_iommufd_calls(rig->iommufd);
    g_assert(strstr(calls, "fault-queue-alloc"));
    rig_unplug(rig, 1);
    g_free(fake_iommufd_calls(rig->iommufd));
    for (unsigned i = 1; i <= nth; i++) {
        g_autofree char *log = NULL;
        Error *err = NULL;
        bool ok;

        fake_iommufd_fail_nth(rig->iommufd, i, 0);
        ok = rig_plug(rig, 1, &err);
        fake_iommufd_fail_nth(rig->iommufd, 0, 0);
        log = fake_iommufd_calls(rig->iommufd);
        if (strstr(log, "fault-queue-alloc!")) {
            g_assert(ok);
            said = rig_messages();
            g_assert(strstr(said, "do not stall"));
            rig_write_cr0(rig, BOTH);
            g_assert_cmphex(fake_vfio_ste(rig->dev[1])[1], ==, S1STALLD);
            rig_write_cr0(rig, 0);
        } else {
            g_free(rig_messages());
        }
        if (ok) {
            rig_unplug(rig, 1);
        } else {
            error_free(err);
        }
    }
    g_assert(said);
    rig_free(rig);
}

/* A kernel that has the queue, but whose SMMU driver reports no stalls */
static void test_not_supported(void)
{
    const char *const calls[] = { "nested-alloc!", "attach!" };

    for (int i = 0; i < ARRAY_SIZE(calls); i++) {
        Rig *rig = rig_new_stall();
        bool seen = false;

        g_assert(rig_plug(rig, 1, &error_abort));
        for (int variant = 0; variant < FAKE_VARIANTS && !seen; variant++) {
            g_autofree char *log = NULL, *dma = NULL;

            rig_write_cr0(rig, 0);
            rig->s->devices.lh_first->hdev->can_stall = true;
            g_free(fake_iommufd_calls(rig->iommufd));
            fake_iommufd_fail_nth(rig->iommufd, i + 1, variant);
            rig_write_cr0(rig, CR0_SMMUEN);
            fake_iommufd_fail_nth(rig->iommufd, 0, 0);
            log = fake_iommufd_calls(rig->iommufd);
            dma = fake_vfio_dma(rig->dev[1]);
            g_free(rig_messages());
            if (!strstr(log, calls[i]) || !g_str_has_prefix(dma, "s1 ")) {
                continue;
            }
            seen = true;
            g_assert_cmphex(fake_vfio_ste(rig->dev[1])[1], ==, S1STALLD);
            g_assert(!rig->s->devices.lh_first->hdev->can_stall);
            /* It is not tried again */
            rig_cfgi_ste(rig, SID(1));
            g_assert(!strstr(fake_iommufd_calls(rig->iommufd), "attach"));
        }
        g_assert(seen);
        rig_free(rig);
    }
}

/* Faults that cannot be read are read after the next register write */
static void test_read_fails(void)
{
    Rig *rig = rig_new_plugged();
    int queue = rig->s->host->fault_queue_fd, saved = dup(queue);
    int fd = open("/dev/null", O_WRONLY);       /* always ready, EBADF */
    g_autofree char *messages = NULL;
    FakeStall *st = stall(rig, 0);

    g_assert_cmpint(dup2(fd, queue), ==, queue);
    close(fd);
    rig_events();
    messages = rig_messages();
    g_assert(strstr(messages, "cannot read faults; the DMA of devices"));
    g_assert_cmpuint(rig->s->counters.complaints, ==, 1);

    g_assert_cmpint(dup2(saved, queue), ==, queue);
    close(saved);
    rig_set_any_register(true);
    rig_write(rig, A_EVENTQ_CONS, rig->s3->eventq.cons);
    rig_set_any_register(false);
    resume(rig, SID(1), event_stag(), RETRY);
    assert_state(st, FAKE_RETRIED);
    rig_free(rig);
}

/* The queue is not asked for if the vSMMU cannot stall */
static void test_no_queue(void)
{
    Rig *rig = rig_new_stall();
    g_autofree char *calls = NULL;

    rig->s->spec.given[SMMU_ACCEL_IDR5] = true;
    rig->s->spec.reg[SMMU_ACCEL_IDR5] = stalling.info.idr[5] & 0xffff;
    g_assert(rig_plug(rig, 1, &error_abort));
    rig_write_cr0(rig, BOTH);
    calls = fake_iommufd_calls(rig->iommufd);
    g_assert(!strstr(calls, "fault-queue-alloc"));
    g_assert_cmphex(fake_vfio_ste(rig->dev[1])[1], ==, S1STALLD);
    rig_put_words(rig, RESUME | (uint64_t)SID(1) << 32, 0);
    g_assert_cmpint(rig_ring(rig), ==, SMMU_CERROR_ILL);
    rig_free(rig);
}

int main(int argc, char **argv)
{
    rig_init(&argc, &argv);
    qemu_clock_enable(QEMU_CLOCK_VIRTUAL, true);
    g_test_add_func("/smmuv3-accel/stall/answers", test_answers);
    g_test_add_func("/smmuv3-accel/stall/wrong-answers", test_wrong_answers);
    g_test_add_func("/smmuv3-accel/stall/ended-unseen", test_ended_unseen);
    g_test_add_func("/smmuv3-accel/stall/queue", test_queue);
    g_test_add_func("/smmuv3-accel/stall/max", test_max);
    g_test_add_func("/smmuv3-accel/stall/expire", test_expire);
    g_test_add_func("/smmuv3-accel/stall/unplug", test_unplug);
    g_test_add_func("/smmuv3-accel/stall/unplug-makes-room",
                    test_unplug_makes_room);
    g_test_add_func("/smmuv3-accel/stall/ids", test_ids);
    g_test_add_func("/smmuv3-accel/stall/no-stall", test_no_stall);
    g_test_add_func("/smmuv3-accel/stall/refused", test_refused);
    g_test_add_func("/smmuv3-accel/stall/not-supported", test_not_supported);
    g_test_add_func("/smmuv3-accel/stall/read-fails", test_read_fails);
    g_test_add_func("/smmuv3-accel/stall/no-queue", test_no_queue);
    return g_test_run();
}
