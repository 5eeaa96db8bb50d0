/*
 * What a guest, a user and a host can do to a vSMMU, as bytes
 *
 * Everything runs in one thread. What another thread does while the BQL is
 * dropped, and what a device model does when it gets an MSI, runs in callbacks
 * of the rig. Neither may wait there, nor drop the BQL.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/main-loop.h"
#include "hw/arm/smmuv3-accel-hooks.h"
#include "hw/arm/smmuv3-accel-query.h"
#include "system/iommufd.h"
#include "actions.h"
#include "invariants.h"

/* Each on a bus of its own: 1 to SINGLES. The functions are on the next bus */
#define SINGLES     4
#define SLOT_BUS    (SINGLES + 1)
#define FUNCTIONS   3
#define GROUP       7
#define CMDS_MAX    8

/* In word 2 of an STE */
#define S1STALLD    (1U << 27)
#define EATS        (3U << 28)

#define ATS_INFO {                                                           \
    .idr = {                                                                 \
        /* as host_smmu, with ATS and stalls by choice */                    \
        [0] = 0x1 | 0x2 | 0x8 | 0x10 | 0x400 | 0x1000 | 0x80000 | 0x400000 | \
              0x8000000,                                                     \
        [1] = 32 | 8 << 6 | 16 << 16 | 16 << 21,                             \
        [3] = 0x400 | 0x1000,                                                \
        [5] = 5 | 0x70,                                                      \
    },                                                                       \
}

static const FakeSMMU ats_smmu = {
    .name = "smmu3.3", .info = ATS_INFO, .max_pasid_log2 = 8,
};

/* Its devices have no ATS */
static const FakeSMMU no_ats_smmu = {
    .name = "smmu3.4", .info = ATS_INFO,
    .caps = IOMMU_HW_CAP_PCI_ATS_NOT_SUPPORTED,
};

const FakeSMMU *const actions_smmus[] = { &host_smmu, &ats_smmu, &no_ats_smmu };

void actions_set_smmu(Rig *rig, const FakeSMMU *smmu)
{
    bool more = smmu->info.idr[0] & 0x400;

    rig->smmu = smmu;
    rig->s->spec.ats = more ? ON_OFF_AUTO_ON : ON_OFF_AUTO_AUTO;
    rig->s->spec.ssidsize = more ? 8 : SMMU_ACCEL_AUTO;
}

static struct {
    Rig *rig;
    Input *in;
    FakeDevice *function[FUNCTIONS];
    bool stopped;
    bool alone;                 /* register accesses are a vCPU's own */
    unsigned depth;             /* of threads and device models in between */
    bool leaving;               /* the next unlock is not the vSMMU's own */
    uint8_t others, msis, ste_changes;  /* how many callbacks do something */
    void (*elsewhere)(void);
} act;

void actions_on_elsewhere(void (*func)(void))
{
    act.elsewhere = func;
}

void actions_set_alone(bool alone)
{
    act.alone = alone;
    rig_set_alone(alone);
}

bool actions_is_alone(void)
{
    return act.alone;
}

bool actions_is_stopped(void)
{
    return act.stopped;
}

/* Devices */

static unsigned pick_bus(void)
{
    return 1 + input_below(act.in, SINGLES);
}

static void plug(void)
{
    unsigned bus = pick_bus();
    Error *err = NULL;

    if (act.rig->dev[bus]) {
        return;
    }
    if (rig_plug(act.rig, bus, &err)) {
        smmuv3_accel_pasid_cap(act.rig->s,
            smmuv3_accel_device_find(act.rig->s, &act.rig->bus[bus].bus, 0));
    } else {
        g_assert_nonnull(err);
        error_free(err);
    }
}

static void unplug(void)
{
    unsigned bus = pick_bus();

    if (act.rig->dev[bus]) {
        rig_unplug(act.rig, bus);
    }
}

static void plug_function(void)
{
    unsigned fn = input_below(act.in, FUNCTIONS);
    Error *err = NULL;

    if (!act.function[fn]) {
        act.function[fn] = rig_plug_in_group(act.rig, SLOT_BUS, fn, GROUP,
                                             &err);
        g_assert(!act.function[fn] == !!err);
        error_free(err);
    }
}

static void unplug_one(unsigned fn)
{
    FakeDevice *dev = act.function[fn];

    if (dev) {
        act.function[fn] = NULL;
        smmuv3_accel_device_unplug(act.rig->s, &act.rig->bus[SLOT_BUS].bus, fn);
        fake_vfio_unbind(dev);
    }
}

static void renumber(void)
{
    unsigned bus = 1 + input_below(act.in, SLOT_BUS);

    act.rig->bus[bus].num = input_below(act.in, SLOT_BUS + 3);
    smmuv3_accel_evaluate_moved(act.rig->s);
}

