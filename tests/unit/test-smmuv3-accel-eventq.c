/*
 * arm-smmuv3-accel: unit tests of events and commands, on a fake host
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "smmuv3-accel-rig.h"
#include "hw/arm/smmuv3-accel-commands.h"

#define F_TRANSLATION   0x10
#define BOTH            (CR0_SMMUEN | CR0_EVENTQEN)

/* A rig with a device on bus 1 that is nested */
static Rig *rig_new_s1(FakeKernel kernel)
{
    Rig *rig = rig_new(kernel);

    rig->s3->eventq.log2size = 4;
    rig_set_s1(SID(1), 0x1000);
    g_assert(rig_plug(rig, 1, &error_abort));
    rig_write_cr0(rig, BOTH);
    g_free(fake_iommufd_calls(rig->iommufd));
    return rig;
}

static void assert_depth(Rig *rig, uint32_t depth)
{
    g_assert_cmpuint(fake_iommufd_veventq_depth(rig->iommufd), ==, depth);
}

/* The kernel's queue exists with the guest's queue, with the same size */
static void test_life(void)
{
    Rig *rig = rig_new(LINUX_7_3);

    g_assert(rig_plug(rig, 1, &error_abort));
    assert_depth(rig, 0);
    rig->s3->eventq.log2size = 5;
    rig_write_cr0(rig, CR0_EVENTQEN);
    assert_depth(rig, 32);
    g_free(fake_iommufd_calls(rig->iommufd));
    rig_write_cr0(rig, BOTH);
    rig_assert_calls(rig, "attach");        /* the queue stays */
    rig_write_eventq_size(rig, 7);
    assert_depth(rig, 128);
    rig_write_eventq_size(rig, 19);         /* the size is limited */
    assert_depth(rig, 4096);
    rig_write_cr0(rig, 0);
    assert_depth(rig, 0);

    rig_write_cr0(rig, CR0_EVENTQEN);
    rig_reset(rig);
    assert_depth(rig, 0);
    rig_write_cr0(rig, CR0_EVENTQEN);
    assert_depth(rig, 1);
    rig_unplug(rig, 1);
    assert_depth(rig, 0);
    g_assert(rig_plug(rig, 1, &error_abort));   /* enabled before */
    assert_depth(rig, 1);
    rig_free(rig);
}

static void test_deliver(void)
{
    Rig *rig = rig_new_s1(LINUX_7_3);
    RigEvents got;

    g_assert(fake_vfio_fault(rig->dev[1], F_TRANSLATION, 0x123456789000));
    fake_iommufd_deliver(rig->iommufd);
    got = rig_events();
    g_assert_cmpuint(got.n, ==, 1);
    g_assert_cmpuint(got.overflows, ==, 0);
    g_assert_cmphex(got.last.word[0], ==, F_TRANSLATION);
    g_assert_cmphex(got.last.word[1], ==, SID(1));
    g_assert_cmphex(got.last.word[4], ==, 0x56789000);
    g_assert_cmphex(got.last.word[5], ==, 0x1234);

    /* The event has the current StreamID */
    rig->bus[1].num = 2;
    rig_set_s1(SID(2), 0x1000);
    rig_cfgi_ste(rig, SID(2));
    g_assert(fake_vfio_fault(rig->dev[1], F_TRANSLATION, 0));
    fake_iommufd_deliver(rig->iommufd);
    g_assert_cmphex(rig_events().last.word[1], ==, SID(2));

    /* A wake-up without an event */
    fake_iommufd_deliver(rig->iommufd);
    got = rig_events();
    g_assert_cmpuint(got.n + got.overflows, ==, 0);

    /* Events are dropped while the queue is off, and do not reappear */
    g_assert(fake_vfio_fault(rig->dev[1], F_TRANSLATION, 0));
    fake_iommufd_deliver(rig->iommufd);
    rig_write_cr0(rig, CR0_SMMUEN);
    g_assert(!fake_vfio_fault(rig->dev[1], F_TRANSLATION, 0));
    rig_write_cr0(rig, BOTH);
    got = rig_events();
    g_assert_cmpuint(got.n + got.overflows, ==, 0);
    rig_free(rig);
}

