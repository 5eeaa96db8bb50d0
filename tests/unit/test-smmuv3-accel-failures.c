/*
 * arm-smmuv3-accel: unit tests with every host call failing in turn
 *
 * A flow runs with a failure of its first call, then of its second, and so on,
 * with each errno that the kernel has for that call, until no call fails.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "smmuv3-accel-rig.h"

/* No flow makes so many calls: more of them are a loop */
#define NTH_MAX     64
#define BOTH        (CR0_SMMUEN | CR0_EVENTQEN)
#define DEPTH       16

typedef struct Flow {
    const char *name;
    void (*prepare)(Rig *rig);
    /* May be repeated. Returns false with @errp set if it reports an error */
    bool (*run)(Rig *rig, Error **errp);
    const char *dma[3];     /* afterwards, by bus; NULL: no device */
    uint32_t depth;         /* afterwards, of the event queue */
} Flow;

/* Two devices that do DMA */
static void prepare_s1(Rig *rig)
{
    rig->s3->eventq.log2size = 4;
    rig_write_cr0(rig, BOTH);
    rig_set_s1(SID(1), 0x1000);
    rig_set_s1(SID(2), 0x2000);
    g_assert(rig_plug(rig, 1, &error_abort));
    g_assert(rig_plug(rig, 2, &error_abort));
}

static void prepare_one(Rig *rig)
{
    prepare_s1(rig);
    rig_unplug(rig, 2);
}

static void prepare_none(Rig *rig)
{
    prepare_one(rig);
    rig_unplug(rig, 1);
}

static void prepare_none_abort(Rig *rig)
{
    prepare_none(rig);
    rig_set_ste(SID(1), NULL);
}

static void prepare_none_bypass(Rig *rig)
{
    prepare_none(rig);
    rig_set_config(SID(1), 4);
}

static void prepare_off(Rig *rig)
{
    prepare_s1(rig);
    rig_write_cr0(rig, 0);
}

static void prepare_bypass(Rig *rig)
{
    prepare_s1(rig);
    rig_set_config(SID(1), 4);
    rig_cfgi_ste(rig, SID(1));
}

static void prepare_abort(Rig *rig)
{
    prepare_s1(rig);
    rig_set_config(SID(1), 0);
    rig_cfgi_ste(rig, SID(1));
}

static bool run_plug(Rig *rig, Error **errp)
{
    return rig->dev[1] ? true : rig_plug(rig, 1, errp);
}

static bool run_plug_second(Rig *rig, Error **errp)
{
    return rig->dev[2] ? true : rig_plug(rig, 2, errp);
}

static bool run_unplug(Rig *rig, Error **errp)
{
    if (rig->dev[1]) {
        rig_unplug(rig, 1);
    }
    return true;
}

static bool run_on(Rig *rig, Error **errp)
{
    rig_write_cr0(rig, BOTH);
    return true;
}

static bool run_off(Rig *rig, Error **errp)
{
    rig_write_cr0(rig, 0);
    return true;
}

static bool run_gbpa_abort(Rig *rig, Error **errp)
{
    rig_write_gbpa(rig, R_GBPA_ABORT_MASK);
    rig_write_cr0(rig, 0);
    return true;
}

static bool run_eventq(Rig *rig, Error **errp)
{
    rig_write_cr0(rig, CR0_EVENTQEN);
    return true;
}

static bool run_resize(Rig *rig, Error **errp)
{
    rig_write_eventq_size(rig, 6);
    return true;
}

static bool run_reset(Rig *rig, Error **errp)
{
    rig_reset(rig);
    return true;
}

static bool run_other_s1(Rig *rig, Error **errp)
{
    rig_set_s1(SID(1), 0x5000);
    rig_cfgi_ste(rig, SID(1));
    return true;
}

static bool run_abort(Rig *rig, Error **errp)
{
    rig_set_ste(SID(1), NULL);
    rig_cfgi_ste(rig, SID(1));
    return true;
}