/* The guest's memory */

static uint32_t pick_sid(void)
{
    uint8_t choice = input_u8(act.in);
    unsigned bus = 1 + (choice & 7) % SLOT_BUS;

    if (choice & 0x80) {
        return choice & 0x40 ? input_u32(act.in) : choice & 0x3f;
    }
    return act.rig->bus[bus].num << 8 |
           (bus == SLOT_BUS ? (choice >> 3 & 7) % FUNCTIONS : 0);
}

static void set_ste(uint32_t sid)
{
    static const uint8_t configs[] = { 0, 4, 5, 5, 5, 6, 7, 1 };
    uint8_t choice = input_u8(act.in);
    STE ste = { .word = { (choice & 8 ? 0 : 1) | configs[choice & 7] << 1 } };

    switch (choice >> 4 & 3) {
    case 0:
        rig_set_ste(sid, NULL);
        return;
    case 1:
        /* Legal, with bits that the vSMMU does not have */
        ste.word[0] |= (input_u8(act.in) & 3) << 12;
        ste.word[2] = input_u32(act.in) & ~(S1STALLD | EATS);
        ste.word[3] = input_u8(act.in) << 8;
        break;
    case 2:
        ste.word[0] |= (input_u8(act.in) & 3) << 12 |
                       (input_u8(act.in) & 3) << 4;
        ste.word[1] |= (uint32_t)(input_u8(act.in) & 15) << 27;
        ste.word[2] = input_u8(act.in);
        ste.word[2] |= (uint32_t)(input_u8(act.in) & 7) << 27;
        break;
    case 3:
        for (int i = 0; i < 4; i++) {
            ste.word[i] = input_u32(act.in);
        }
        break;
    }
    rig_set_ste(sid, &ste);
}

/* Commands */

static void put_command(void)
{
    static const uint8_t types[] = {
        SMMU_CMD_CFGI_STE, SMMU_CMD_CFGI_STE_RANGE, SMMU_CMD_CFGI_CD,
        SMMU_CMD_CFGI_CD_ALL, SMMU_CMD_TLBI_NH_ALL, SMMU_CMD_TLBI_NH_ASID,
        SMMU_CMD_TLBI_NH_VA, SMMU_CMD_TLBI_NH_VAA, SMMU_CMD_TLBI_NSNH_ALL,
        SMMU_CMD_ATC_INV, SMMU_CMD_SYNC, SMMU_CMD_SYNC, SMMU_CMD_SYNC,
    };
    uint8_t choice = input_u8(act.in);
    uint64_t words[2] = { 0 };

    if (smmuv3_q_full(&act.rig->s3->cmdq)) {
        return;
    }
    if (choice & 0x80) {
        words[0] = input_u64(act.in);
        words[1] = input_u64(act.in);
    } else {
        unsigned i = choice % (ARRAY_SIZE(types) + 3);

        /* CFGI_ALL is the last of these */
        words[0] = i < ARRAY_SIZE(types) ? types[i] : SMMU_CMD_CFGI_STE_RANGE;
        words[1] = i < ARRAY_SIZE(types) ? input_u8(act.in) : 31;
        if (words[0] != SMMU_CMD_SYNC) {
            words[0] |= (uint64_t)pick_sid() << 32;
        }
    }
    rig_put_words(act.rig, words[0], words[1]);
}

/* The guest repairs its queue after an error */
static int ring(void)
{
    int error = rig_ring(act.rig);

    if (error) {
        act.rig->s3->cmdq.cons = act.rig->s3->cmdq.prod;
    }
    return error;
}

static void send_commands(void)
{
    unsigned n = input_below(act.in, CMDS_MAX) + 1;

    while (n--) {
        put_command();
    }
    ring();
}

/* Registers */

static hwaddr pick_register(void)
{
    static const hwaddr regs[] = {
        A_CR0, A_CR0, A_GBPA, A_EVENTQ_BASE, A_CMDQ_PROD, A_CMDQ_BASE,
    };
    uint8_t choice = input_u8(act.in);

    return choice & 0x80 ? input_u16(act.in) | (choice & 1) << 16 :
           regs[choice % ARRAY_SIZE(regs)] | (choice & 0x40 ? 0x10000 : 0);
}

static void write_register(void)
{
    static const uint32_t values[] = {
        0, CR0_SMMUEN, CR0_EVENTQEN, CR0_SMMUEN | CR0_EVENTQEN,
        R_GBPA_ABORT_MASK, 4, 12, 19,
    };
    hwaddr offset = pick_register();
    uint8_t how = input_u8(act.in);
    unsigned size = how & 1 ? 8 : 4;
    uint64_t value = how & 0x80 ? input_u64(act.in) : values[how >> 1 & 7];

    if ((offset & ~0x10000) == A_EVENTQ_BASE) {
        value &= 0x1f;
        value = MIN(value, 19);
    }
    if ((offset & ~0x10000) == A_CMDQ_PROD) {
        size = 4;
        value = act.rig->s3->cmdq.prod;
    }
    ARM_SMMUV3_GET_CLASS(act.rig->s3)->write_mmio(act.rig->s3, offset, value,
                                                  size, MEMTXATTRS_UNSPECIFIED);
}

