/*
 * arm-smmuv3-accel: unit tests of a host with command queues in hardware
 *
 * The host object alone, without a vSMMU, on a fake iommufd.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "smmuv3-accel-rig.h"
#include "qemu/units.h"
#include "exec/memory.h"
#include "exec/ramblock.h"
#include <sys/mman.h>

/* Host calls: questions about a device, and the allocation of its vIOMMU */
#define ASK "get-hw-info ioas-alloc hwpt-alloc iova-ranges destroy destroy"
#define PLAIN "viommu-alloc nested-alloc"
#define WITH_QUEUES "viommu-alloc mmap nested-alloc"

#define QUEUE_SIZE      4096
#define GPA(n)          (0x40000000ULL + (n) * QUEUE_SIZE)
#define NTH_MAX         32

/* Registers of a queue */
#define CONS            0x00
#define PROD            0x04
#define CONFIG          0x08
#define STATUS          0x0c
#define GERROR          0x10
#define GERRORN         0x14

typedef struct Fixture {
    FakeIOMMUFD *f;
    FakeDevice *vfio;
    SMMUv3AccelHostDevice *dev;
    SMMUv3AccelHost *host;
    SMMUv3AccelCounters counters;
} Fixture;

static void assert_calls(Fixture *fix, const char *want)
{
    g_autofree char *calls = fake_iommufd_calls(fix->f);

    g_assert_cmpstr(calls, ==, want);
}

static void assert_error(Error **err, const char *want)
{
    g_assert(*err && g_pattern_match_simple(want, error_get_pretty(*err)));
    error_free(*err);
    *err = NULL;
}

/* A device that is bound by VFIO, before any question to the host */
static Fixture *fixture_new(FakeKernel kernel, const FakeSMMU *smmu)
{
    Fixture *fix = g_new0(Fixture, 1);

    fix->f = fake_iommufd_new(kernel, "iommufd0");
    fix->vfio = fake_vfio_bind(fix->f, smmu, "0000:03:00.0", fix);
    fix->dev = smmuv3_accel_host_device_new(fake_vfio_hiod(fix->vfio));
    return fix;
}

static bool fixture_start(Fixture *fix, bool queues, Error **errp)
{
    if (!smmuv3_accel_host_ask(fix->dev, queues, &fix->counters, errp)) {
        return false;
    }
    fix->host = smmuv3_accel_host_new(fix->dev, queues, &fix->counters, errp);
    return fix->host;
}

static Fixture *fixture_with_queues(void)
{
    Fixture *fix = fixture_new(LINUX_7_3, &cmdqv_smmu);

    g_assert(fixture_start(fix, true, &error_abort));
    g_assert(fix->host->cmdqv && !fix->host->cmdqv_error);
    g_free(fake_iommufd_calls(fix->f));
    return fix;
}

static void fixture_stop(Fixture *fix)
{
    if (fix->host) {
        smmuv3_accel_host_close_queue_errors(fix->host);
        smmuv3_accel_host_close_events(fix->host);
        smmuv3_accel_host_unref(fix->host);
        fix->host = NULL;
    }
}

/* All calls must have been counted, and no object may be left in the kernel */
static void fixture_free(Fixture *fix)
{
    uint64_t counted = 0;

    fixture_stop(fix);
    smmuv3_accel_host_device_free(fix->dev);
    fake_vfio_unbind(fix->vfio);
    for (int i = 0; i < SMMU_ACCEL_IOCTL__MAX; i++) {
        counted += i == SMMU_ACCEL_IOCTL_DESTROY ? 0 : fix->counters.ioctls[i];
    }
    g_assert_cmpuint(counted, ==, fake_iommufd_total(fix->f));
    fake_iommufd_free(fix->f);
    g_free(fix);
}

static bool queue_alloc(Fixture *fix, unsigned n, Error **errp)
{
    return !smmuv3_accel_host_queue_alloc(fix->host, n, GPA(n), QUEUE_SIZE,
                                          errp);
}

static int alloc_at(SMMUv3AccelHost *host, unsigned n, uint64_t gpa,
                    uint64_t length, Error **errp)
{
    return smmuv3_accel_host_queue_alloc(host, n, gpa, length, errp);
}

