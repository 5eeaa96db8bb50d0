/*
 * arm-smmuv3-accel: unit tests of register writes while the host works
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "smmuv3-accel-rig.h"
#include "hw/arm/smmuv3-accel-mmio.h"
#include "qemu/main-loop.h"
#include "hw/arm/smmuv3-accel-hooks.h"

static Rig *rig;
static QemuSemaphore entered, leave;    /* the ioctl to invalidate */

/* A register write of another vCPU */
typedef struct Writer {
    QemuThread thread;
    bool alone;
    hwaddr offset;
    uint64_t data;
    MemTxResult ret;
    bool done;
} Writer;

static void *vcpu(void *opaque)
{
    Writer *w = opaque;

    rig_set_alone(w->alone);
    bql_lock();
    w->ret = rig_write(rig, w->offset, w->data);
    w->done = true;
    bql_unlock();
    return NULL;
}

static void writer_start(Writer *w, bool alone, hwaddr offset, uint64_t data)
{
    *w = (Writer) { .alone = alone, .offset = offset, .data = data };
    qemu_thread_create(&w->thread, "vcpu", vcpu, w, QEMU_THREAD_JOINABLE);
}

/* A TLBI and a CMD_SYNC, which cause one ioctl; the doorbell follows */
static uint32_t put_pair(void)
{
    rig_put_command(rig, SMMU_CMD_TLBI_NH_ALL, 0, 0);
    rig_put_command(rig, SMMU_CMD_SYNC, 0, 0);
    return rig->s3->cmdq.prod;
}

/* @n pairs, without a change of PROD */
static uint32_t put_pairs(unsigned n)
{
    uint32_t before = rig->s3->cmdq.prod, prod = before;

    for (unsigned i = 0; i < n; i++) {
        prod = put_pair();
    }
    rig->s3->cmdq.prod = before;
    return prod;
}

/* Let other threads run, long enough to detect a write that should wait */
static void let_run(void)
{
    bql_unlock();
    g_usleep(20000);
    bql_lock();
}

static void wait_entered(void)
{
    bql_unlock();
    qemu_sem_wait(&entered);
    bql_lock();
}

static void writer_join(Writer *w)
{
    bql_unlock();
    qemu_thread_join(&w->thread);
    bql_lock();
    g_assert(w->done);
}

static void let_leave(unsigned n)
{
    while (n--) {
        qemu_sem_post(&leave);
    }
}

static unsigned n_issued(void)
{
    return fake_iommufd_commands(rig->iommufd)->len;
}

static bool is_empty(void)
{
    return smmuv3_q_empty(&rig->s3->cmdq);
}

static void setup(void)
{
    rig = rig_new(LINUX_7_3);
    g_assert(rig_plug(rig, 1, &error_abort));
    g_assert(rig_plug(rig, 2, &error_abort));
    qemu_sem_init(&entered, 0);
    qemu_sem_init(&leave, 0);
    fake_iommufd_hold(rig->iommufd, &entered, &leave);
}

static void teardown(void)
{
    fake_iommufd_hold(rig->iommufd, NULL, NULL);
    qemu_sem_destroy(&entered);
    qemu_sem_destroy(&leave);
    rig_free(rig);
}

/* A doorbell leaves its work to the vCPU at work, also through page 1 */
static void test_doorbell(void)
{
    unsigned int before = rig_base_writes();
    Writer busy;
    uint32_t one, two, three;

    setup();
    one = put_pairs(1);
    writer_start(&busy, true, A_CMDQ_PROD, one);
    wait_entered();
    rig_set_alone(true);                /* the other vCPU */
    two = put_pairs(1);
    g_assert_cmpint(rig_write(rig, A_CMDQ_PROD, two), ==, MEMTX_OK);
    three = put_pairs(1);
    g_assert_cmpint(rig_write(rig, A_CMDQ_PROD | 0x10000, three), ==,
                    MEMTX_OK);
    g_assert_cmpuint(rig_base_writes(), ==, before + 1);
    g_assert_cmpuint(rig->s3->cmdq.prod, ==, three);
    rig_set_alone(false);
    let_leave(3);
    writer_join(&busy);
    g_assert(is_empty());
    g_assert_cmpuint(n_issued(), ==, 3);
    teardown();
}

