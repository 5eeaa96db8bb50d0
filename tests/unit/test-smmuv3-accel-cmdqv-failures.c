/*
 * arm-smmuv3-accel: unit tests of queues in hardware with failing host calls
 *
 * In each flow the first host call fails, then the second, and so on, with
 * every errno that the kernel has for that call. The guest must not notice.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "smmuv3-accel-rig-cmdqv.h"

#define NTH_MAX 64
#define REFUSED "the host refuses the guest's command queues: "

static bool is_hardware(Rig *rig)
{
    return smmuv3_accel_cmdqv_mode(rig->s) == SMMU_ACCEL_CMDQV_HARDWARE;
}

static unsigned queues_kept(Rig *rig)
{
    unsigned kept = fake_iommufd_backend(rig->iommufd)->kept->len;

    return MIN(kept, fake_cmdqv_queues(rig->iommufd));
}

/* Repeat a command that was aborted because DMA could not be blocked */
static void acknowledge(Rig *rig)
{
    for (int l = 0; l < RIG_QUEUES; l++) {
        uint32_t cons = rig_cmdqv_read(rig, PAGE0(l) + A_VCMDQ_CONS);
        uint32_t gerror = rig_cmdqv_read(rig, PAGE0(l) + A_VCMDQ_GERROR);

        if (gerror != rig_cmdqv_read(rig, PAGE0(l) + A_VCMDQ_GERRORN)) {
            g_assert_cmpuint(FIELD_EX32(cons, VCMDQ_CONS, ERR), ==,
                             SMMU_CERROR_ABT);
            rig_cmdqv_write(rig, PAGE0(l) + A_VCMDQ_GERRORN, gerror);
        }
    }
}

/* The guest's invalidations are carried out; there may be no host */
static void assert_works(Rig *rig)
{
    for (int l = 0; l < RIG_QUEUES; l++) {
        unsigned hardware = rig_hardware.n;
        unsigned software = fake_iommufd_commands(rig->iommufd)->len;

        rig_cmdqv_invalidate(rig, l, 5);
        g_assert(rig_cmdqv_is_done(rig, l));
        if (!is_hardware(rig)) {
            g_assert_cmpuint(rig_hardware.n, ==, hardware);
            g_assert_cmpuint(fake_iommufd_commands(rig->iommufd)->len, >=,
                             software + !!rig->s->host);
        }
        g_assert(rig_cmdqv_is_direct(rig) == is_hardware(rig));
        /* The backend keeps queues that it could not destroy, to try again */
        g_assert_cmpuint(fake_cmdqv_queues(rig->iommufd), ==,
                         is_hardware(rig) ? RIG_QUEUES : queues_kept(rig));
    }
}

static unsigned count(const char *messages, const char *what)
{
    unsigned n = 0;

    while ((messages = strstr(messages, what))) {
        messages += strlen(what);
        n++;
    }
    return n;
}

/* Flows: return false if they report an error */

static Rig *prepare_started(void)
{
    return rig_cmdqv_started(LINUX_7_3, &cmdqv_smmu);
}

static Rig *prepare_given(void)
{
    Rig *rig = prepare_started();

    rig_cmdqv_invalidate(rig, 0, 1);
    g_assert(is_hardware(rig));
    return rig;
}

static Rig *prepare_unplugged(void)
{
    Rig *rig = prepare_started();

    rig_unplug(rig, 1);
    return rig;
}

static bool run_give(Rig *rig, Error **errp)
{
    rig_cmdqv_invalidate(rig, 1, 1);
    return true;
}

static bool run_plug(Rig *rig, Error **errp)
{
    return rig->dev[1] || rig_plug(rig, 1, errp);
}

static bool run_take_back(Rig *rig, Error **errp)
{
    rig_cmdqv_write(rig, A_CMDQV_VINTF_INT_MASK, 1);
    return true;
}

static bool run_unplug(Rig *rig, Error **errp)
{
    if (rig->dev[1]) {
        rig_unplug(rig, 1);
    }
    return true;
}

static bool run_reset(Rig *rig, Error **errp)
{
    rig_reset(rig);
    rig_write_cr0(rig, CR0_SMMUEN);
    return true;
}

typedef struct Flow {
    const char *name;
    Rig *(*prepare)(void);
    bool (*run)(Rig *rig, Error **errp);
    bool gives;         /* the queues are in hardware if nothing fails */
    bool unplugs;
    bool resets;
} Flow;