/* The answers about a device depend on the host, and on the question */

static void test_ask(void)
{
    static const struct {
        FakeKernel kernel;
        const FakeSMMU *smmu;
        bool queues, present;
        const char *calls;
    } cases[] = {
        { LINUX_7_3, &cmdqv_smmu, true, true, ASK " get-hw-info" },
        { LINUX_6_17, &cmdqv_smmu, true, true, ASK " get-hw-info" },
        { LINUX_6_15, &cmdqv_smmu, true, false, ASK " get-hw-info!" },
        { LINUX_7_3, &host_smmu, true, false, ASK " get-hw-info!" },
        { LINUX_7_3, &cmdqv_smmu, false, false, ASK },
    };

    for (int i = 0; i < ARRAY_SIZE(cases); i++) {
        Fixture *fix = fixture_new(cases[i].kernel, cases[i].smmu);
        bool present = cases[i].present;

        g_assert(smmuv3_accel_host_ask(fix->dev, cases[i].queues,
                                       &fix->counters, &error_abort));
        assert_calls(fix, cases[i].calls);
        g_assert(fix->dev->cmdqv.present == present);
        g_assert_cmpuint(fix->dev->cmdqv.version, ==, present ? 1 : 0);
        g_assert_cmpuint(fix->dev->cmdqv.log2_vcmdqs, ==, present ? 1 : 0);
        g_assert_cmpuint(fix->dev->cmdqv.log2_sids, ==, present ? 4 : 0);
        fixture_free(fix);
    }
}

/* Without queues the calls are those of a plain vIOMMU */
static void test_none(void)
{
    static const struct {
        FakeKernel kernel;
        const FakeSMMU *smmu;
        bool queues;
    } cases[] = {
        { LINUX_6_13, &cmdqv_smmu, true },
        { LINUX_7_3, &host_smmu, true },
        { LINUX_7_3, &cmdqv_smmu, false },
    };

    for (int i = 0; i < ARRAY_SIZE(cases); i++) {
        Fixture *fix = fixture_new(cases[i].kernel, cases[i].smmu);

        g_assert(smmuv3_accel_host_ask(fix->dev, cases[i].queues,
                                       &fix->counters, &error_abort));
        g_free(fake_iommufd_calls(fix->f));
        fix->host = smmuv3_accel_host_new(fix->dev, cases[i].queues,
                                          &fix->counters, &error_abort);
        assert_calls(fix, PLAIN);
        g_assert(!fix->host->cmdqv && !fix->host->cmdqv_error);
        g_assert_cmpuint(smmuv3_accel_host_nb_queues(fix->host), ==, 0);
        smmuv3_accel_host_queues_free(fix->host);
        fixture_stop(fix);
        assert_calls(fix, "destroy destroy");
        fixture_free(fix);
    }
}

static void test_new(void)
{
    Fixture *fix = fixture_new(LINUX_7_3, &cmdqv_smmu);
    MemoryRegion *mr;

    g_assert(fixture_start(fix, true, &error_abort));
    assert_calls(fix, ASK " get-hw-info " WITH_QUEUES);
    mr = smmuv3_accel_host_queue_page(fix->host);
    g_assert_cmpuint(mr->ram_block->max_length, ==, 64 * KiB);
    g_assert(mr->ram_block->flags & RAM_PROTECTED);
    fixture_stop(fix);
    /* Abort HWPT, vIOMMU: the kernel keeps it as long as the page is mapped */
    assert_calls(fix, "destroy destroy");
    g_assert_cmpuint(fix->counters.ioctls_failed[SMMU_ACCEL_IOCTL_DESTROY], ==,
                     0);
    fixture_free(fix);
}

