/*
 * arm-smmuv3-accel: unit tests of a guest's CMDQV during a host call
 *
 * QEMU drops the BQL during a host call.  Meanwhile another thread rings a
 * doorbell, reads CONS, unplugs a device, or takes the queues back.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "smmuv3-accel-rig-cmdqv.h"
#include "hw/arm/smmuv3-accel-hooks.h"
#include "qemu/main-loop.h"

static Rig *rig;
static QemuSemaphore entered, leave;

#define OWN_QUEUE   UINT64_MAX      /* the SMMU's own */

typedef struct Vcpu {
    QemuThread thread;
    unsigned reads;         /* 0: a write */
    hwaddr offset;
    uint32_t value;
    bool done;
} Vcpu;

static void *vcpu(void *opaque)
{
    Vcpu *v = opaque;

    rig_set_alone(true);
    bql_lock();
    if (v->offset == OWN_QUEUE) {
        rig_write(rig, A_CMDQ_PROD, v->value);
    } else if (!v->reads) {
        rig_cmdqv_write(rig, v->offset, v->value);
    }
    for (unsigned i = 0; i < v->reads; i++) {
        v->value = rig_cmdqv_read(rig, v->offset);
    }
    v->done = true;
    bql_unlock();
    return NULL;
}

static void vcpu_start(Vcpu *v, unsigned reads, hwaddr offset, uint32_t value)
{
    *v = (Vcpu) { .reads = reads, .offset = offset, .value = value };
    qemu_thread_create(&v->thread, "vcpu", vcpu, v, QEMU_THREAD_JOINABLE);
}

static void vcpu_join(Vcpu *v)
{
    bql_unlock();
    qemu_thread_join(&v->thread);
    bql_lock();
    g_assert(v->done);
}

static void wait_entered(void)
{
    bql_unlock();
    qemu_sem_wait(&entered);
    bql_lock();
}

static void let_run(void)
{
    bql_unlock();
    g_usleep(20000);
    bql_lock();
}

static void hold_start(const FakeSMMU *smmu)
{
    rig = rig_cmdqv_started(LINUX_7_3, smmu);
    qemu_sem_init(&entered, 0);
    qemu_sem_init(&leave, 0);
    fake_iommufd_hold(rig->iommufd, &entered, &leave);
}

static void hold_stop(void)
{
    fake_iommufd_hold(rig->iommufd, NULL, NULL);
    qemu_sem_destroy(&entered);
    qemu_sem_destroy(&leave);
    rig_free(rig);
}

static uint32_t cons(unsigned q)
{
    return rig->s->cmdqv->dev.regs.vcmdq[q].cons;
}

/*
 * CONS passes a CMD_SYNC only when the host has carried out the commands before
 * it. Meanwhile a vCPU that reads CONS or rings a doorbell waits.
 */
static void test_sync(void)
{
    Vcpu busy, poll, poll_other, other;

    hold_start(&host_smmu);
    rig_cmdqv_put(rig, 0, TLBI_ASID(1), 0);
    rig_cmdqv_put(rig, 0, SMMU_CMD_SYNC, 0);
    rig_cmdqv_put(rig, 0, SMMU_CMD_SYNC, 0);
    rig_cmdqv_put(rig, 1, TLBI_ASID(2), 0);
    rig_cmdqv_put(rig, 1, SMMU_CMD_SYNC, 0);
    vcpu_start(&busy, 0, PAGE0(0) + A_VCMDQ_PROD, 3);
    wait_entered();
    g_assert_cmpuint(cons(0), ==, 1);
    vcpu_start(&poll, 1, PAGE0(0) + A_VCMDQ_CONS, 0);
    /* It is the first to wait, and still sees what the other one rings for */
    vcpu_start(&poll_other, 1, PAGE0(1) + A_VCMDQ_CONS, 0);
    let_run();
    vcpu_start(&other, 0, PAGE0(1) + A_VCMDQ_PROD, 2);
    while (!rig->s->mmio.waiting) {
        let_run();
    }
    g_assert(!busy.done && !poll.done && !poll_other.done && !other.done);
    g_assert_cmpuint(cons(1), ==, 0);
    qemu_sem_post(&leave);
    qemu_sem_post(&leave);
    vcpu_join(&busy);
    vcpu_join(&poll);
    vcpu_join(&poll_other);
    vcpu_join(&other);
    g_assert_cmpuint(poll.value, ==, 3);
    g_assert_cmpuint(poll_other.value, ==, 2);
    g_assert(rig_cmdqv_is_done(rig, 0) && rig_cmdqv_is_done(rig, 1));
    rig_assert_asids(rig, "1 2");
    hold_stop();
}

/*
 * A vCPU that reads the same CONS again waits for the doorbell of another vCPU,
 * which covers the commands of both
 */