static bool run_bypass(Rig *rig, Error **errp)
{
    rig_set_config(SID(1), 4);
    rig_cfgi_all(rig);
    return true;
}

/* Device 1 gets another StreamID, whose STE has the same contents */
static bool run_renumber(Rig *rig, Error **errp)
{
    rig->bus[1].num = 7;
    rig_set_s1(SID(7), 0x1000);
    rig_cfgi_ste(rig, SID(7));
    return true;
}

static bool run_swap(Rig *rig, Error **errp)
{
    rig->bus[1].num = 2;
    rig->bus[2].num = 1;
    rig_cfgi_all(rig);
    return true;
}

static const Flow flows[] = {
    { "plug", prepare_none, run_plug, { NULL, "s1 1000 sid 100" }, DEPTH },
    { "plug-abort", prepare_none_abort, run_plug, { NULL, "abort" }, DEPTH },
    { "plug-bypass", prepare_none_bypass, run_plug, { NULL, "stage2" }, DEPTH },
    { "plug-second", prepare_one, run_plug_second,
      { NULL, "s1 1000 sid 100", "s1 2000 sid 200" }, DEPTH },
    { "unplug", prepare_s1, run_unplug,
      { NULL, NULL, "s1 2000 sid 200" }, DEPTH },
    { "unplug-last", prepare_one, run_unplug, { NULL }, 0 },
    { "enable", prepare_off, run_on,
      { NULL, "s1 1000 sid 100", "s1 2000 sid 200" }, DEPTH },
    { "disable", prepare_s1, run_off, { NULL, "stage2", "stage2" }, 0 },
    { "gbpa-abort", prepare_s1, run_gbpa_abort,
      { NULL, "abort", "abort" }, 0 },
    { "first-ste", prepare_abort, run_other_s1,
      { NULL, "s1 5000 sid 100", "s1 2000 sid 200" }, DEPTH },
    { "bypass-to-s1", prepare_bypass, run_other_s1,
      { NULL, "s1 5000 sid 100", "s1 2000 sid 200" }, DEPTH },
    { "s1-to-s1", prepare_s1, run_other_s1,
      { NULL, "s1 5000 sid 100", "s1 2000 sid 200" }, DEPTH },
    { "s1-to-abort", prepare_s1, run_abort,
      { NULL, "abort", "s1 2000 sid 200" }, DEPTH },
    { "s1-to-bypass", prepare_s1, run_bypass,
      { NULL, "stage2", "s1 2000 sid 200" }, DEPTH },
    { "bypass-to-abort", prepare_bypass, run_abort,
      { NULL, "abort", "s1 2000 sid 200" }, DEPTH },
    { "renumber", prepare_s1, run_renumber,
      { NULL, "s1 1000 sid 700", "s1 2000 sid 200" }, DEPTH },
    { "swap", prepare_s1, run_swap,
      { NULL, "s1 2000 sid 200", "s1 1000 sid 100" }, DEPTH },
    { "eventq", prepare_off, run_eventq, { NULL, "stage2", "stage2" }, DEPTH },
    { "eventq-resize", prepare_s1, run_resize,
      { NULL, "s1 1000 sid 100", "s1 2000 sid 200" }, 64 },
    { "reset", prepare_s1, run_reset, { NULL, "stage2", "stage2" }, 0 },
};

static bool dma_is(FakeDevice *dev, FakeKernel kernel, const char *want)
{
    g_autofree char *dma = fake_vfio_dma(dev);

    /* Without events the StreamID in the kernel cannot be seen */
    return kernel < LINUX_6_15 && g_str_has_prefix(want, "s1 ") ?
           g_str_has_prefix(want, dma) : !strcmp(dma, want);
}

/*
 * Check that DMA is as the guest wants, or blocked in either way. Returns:
 * whether it is as the guest wants.
 */
