/*
 * arm-smmuv3-accel: unit tests of register writes while the host is at work
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "smmuv3-accel-rig.h"
#include "qemu/main-loop.h"

static Rig *rig;
static MemoryRegion iomem;
static QemuSemaphore entered, leave;    /* of an ioctl of invalidation */
static unsigned int consumed;           /* of commands, up to cmdq.prod */
static unsigned int n_base_writes;
static hwaddr msi;                      /* where CMD_SYNC writes to; 0: none */

/* A register write of another vCPU */
typedef struct Writer {
    QemuThread thread;
    hwaddr offset;
    uint64_t data;
    MemTxResult ret;
    bool done;
} Writer;

static MemTxResult do_write(hwaddr offset, uint64_t data)
{
    return iomem.ops->write_with_attrs(rig->s, offset, data, 4,
                                       MEMTXATTRS_UNSPECIFIED);
}

static void *vcpu(void *opaque)
{
    Writer *w = opaque;

    bql_lock();
    w->ret = do_write(w->offset, w->data);
    w->done = true;
    bql_unlock();
    return NULL;
}

static void writer_start(Writer *w, hwaddr offset, uint64_t data)
{
    *w = (Writer) { .offset = offset, .data = data };
    qemu_thread_create(&w->thread, "vcpu", vcpu, w, QEMU_THREAD_JOINABLE);
}

/* Others may run for a while: long enough to see that they must not */
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

/* As arm-smmuv3: every command is one TLBI_NH_ALL and a CMD_SYNC */
static MemTxResult base_write(void *opaque, hwaddr offset, uint64_t data,
                              unsigned size, MemTxAttrs attrs)
{
    n_base_writes++;
    if (offset == A_CR0) {
        rig->s3->cr[0] = data;
    } else if (offset == A_CMDQ_PROD) {
        rig->s3->cmdq.prod = data;
        while (consumed != rig->s3->cmdq.prod) {
            rig_command(rig, SMMU_CMD_TLBI_NH_ALL, 0, 0);
            rig_command(rig, SMMU_CMD_SYNC, 0, 0);
            consumed++;
        }
        if (msi) {
            g_assert_cmpint(do_write(msi, 0), ==, MEMTX_ACCESS_ERROR);
        }
        rig_drained(rig);
    }
    return MEMTX_OK;
}

static const MemoryRegionOps base_ops = { .write_with_attrs = base_write };

static void setup(void)
{
    rig = rig_new(LINUX_6_19);
    g_assert(rig_plug(rig, 1, &error_abort));
    g_assert(rig_plug(rig, 2, &error_abort));
    iomem = (MemoryRegion) { .ops = &base_ops };
    smmuv3_accel_mmio_init(rig->s, &iomem);
    qemu_sem_init(&entered, 0);
    qemu_sem_init(&leave, 0);
    fake_iommufd_hold(rig->iommufd, &entered, &leave);
    consumed = n_base_writes = 0;
    msi = 0;
}

static void teardown(void)
{
    fake_iommufd_hold(rig->iommufd, NULL, NULL);
    qemu_sem_destroy(&entered);
    qemu_sem_destroy(&leave);
    rig_free(rig);
}

/* A doorbell leaves its work to who is at it, also by the alias in page 1 */
static void test_doorbell(void)
{
    Writer busy;

    setup();
    writer_start(&busy, A_CMDQ_PROD, 1);
    wait_entered();
    g_assert_cmpint(do_write(A_CMDQ_PROD, 2), ==, MEMTX_OK);
    g_assert_cmpint(do_write(A_CMDQ_PROD | 0x10000, 3), ==, MEMTX_OK);
    g_assert_cmpuint(n_base_writes, ==, 1);
    g_assert_cmpuint(rig->s3->cmdq.prod, ==, 3);
    for (int i = 0; i < 3; i++) {
        qemu_sem_post(&leave);
    }
    writer_join(&busy);
    g_assert_cmpuint(consumed, ==, 3);
    g_assert_cmpuint(fake_iommufd_commands(rig->iommufd)->len, ==, 3);
    teardown();
}