/* A vIOMMU with queues can do everything that a plain one can */
static void test_as_plain(void)
{
    Fixture *fix = fixture_with_queues();
    SMMUv3AccelHost *host = fix->host;
    SMMUv3AccelHostCmd cmd = smmuv3_accel_host_cmd_tlbi_all();
    SMMUv3AccelTarget s1 = {
        .kind = SMMU_ACCEL_NESTED, .ste = { 1 | 5 << 1 | 0x1000 },
    };
    SMMUv3AccelSubmitResult res;
    SMMUv3AccelBatch batch;
    g_autofree char *dma = NULL;

    smmuv3_accel_host_join(host, fix->dev);
    g_assert(smmuv3_accel_host_set_sid(host, fix->dev, 0x100, &error_abort));
    g_assert(smmuv3_accel_host_attach(host, fix->dev->group, &s1,
                                      &error_abort));
    dma = fake_vfio_dma(fix->vfio);
    g_assert_cmpstr(dma, ==, "s1 1000 sid 100");

    smmuv3_accel_batch_reset(&batch);
    smmuv3_accel_batch_push(&batch, &cmd);
    smmuv3_accel_host_begin(host);
    smmuv3_accel_host_invalidate(host, &batch, &res);
    smmuv3_accel_host_invalidated(host, &batch, &res);
    g_assert_cmpuint(fake_iommufd_commands(fix->f)->len, ==, 1);

    g_assert_cmpint(smmuv3_accel_host_open_events(host, 4, &error_abort), ==,
                    0);
    g_assert(fake_vfio_fault(fix->vfio, 0x10, 0x5000));
    g_assert(smmuv3_accel_host_leave(host, fix->dev, &error_abort));
    fixture_free(fix);
}

/* QEMU and the hardware read the registers that the other one writes */
static void test_registers(void)
{
    Fixture *fix = fixture_with_queues();
    SMMUv3AccelHost *host = fix->host;

    for (unsigned q = 0; q < 2; q++) {
        g_assert(queue_alloc(fix, q, &error_abort));
    }
    g_assert_cmpuint(smmuv3_accel_host_nb_queues(host), ==, 2);
    for (unsigned q = 0; q < 2; q++) {
        smmuv3_accel_host_queue_write(host, q, CONFIG, 1);
        smmuv3_accel_host_queue_write(host, q, PROD, 0x102 + q);
    }
    /* Little endian on every machine */
    g_assert_cmphex(ldl_le_p(&fake_cmdqv_regs(fix->f, 1)[PROD / 4]), ==, 0x103);
    g_assert_cmpuint(fake_cmdqv_run(fix->f), ==, 0x102 + 0x103);
    for (unsigned q = 0; q < 2; q++) {
        g_assert_cmphex(smmuv3_accel_host_queue_read(host, q, STATUS), ==, 1);
        g_assert_cmphex(smmuv3_accel_host_queue_read(host, q, CONS), ==,
                        0x102 + q);
    }

    /* The guest's memory region is the same memory */
    g_assert_cmphex(ldl_le_p(smmuv3_accel_host_queue_page(host)->ram_block->host
                             + 0x80 + PROD), ==, 0x103);

    /* One queue stops until its error is acknowledged, the other continues */
    fake_cmdqv_stop_queue(fix->f, 0, 4);
    smmuv3_accel_host_queue_write(host, 0, PROD, 0x104);
    smmuv3_accel_host_queue_write(host, 1, PROD, 0x104);
    g_assert_cmpuint(fake_cmdqv_run(fix->f), ==, 1);
    g_assert_cmphex(smmuv3_accel_host_queue_read(host, 0, CONS), ==, 0x4000102);
    g_assert_cmphex(smmuv3_accel_host_queue_read(host, 0, GERROR), ==, 1);
    smmuv3_accel_host_queue_write(host, 0, GERRORN, 1);
    g_assert_cmpuint(fake_cmdqv_run(fix->f), ==, 2);

    /* The same with hardware that runs in a thread */
    fake_cmdqv_work(fix->f, true);
    smmuv3_accel_host_queue_write(host, 1, PROD, 0x110);
    while (smmuv3_accel_host_queue_read(host, 1, CONS) != 0x110) {
        g_usleep(10);
    }
    fake_cmdqv_work(fix->f, false);
    g_assert_cmpuint(fake_cmdqv_commands(fix->f), ==, 0x104 + 0x110);

    /* The registers of a new queue are 0 */
    smmuv3_accel_host_queues_free(host);
    g_assert(queue_alloc(fix, 0, &error_abort));
    g_assert_cmphex(smmuv3_accel_host_queue_read(host, 0, PROD), ==, 0);
    fixture_free(fix);
}