/* A doorbell after the last command, but before the end of the batch */
static void test_doorbell_at_the_end(void)
{
    Writer busy;

    setup();
    rig_put_command(rig, SMMU_CMD_TLBI_NH_ALL, 0, 0);   /* no CMD_SYNC */
    writer_start(&busy, true, A_CMDQ_PROD, rig->s3->cmdq.prod);
    wait_entered();
    rig_set_alone(true);
    g_assert_cmpint(rig_write(rig, A_CMDQ_PROD, put_pairs(1)), ==, MEMTX_OK);
    rig_set_alone(false);
    let_leave(2);
    writer_join(&busy);
    g_assert(is_empty());
    g_assert_cmpuint(n_issued(), ==, 2);
    teardown();
}

/* A vCPU does not work for others without end */
static void test_doorbell_bounded(void)
{
    Writer busy, other[5];

    setup();
    writer_start(&busy, true, A_CMDQ_PROD, put_pairs(1));
    wait_entered();
    for (int i = 0; i < 5; i++) {
        writer_start(&other[i], true, A_CMDQ_PROD, put_pairs(1));
        /* On a busy machine the others may be late, but none may be early */
        for (int tries = 0; tries < (i < 4 ? 250 : 1) && !other[i].done;
             tries++) {
            let_run();
        }
        g_assert(other[i].done == (i < 4));
    }
    let_leave(6);
    writer_join(&busy);
    for (int i = 0; i < 5; i++) {
        writer_join(&other[i]);
    }
    g_assert(is_empty());
    g_assert_cmpuint(n_issued(), ==, 6);
    teardown();
}

/* Other register writes wait, so that nothing changes during a command */
static void test_register_waits(void)
{
    Writer busy, other;

    setup();
    writer_start(&busy, true, A_CMDQ_PROD, put_pairs(1));
    wait_entered();
    writer_start(&other, true, A_CR0, CR0_SMMUEN);
    let_run();
    g_assert(!other.done);
    g_assert_cmphex(rig->s3->cr[0], ==, 0);
    let_leave(1);
    writer_join(&busy);
    writer_join(&other);
    g_assert_cmphex(rig->s3->cr[0], ==, CR0_SMMUEN);
    teardown();
}

/* They do not wait if a device's DMA or MSI has caused them */
static void test_register_refused(void)
{
    Writer busy;

    setup();
    writer_start(&busy, true, A_CMDQ_PROD, put_pairs(1));
    wait_entered();
    g_assert_cmpint(rig_write(rig, A_CR0, CR0_SMMUEN), ==, MEMTX_ACCESS_ERROR);
    g_assert_cmphex(rig->s3->cr[0], ==, 0);
    /* A doorbell never waits, however often it rings */
    rig_set_can_run(true);
    for (int i = 0; i < 10; i++) {
        g_assert_cmpint(rig_write(rig, A_CMDQ_PROD, rig->s3->cmdq.prod), ==,
                        MEMTX_OK);
    }
    let_leave(1);
    writer_join(&busy);
    rig_run_deferred();
    rig_set_can_run(false);
    g_assert_cmpint(rig_write(rig, A_CR0, CR0_SMMUEN), ==, MEMTX_OK);
    teardown();
}

static void *take_bql(void *opaque)
{
    bool *taken = opaque;

    bql_lock();
    qatomic_set(taken, true);
    bql_unlock();
    return NULL;
}

/* If a device rings, a vCPU does the work later, and only once */
static void test_doorbell_by_device(void)
{
    Writer busy;

    setup();
    rig_set_can_run(true);
    rig->s3->cr[0] = R_CR0_CMDQEN_MASK;
    /* Reserved bits stay 0 */
    g_assert_cmpint(rig_write(rig, A_CMDQ_PROD, put_pairs(1) | 0xfff00000), ==,
                    MEMTX_OK);
    g_assert_cmphex(rig->s3->cmdq.prod, <=, 0xfffff);
    /* If it rings again, QEMU does not ask a vCPU again */
    g_assert_cmpint(rig_write(rig, A_CMDQ_PROD, rig->s3->cmdq.prod), ==,
                    MEMTX_OK);
    g_assert_cmpuint(n_issued(), ==, 0);
    writer_start(&busy, true, A_CMDQ_PROD, rig->s3->cmdq.prod);
    wait_entered();
    /* The vCPU at work handles everything, so the deferred call does nothing */
    g_assert(rig_run_deferred());
    let_leave(2);
    writer_join(&busy);
    g_assert(is_empty());
    g_assert_cmpuint(n_issued(), ==, 1);
    g_assert(!rig_run_deferred());
    rig_set_can_run(false);
    teardown();
}