/* Rung when the last command is through already, but the batch is not */
static void test_doorbell_at_the_end(void)
{
    Writer busy;

    setup();
    rig_command(rig, SMMU_CMD_TLBI_NH_ALL, 0, 0);
    writer_start(&busy, A_CMDQ_PROD, 0);        /* flush by rig_drained() */
    wait_entered();
    g_assert_cmpint(do_write(A_CMDQ_PROD, 1), ==, MEMTX_OK);
    qemu_sem_post(&leave);
    qemu_sem_post(&leave);
    writer_join(&busy);
    g_assert_cmpuint(consumed, ==, 1);
    g_assert_cmpuint(fake_iommufd_commands(rig->iommufd)->len, ==, 2);
    teardown();
}

/* Nobody works for the others without end */
static void test_doorbell_bounded(void)
{
    Writer busy, other;
    unsigned int prod = 1;

    setup();
    writer_start(&busy, A_CMDQ_PROD, prod);
    wait_entered();
    for (int i = 0; i < 4; i++) {
        g_assert_cmpint(do_write(A_CMDQ_PROD, ++prod), ==, MEMTX_OK);
    }
    writer_start(&other, A_CMDQ_PROD, prod + 1);
    let_run();
    g_assert(!other.done);
    g_assert_cmpuint(rig->s3->cmdq.prod, ==, prod);
    for (int i = 0; i < prod + 1; i++) {
        qemu_sem_post(&leave);
    }
    writer_join(&busy);
    writer_join(&other);
    g_assert_cmpuint(consumed, ==, prod + 1);
    teardown();
}

/* Any other register has to wait, so that nothing changes below a command */
static void test_register_waits(void)
{
    Writer busy, other;

    setup();
    writer_start(&busy, A_CMDQ_PROD, 1);
    wait_entered();
    writer_start(&other, A_CR0, CR0_SMMUEN);
    let_run();
    g_assert(!other.done);
    g_assert_cmphex(rig->s3->cr[0], ==, 0);
    qemu_sem_post(&leave);
    writer_join(&busy);
    writer_join(&other);
    g_assert_cmphex(rig->s3->cr[0], ==, CR0_SMMUEN);
    teardown();
}

static void *leave_later(void *opaque)
{
    bool *left = opaque;

    g_usleep(20000);
    qatomic_set(left, true);
    qemu_sem_post(&leave);
    return NULL;
}

/* A device does not go while the vIOMMU is in use; one may come */
static void test_unplug_waits(void)
{
    bool left = false;
    QemuThread later;
    Writer busy;

    setup();
    writer_start(&busy, A_CMDQ_PROD, 1);
    wait_entered();
    g_assert(rig_plug(rig, 3, &error_abort));
    g_assert(!busy.done);
    qemu_thread_create(&later, "later", leave_later, &left,
                       QEMU_THREAD_JOINABLE);
    rig_unplug(rig, 2);
    g_assert(qatomic_read(&left));
    qemu_thread_join(&later);
    writer_join(&busy);
    teardown();
}

/* The guest has an MSI sent to the SMMU itself */
static void test_reentrance(void)
{
    Writer busy;

    setup();
    for (msi = A_CMDQ_PROD; msi; msi = msi == A_CR0 ? 0 : A_CR0) {
        unsigned int before = n_base_writes;

        writer_start(&busy, A_CMDQ_PROD, consumed + 1);
        wait_entered();
        qemu_sem_post(&leave);
        writer_join(&busy);
        g_assert_cmpuint(n_base_writes, ==, before + 1);
    }
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
    g_test_add_func("/smmuv3-accel/mmio/unplug-waits", test_unplug_waits);
    g_test_add_func("/smmuv3-accel/mmio/reentrance", test_reentrance);
    return g_test_run();
}