/* Queues */

static void test_queues(void)
{
    Fixture *fix = fixture_with_queues();
    uint64_t length;

    for (int round = 0; round < 3; round++) {
        g_assert(queue_alloc(fix, 0, &error_abort));
        g_assert(queue_alloc(fix, 1, &error_abort));
        assert_calls(fix, "hw-queue-alloc hw-queue-alloc");
        g_assert_cmphex(fake_cmdqv_base(fix->f, 1, &length), ==, GPA(1));
        g_assert_cmpuint(length, ==, QUEUE_SIZE);
        /* The last one is destroyed first, as the kernel demands */
        smmuv3_accel_host_queues_free(fix->host);
        assert_calls(fix, "destroy destroy");
        g_assert_cmpuint(smmuv3_accel_host_nb_queues(fix->host), ==, 0);
        smmuv3_accel_host_queues_free(fix->host);
        assert_calls(fix, "");
    }
    g_assert_cmpuint(fix->counters.ioctls_failed[SMMU_ACCEL_IOCTL_DESTROY], ==,
                     0);
    g_assert_cmpuint(fix->counters.ioctls[SMMU_ACCEL_IOCTL_HW_QUEUE_ALLOC], ==,
                     6);
    /* Queues that are left are destroyed with the host */
    g_assert(queue_alloc(fix, 0, &error_abort));
    fixture_free(fix);
}

static void test_queue_refused(void)
{
    Fixture *fix = fixture_with_queues();
    SMMUv3AccelHost *host = fix->host;
    Error *err = NULL;

    /* Guest memory: a hole; two pages that are not contiguous; two that are */
    g_assert(!fake_iommufd_unmap(fix->f, 0, FAKE_MEMORY_SIZE));
    g_assert(!fake_iommufd_map(fix->f, 0x10000, 0x1000, 0x80000));
    g_assert(!fake_iommufd_map(fix->f, 0x11000, 0x1000, 0x90000));
    g_assert(!fake_iommufd_map(fix->f, 0x20000, 0x2000, 0xa0000));
    g_assert(!fake_iommufd_map(fix->f, 0x30000, 0x2000, 0xb1000));

    g_assert_cmpint(alloc_at(host, 0, 0x12000, 0x1000, &err), ==, -ENOENT);
    assert_error(&err, "IOMMU_HW_QUEUE_ALLOC failed (the queue is not in the "
                 "guest's memory*");
    g_assert_cmpint(alloc_at(host, 0, 0x10000, 0x2000, &err), ==, -EFAULT);
    assert_error(&err, "*(the queue is not contiguous in the host's memory*");
    g_assert_cmpint(alloc_at(host, 0, 0x30000, 0x2000, &err), ==, -EINVAL);
    assert_error(&err, "*(the SMMU takes neither so large a queue*");
    g_assert_cmpint(alloc_at(host, 0, 0x20000, 0x1800, &err), ==, -EINVAL);
    assert_error(&err, "*(the SMMU takes neither so large a queue*");
    g_assert_cmpuint(smmuv3_accel_host_nb_queues(host), ==, 0);

    g_assert_cmpint(alloc_at(host, 0, 0x20000, 0x2000, &err), ==, 0);
    g_assert_cmpint(alloc_at(host, 1, 0x10000, 0x1000, &err), ==, 0);
    g_assert_cmpint(alloc_at(host, 2, 0x20000, 0x1000, &err), ==, -EINVAL);
    assert_error(&err, "*(the SMMU takes neither so large a queue*");
    g_assert_cmpuint(smmuv3_accel_host_nb_queues(host), ==, 2);

    /* Memory that the hardware reads cannot be unmapped */
    g_assert_cmpint(fake_iommufd_unmap(fix->f, 0x20000, 0x2000), ==, -EBUSY);
    g_assert_cmpint(fake_iommufd_unmap(fix->f, 0x11000, 0x1000), ==, 0);
    smmuv3_accel_host_queues_free(host);
    g_assert_cmpint(fake_iommufd_unmap(fix->f, 0x20000, 0x2000), ==, 0);
    fixture_free(fix);
}

