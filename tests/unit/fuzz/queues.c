/*
 * Fuzz target: a vSMMU with a CMDQV, whose queues come to hardware and back
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/main-loop.h"
#include "../smmuv3-accel-rig-cmdqv.h"
#include "actions.h"
#include "invariants.h"

/* As many as the host's CMDQV has, and one page of memory for each */
#define PAGES   4

static struct {
    Rig *rig;
    Input *in;
    bool has_notifier;
} q;

/* Hardware does not let everything be written */
static bool is_writable(const uint32_t *regs, uint32_t reg)
{
    switch (reg) {
    case A_VCMDQ_CONS:
        return !regs[R_VCMDQ_STATUS];
    case A_VCMDQ_PROD:
    case A_VCMDQ_CONFIG:
    case A_VCMDQ_GERRORN:
        return true;
    default:
        return false;
    }
}

static void queue_access(bool write, unsigned l, uint32_t reg, uint32_t *value)
{
    uint32_t *regs = fake_cmdqv_regs(q.rig->iommufd, l);

    g_assert(bql_locked());
    fake_cmdqv_run(q.rig->iommufd);
    if (write && regs && !is_writable(regs, reg)) {
        *value = reg < CMDQV_SLOT_REGS * 4 ? le32_to_cpu(regs[reg / 4]) : 0;
    }
}

static hwaddr pick_offset(void)
{
    uint8_t choice = input_u8(q.in);
    unsigned l = choice >> 3 & 1;
    hwaddr reg = (choice >> 4 & 7) * 4;

    switch (choice & 7) {
    case 0:
        return CMDQV_ALLOC(l);
    case 1:
        return VINTF0(choice >> 4);
    case 2:
        return A_CMDQV_CONFIG + reg;
    case 3:
        return PAGE1(l) + reg;
    case 4:
        return DIRECT0(l) + reg;
    case 5:
        return input_u32(q.in) & 0x7fffc;
    default:
        return PAGE0(l) + reg;
    }
}

static uint64_t pick_value(void)
{
    uint8_t choice = input_u8(q.in);

    switch (choice & 3) {
    case 0:
        return choice >> 2;
    case 1:
        return RIG_QUEUE(choice >> 2 & (PAGES - 1)) | choice >> 4;
    case 2:
        return RIG_VRAM | (choice >> 4);
    default:
        return input_u64(q.in);
    }
}

/* The guest has the page, and accesses hardware */
static bool write_directly(hwaddr offset)
{
    hwaddr at = offset - CMDQV_VINTF;
    uint32_t *regs = at < CMDQV_PAGE_SIZE && rig_cmdqv_is_direct(q.rig) ?
                     fake_cmdqv_regs(q.rig->iommufd, at / CMDQV_SLOT_SIZE) :
                     NULL;

    if (!regs) {
        return false;
    }
    if (is_writable(regs, at % CMDQV_SLOT_SIZE)) {
        stl_le_p(&regs[at % CMDQV_SLOT_SIZE / 4], pick_value());
        fake_cmdqv_run(q.rig->iommufd);
    }
    return true;
}

static void read_register(hwaddr offset, bool by_vcpu)
{
    bool alone = actions_is_alone();

    /* A vCPU that polls waits for some time, so that is for few */
    actions_set_alone(alone && by_vcpu);
    rig_cmdqv_read(q.rig, offset);
    actions_set_alone(alone);
}

static void access_register(void)
{
    hwaddr offset = pick_offset();
    uint8_t how = input_u8(q.in);
    unsigned size = how & 1 ? 8 : 4;

    if (how & 2) {
        read_register(offset & ~3ULL, (how & 0xf0) == 0xf0);
        return;
    }
    offset &= ~(hwaddr)(size - 1);
    /* An access may have trapped before the guest got the page */
    if (how & 4 || !write_directly(offset)) {
        rig_cmdqv_trap(q.rig, offset, pick_value(), size);
    }
}

static void write_memory(void)
{
    static const uint8_t types[] = { 0x10, 0x11, 0x12, 0x13, 0x40, 0x46 };
    uint8_t choice = input_u8(q.in);
    uint8_t *at = rig_ram + 0x1000 * (choice & (PAGES - 1)) +
                  16 * (choice >> 2 & 15);
    uint8_t type = input_u8(q.in);

    stq_le_p(at, (type & 0x80 ? type : types[type % ARRAY_SIZE(types)]) |
                 (uint64_t)input_u8(q.in) << 48 |
                 (uint64_t)(type & 0x40 ? input_u16(q.in) : 0) << 32);
    stq_le_p(at + 8, input_u8(q.in));
}

/* Commands that the guest may use, and a doorbell that traps */
static void send_commands(void)
{
    static const uint8_t types[] = { 0x10, 0x11, 0x12, 0x13, 0x40, 0x46 };
    uint8_t choice = input_u8(q.in);
    unsigned l = choice & 1, n = choice >> 1 & 3;
    uint32_t prod = smmuv3_cmdqv_read(&q.rig->s->cmdqv->dev.regs,
                                      PAGE0(l) + A_VCMDQ_PROD, 4);

    for (unsigned i = 0; i <= n; i++, prod++) {
        uint8_t *at = rig_ram + (RIG_QUEUE(l) - RIG_RAM) + 16 * (prod & 0xff);
        uint8_t type = input_u8(q.in);

        stq_le_p(at, types[type % ARRAY_SIZE(types)] |
                     (uint64_t)(type >> 4) << 48);
        stq_le_p(at + 8, 0);
    }
    if (choice & 0x80) {
        /* Hardware may have the queues again */
        rig_cmdqv_wait_give(q.rig);
    }
    rig_cmdqv_trap(q.rig, PAGE0(l) + A_VCMDQ_PROD, prod, 4);
}