/* A thread that waits for the BQL gets it between two commands */
static void test_breathe(void)
{
    bool taken = false;
    QemuThread thread;

    setup();
    rig_set_alone(true);
    qemu_thread_create(&thread, "bql", take_bql, &taken, QEMU_THREAD_JOINABLE);
    rig->s->mmio.busy = rig->s->mmio.may_unlock = true;
    rig->s->mmio.locked_ns = get_clock() - 11 * SCALE_MS;
    smmuv3_accel_mmio_breathe(rig->s);  /* the BQL has been held for long */
    for (int i = 0; i < 500 && !taken; i++) {
        rig->s->mmio.locked_ns = get_clock() - 11 * SCALE_MS;
        smmuv3_accel_mmio_breathe(rig->s);
    }
    g_assert(qatomic_read(&taken));
    taken = false;
    smmuv3_accel_mmio_breathe(rig->s);  /* does nothing so soon */
    g_assert(DEVICE(rig->s)->mem_reentrancy_guard.engaged_in_io);
    rig->s->mmio.busy = rig->s->mmio.may_unlock = false;
    DEVICE(rig->s)->mem_reentrancy_guard.engaged_in_io = false;
    rig_set_alone(false);
    bql_unlock();
    qemu_thread_join(&thread);
    bql_lock();
    teardown();
}

/* Whether a thread gets the BQL while the host invalidates */
static bool bql_is_free(bool alone)
{
    bool taken = false, free_in_between;
    QemuThread thread;
    Writer busy;

    setup();
    writer_start(&busy, alone, A_CMDQ_PROD, put_pairs(1));
    bql_unlock();
    qemu_sem_wait(&entered);
    qemu_thread_create(&thread, "bql", take_bql, &taken, QEMU_THREAD_JOINABLE);
    /* On a busy machine the thread may be late, but it must not be early */
    for (int ms = 0; ms < (alone ? 5000 : 20) && !qatomic_read(&taken); ms++) {
        g_usleep(1000);
    }
    free_in_between = qatomic_read(&taken);
    let_leave(1);
    qemu_thread_join(&thread);
    qemu_thread_join(&busy.thread);
    bql_lock();
    teardown();
    return free_in_between;
}

/* The BQL is dropped only for a vCPU's own access */
static void test_lock(void)
{
    g_assert(bql_is_free(true));
    g_assert(!bql_is_free(false));
}

/*
 * Unplug does not wait, not even for the last device: the vIOMMU stays for the
 * batch, and objects that VFIO destroys stay with it. A device that is plugged
 * meanwhile gets a vIOMMU of its own.
 */
static void test_unplug(void)
{
    Writer busy;
    uint32_t viommu;

    setup();
    writer_start(&busy, true, A_CMDQ_PROD, put_pairs(2));
    wait_entered();
    viommu = rig->s->host->viommu_id;
    rig_unplug(rig, 2);
    rig_unplug(rig, 1);
    g_assert(!busy.done && !rig->s->host);
    g_assert_cmpuint(fake_iommufd_backend(rig->iommufd)->kept->len, >, 0);
    g_assert(rig_plug(rig, 3, &error_abort));
    g_assert(!busy.done);
    g_assert_cmpuint(rig->s->host->viommu_id, !=, viommu);
    let_leave(2);
    writer_join(&busy);
    g_assert(is_empty());
    g_assert_cmpuint(fake_iommufd_backend(rig->iommufd)->kept->len, ==, 0);
    teardown();
}

/* The batch was lost, and its device is gone: the message cannot name it */
static void test_unplug_and_fail(void)
{
    g_autofree char *messages = NULL;
    Writer busy;

    setup();
    rig_unplug(rig, 2);
    rig_put_command(rig, SMMU_CMD_CFGI_CD_ALL, 0x100, 0);
    rig_put_command(rig, SMMU_CMD_SYNC, 0, 0);
    writer_start(&busy, true, A_CMDQ_PROD, rig->s3->cmdq.prod);
    rig->s3->cmdq.prod = rig->s3->cmdq.cons;
    wait_entered();
    rig_unplug(rig, 1);
    fake_iommufd_set_stuck(rig->iommufd, true);
    let_leave(10);
    writer_join(&busy);
    messages = rig_messages();
    g_assert(strstr(messages, "did not carry out invalidations"));
    teardown();
}