/* Larger than the hardware's own queue can be: 16 bytes << IDR1.CMDQS */
static void test_queue_too_large(void)
{
    FakeSMMU small = cmdqv_smmu;
    Fixture *fix;
    Error *err = NULL;

    small.info.idr[1] = deposit32(small.info.idr[1], 21, 5, 8);
    fix = fixture_new(LINUX_7_3, &small);
    g_assert(fixture_start(fix, true, &error_abort));
    g_assert_cmpint(alloc_at(fix->host, 0, 0, 8192, &err), ==, -EINVAL);
    assert_error(&err, "*(the SMMU takes neither so large a queue*");
    g_assert_cmpint(alloc_at(fix->host, 0, 0, 4096, &err), ==, 0);
    fixture_free(fix);
}

/* If the kernel refuses to destroy queues, QEMU tries again later */
static void test_queue_kept(void)
{
    Fixture *fix = fixture_with_queues();
    Error *err = NULL;

    g_assert(queue_alloc(fix, 0, &error_abort));
    g_assert(queue_alloc(fix, 1, &error_abort));
    g_free(fake_iommufd_calls(fix->f));
    fake_iommufd_fail_from(fix->f, 1, 0);
    smmuv3_accel_host_queues_free(fix->host);
    assert_calls(fix, "destroy! destroy!");
    g_assert_cmpuint(smmuv3_accel_host_nb_queues(fix->host), ==, 0);
    g_assert(!queue_alloc(fix, 0, &err));
    error_free(err);
    fake_iommufd_fail_nth(fix->f, 0, 0);

    g_assert_cmpuint(fake_cmdqv_queues(fix->f), ==, 2);
    g_assert(queue_alloc(fix, 0, &error_abort));
    g_assert_cmpuint(fake_cmdqv_queues(fix->f), ==, 1);
    fixture_free(fix);
}

/* Limited resources: virtual interfaces and StreamIDs */

static void test_interfaces(void)
{
    Fixture *fix = fixture_with_queues();
    SMMUv3AccelHost *other[2], *plain;

    for (int i = 0; i < 2; i++) {
        other[i] = smmuv3_accel_host_new(fix->dev, true, &fix->counters,
                                         &error_abort);
        g_assert(other[i]->cmdqv);
    }
    g_free(fake_iommufd_calls(fix->f));
    plain = smmuv3_accel_host_new(fix->dev, true, &fix->counters, &error_abort);
    assert_calls(fix, "viommu-alloc! " PLAIN);
    g_assert(!plain->cmdqv);
    g_assert(g_pattern_match_simple("IOMMU_VIOMMU_ALLOC failed (other guests "
                                    "have all virtual interfaces*",
                                    error_get_pretty(plain->cmdqv_error)));
    smmuv3_accel_host_unref(plain);

    /* One is free again */
    smmuv3_accel_host_unref(other[0]);
    other[0] = smmuv3_accel_host_new(fix->dev, true, &fix->counters,
                                     &error_abort);
    g_assert(other[0]->cmdqv);
    smmuv3_accel_host_unref(other[0]);
    smmuv3_accel_host_unref(other[1]);
    fixture_free(fix);
}