static bool check_dma(Rig *rig, const Flow *flow, FakeKernel kernel)
{
    bool as_wanted = true;

    for (int bus = 1; bus <= 2; bus++) {
        const char *want = flow->dma[bus] ?: "";
        FakeDevice *dev = rig->dev[bus];

        if (!dev || dma_is(dev, kernel, want)) {
            as_wanted &= !!dev == !!*want;
        } else {
            g_assert(dma_is(dev, kernel, "abort") ||
                     dma_is(dev, kernel, "blocked"));
            as_wanted &= !strcmp(want, "abort");
        }
    }
    return as_wanted;
}

static bool check_depth(Rig *rig, const Flow *flow)
{
    uint32_t want = rig->s->eventq.unsupported ? 0 : flow->depth;

    return fake_iommufd_veventq_depth(rig->iommufd) == want;
}

/* After all retries everything is as it should be, whatever failed before */
static void retry(Rig *rig, const Flow *flow, FakeKernel kernel)
{
    if (rig->s->host) {
        rig->s->host->stuck_until_ms = 1;   /* the time is over */
    }
    g_assert(flow->run(rig, &error_abort));
    rig_put_command(rig, SMMU_CMD_SYNC, 0, 0);
    g_assert_cmpint(rig_ring(rig), ==, SMMU_CERROR_NONE);
    rig_write_cr0(rig, rig->s3->cr[0]);
    g_assert(check_dma(rig, flow, kernel));
    g_assert(check_depth(rig, flow));
    g_free(fake_iommufd_calls(rig->iommufd));
    rig_write_cr0(rig, rig->s3->cr[0]);
    rig_assert_calls(rig, "");

    for (int bus = 1; bus <= 2; bus++) {
        if (!rig->dev[bus]) {
            g_assert(rig_plug(rig, bus, &error_abort));
            rig_set_s1(SID(bus), 0x9000);
            rig_write_cr0(rig, BOTH);
            g_assert(dma_is(rig->dev[bus], kernel,
                            bus == 1 ? "s1 9000 sid 100" : "s1 9000 sid 200"));
        }
    }
}

/* A message at run time names the device and the call */
static void check_messages(const char *messages)
{
    if (strstr(messages, "cannot follow")) {
        g_assert(strstr(messages, "host device 0000:03:00.0, StreamID 0x") ||
                 strstr(messages, "host device 0000:03:00.0, without a "));
        g_assert(!strstr(messages, "StreamID 0xffffffff"));
        /* Kernels that require a vDEVICE abort by detaching */
        g_assert(strstr(messages, "TACH_IOMMUFD_PT failed") ||
                 strstr(messages, "_ALLOC failed"));
    }
}

/* Returns false when the flow has fewer calls than @nth */
static bool fail_one(const Flow *flow, FakeKernel kernel, unsigned nth,
                     unsigned variant)
{
    Rig *rig = rig_new(kernel);
    g_autofree char *calls = NULL, *messages = NULL;
    Error *err = NULL;
    bool failed, more;

    flow->prepare(rig);
    g_free(fake_iommufd_calls(rig->iommufd));
    g_free(rig_messages());
    rig->s->complaints.next_ms = rig->s->exposures.next_ms = 0;
    fake_iommufd_fail_nth(rig->iommufd, nth, variant);
    flow->run(rig, &err);
    more = fake_iommufd_n_calls(rig->iommufd) >= nth;
    failed = fake_iommufd_has_failed(rig->iommufd);
    fake_iommufd_fail_nth(rig->iommufd, 0, 0);

    calls = fake_iommufd_calls(rig->iommufd);
    messages = rig_messages();
    g_test_message("linux %d call %u variant %u: %s: %s%s", kernel, nth,
                   variant, calls, messages, err ? error_get_pretty(err) : "");
    g_assert(failed || !err);
    check_messages(messages);
    /* Either the failure did not matter, or it was reported */
    g_assert((check_dma(rig, flow, kernel) && check_depth(rig, flow)) ||
             (failed && (err || *messages)));
    error_free(err);
    retry(rig, flow, kernel);
    rig_free(rig);
    return more;
}