/* The same without other devices: the last user closes the file */
static void test_unplug_all(void)
{
    Writer busy;

    setup();
    writer_start(&busy, true, A_CMDQ_PROD, put_pairs(1));
    wait_entered();
    rig_unplug(rig, 1);
    rig_unplug(rig, 2);
    g_assert_cmpuint(fake_iommufd_backend(rig->iommufd)->users, ==, 1);
    let_leave(1);
    writer_join(&busy);
    g_assert_cmpuint(fake_iommufd_backend(rig->iommufd)->users, ==, 0);
    teardown();
}

/* The machine stops: the remaining commands run when it continues */
static void test_stop(void)
{
    Writer busy;

    setup();
    rig->s3->cr[0] = R_CR0_CMDQEN_MASK;
    writer_start(&busy, true, A_CMDQ_PROD, put_pairs(1000));
    wait_entered();
    rig_set_shall_stop(true);
    /* A doorbell meanwhile does not continue the queue */
    rig_set_alone(true);
    g_assert_cmpint(rig_write(rig, A_CMDQ_PROD, rig->s3->cmdq.prod), ==,
                    MEMTX_OK);
    rig_set_alone(false);
    let_leave(1);
    writer_join(&busy);
    g_assert_cmpuint(n_issued(), ==, 1);
    g_assert(!is_empty());
    rig_set_shall_stop(false);
    fake_iommufd_hold(rig->iommufd, NULL, NULL);
    smmuv3_accel_started(rig->s);
    g_assert(is_empty());
    g_assert_cmpuint(n_issued(), ==, 1000);
    teardown();
}

/* QEMU's guard against re-entrance is engaged whenever the BQL is held */
static void test_guard(void)
{
    MemReentrancyGuard *guard;
    Writer busy, other;

    setup();
    guard = &DEVICE(rig->s)->mem_reentrancy_guard;
    guard->engaged_in_io = true;        /* memory.c engages it for a write */
    writer_start(&busy, true, A_CMDQ_PROD, put_pairs(1));
    wait_entered();
    g_assert(!guard->engaged_in_io);
    guard->engaged_in_io = true;
    writer_start(&other, true, A_CR0, 0);
    let_run();
    g_assert(!other.done && !guard->engaged_in_io);
    let_leave(1);
    writer_join(&busy);
    writer_join(&other);
    g_assert(guard->engaged_in_io);     /* memory.c releases it */
    guard->engaged_in_io = false;
    smmuv3_accel_started(rig->s);
    g_assert(!guard->engaged_in_io);
    teardown();
}

int main(int argc, char **argv)
{
    rig_init(&argc, &argv);
    g_test_add_func("/smmuv3-accel/mmio/doorbell", test_doorbell);
    g_test_add_func("/smmuv3-accel/mmio/doorbell-at-the-end",
                    test_doorbell_at_the_end);
    g_test_add_func("/smmuv3-accel/mmio/doorbell-bounded",
                    test_doorbell_bounded);
    g_test_add_func("/smmuv3-accel/mmio/register-waits", test_register_waits);
    g_test_add_func("/smmuv3-accel/mmio/register-refused",
                    test_register_refused);
    g_test_add_func("/smmuv3-accel/mmio/lock", test_lock);
    g_test_add_func("/smmuv3-accel/mmio/unplug", test_unplug);
    g_test_add_func("/smmuv3-accel/mmio/unplug-and-fail",
                    test_unplug_and_fail);
    g_test_add_func("/smmuv3-accel/mmio/doorbell-by-device",
                    test_doorbell_by_device);
    g_test_add_func("/smmuv3-accel/mmio/breathe", test_breathe);
    g_test_add_func("/smmuv3-accel/mmio/unplug-all", test_unplug_all);
    g_test_add_func("/smmuv3-accel/mmio/stop", test_stop);
    g_test_add_func("/smmuv3-accel/mmio/guard", test_guard);
    return g_test_run();
}