static void test_stream_ids(void)
{
    Fixture *fix = fixture_with_queues();
    SMMUv3AccelHostDevice *dev[17];
    FakeDevice *vfio[17];
    Error *err = NULL;

    for (int i = 0; i < 17; i++) {
        g_autofree char *name = g_strdup_printf("0000:04:%02x.0", i);

        vfio[i] = fake_vfio_bind(fix->f, &cmdqv_smmu, name, fix);
        dev[i] = smmuv3_accel_host_device_new(fake_vfio_hiod(vfio[i]));
        smmuv3_accel_host_join(fix->host, dev[i]);
    }
    g_assert(!smmuv3_accel_host_set_sid(fix->host, dev[0], 0x100000, &err));
    assert_error(&err, "*its virtual id has more than 20 bits*");
    g_assert(smmuv3_accel_host_set_sid(fix->host, dev[0], 0xfffff, &err));
    for (int i = 1; i < 16; i++) {
        g_assert(smmuv3_accel_host_set_sid(fix->host, dev[i], i, &err));
    }
    g_assert(!smmuv3_accel_host_set_sid(fix->host, dev[16], 16, &err));
    assert_error(&err, "*CMDQV has no StreamID left*");
    smmuv3_accel_host_drop_sid(fix->host, dev[3]);
    g_assert(smmuv3_accel_host_set_sid(fix->host, dev[16], 16, &err));
    for (int i = 0; i < 17; i++) {
        g_assert(smmuv3_accel_host_leave(fix->host, dev[i], &error_abort));
        smmuv3_accel_host_device_free(dev[i]);
        fake_vfio_unbind(vfio[i]);
    }
    fixture_free(fix);
}

/* The guest gets neither more than the page of the queues nor less */
static void test_page_length(void)
{
    static const uint64_t lengths[] = { 0x1000, 0x8000, 0x20000 };

    for (int i = 0; i < ARRAY_SIZE(lengths); i++) {
        Fixture *fix = fixture_new(LINUX_7_3, &cmdqv_smmu);

        fake_cmdqv_set_page_length(lengths[i]);
        g_assert(fixture_start(fix, true, &error_abort));
        g_assert(!fix->host->cmdqv);
        g_assert(strstr(error_get_pretty(fix->host->cmdqv_error),
                        "of its CMDQV to a guest, not 65536"));
        fixture_free(fix);
    }
    fake_cmdqv_set_page_length(0x10000);
}

/* Errors of queues */

static void assert_record(int fd, uint32_t flags, uint32_t sequence,
                          uint64_t map)
{
    struct {
        struct iommufd_vevent_header header;
        struct iommu_vevent_tegra241_cmdqv event;
    } record;

    g_assert_cmpint(read(fd, &record, sizeof(record)), ==,
                    flags ? sizeof(record.header) : 24);
    g_assert_cmphex(record.header.flags, ==, flags);
    g_assert_cmpuint(record.header.sequence, ==, sequence);
    g_assert(flags || le64_to_cpu(record.event.lvcmdq_err_map[0]) == map);
}

static void test_errors(void)
{
    Fixture *fix = fixture_with_queues();
    SMMUv3AccelHost *host = fix->host;

    g_assert(queue_alloc(fix, 0, &error_abort));
    g_assert(!fake_cmdqv_event(fix->f, 1, 0));
    g_free(fake_iommufd_calls(fix->f));
    /* The queue for errors is separate from that for the SMMU's events */
    g_assert(!smmuv3_accel_host_open_events(host, 4, &error_abort));
    g_assert(!smmuv3_accel_host_open_queue_errors(host, &error_abort));
    assert_calls(fix, "veventq-alloc veventq-alloc");
    g_assert_cmpint(host->queue_errors_fd, !=, host->veventq_fd);

    fake_cmdqv_stop_queue(fix->f, 0, 1);
    fake_cmdqv_deliver(fix->f);
    assert_record(host->queue_errors_fd, 0, 0, 1);
    for (int i = 0; i < 16; i++) {
        g_assert(fake_cmdqv_event(fix->f, 2, 0));
    }
    g_assert(!fake_cmdqv_event(fix->f, 2, 0));

    smmuv3_accel_host_close_queue_errors(host);
    smmuv3_accel_host_close_queue_errors(host);
    assert_calls(fix, "destroy");
    g_assert(!smmuv3_accel_host_open_queue_errors(host, &error_abort));
    smmuv3_accel_host_close_events(host);
    g_assert(fake_cmdqv_event(fix->f, 1, 0));
    fixture_free(fix);
}

/* A reference to the page exists for longer than the host object */