/* The host */

/* The main loop drops the BQL while it polls, but what it calls must not */
void actions_poll(void)
{
    const SMMUv3AccelHost *host = act.rig->s->host;
    bool alone = act.alone;

    /* The host may still have one that is closed */
    if (host && host->veventq_id) {
        fake_iommufd_deliver(act.rig->iommufd);
    }
    actions_set_alone(false);
    act.leaving = true;
    main_loop_wait(true);
    actions_set_alone(alone);
}

static void fault(void)
{
    FakeDevice *dev = act.rig->dev[pick_bus()];

    if (dev) {
        fake_vfio_fault(dev, input_u8(act.in), input_u8(act.in));
    }
    actions_poll();
}

static void fail(void)
{
    uint8_t how = input_u8(act.in);
    unsigned nth = input_below(act.in, 32), variant = how % FAKE_VARIANTS;

    invariants_disturbed();
    if (how & 0x80) {
        fake_iommufd_fail_from(act.rig->iommufd, nth, variant);
    } else {
        fake_iommufd_fail_nth(act.rig->iommufd, nth, variant);
    }
}

static void repair_host(void)
{
    fake_iommufd_fail_nth(act.rig->iommufd, 0, 0);
    fake_iommufd_set_stuck(act.rig->iommufd, false);
}

static void stick(void)
{
    invariants_disturbed();
    fake_iommufd_set_stuck(act.rig->iommufd, true);
}

/* As much that nothing waits for the clock any more */
static void let_time_pass(void)
{
    SMMUv3AccelState *s = act.rig->s;

    if (s->host) {
        s->host->stuck_until_ms = 0;
    }
    s->complaints.next_ms = s->exposures.next_ms = 0;
    if (smmuv3_accel_is_exposed(s)) {
        smmuv3_accel_exposed_timer(s);
    }
}

/* The machine */

/* A vCPU takes up what a device has left for it, with nothing on its stack */
static void run_deferred(void)
{
    bool alone = act.alone;

    actions_set_alone(true);
    rig_run_deferred();
    actions_set_alone(alone);
}

static void query(void)
{
    qapi_free_SMMUv3AccelInfo(smmuv3_accel_query(act.rig->s));
}

static void stop(void)
{
    rig_set_shall_stop(true);
    smmuv3_accel_cmdqv_take_back(act.rig->s, "the machine stops");
    act.stopped = true;
}

static void start(void)
{
    rig_set_shall_stop(false);
    act.stopped = false;
    smmuv3_accel_started(act.rig->s);
}

static void reset(void)
{
    run_deferred();
    rig_reset(act.rig);
}

void actions_restart(void)
{
    act.others = act.msis = act.ste_changes = 0;
    repair_host();
    rig_set_can_run(false);
    actions_set_alone(true);
    reset();
    start();
}

/* Callbacks: something else goes on in between */

/* The vCPU that is busy takes it over */
static void ring_by_other_vcpu(void)
{
    if (act.rig->s->mmio.busy && !smmuv3_q_full(&act.rig->s3->cmdq)) {
        rig_put_command(act.rig, SMMU_CMD_TLBI_NH_ASID, 0, 0);
        actions_set_alone(true);
        rig_write(act.rig, A_CMDQ_PROD, act.rig->s3->cmdq.prod);
        actions_set_alone(false);
    }
}

static void elsewhere(bool in_msi)
{
    switch (input_below(act.in, in_msi ? 6 : 11)) {
    case 0:
        unplug();
        break;
    case 1:
        unplug_one(input_below(act.in, FUNCTIONS));
        break;
    case 2:
        write_register();
        break;
    case 3:
        query();
        break;
    case 4:
        set_ste(pick_sid());
        break;
    case 5:
        if (act.elsewhere) {
            act.elsewhere();
        }
        break;
    case 6:
        plug();
        break;
    case 7:
        plug_function();
        break;
    case 8:
        fault();
        break;
    case 9:
        rig_set_shall_stop(true);
        break;
    case 10:
        ring_by_other_vcpu();
        break;
    }
}

static void enter_elsewhere(bool in_msi)
{
    bool alone = act.alone;

    actions_set_alone(false);
    act.depth++;
    elsewhere(in_msi);
    act.depth--;
    actions_set_alone(alone);
}