static const Flow flows[] = {
    { "plug", prepare_unplugged, run_plug },
    { "give", prepare_started, run_give, .gives = true },
    { "take-back", prepare_given, run_take_back },
    { "unplug", prepare_given, run_unplug, .unplugs = true },
    { "reset", prepare_given, run_reset, .resets = true },
};

/* Without failures, a guest that starts again has its queues in hardware */
static void assert_recovers(Rig *rig, const Flow *flow)
{
    rig->s->complaints.next_ms = 0;
    g_free(rig_messages());
    if (!rig->dev[1]) {
        g_assert(rig_plug(rig, 1, &error_abort));
    }
    rig_reset(rig);
    rig_write_cr0(rig, CR0_SMMUEN);
    rig_cmdqv_start(rig);
    rig_cmdqv_wait_give(rig);
    rig_cmdqv_write(rig, PAGE0(0) + A_VCMDQ_PROD, 0);
}

static bool may_have_queues(Rig *rig)
{
    const SMMUv3AccelDevice *dev = QLIST_FIRST(&rig->s->devices);

    return dev && (dev->hdev->cmdqv.present || dev->hdev->cmdqv.error);
}

/* Returns: false if the flow has fewer calls than @nth */
static bool fail_one(const Flow *flow, unsigned nth, unsigned variant,
                     void (*fail)(FakeIOMMUFD *f, unsigned nth,
                                  unsigned variant))
{
    Rig *rig = flow->prepare();
    g_autofree char *calls = NULL, *messages = NULL;
    Error *err = NULL;
    bool more, failed;

    g_free(fake_iommufd_calls(rig->iommufd));
    g_free(rig_messages());
    rig->s->complaints.next_ms = rig->s->exposures.next_ms = 0;
    fail(rig->iommufd, nth, variant);
    flow->run(rig, &err);
    more = fake_iommufd_n_calls(rig->iommufd) >= nth;
    g_assert_cmpuint(fake_iommufd_n_calls(rig->iommufd), <, NTH_MAX);
    failed = fake_iommufd_has_failed(rig->iommufd);
    fake_iommufd_fail_nth(rig->iommufd, 0, 0);
    calls = fake_iommufd_calls(rig->iommufd);
    messages = rig_messages();
    g_test_message("call %u variant %u: %s: %s%s", nth, variant, calls,
                   messages, err ? error_get_pretty(err) : "");

    g_assert(failed || (!err && !*messages));
    error_free(err);
    if (flow->gives && failed) {
        g_assert(!is_hardware(rig));
        g_assert_cmpuint(count(messages, REFUSED), ==, 1);
        g_assert(strstr(messages, "QEMU executes the commands"));
        /* Only if it helps */
        g_assert_cmpuint(count(messages, "use huge pages"), ==,
                         count(messages, "the queue is not contiguous"));
        g_assert_cmpuint(count(messages, "use an idr1="), ==,
                         count(messages, "takes neither so large a queue"));
        g_assert_nonnull(smmuv3_accel_cmdqv_why(rig->s));
    } else {
        g_assert(is_hardware(rig) == flow->gives);
        g_assert_cmpuint(count(messages, REFUSED), ==, 0);
    }
    /* A message says why the host does not have the queues, if it could */
    if (may_have_queues(rig) && smmuv3_accel_cmdqv_why(rig->s) &&
        !flow->resets) {
        g_assert(*messages);
    }
    if (!flow->resets) {
        if (fail == fake_iommufd_fail_from) {
            if (rig->s->host) {
                smmuv3_accel_host_try_again(rig->s->host);  /* in 5 s */
            }
            acknowledge(rig);
        }
        assert_works(rig);
    }
    assert_recovers(rig, flow);
    g_assert(is_hardware(rig) || (rig->s->host &&
                                  (!rig->s->host->cmdqv ||
                                   !rig->s->host->queue_errors_id)));
    rig_free(rig);
    return more;
}

static void test_one(gconstpointer opaque)
{
    for (unsigned variant = 0; variant < FAKE_VARIANTS; variant++) {
        unsigned nth = 1;

        while (fail_one(opaque, nth, variant, fake_iommufd_fail_nth)) {
            nth++;
        }
        g_assert_cmpuint(nth, >, 2);
    }
}

/* A call fails, and all calls after it */
static void test_outage(gconstpointer opaque)
{
    for (unsigned variant = 0; variant < FAKE_VARIANTS; variant++) {
        unsigned nth = 1;

        while (fail_one(opaque, nth, variant, fake_iommufd_fail_from)) {
            nth++;
        }
    }
}