static void test_page_outlives(void)
{
    Fixture *fix = fixture_with_queues();
    Object *owner = object_ref(smmuv3_accel_host_queue_page(fix->host)->owner);
    uint8_t *page = smmuv3_accel_host_queue_page(fix->host)->ram_block->host;

    g_assert(queue_alloc(fix, 0, &error_abort));
    g_free(fake_iommufd_calls(fix->f));
    fixture_stop(fix);
    /* The queue, the abort HWPT, the vIOMMU */
    assert_calls(fix, "destroy destroy destroy");
    stl_le_p(page + PROD, 1);
    g_assert_cmphex(ldl_le_p(page + PROD), ==, 1);

    /* Nothing is left that VFIO could not free */
    smmuv3_accel_host_device_free(fix->dev);
    fake_vfio_unbind(fix->vfio);
    g_assert_cmpuint(fake_iommufd_backend(fix->f)->users, ==, 0);
    stl_le_p(page + PROD, 2);
    object_unref(owner);
    assert_calls(fix, "");

    fix->vfio = fake_vfio_bind(fix->f, &cmdqv_smmu, "0000:03:00.0", fix);
    fix->dev = smmuv3_accel_host_device_new(fake_vfio_hiod(fix->vfio));
    fixture_free(fix);
}

/* The process has no room for another mapping: then the vIOMMU stays, too */
static void test_page_stays(void)
{
    Fixture *fix = fixture_with_queues();
    MemoryRegion *mr = smmuv3_accel_host_queue_page(fix->host);
    Object *owner = object_ref(mr->owner);
    uint8_t *page = mr->ram_block->host;

    g_assert(queue_alloc(fix, 0, &error_abort));
    g_free(fake_iommufd_calls(fix->f));
    fake_cmdqv_keep_mappings(true);
    fixture_stop(fix);
    fake_cmdqv_keep_mappings(false);
    /* The queue and the abort HWPT are destroyed; vIOMMU and page stay */
    assert_calls(fix, "destroy destroy");
    stl_le_p(page + PROD, 1);

    /* VFIO cannot free its stage 2 yet, and the iommufd stays open */
    smmuv3_accel_host_device_free(fix->dev);
    fake_vfio_unbind(fix->vfio);
    assert_calls(fix, "destroy! destroy!");
    g_assert_cmpuint(fake_iommufd_backend(fix->f)->users, ==, 1);
    object_unref(owner);
    /* Now the vIOMMU is destroyed, and all that was kept */
    assert_calls(fix, "destroy destroy destroy");

    fix->vfio = fake_vfio_bind(fix->f, &cmdqv_smmu, "0000:03:00.0", fix);
    fix->dev = smmuv3_accel_host_device_new(fake_vfio_hiod(fix->vfio));
    fixture_free(fix);
}

/* Every host call fails in turn */

static bool run_all(Fixture *fix)
{
    bool ok = fixture_start(fix, true, NULL);

    if (!ok) {
        return false;
    }
    if (!fix->host->cmdqv) {
        g_assert(!fix->host->cmdqv_error ==
                 !(fix->dev->cmdqv.present || fix->dev->cmdqv.error));
        return false;
    }
    ok = !smmuv3_accel_host_open_queue_errors(fix->host, NULL);
    ok &= queue_alloc(fix, 0, NULL) && queue_alloc(fix, 1, NULL);
    smmuv3_accel_host_queues_free(fix->host);
    g_assert_cmpuint(smmuv3_accel_host_nb_queues(fix->host), ==, 0);
    ok &= queue_alloc(fix, 0, NULL);
    return ok;
}

/* Returns: false if there are fewer calls than @nth */
static bool fail_one(unsigned nth, unsigned variant, bool all)
{
    Fixture *fix = fixture_new(LINUX_7_3, &cmdqv_smmu);
    bool more, ok;

    if (all) {
        fake_iommufd_fail_from(fix->f, nth, variant);
    } else {
        fake_iommufd_fail_nth(fix->f, nth, variant);
    }
    ok = run_all(fix);
    more = fake_iommufd_n_calls(fix->f) >= nth;
    g_assert(ok || fake_iommufd_has_failed(fix->f));
    if (!all) {
        fixture_stop(fix);
    }
    fake_iommufd_fail_nth(fix->f, 0, 0);
    fixture_stop(fix);

    /* Without failures everything works again */
    g_assert(run_all(fix));
    fixture_free(fix);
    return more;
}