static void ring(void)
{
    unsigned l = input_u8(q.in) & 1;

    rig_cmdqv_trap(q.rig, PAGE0(l) + A_VCMDQ_PROD, input_u8(q.in), 4);
}

static void hardware_error(void)
{
    unsigned l = input_u8(q.in) & 1;

    uint32_t *regs = fake_cmdqv_regs(q.rig->iommufd, l);
    const SMMUv3AccelHost *host = q.rig->s->host;

    /* One that the host would not destroy may be left, without QEMU's host */
    if (regs && host && regs[R_VCMDQ_GERROR] == regs[R_VCMDQ_GERRORN]) {
        fake_cmdqv_stop_queue(q.rig->iommufd, l, 1 + (input_u8(q.in) & 3));
        if (host->queue_errors_id) {
            fake_cmdqv_deliver(q.rig->iommufd);
        }
    }
    actions_poll();
}

/* A guest with the driver of Linux */
static void restart(void)
{
    actions_restart();
    rig_cmdqv_start(q.rig);
    rig_write_cr0(q.rig, CR0_SMMUEN);
    rig_cmdqv_wait_give(q.rig);
}

/* An emulated device that relies on invalidations comes or goes */
static void change_notifiers(void)
{
    static SMMUDevice sdev;
    SMMUState *smmu = ARM_SMMU(q.rig->s);

    if (q.has_notifier) {
        QLIST_REMOVE(&sdev, next);
    } else {
        QLIST_INSERT_HEAD(&smmu->devices_with_notifiers, &sdev, next);
    }
    q.has_notifier = !q.has_notifier;
    ARM_SMMUV3_GET_CLASS(smmu)->notifiers_changed(q.rig->s3);
    actions_poll();
}

static void page_size(void)
{
    rig_set_page_size(4096L << (input_u8(q.in) & 15));
}

/* A device model accesses a register, or rings the doorbell */
static void elsewhere(void)
{
    /* QEMU's core refuses what comes from within an access */
    if (DEVICE(q.rig->s)->mem_reentrancy_guard.engaged_in_io) {
        return;
    }
    if (input_u8(q.in) & 1) {
        access_register();
    } else {
        send_commands();
    }
}

static void step(void)
{
    switch (input_below(q.in, 11)) {
    case 0:
    case 1:
    case 2:
        access_register();
        break;
    case 3:
        write_memory();
        break;
    case 4:
        ring();
        break;
    case 5:
        send_commands();
        break;
    case 6:
        hardware_error();
        break;
    case 7:
        restart();
        break;
    case 8:
        fake_cmdqv_run(q.rig->iommufd);
        break;
    case 9:
        page_size();
        break;
    case 10:
        change_notifiers();
        break;
    }
}

/* Hardware has the queues that the guest has set up, in the guest's memory */
static void check_queue(const SMMUv3Cmdqv *regs, unsigned l)
{
    int vcmdq = smmuv3_cmdqv_find(regs, 0, l);
    uint64_t length;

    g_assert_cmpint(vcmdq, >=, 0);
    g_assert_cmphex(fake_cmdqv_base(q.rig->iommufd, l, &length), ==,
                    smmuv3_cmdqv_queue_addr(regs, vcmdq));
    g_assert_cmphex(length, ==, smmuv3_cmdqv_queue_size(regs, vcmdq));
}

static void check(void)
{
    SMMUv3AccelState *s = q.rig->s;
    unsigned nb = fake_cmdqv_queues(q.rig->iommufd);
    bool hardware = s->cmdqv->hardware;

    g_assert_cmpstr(smmuv3_cmdqv_state_illegal(&s->cmdqv->dev.regs), ==, NULL);
    g_assert(hardware == rig_cmdqv_is_direct(q.rig));
    g_assert(hardware == ARM_SMMU(s)->no_iotlb);
    g_assert(hardware == !!nb || invariants_are_disturbed());
    if (!hardware) {
        return;
    }
    g_assert(s->host && !actions_is_stopped() && !q.has_notifier);
    g_assert(!smmuv3_accel_host_has_lost(s->host));
    for (unsigned l = 0; l < nb; l++) {
        check_queue(&s->cmdqv->dev.regs, l);
    }
}

void fuzz_one(Input *in)
{
    uint8_t choice = input_u8(in);
    FakeKernel kernel = choice & 3 ? LINUX_7_3 : LINUX_6_17;
    Rig *rig = rig_cmdqv_started(kernel, choice & 4 ? &cmdqv_smmu : NULL);

    q.rig = rig;
    q.in = in;
    rig->smmu = &cmdqv_smmu;
    rig_set_page_size(4096);
    rig_on_queue_access(queue_access);
    if (choice & 4 && choice & 8) {
        rig_cmdqv_give(rig);
    }
    actions_begin(rig, in);
    actions_on_elsewhere(elsewhere);
    while (in->left) {
        if (input_u8(in) & 1) {
            step();
            invariants_check();
        } else {
            actions_step();
        }
        check();
    }
    if (q.has_notifier) {
        change_notifiers();
    }
    actions_end();
    rig_free(rig);
}