/* Lost events cause one overflow for each gap, wherever it is */
static void test_lost(void)
{
    Rig *rig = rig_new_s1(LINUX_7_3);
    RigEvents got;

    for (int i = 0; i < 20; i++) {
        fake_vfio_fault(rig->dev[1], F_TRANSLATION, i);
    }
    fake_iommufd_deliver(rig->iommufd);     /* 16, then "lost" */
    got = rig_events();
    g_assert_cmpuint(got.n, ==, 16);
    g_assert_cmpuint(got.overflows, ==, 1);
    g_assert_cmpuint(got.last.word[4], ==, 15);

    fake_vfio_fault(rig->dev[1], F_TRANSLATION, 0);
    fake_iommufd_deliver(rig->iommufd);
    g_assert_cmpuint(rig_events().overflows, ==, 0);

    /* Only one gap: afterwards the sequence is as expected */
    for (int i = 0; i < 17; i++) {
        fake_vfio_fault(rig->dev[1], F_TRANSLATION, i);
    }
    fake_iommufd_deliver(rig->iommufd);
    g_assert_cmpuint(rig_events().overflows, ==, 1);

    /* No "lost", but a gap in the sequence */
    fake_iommufd_set_sequence(rig->iommufd, 1000);
    fake_vfio_fault(rig->dev[1], F_TRANSLATION, 0);
    fake_iommufd_deliver(rig->iommufd);
    got = rig_events();
    g_assert_cmpuint(got.n, ==, 1);
    g_assert_cmpuint(got.overflows, ==, 1);
    rig_free(rig);
}