static void test_poll(void)
{
    Vcpu poll, busy;

    hold_start(&host_smmu);
    rig_set_patient(true);
    rig_cmdqv_put(rig, 0, TLBI_ASID(1), 0);
    rig_cmdqv_put(rig, 0, SMMU_CMD_SYNC, 0);
    vcpu_start(&poll, 2, PAGE0(0) + A_VCMDQ_CONS, 0);
    let_run();
    g_assert(!poll.done);
    vcpu_start(&busy, 0, PAGE0(0) + A_VCMDQ_PROD, 2);
    wait_entered();
    let_run();
    g_assert(!poll.done);
    qemu_sem_post(&leave);
    vcpu_join(&busy);
    vcpu_join(&poll);
    g_assert_cmpuint(poll.value, ==, 2);
    rig_set_patient(false);
    hold_stop();
}

/* The wait ends; there is none for a device, or if the vCPU has to stop */
static void test_poll_ends(void)
{
    int64_t start_us = g_get_monotonic_time();
    Vcpu poll;

    hold_start(&host_smmu);
    vcpu_start(&poll, 2, PAGE0(0) + A_VCMDQ_CONS, 0);
    vcpu_join(&poll);
    g_assert_cmpuint(poll.value, ==, 0);

    /* From here on, a wait takes a minute */
    rig_set_patient(true);
    for (int i = 0; i < 2; i++) {
        g_assert_cmpuint(rig_cmdqv_read(rig, PAGE0(0) + A_VCMDQ_CONS), ==, 0);
    }
    rig_set_shall_stop(true);
    vcpu_start(&poll, 2, PAGE0(0) + A_VCMDQ_CONS, 0);
    vcpu_join(&poll);
    rig_set_shall_stop(false);

    /* A queue that is off, and one that has stopped */
    rig_cmdqv_write(rig, PAGE0(1) + A_VCMDQ_CONFIG, 0);
    vcpu_start(&poll, 2, PAGE0(1) + A_VCMDQ_CONS, 0);
    vcpu_join(&poll);
    rig_cmdqv_put(rig, 0, 0xff, 0);
    rig_cmdqv_ring(rig, 0);
    vcpu_start(&poll, 2, PAGE0(0) + A_VCMDQ_CONS, 0);
    vcpu_join(&poll);
    g_assert_cmpuint(poll.value, ==, SMMU_CERROR_ILL << R_VCMDQ_CONS_ERR_SHIFT);
    g_assert_cmpint(g_get_monotonic_time() - start_us, <, 30 * G_USEC_PER_SEC);
    rig_set_patient(false);
    hold_stop();
}

/* DMA to a doorbell neither executes commands nor waits; a vCPU does it */
static void test_by_device(void)
{
    Vcpu busy;

    hold_start(&host_smmu);
    rig_set_can_run(true);
    rig_cmdqv_put(rig, 0, TLBI_ASID(1), 0);
    rig_cmdqv_put(rig, 0, SMMU_CMD_SYNC, 0);
    rig_cmdqv_ring(rig, 0);
    g_assert_cmpuint(rig_executed()->len, ==, 0);
    g_assert(!rig_cmdqv_is_done(rig, 0));
    qemu_sem_post(&leave);
    g_assert(rig_run_deferred());
    g_assert(rig_cmdqv_is_done(rig, 0));
    wait_entered();

    rig_cmdqv_put(rig, 0, TLBI_ASID(2), 0);
    rig_cmdqv_put(rig, 0, SMMU_CMD_SYNC, 0);
    vcpu_start(&busy, 0, PAGE0(0) + A_VCMDQ_PROD, 4);
    wait_entered();
    g_assert_cmpint(rig_cmdqv_trap(rig, PAGE0(1) + A_VCMDQ_PROD, 1, 4), ==,
                    MEMTX_ACCESS_ERROR);
    /* A device that reads CONS gets its present value */
    g_assert_cmpuint(rig_cmdqv_read(rig, PAGE0(0) + A_VCMDQ_CONS), ==, 3);
    qemu_sem_post(&leave);
    vcpu_join(&busy);
    rig_assert_asids(rig, "1 2");
    rig_set_can_run(false);
    hold_stop();
}

/* When the machine stops, the remaining commands wait until it runs again */
static void test_stop(void)
{
    Vcpu busy;

    hold_start(&host_smmu);
    for (int asid = 1; asid <= 3; asid++) {
        rig_cmdqv_put(rig, 0, TLBI_ASID(asid), 0);
        rig_cmdqv_put(rig, 0, SMMU_CMD_SYNC, 0);
    }
    vcpu_start(&busy, 0, PAGE0(0) + A_VCMDQ_PROD, 6);
    wait_entered();
    rig_set_shall_stop(true);
    qemu_sem_post(&leave);
    vcpu_join(&busy);
    rig_assert_asids(rig, "1");
    g_assert_cmpuint(cons(0), ==, 2);
    rig_set_shall_stop(false);
    fake_iommufd_hold(rig->iommufd, NULL, NULL);
    smmuv3_accel_started(rig->s);
    g_assert(rig_cmdqv_is_done(rig, 0));
    rig_assert_asids(rig, "1 2 3");
    hold_stop();
}