/* QEMU tries once for each configuration, with a message unless rate-limited */
static void assert_refused_once(Rig *rig, const char *why)
{
    for (int round = 0; round < 2; round++) {
        g_autofree char *messages = NULL;

        for (int i = 0; i < 3; i++) {
            rig_cmdqv_wait_give(rig);
            assert_works(rig);
            g_assert(!is_hardware(rig));
        }
        messages = rig_messages();
        g_assert_cmpuint(count(messages, REFUSED), ==, 1);
        g_assert(strstr(messages, why));
        g_assert(strstr(smmuv3_accel_cmdqv_why(rig->s), why));
        rig->s->complaints.next_ms = 0;
        rig_cmdqv_write(rig, A_CMDQV_VINTF_INT_MASK, !round);
    }
}

/* A queue that is not contiguous stays in QEMU, and everything else works */
static void test_not_contiguous(void)
{
    Rig *rig = prepare_started();

    g_assert_cmpint(fake_iommufd_unmap(rig->iommufd, 0, FAKE_MEMORY_SIZE), ==,
                    0);
    g_assert_cmpint(fake_iommufd_map(rig->iommufd, RIG_QUEUE(0), 0x1000, 0),
                    ==, 0);
    assert_refused_once(rig, "not in the guest's memory");
    rig_free(rig);
}

/* A guest that sets up its queues repeatedly does not cause more calls */
static void test_interval(void)
{
    Rig *rig = prepare_started();

    g_assert_cmpint(fake_iommufd_unmap(rig->iommufd, 0, FAKE_MEMORY_SIZE), ==,
                    0);
    assert_works(rig);
    g_free(fake_iommufd_calls(rig->iommufd));
    rig_cmdqv_write(rig, A_CMDQV_VINTF_INT_MASK, 1);
    rig->s->cmdqv->next_give_ms += 10000;       /* even if this test is slow */
    rig_cmdqv_invalidate(rig, 0, 1);
    rig_assert_calls(rig, "invalidate");
    rig->s->cmdqv->next_give_ms -= 10000;
    g_usleep(110000);
    rig_cmdqv_invalidate(rig, 0, 1);
    rig_assert_calls(rig, "hw-queue-alloc! invalidate");
    rig_free(rig);
}

static void test_keeps_cons(void)
{
    Rig *rig = prepare_started();

    rig->s->cmdqv->next_give_ms = INT64_MAX;
    rig_cmdqv_invalidate(rig, 0, 1);
    rig_hardware.keeps_cons = true;
    assert_refused_once(rig, "cannot start a queue at command");
    /* It can start a queue at command 0, so QEMU tries again then */
    assert_recovers(rig, NULL);
    g_assert(is_hardware(rig));
    rig_free(rig);
}

static void test_dead(void)
{
    Rig *rig = prepare_started();

    rig_hardware.dead = true;
    assert_refused_once(rig, "does not enable queue 0");
    rig_hardware.dead = false;
    assert_recovers(rig, NULL);
    g_assert(is_hardware(rig));
    rig_free(rig);
}

/* The hardware stops while it has the queues: QEMU loses no command */
static void test_dies(void)
{
    Rig *rig = prepare_given();
    int64_t start_us;

    rig_hardware.dead = true;
    rig_cmdqv_invalidate(rig, 0, 1);
    rig_cmdqv_invalidate(rig, 1, 1);
    start_us = g_get_monotonic_time();
    run_take_back(rig, NULL);
    /* 0.1 s for any number of queues, and some more for the machine's load */
    g_assert_cmpint(g_get_monotonic_time() - start_us, <, G_USEC_PER_SEC / 2);
    g_assert(rig_cmdqv_is_done(rig, 0) && rig_cmdqv_is_done(rig, 1));
    g_assert_cmpuint(rig_executed()->len, ==, 4);
    rig_free(rig);
}