static void test_failures(void)
{
    for (int all = 0; all < 2; all++) {
        for (unsigned variant = 0; variant < FAKE_VARIANTS; variant++) {
            unsigned nth = 1;

            while (fail_one(nth, variant, all)) {
                g_assert_cmpuint(++nth, <, NTH_MAX);
            }
            g_assert_cmpuint(nth, >, 15);
        }
    }
}

/* Failures after which the vIOMMU is a plain one, or is refused */
static void test_falls_back(void)
{
    static const struct {
        unsigned nth;
        const char *calls;
        bool works;
    } cases[] = {
        /* The answer fails, so QEMU allocates a plain vIOMMU */
        { 7, ASK " get-hw-info! " PLAIN, true },
        { 8, ASK " get-hw-info viommu-alloc! " PLAIN, true },
        { 9, ASK " get-hw-info viommu-alloc mmap! destroy " PLAIN, true },
        { 10, ASK " get-hw-info " WITH_QUEUES "! destroy", false },
    };

    for (int i = 0; i < ARRAY_SIZE(cases); i++) {
        Fixture *fix = fixture_new(LINUX_7_3, &cmdqv_smmu);
        Error *err = NULL;

        fake_iommufd_fail_nth(fix->f, cases[i].nth, 0);
        g_assert(fixture_start(fix, true, &err) == cases[i].works);
        assert_calls(fix, cases[i].calls);
        g_assert(!err == cases[i].works);
        g_assert(!fix->host || !fix->host->cmdqv);
        g_assert(!fix->host || fix->host->cmdqv_error);
        error_free(err);
        fixture_free(fix);
    }
}

/* If the host cannot nest, both vIOMMUs are refused; the second error counts */
static void test_refused(void)
{
    FakeSMMU plain = cmdqv_smmu;
    Fixture *fix;
    Error *err = NULL;

    plain.cannot_nest = true;
    fix = fixture_new(LINUX_7_3, &plain);
    g_assert(!fixture_start(fix, true, &err));
    assert_calls(fix, ASK " get-hw-info viommu-alloc! viommu-alloc!");
    assert_error(&err, "IOMMU_VIOMMU_ALLOC failed (the SMMU cannot nest*");
    fixture_free(fix);
}

int main(int argc, char **argv)
{
    rig_init(&argc, &argv);
    g_test_add_func("/smmuv3-accel/cmdqv-host/ask", test_ask);
    g_test_add_func("/smmuv3-accel/cmdqv-host/none", test_none);
    g_test_add_func("/smmuv3-accel/cmdqv-host/new", test_new);
    g_test_add_func("/smmuv3-accel/cmdqv-host/as-plain", test_as_plain);
    g_test_add_func("/smmuv3-accel/cmdqv-host/registers", test_registers);
    g_test_add_func("/smmuv3-accel/cmdqv-host/queues", test_queues);
    g_test_add_func("/smmuv3-accel/cmdqv-host/queue-refused",
                    test_queue_refused);
    g_test_add_func("/smmuv3-accel/cmdqv-host/queue-too-large",
                    test_queue_too_large);
    g_test_add_func("/smmuv3-accel/cmdqv-host/queue-kept", test_queue_kept);
    g_test_add_func("/smmuv3-accel/cmdqv-host/interfaces", test_interfaces);
    g_test_add_func("/smmuv3-accel/cmdqv-host/stream-ids", test_stream_ids);
    g_test_add_func("/smmuv3-accel/cmdqv-host/page-length", test_page_length);
    g_test_add_func("/smmuv3-accel/cmdqv-host/errors", test_errors);
    g_test_add_func("/smmuv3-accel/cmdqv-host/page-outlives",
                    test_page_outlives);
    g_test_add_func("/smmuv3-accel/cmdqv-host/page-stays", test_page_stays);
    g_test_add_func("/smmuv3-accel/cmdqv-host/failures", test_failures);
    g_test_add_func("/smmuv3-accel/cmdqv-host/falls-back", test_falls_back);
    g_test_add_func("/smmuv3-accel/cmdqv-host/refused", test_refused);
    return g_test_run();
}