/* A new queue counts from 0; the old file is not read again */
static void test_anew(void)
{
    Rig *rig = rig_new_s1(LINUX_7_3);
    RigEvents got;
    int fds[2];
    char c;

    for (int i = 0; i < 3; i++) {
        g_assert(fake_vfio_fault(rig->dev[1], F_TRANSLATION, i));
        fake_iommufd_deliver(rig->iommufd);
        got = rig_events();
        g_assert_cmpuint(got.n, ==, 1);
        g_assert_cmpuint(got.overflows, ==, 0);

        rig_write_cr0(rig, CR0_SMMUEN);
        g_assert(!socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
        for (int j = 0; j < 2; j++) {
            g_assert_cmpint(write(fds[j], "x", 1), ==, 1);
        }
        rig_events();
        for (int j = 0; j < 2; j++) {
            g_assert_cmpint(recv(fds[j], &c, 1, MSG_DONTWAIT), ==, 1);
            close(fds[j]);
        }
        rig_write_cr0(rig, BOTH);
    }
    rig_free(rig);
}

static void *close_late(void *opaque)
{
    g_usleep(8 * 1000);
    close(GPOINTER_TO_INT(opaque));
    return NULL;
}

/* A main loop that has not yet woken up holds the old queue's file */
static void test_polled(void)
{
    Rig *rig = rig_new_s1(LINUX_7_3);
    int fd = dup(rig->s->host->veventq_fd);
    QemuThread thread;

    g_assert(fd >= 0);
    qemu_thread_create(&thread, "main loop", close_late, GINT_TO_POINTER(fd),
                       QEMU_THREAD_JOINABLE);
    rig_write_cr0(rig, CR0_SMMUEN);
    rig_write_cr0(rig, BOTH);
    qemu_thread_join(&thread);
    g_assert(fake_vfio_fault(rig->dev[1], F_TRANSLATION, 0));
    fake_iommufd_deliver(rig->iommufd);
    g_assert_cmpuint(rig_events().n, ==, 1);
    rig_free(rig);
}

/* After INT_MAX comes 0, which is no gap */
static void test_sequence_wraps(void)
{
    Rig *rig = rig_new_s1(LINUX_7_3);
    RigEvents got;

    fake_iommufd_set_sequence(rig->iommufd, INT_MAX - 1);
    fake_vfio_fault(rig->dev[1], F_TRANSLATION, 0);
    fake_iommufd_deliver(rig->iommufd);
    g_assert_cmpuint(rig_events().overflows, ==, 1);
    for (int i = 0; i < 3; i++) {
        fake_vfio_fault(rig->dev[1], F_TRANSLATION, 0);
    }
    fake_iommufd_deliver(rig->iommufd);
    got = rig_events();
    g_assert_cmpuint(got.n, ==, 3);
    g_assert_cmpuint(got.overflows, ==, 0);
    rig_free(rig);
}

/* No kernel splits a record, but what is not there must not be used */
static void test_partial(void)
{
    struct {
        struct iommufd_vevent_header header;
        uint64_t event[4];
    } record = { .event = { F_TRANSLATION } };
    uint8_t packet[64 * sizeof(record)] = { 0 };
    size_t sizes[] = {
        1, sizeof(record.header), sizeof(record) - 1,
    };
    Rig *rig = rig_new_s1(LINUX_7_3);

    for (int i = 0; i < ARRAY_SIZE(sizes); i++) {
        g_assert(fake_iommufd_send(rig->iommufd, IOMMU_VEVENTQ_TYPE_ARM_SMMUV3,
                                   &record, sizes[i]));
        g_assert_cmpuint(rig_events().n, ==, 0);
    }
    /* A record without an event moves the others: the last one is cut off */
    record.header.flags = IOMMU_VEVENTQ_FLAG_LOST_EVENTS;
    memcpy(packet, &record, sizeof(record.header));
    g_assert(fake_iommufd_send(rig->iommufd, IOMMU_VEVENTQ_TYPE_ARM_SMMUV3,
                               packet, sizeof(packet)));
    g_assert_cmpuint(rig_events().n, ==, 63);
    rig_free(rig);
}

/* More events than one read() returns */
static void test_burst(void)
{
    Rig *rig = rig_new_s1(LINUX_7_3);

    rig_write_eventq_size(rig, 8);
    for (int i = 0; i < 150; i++) {
        g_assert(fake_vfio_fault(rig->dev[1], F_TRANSLATION, i));
    }
    fake_iommufd_deliver(rig->iommufd);
    g_assert_cmpuint(rig_events().n, ==, 150);
    rig_free(rig);
}

/* If the host cannot be read, it is not asked again and again */
static void test_read_fails(void)
{
    Rig *rig = rig_new_s1(LINUX_7_3);
    int fd = open("/dev/null", O_WRONLY);       /* always ready, EBADF */
    g_autofree char *messages = NULL;

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(dup2(fd, rig->s->host->veventq_fd), >=, 0);
    close(fd);
    rig_events();
    messages = rig_messages();
    g_assert(strstr(messages, "cannot read events; the guest gets no more"));
    assert_depth(rig, 0);
    g_assert_cmpuint(rig->s->counters.complaints, ==, 1);

    rig_write_cr0(rig, BOTH);
    assert_depth(rig, 16);
    g_assert(fake_vfio_fault(rig->dev[1], F_TRANSLATION, 0));
    fake_iommufd_deliver(rig->iommufd);
    g_assert_cmpuint(rig_events().n, ==, 1);
    rig_free(rig);
}

/* The kernel does not destroy a queue at once: the next one waits for that */
static void test_destroyed_late(void)
{
    Rig *rig = rig_new_s1(LINUX_7_3);

    assert_depth(rig, 16);
    fake_iommufd_fail_from(rig->iommufd, 1, 0);
    rig_write_cr0(rig, CR0_SMMUEN);
    fake_iommufd_fail_nth(rig->iommufd, 0, 0);
    g_assert_cmpuint(fake_iommufd_backend(rig->iommufd)->kept->len, ==, 1);
    rig_write_cr0(rig, BOTH);
    assert_depth(rig, 16);
    g_assert_cmpuint(rig->s->counters.complaints, ==, 0);
    rig_free(rig);
}

/* An old kernel has no queue: reported once, even after another message */
static void test_unsupported(void)
{
    Rig *rig = rig_new(LINUX_6_13);
    g_autofree char *first = NULL, *later = NULL;

    rig_set_s1(SID(1), 0x1000);
    g_assert(rig_plug(rig, 1, &error_abort));
    rig->s->complaints.next_ms = INT64_MAX;
    rig_write_cr0(rig, BOTH);
    first = rig_messages();
    g_assert(strstr(first, "IOMMU_VEVENTQ_ALLOC"));
    rig_assert_dma(rig, 1, "s1 1000");
    rig_write_cr0(rig, CR0_SMMUEN);
    rig_write_cr0(rig, BOTH);
    rig_unplug(rig, 1);
    g_assert(rig_plug(rig, 1, &error_abort));
    rig_assert_dma(rig, 1, "s1 1000");
    later = rig_messages();
    g_assert_cmpstr(later, ==, "");
    rig_free(rig);
}

/* Commands */

static uint64_t issued(Rig *rig, unsigned i, int word)
{
    const GArray *commands = fake_iommufd_commands(rig->iommufd);

    g_assert_cmpuint(i, <, commands->len);
    return g_array_index(commands, FakeCommand, i).cmd[word];
}

static unsigned n_issued(Rig *rig)
{
    return fake_iommufd_commands(rig->iommufd)->len;
}

/* One call at CMD_SYNC; StreamIDs without host device are not forwarded */
static void test_forward(void)
{
    Rig *rig = rig_new_s1(LINUX_7_3);

    rig_command(rig, SMMU_CMD_TLBI_NH_VA, 7 << 16, 0x5000);
    rig_command(rig, SMMU_CMD_CFGI_CD, SID(1), 1);
    rig_command(rig, SMMU_CMD_CFGI_CD, SID(4), 1);
    rig_command(rig, SMMU_CMD_CFGI_CD_ALL, SID(1) + 1, 0);
    rig_command(rig, SMMU_CMD_TLBI_NSNH_ALL, 0, 0);
    rig_command(rig, SMMU_CMD_PREFETCH_CONFIG, SID(1), 0);
    rig_assert_calls(rig, "");
    rig_command(rig, SMMU_CMD_SYNC, 0, 0);
    rig_assert_calls(rig, "invalidate");
    g_assert_cmpuint(n_issued(rig), ==, 3);
    g_assert_cmphex(issued(rig, 0, 0) & 0xff, ==, SMMU_CMD_TLBI_NH_VA);
    g_assert_cmphex(issued(rig, 0, 0) >> 48, ==, 7);
    g_assert_cmphex(issued(rig, 0, 1), ==, 0x5000);
    g_assert_cmphex(issued(rig, 1, 0), ==,
                    SMMU_CMD_CFGI_CD |
                    (uint64_t)fake_vfio_psid(rig->dev[1]) << 32);
    g_assert_cmphex(issued(rig, 2, 0) & 0xff, ==, SMMU_CMD_TLBI_NH_ALL);
    rig_command(rig, SMMU_CMD_SYNC, 0, 0);
    rig_drained(rig);
    rig_assert_calls(rig, "");
    rig_command(rig, SMMU_CMD_TLBI_NH_ALL, 0, 0);
    rig_drained(rig);           /* without a SYNC: at the end of the queue */
    rig_assert_calls(rig, "invalidate");
    rig_free(rig);
}

/* Commands before a change of the configuration are carried out before it */
static void test_flush_before_cfgi(void)
{
    Rig *rig = rig_new_s1(LINUX_7_3);

    rig_set_s1(SID(1), 0x2000);
    rig_command(rig, SMMU_CMD_TLBI_NH_ALL, 0, 0);
    rig_command(rig, SMMU_CMD_CFGI_STE, SID(1), 1);
    rig_command(rig, SMMU_CMD_TLBI_NH_ALL, 0, 0);
    rig_command(rig, SMMU_CMD_SYNC, 0, 0);
    rig_assert_calls(rig, "invalidate nested-alloc attach destroy invalidate");
    rig_free(rig);
}

static void test_illegal(void)
{
    static const uint8_t opcodes[] = { 0x00, 0x07, 0x40, 0x41, 0x44, 0xff };
    Rig *rig = rig_new(LINUX_7_3);

    for (int plugged = 0; plugged < 2; plugged++) {
        if (plugged) {
            g_assert(rig_plug(rig, 1, &error_abort));
        } else {
            /* as if there had been one */
            rig->s3->idr[0] = host_smmu.info.idr[0];
        }
        for (int i = 0; i < ARRAY_SIZE(opcodes); i++) {
            Cmd cmd = { .word = { opcodes[i], SID(1) } };

            g_assert_cmpint(smmuv3_accel_command(rig->s, &cmd), ==,
                            SMMU_CERROR_ILL);
        }
        rig_command(rig, SMMU_CMD_TLBI_NH_ALL, 0, 0);
        rig_command(rig, SMMU_CMD_SYNC, 0, 0);
    }
    g_assert_cmpuint(n_issued(rig), ==, 1);
    rig_free(rig);
}

static void test_batch(void)
{
    Rig *rig = rig_new_s1(LINUX_7_3);

    for (int i = 0; i < SMMU_ACCEL_BATCH_MAX + 1; i++) {
        rig_command(rig, SMMU_CMD_TLBI_NH_VA, 0, i << 12);
    }
    rig_assert_calls(rig, "invalidate");
    rig_drained(rig);
    rig_assert_calls(rig, "invalidate");
    g_assert_cmpuint(n_issued(rig), ==, SMMU_ACCEL_BATCH_MAX + 1);
    g_assert_cmphex(issued(rig, SMMU_ACCEL_BATCH_MAX, 1), ==,
                    SMMU_ACCEL_BATCH_MAX << 12);
    rig_free(rig);
}

/* If the host fails, the guest goes on, and messages do not flood the log */
static void test_host_fails(void)
{
    Rig *rig = rig_new_s1(LINUX_7_3);
    g_autofree char *first = NULL, *later = NULL;

    for (int i = 0; i < 1000; i++) {
        fake_iommufd_fail_nth(rig->iommufd, 1, 1);
        rig_command(rig, SMMU_CMD_TLBI_NH_VA, 0, 0x5000);
        rig_command(rig, SMMU_CMD_SYNC, 0, 0);
        g_assert_cmpuint(n_issued(rig), ==, i + 1);
        g_assert_cmphex(issued(rig, i, 0) & 0xff, ==, SMMU_CMD_TLBI_NH_ALL);
    }
    fake_iommufd_fail_nth(rig->iommufd, 0, 0);
    first = rig_messages();
    g_assert(strstr(first, "did not carry out invalidations"));
    g_assert(!strchr(strchr(first, '\n') + 1, '\n'));
    rig->s->complaints.next_ms = 0;
    fake_iommufd_fail_nth(rig->iommufd, 1, 1);
    rig_command(rig, SMMU_CMD_TLBI_NH_ALL, 0, 0);
    rig_drained(rig);
    later = rig_messages();
    g_assert(strstr(later, "(999 more since the last message)"));
    rig_free(rig);
}

int main(int argc, char **argv)
{
    rig_init(&argc, &argv);
    g_test_add_func("/smmuv3-accel/eventq/life", test_life);
    g_test_add_func("/smmuv3-accel/eventq/deliver", test_deliver);
    g_test_add_func("/smmuv3-accel/eventq/lost", test_lost);
    g_test_add_func("/smmuv3-accel/eventq/anew", test_anew);
    g_test_add_func("/smmuv3-accel/eventq/polled", test_polled);
    g_test_add_func("/smmuv3-accel/eventq/sequence-wraps",
                    test_sequence_wraps);
    g_test_add_func("/smmuv3-accel/eventq/burst", test_burst);
    g_test_add_func("/smmuv3-accel/eventq/partial", test_partial);
    g_test_add_func("/smmuv3-accel/eventq/read-fails", test_read_fails);
    g_test_add_func("/smmuv3-accel/eventq/destroyed-late",
                    test_destroyed_late);
    g_test_add_func("/smmuv3-accel/eventq/unsupported", test_unsupported);
    g_test_add_func("/smmuv3-accel/command/forward", test_forward);
    g_test_add_func("/smmuv3-accel/command/flush-before-cfgi",
                    test_flush_before_cfgi);
    g_test_add_func("/smmuv3-accel/command/illegal", test_illegal);
    g_test_add_func("/smmuv3-accel/command/batch", test_batch);
    g_test_add_func("/smmuv3-accel/command/host-fails", test_host_fails);
    return g_test_run();
}