/* All virtual interfaces of the host are in use */
static void test_no_interface(void)
{
    FakeSMMU smmu = cmdqv_smmu;
    g_autofree char *messages = NULL;
    Rig *rig = rig_cmdqv_new(LINUX_7_3, &smmu, ON_OFF_AUTO_ON, 0,
                             &error_abort);
    SMMUv3AccelState *other = rig_vsmmu_new("smmu2");
    RigBus bus = { .num = 100, .bus.qbus.name = (char *)"bus100" };
    FakeDevice *dev;

    smmu.interfaces = 1;
    ARM_SMMUV3(other)->cmdqv_wanted = ON_OFF_AUTO_ON;
    smmuv3_accel_cmdqv_realize(other);
    dev = fake_vfio_bind_in_group(rig->iommufd, &smmu, "0000:04:00.0", other,
                                  100);
    g_assert(smmuv3_accel_device_plug(other, &bus.bus, 0, fake_vfio_hiod(dev),
                                      &error_abort));
    g_assert(other->host->cmdqv);
    g_free(rig_messages());
    g_assert(rig_plug(rig, 1, &error_abort));
    smmuv3_accel_cmdqv_decide(rig->s);
    messages = rig_messages();
    g_assert(strstr(messages, "QEMU executes the commands"));
    g_assert(strstr(messages, strerror(ENOSPC)));
    rig_cmdqv_start(rig);
    rig_cmdqv_invalidate(rig, 0, 1);
    g_assert(rig_cmdqv_is_done(rig, 0));
    g_assert(!is_hardware(rig));
    smmuv3_accel_device_unplug(other, &bus.bus, 0);
    fake_vfio_unbind(dev);
    rig_vsmmu_free(other);
    rig_free(rig);
}

/*
 * The host has one virtual interface. A device comes back to it while a FlatView
 * still has the page of the device before
 */
static void test_replug(void)
{
    FakeSMMU smmu = cmdqv_smmu;
    Rig *rig = rig_cmdqv_started(LINUX_7_3, &smmu);
    Object *view;

    smmu.interfaces = 1;
    rig_cmdqv_give(rig);
    view = object_ref(smmuv3_accel_host_queue_page(rig->s->host)->owner);
    rig_unplug(rig, 1);
    g_assert(rig_plug(rig, 1, &error_abort));
    g_assert(rig->s->host->cmdqv);
    rig_cmdqv_give(rig);
    object_unref(view);
    rig_cmdqv_invalidate(rig, 0, 1);
    g_assert(is_hardware(rig) && rig_cmdqv_is_done(rig, 0));
    rig_free(rig);
}

static Rig *finishing;

static void finish_as_it_stops(bool write, unsigned l, uint32_t reg,
                               uint32_t *value)
{
    uint32_t *regs = fake_cmdqv_regs(finishing->iommufd, l);

    if (write && reg == A_VCMDQ_CONFIG && !*value) {
        regs[R_VCMDQ_CONS] = regs[R_VCMDQ_PROD];
        regs[R_VCMDQ_STATUS] = 0;
    }
}

/* QEMU does not repeat commands that hardware finishes after the time limit */
static void test_finishes_late(void)
{
    Rig *rig = finishing = prepare_given();

    rig_hardware.dead = true;
    rig_cmdqv_invalidate(rig, 0, 1);
    rig_on_queue_access(finish_as_it_stops);
    run_take_back(rig, NULL);
    g_assert(rig_cmdqv_is_done(rig, 0));
    g_assert_cmpuint(rig_executed()->len, ==, 0);
    rig_free(rig);
}

int main(int argc, char **argv)
{
    rig_init(&argc, &argv);
    for (int i = 0; i < ARRAY_SIZE(flows); i++) {
        g_autofree char *path = g_strdup_printf(
            "/smmuv3-accel/cmdqv-failures/%s", flows[i].name);
        g_autofree char *outage = g_strdup_printf("%s/outage", path);

        g_test_add_data_func(path, &flows[i], test_one);
        g_test_add_data_func(outage, &flows[i], test_outage);
    }
    g_test_add_func("/smmuv3-accel/cmdqv-failures/not-contiguous",
                    test_not_contiguous);
    g_test_add_func("/smmuv3-accel/cmdqv-failures/interval", test_interval);
    g_test_add_func("/smmuv3-accel/cmdqv-failures/keeps-cons", test_keeps_cons);
    g_test_add_func("/smmuv3-accel/cmdqv-failures/dead", test_dead);
    g_test_add_func("/smmuv3-accel/cmdqv-failures/dies", test_dies);
    g_test_add_func("/smmuv3-accel/cmdqv-failures/finishes-late",
                    test_finishes_late);
    g_test_add_func("/smmuv3-accel/cmdqv-failures/no-interface",
                    test_no_interface);
    g_test_add_func("/smmuv3-accel/cmdqv-failures/replug", test_replug);
    return g_test_run();
}