static void on_unlock(void)
{
    if (act.leaving) {
        act.leaving = false;
        return;
    }
    /* Only a vCPU's own access may drop it: nothing else is on the stack */
    g_assert(act.alone && !act.depth);
    if (!act.others) {
        return;
    }
    act.others--;
    invariants_disturbed();
    bql_lock();
    enter_elsewhere(false);
    act.leaving = true;
    bql_unlock();
}

static void on_wait(bool forever)
{
    /* There is no other thread, and a device model must not wait at all */
    g_assert(!forever && act.alone && !act.depth);
}

static void on_event(void)
{
    if (act.msis && !act.depth) {
        act.msis--;
        enter_elsewhere(true);
    }
}

static void on_ste_read(uint32_t sid)
{
    if (act.ste_changes) {
        act.ste_changes--;
        set_ste(sid);
    }
}

static void interfere(void)
{
    uint8_t how = input_u8(act.in);

    act.others = how & 3;
    act.msis = how >> 2 & 3;
    act.ste_changes = how >> 4 & 3;
}

/* Everything that the guest has configured is read, and confirmed */
static void settle(void)
{
    act.others = act.msis = act.ste_changes = 0;
    run_deferred();
    if (smmuv3_q_full(&act.rig->s3->cmdq)) {
        act.rig->s3->cmdq.cons = act.rig->s3->cmdq.prod;
    }
    let_time_pass();
    rig_set_can_run(false);
    rig_put_command(act.rig, SMMU_CMD_CFGI_STE_RANGE, 0, 31);
    rig_put_command(act.rig, SMMU_CMD_SYNC, 0, 0);
    ring();
    if (smmuv3_q_empty(&act.rig->s3->cmdq)) {
        /* All was carried out, or dropped with a command that is illegal */
        smmuv3_accel_evaluate(act.rig->s, 0, UINT32_MAX);
        invariants_settled();
    }
}

/* With FUZZ_TRACE=1, print the calls to the host that an action leads to */
static void trace(unsigned action)
{
    static int wanted = -1;
    g_autofree char *words = NULL;

    if (wanted < 0) {
        wanted = getenv("FUZZ_TRACE") != NULL;
    }
    if (wanted) {
        words = fake_iommufd_words(act.rig->iommufd);
        fprintf(stderr, "action %u, %zu bytes left\n%s", action, act.in->left,
                words);
    }
}

static void step(unsigned action)
{
    switch (action) {
    case 0:
    case 1:
        send_commands();
        break;
    case 2:
    case 3:
        write_register();
        break;
    case 4:
    case 5:
    case 6:
        set_ste(pick_sid());
        break;
    case 7:
    case 8:
        plug();
        break;
    case 9:
        unplug();
        break;
    case 10:
        plug_function();
        break;
    case 11:
        unplug_one(input_below(act.in, FUNCTIONS));
        break;
    case 12:
        renumber();
        break;
    case 13:
        reset();
        break;
    case 14:
        stop();
        break;
    case 15:
        start();
        break;
    case 16:
        fail();
        break;
    case 17:
        repair_host();
        break;
    case 18:
        fault();
        break;
    case 19:
        stick();
        break;
    case 20:
        let_time_pass();
        query();
        break;
    case 21:
        actions_set_alone(input_u8(act.in) & 1);
        rig_set_can_run(input_u8(act.in) & 1);
        run_deferred();
        break;
    case 22:
        interfere();
        break;
    case 23:
        settle();
        break;
    }
}

void actions_step(void)
{
    unsigned action = input_below(act.in, 24);

    step(action);
    trace(action);
    invariants_check();
}

void actions_begin(Rig *rig, Input *in)
{
    memset(&act, 0, sizeof(act));
    act.rig = rig;
    act.in = in;
    invariants_begin(rig);
    rig_set_any_register(true);
    rig_set_shall_stop(false);
    rig_set_can_run(false);
    actions_set_alone(true);
    rig_on_unlock(on_unlock);
    rig_on_wait(on_wait);
    rig_on_event(on_event);
    rig_on_ste_read(on_ste_read);
}

void actions_end(void)
{
    act.others = act.msis = act.ste_changes = 0;
    repair_host();
    rig_set_shall_stop(false);
    act.stopped = false;
    actions_set_alone(true);
    settle();
    for (unsigned fn = 0; fn < FUNCTIONS; fn++) {
        unplug_one(fn);
    }
    for (unsigned bus = 1; bus <= SINGLES; bus++) {
        if (act.rig->dev[bus]) {
            rig_unplug(act.rig, bus);
        }
    }
    /* As when VFIO destroys its own objects, which the fake does by itself */
    iommufd_backend_reap(fake_iommufd_backend(act.rig->iommufd));
    trace(0);
    invariants_check();
    invariants_end();
    rig_on_unlock(NULL);
    rig_on_wait(NULL);
    rig_on_event(NULL);
    rig_on_ste_read(NULL);
}