static void test_flow(gconstpointer opaque)
{
    const Flow *flow = opaque;

    for (FakeKernel kernel = LINUX_6_13; kernel < LINUX_END; kernel++) {
        for (unsigned variant = 0; variant < FAKE_VARIANTS; variant++) {
            unsigned nth = 1;

            while (fail_one(flow, kernel, nth, variant)) {
                g_assert_cmpuint(++nth, <, NTH_MAX);
            }
            /* Without event queues nothing is to be done */
            g_assert(nth > 1 || kernel < LINUX_6_15);
        }
    }
}

/* The host refuses everything for a while. Returns false like fail_one() */
static bool fail_from(const Flow *flow, FakeKernel kernel, unsigned nth,
                      unsigned variant)
{
    Rig *rig = rig_new(kernel);
    Error *err = NULL;
    bool more;

    flow->prepare(rig);
    fake_iommufd_fail_from(rig->iommufd, nth, variant);
    flow->run(rig, &err);
    error_free(err);
    more = fake_iommufd_n_calls(rig->iommufd) >= nth;
    g_assert_cmpuint(fake_iommufd_n_calls(rig->iommufd), <, NTH_MAX);
    fake_iommufd_fail_nth(rig->iommufd, 0, 0);
    retry(rig, flow, kernel);
    rig_free(rig);
    return more;
}

/* Whatever the guest did meanwhile, afterwards DMA is as it wants */
static void test_outage(gconstpointer opaque)
{
    for (FakeKernel kernel = LINUX_6_13; kernel < LINUX_END; kernel++) {
        unsigned variant = 0, nth = 1;

        while (variant < FAKE_VARIANTS) {
            bool more = fail_from(opaque, kernel, nth, variant);

            variant += !more;
            nth = more ? nth + 1 : 1;
        }
    }
}

/* A host that does not even block DMA: this must be reported */
static void test_not_blocked(void)
{
    Rig *rig = rig_new(LINUX_7_3);
    g_autofree char *messages = NULL;

    prepare_s1(rig);
    g_free(rig_messages());
    rig->s->complaints.next_ms = rig->s->exposures.next_ms = 0;
    fake_iommufd_fail_from(rig->iommufd, 1, 0);
    run_other_s1(rig, NULL);
    fake_iommufd_fail_nth(rig->iommufd, 0, 0);

    messages = rig_messages();
    g_assert(strstr(messages, "host device 0000:03:00.0, StreamID 0x100, "));
    g_assert(strstr(messages, "and its DMA goes on as before (VFIO_DEVICE_DETACH"));
    g_assert(!strstr(messages, "blocked"));
    g_assert(dma_is(rig->dev[1], LINUX_7_3, "s1 1000 sid 100"));

    run_other_s1(rig, NULL);
    rig_put_command(rig, SMMU_CMD_SYNC, 0, 0);
    g_assert_cmpint(rig_ring(rig), ==, SMMU_CERROR_NONE);
    g_assert(dma_is(rig->dev[1], LINUX_7_3, "s1 5000 sid 100"));
    rig_free(rig);
}

int main(int argc, char **argv)
{
    rig_init(&argc, &argv);
    for (int i = 0; i < ARRAY_SIZE(flows); i++) {
        g_autofree char *path = g_strdup_printf("/smmuv3-accel/failures/%s",
                                                flows[i].name);

        g_test_add_data_func(path, &flows[i], test_flow);
        /* The last device that could retry is unplugged */
        if (flows[i].dma[2]) {
            g_autofree char *outage = g_strdup_printf("%s/outage", path);

            g_test_add_data_func(outage, &flows[i], test_outage);
        }
    }
    g_test_add_func("/smmuv3-accel/failures/not-blocked", test_not_blocked);
    return g_test_run();
}