/* The last device is unplugged, and another one plugged, during a host call */
static void test_unplug(void)
{
    FakeSMMU smmu = host_smmu;
    Vcpu busy;

    hold_start(&smmu);
    for (int asid = 1; asid <= 2; asid++) {
        rig_cmdqv_put(rig, 0, TLBI_ASID(asid), 0);
        rig_cmdqv_put(rig, 0, SMMU_CMD_SYNC, 0);
    }
    vcpu_start(&busy, 0, PAGE0(0) + A_VCMDQ_PROD, 4);
    wait_entered();
    rig_unplug(rig, 1);
    smmu = cmdqv_smmu;
    smmu.name = host_smmu.name;
    g_assert(rig_plug(rig, 2, &error_abort));
    qemu_sem_post(&leave);
    qemu_sem_post(&leave);
    vcpu_join(&busy);
    g_assert(rig_cmdqv_is_done(rig, 0));
    hold_stop();
}

/*
 * Before QEMU gives the queues, the host carries out the collected commands.
 * After that, there may be another host, none, or a reason to keep the queues.
 */
static void give_and(void (*meanwhile)(void), bool gives)
{
    Vcpu busy;

    hold_start(&cmdqv_smmu);
    rig_command(rig, SMMU_CMD_TLBI_NH_ALL, 0, 0);
    rig_cmdqv_put(rig, 0, SMMU_CMD_SYNC, 0);
    vcpu_start(&busy, 0, PAGE0(0) + A_VCMDQ_PROD, 1);
    wait_entered();
    g_assert(!rig_cmdqv_is_hardware(rig));
    meanwhile();
    qemu_sem_post(&leave);
    vcpu_join(&busy);
    g_assert(rig_cmdqv_is_done(rig, 0));
    g_assert(rig_cmdqv_is_hardware(rig) == gives);
    hold_stop();
}

static void nothing(void)
{
}

static void unplug(void)
{
    rig_unplug(rig, 1);
}

static void replug(void)
{
    rig_unplug(rig, 1);
    g_assert(rig_plug(rig, 1, &error_abort));
}

static void notify(void)
{
    static SMMUDevice notified;

    QLIST_INSERT_HEAD(&ARM_SMMU(rig->s)->devices_with_notifiers, &notified,
                      next);
    ARM_SMMUV3_GET_CLASS(rig->s3)->notifiers_changed(rig->s3);
}

static void test_give(void)
{
    give_and(nothing, true);
    give_and(unplug, false);
    give_and(replug, true);
    give_and(notify, false);
}

/*
 * The queues are in hardware, and a vCPU waits for the host because of the
 * SMMU's own queue. If QEMU takes the queues back meanwhile, it does not wait
 * for that vCPU, which executes the commands that are left.
 */
static void busy_and_take_back(void (*take)(void))
{
    Vcpu busy;

    hold_start(&cmdqv_smmu);
    rig_cmdqv_give(rig);
    rig_put_command(rig, SMMU_CMD_TLBI_NH_ALL, 0, 0);
    rig_put_command(rig, SMMU_CMD_SYNC, 0, 0);
    vcpu_start(&busy, 0, OWN_QUEUE, rig->s3->cmdq.prod);
    rig->s3->cmdq.prod = rig->s3->cmdq.cons;
    wait_entered();
    rig_hardware.dead = true;
    rig_cmdqv_put(rig, 1, TLBI_ASID(1), 0);
    rig_cmdqv_put(rig, 1, SMMU_CMD_SYNC, 0);
    rig_cmdqv_ring(rig, 1);
    take();
    g_assert(!rig_cmdqv_is_hardware(rig) && !busy.done);
    g_assert_cmpuint(rig_executed()->len, ==, 0);
    qemu_sem_post(&leave);
    qemu_sem_post(&leave);
    vcpu_join(&busy);
    g_assert_cmpuint(rig_executed()->len, ==, 2);
    g_assert(rig_cmdqv_is_done(rig, 1));
    hold_stop();
}

static void take(void)
{
    smmuv3_accel_cmdqv_take_back(rig->s, "test");
}

static void too_many_errors(void)
{
    for (int i = 0; i < 16; i++) {
        fake_cmdqv_event(rig->iommufd, 1, 0);
        fake_cmdqv_deliver(rig->iommufd);
        rig_cmdqv_irqs();
    }
}

static void test_take_back(void)
{
    busy_and_take_back(take);
    busy_and_take_back(unplug);
    busy_and_take_back(too_many_errors);
}

int main(int argc, char **argv)
{
    rig_init(&argc, &argv);
    g_test_add_func("/smmuv3-accel/cmdqv-busy/sync", test_sync);
    g_test_add_func("/smmuv3-accel/cmdqv-busy/poll", test_poll);
    g_test_add_func("/smmuv3-accel/cmdqv-busy/poll-ends", test_poll_ends);
    g_test_add_func("/smmuv3-accel/cmdqv-busy/by-device", test_by_device);
    g_test_add_func("/smmuv3-accel/cmdqv-busy/stop", test_stop);
    g_test_add_func("/smmuv3-accel/cmdqv-busy/unplug", test_unplug);
    g_test_add_func("/smmuv3-accel/cmdqv-busy/give", test_give);
    g_test_add_func("/smmuv3-accel/cmdqv-busy/take-back", test_take_back);
    return g_test_run();
}
