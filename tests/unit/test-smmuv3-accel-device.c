/*
 * arm-smmuv3-accel: unit tests of attachments, on a fake host
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "smmuv3-accel-rig.h"

#define ABORT       R_GBPA_ABORT_MASK
#define STE_S1CDMAX1 (1U << 27)     /* of word 1; the hosts have SSIDSIZE 0 */

static const STE ste_invalid = { .word = { 5 << 1 | 0x3000 } };
static const STE ste_abort = { .word = { 1 } };
static const STE ste_reserved = { .word = { 1 | 3 << 1 } };
static const STE ste_bypass = { .word = { 1 | 4 << 1 } };
static const STE ste_s1 = { .word = { 1 | 5 << 1 | 0x1000 } };
static const STE ste_s1_other = { .word = { 1 | 5 << 1 | 0x2000 } };
/* The kernel does not accept SHCFG and the VMID */
static const STE ste_s1_dirty = { .word = { 1 | 5 << 1 | 0x2000, 0, 0,
                                            1 << 12, 0xffff } };
static const STE ste_s2 = { .word = { 1 | 6 << 1 } };
static const STE ste_s1_illegal = { .word = { 1 | 5 << 1 | 0x1000,
                                              STE_S1CDMAX1 } };

/* All state that determines an attachment, and the result */
static const struct {
    uint32_t cr0, gbpa;
    const STE *ste;
    const char *dma;
} states[] = {
    { 0,          0,     &ste_s1,         "stage2" },
    { 0,          ABORT, &ste_s1,         "abort" },
    { 0,          0,     &ste_abort,      "stage2" },
    { 0,          ABORT, NULL,            "abort" },
    { CR0_SMMUEN, 0,     NULL,            "abort" },
    { CR0_SMMUEN, 0,     &ste_invalid,    "abort" },
    { CR0_SMMUEN, 0,     &ste_abort,      "abort" },
    { CR0_SMMUEN, 0,     &ste_reserved,   "abort" },
    { CR0_SMMUEN, 0,     &ste_s2,         "abort" },
    { CR0_SMMUEN, 0,     &ste_s1_illegal, "abort" },
    { CR0_SMMUEN, 0,     &ste_bypass,     "stage2" },
    { CR0_SMMUEN, ABORT, &ste_bypass,     "stage2" },
    { CR0_SMMUEN, 0,     &ste_s1,         "s1 1000 sid 100" },
    { CR0_SMMUEN, ABORT, &ste_s1,         "s1 1000 sid 100" },
    { CR0_SMMUEN, 0,     &ste_s1_other,   "s1 2000 sid 100" },
    { CR0_SMMUEN, ABORT, &ste_s1_dirty,   "s1 2000 sid 100" },
};

typedef enum Trigger {
    CFGI_STE,
    CFGI_STE_RANGE,
    CFGI_ALL,
    REGISTER,       /* any, for example STRTAB_BASE */
    LOAD,           /* everything at once, as after a migration */
    PLUG,
    RENUMBER,
    NR_TRIGGERS
} Trigger;

static void renumber(Rig *rig, int bus, int num)
{
    rig->bus[bus].num = num;
}

/* What a bridge does when its bus number is written */
static void renumber_seen(Rig *rig, int bus, int num)
{
    renumber(rig, bus, num);
    smmuv3_accel_evaluate_moved(rig->s);
}

static void enter_state(Rig *rig, int state, Trigger trigger)
{
    if (trigger == PLUG) {
        rig_unplug(rig, 1);
    } else if (trigger == RENUMBER) {
        renumber_seen(rig, 1, 9);
    } else if (trigger == LOAD) {
        rig->s3->gbpa = states[state].gbpa;
        rig->s3->cr[0] = states[state].cr0;
    }

    rig_set_ste(SID(1), states[state].ste);
    if (rig->s3->gbpa != states[state].gbpa || trigger == REGISTER ||
        trigger == LOAD) {
        rig_write_gbpa(rig, states[state].gbpa);
    }
    if (rig->s3->cr[0] != states[state].cr0) {
        rig_write_cr0(rig, states[state].cr0);
    }
    switch (trigger) {
    case CFGI_STE:
        rig_cfgi_ste(rig, SID(1));
        break;
    case CFGI_STE_RANGE:
        /* 2^5 entries, of which the SID given need not be the first */
        rig_command(rig, SMMU_CMD_CFGI_STE_RANGE, SID(1) + 7, 4);
        rig_drained(rig);
        break;
    case CFGI_ALL:
        rig_cfgi_all(rig);
        break;
    case PLUG:
        g_assert(rig_plug(rig, 1, &error_abort));
        break;
    case RENUMBER:
        renumber_seen(rig, 1, 1);
        break;
    default:
        break;
    }
}

/* From every state to every other, by every trigger; and again: nothing */
static void test_state_table(void)
{
    const int n = ARRAY_SIZE(states);

    for (int i = 0; i < n * n * NR_TRIGGERS; i++) {
        int from = i % n, to = i / n % n;
        Trigger trigger = i / n / n;
        g_autofree char *before = NULL;
        Rig *rig = rig_new(LINUX_7_3);

        g_assert(rig_plug(rig, 1, &error_abort));
        enter_state(rig, from, REGISTER);
        rig_assert_dma(rig, 1, states[from].dma);
        enter_state(rig, to, trigger);
        rig_assert_dma(rig, 1, states[to].dma);

        before = fake_iommufd_calls(rig->iommufd);
        g_assert(!strchr(before, '!'));
        enter_state(rig, to, REGISTER);
        rig_assert_calls(rig, "");
        rig_cfgi_all(rig);
        rig_assert_calls(rig, strstr(states[to].dma, "s1") ? "invalidate"
                                                           : "");
        rig_reset(rig);
        rig_assert_dma(rig, 1, "stage2");
        rig_free(rig);
    }
}

/* A command affects only the StreamIDs that it names, the last one, too */
static void test_range(void)
{
    Rig *rig = rig_new(LINUX_7_3);
    FakeDevice *last = fake_vfio_bind(rig->iommufd, &host_smmu, "last", rig->s);
    g_autofree char *dma = NULL;

    for (int bus = 1; bus <= 4; bus++) {
        g_assert(rig_plug(rig, bus, &error_abort));
    }
    g_assert(smmuv3_accel_device_plug(rig->s, &rig->bus[3].bus, 0xff,
                                      fake_vfio_hiod(last), &error_abort));
    rig_write_cr0(rig, CR0_SMMUEN);
    for (int bus = 1; bus <= 4; bus++) {
        rig_set_s1(SID(bus), 0x1000 * bus);
    }
    rig_set_s1(SID(3) + 0xff, 0x5000);
    rig_cfgi_ste(rig, SID(1) + 1);
    rig_command(rig, SMMU_CMD_CFGI_STE_RANGE, SID(3), 8);   /* 2 and 3 */
    rig_drained(rig);
    rig_assert_dma(rig, 1, "abort");
    rig_assert_dma(rig, 2, "s1 2000 sid 200");
    rig_assert_dma(rig, 3, "s1 3000 sid 300");
    rig_assert_dma(rig, 4, "abort");
    dma = fake_vfio_dma(last);
    g_assert_cmpstr(dma, ==, "s1 5000 sid 3ff");
    smmuv3_accel_device_unplug(rig->s, &rig->bus[3].bus, 0xff);
    fake_vfio_unbind(last);
    rig_free(rig);
}

/* From one stage 1 to another in one step, without abort in between */
static void test_replace(void)
{
    Rig *rig = rig_new(LINUX_7_3);

    rig_set_s1(SID(1), 0x1000);
    g_assert(rig_plug(rig, 1, &error_abort));
    g_free(fake_iommufd_calls(rig->iommufd));
    rig_write_cr0(rig, CR0_SMMUEN);
    rig_assert_calls(rig, "nested-alloc attach");
    rig_set_s1(SID(1), 0x2000);
    rig_cfgi_ste(rig, SID(1));
    rig_assert_calls(rig, "nested-alloc attach destroy");
    rig_assert_dma(rig, 1, "s1 2000 sid 100");
    rig_set_config(SID(1), 0);
    rig_cfgi_ste(rig, SID(1));
    rig_assert_calls(rig, "attach destroy");
    rig_free(rig);
}

static void test_many_devices(void)
{
    Rig *rig = rig_new(LINUX_7_3);
    FakeDevice *dev[32];

    rig_write_cr0(rig, CR0_SMMUEN);
    for (int i = 0; i < ARRAY_SIZE(dev); i++) {
        rig_set_s1(SID(1) + i * 8, 0x1000 * i);
        dev[i] = fake_vfio_bind(rig->iommufd, &host_smmu, "dev", rig->s);
        g_assert(smmuv3_accel_device_plug(rig->s, &rig->bus[1].bus, i * 8,
                                          fake_vfio_hiod(dev[i]),
                                          &error_abort));
    }
    g_free(fake_iommufd_calls(rig->iommufd));
    rig_cfgi_all(rig);          /* one call invalidates the CDs */
    rig_assert_calls(rig, "invalidate");
    rig_set_s1(SID(1) + 8 * 8, 0x99000);
    rig_cfgi_ste(rig, SID(1) + 8 * 8);
    rig_assert_calls(rig, "nested-alloc attach destroy");
    for (int i = 0; i < ARRAY_SIZE(dev); i++) {
        smmuv3_accel_device_unplug(rig->s, &rig->bus[1].bus, i * 8);
        fake_vfio_unbind(dev[i]);
    }
    rig_free(rig);
}

/* The vDEVICE and reports have the current StreamID */
static void test_renumber(void)
{
    Rig *rig = rig_new(LINUX_7_3);

    for (int sid = 1; sid <= 9; sid++) {
        rig_set_s1(SID(sid), 0x1000);
    }
    rig_set_s1(SID(6), 0x6000);
    g_assert(rig_plug(rig, 1, &error_abort));
    g_assert(rig_plug(rig, 2, &error_abort));
    rig_write_cr0(rig, CR0_SMMUEN);

    renumber(rig, 1, 5);        /* to an STE with the same contents */
    rig_cfgi_ste(rig, SID(5));
    rig_assert_dma(rig, 1, "s1 1000 sid 500");
    renumber(rig, 1, 6);        /* detected at a command for another */
    rig_cfgi_ste(rig, SID(2));
    rig_assert_dma(rig, 1, "s1 6000 sid 600");
    renumber(rig, 1, 2);        /* swapped */
    renumber(rig, 2, 6);
    rig_cfgi_all(rig);
    rig_assert_dma(rig, 1, "s1 1000 sid 200");
    rig_assert_dma(rig, 2, "s1 6000 sid 600");
    renumber(rig, 1, 0);        /* no StreamID, and a command for another */
    rig_cfgi_ste(rig, SID(6));
    rig_assert_dma(rig, 1, "abort");
    renumber(rig, 1, 7);
    rig_cfgi_ste(rig, SID(6));
    rig_assert_dma(rig, 1, "s1 1000 sid 700");
    renumber(rig, 3, 7);        /* a new device in the same place */
    renumber(rig, 1, 8);
    g_assert(rig_plug(rig, 3, &error_abort));
    rig_assert_dma(rig, 3, "s1 1000 sid 700");
    rig_assert_dma(rig, 1, "s1 1000 sid 800");
    g_assert(smmuv3_accel_host_find(rig->s->host, SID(8)));
    g_assert(!smmuv3_accel_host_find(rig->s->host, SID(2)));
    rig_free(rig);
}

/* Two numbers are swapped: in between, two buses have the same number */
static void test_renumber_at_once(void)
{
    Rig *rig = rig_new(LINUX_7_3);
    g_autofree char *messages = NULL;

    rig_set_s1(SID(1), 0x1000);
    rig_set_s1(SID(2), 0x2000);
    g_assert(rig_plug(rig, 1, &error_abort));
    g_assert(rig_plug(rig, 2, &error_abort));
    rig_write_cr0(rig, CR0_SMMUEN);

    renumber_seen(rig, 1, 2);
    rig_assert_dma(rig, 1, "abort");
    rig_assert_dma(rig, 2, "s1 2000 sid 200");
    renumber_seen(rig, 2, 1);
    rig_assert_dma(rig, 1, "s1 2000 sid 200");
    rig_assert_dma(rig, 2, "s1 1000 sid 100");
    g_free(fake_iommufd_calls(rig->iommufd));
    renumber_seen(rig, 2, 1);
    rig_assert_calls(rig, "");
    renumber_seen(rig, 2, 0);
    rig_assert_dma(rig, 2, "abort");
    messages = rig_messages();
    g_assert_cmpstr(messages, ==, "");
    rig_free(rig);
}

static void test_renumber_bypass(void)
{
    Rig *rig = rig_new(LINUX_7_3);

    rig_set_config(SID(1), 4);
    g_assert(rig_plug(rig, 1, &error_abort));
    rig_write_cr0(rig, CR0_SMMUEN);
    rig_assert_dma(rig, 1, "stage2");
    renumber(rig, 1, 2);
    rig_cfgi_ste(rig, SID(9));
    rig_assert_dma(rig, 1, "abort");
    rig_reset(rig);
    rig_assert_dma(rig, 1, "stage2");
    rig_free(rig);
}

/* The root bus always has number 0; others have it until they get one */
static void test_root_bus(void)
{
    Rig *rig = rig_new(LINUX_7_3);

    renumber(rig, 1, 0);
    renumber(rig, 2, 0);
    rig->bus[1].bus.flags |= PCI_BUS_IS_ROOT;
    rig_set_s1(0, 0x1000);
    rig_write_cr0(rig, CR0_SMMUEN);
    g_assert(rig_plug(rig, 1, &error_abort));
    g_assert(rig_plug(rig, 2, &error_abort));
    rig_assert_dma(rig, 1, "s1 1000 sid 0");
    rig_assert_dma(rig, 2, "abort");
    rig_free(rig);
}

/* Each kernel, with a device that has no StreamID yet, and later has one */
static void test_kernels(void)
{
    static const struct {
        FakeKernel kernel;
        const char *abort, *s1;
    } cases[] = {
        { LINUX_6_13, "abort",   "s1 1000" },
        { LINUX_6_15, "blocked", "s1 1000 sid 100" },
        { LINUX_6_17, "blocked", "s1 1000 sid 100" },
        { LINUX_7_3, "abort",   "s1 1000 sid 100" },
    };

    for (int i = 0; i < ARRAY_SIZE(cases); i++) {
        Rig *rig = rig_new(cases[i].kernel);
        g_autofree char *messages = NULL;

        renumber(rig, 1, 0);
        g_assert(rig_plug(rig, 1, &error_abort));
        rig_assert_dma(rig, 1, "stage2");
        rig_write_gbpa(rig, ABORT);
        rig_assert_dma(rig, 1, cases[i].abort);
        g_free(fake_iommufd_calls(rig->iommufd));
        rig_write_gbpa(rig, ABORT);
        rig_assert_calls(rig, "");
        rig_set_s1(SID(1), 0x1000);
        rig_write_cr0(rig, CR0_SMMUEN);
        rig_assert_dma(rig, 1, cases[i].abort);
        renumber(rig, 1, 1);
        rig_cfgi_ste(rig, SID(1));
        rig_assert_dma(rig, 1, cases[i].s1);
        rig_set_config(SID(1), 0);
        rig_cfgi_ste(rig, SID(1));
        rig_assert_dma(rig, 1, "abort");
        rig_write_cr0(rig, 0);
        rig_write_gbpa(rig, 0);
        rig_assert_dma(rig, 1, "stage2");
        messages = rig_messages();
        g_assert_cmpstr(messages, ==, "");
        rig_free(rig);
    }
}

static void assert_reported(SMMUEventType type)
{
    RigEvents events = rig_events();

    g_assert_cmpuint(events.n, ==, type != SMMU_EVT_NONE);
    if (events.n) {
        g_assert_cmphex(events.last.word[0], ==, type);
        g_assert_cmphex(events.last.word[1], ==, SID(1));
    }
}

/* An error in an STE is reported once, when it appears */
static void test_reports(void)
{
    Rig *rig = rig_new(LINUX_7_3);

    rig->s3->eventq.log2size = 4;
    g_assert(rig_plug(rig, 1, &error_abort));
    rig_write_cr0(rig, CR0_SMMUEN | CR0_EVENTQEN);
    assert_reported(SMMU_EVT_NONE);             /* no level 2 table yet */
    rig_set_ste(SID(1), &ste_invalid);
    rig_cfgi_ste(rig, SID(1));
    assert_reported(SMMU_EVT_NONE);
    rig_set_ste(SID(1), &ste_s1_illegal);
    rig_cfgi_ste(rig, SID(1));
    assert_reported(SMMU_EVT_C_BAD_STE);
    rig_cfgi_ste(rig, SID(1));
    rig_cfgi_all(rig);
    assert_reported(SMMU_EVT_NONE);
    rig_set_ste(SID(1), &ste_s1);
    rig_cfgi_ste(rig, SID(1));
    assert_reported(SMMU_EVT_NONE);
    rig_set_ste(SID(1), &ste_s2);               /* from one error to another */
    rig_cfgi_ste(rig, SID(1));
    assert_reported(SMMU_EVT_C_BAD_STE);

    rig_set_ste(SID(1), NULL);                  /* beyond the stream table */
    rig->s3->strtab_base_cfg = 8;
    rig_write_gbpa(rig, 0);                     /* a write of any register */
    assert_reported(SMMU_EVT_C_BAD_STREAMID);
    rig_write_gbpa(rig, 0);
    assert_reported(SMMU_EVT_NONE);
    rig_write_cr0(rig, 0);
    rig_write_cr0(rig, CR0_SMMUEN);             /* the queue is off */
    assert_reported(SMMU_EVT_NONE);
    rig_write_cr0(rig, CR0_SMMUEN | CR0_EVENTQEN);
    assert_reported(SMMU_EVT_C_BAD_STREAMID);
    rig_write_cr0(rig, CR0_SMMUEN);             /* but only once */
    rig_write_cr0(rig, CR0_SMMUEN | CR0_EVENTQEN);
    assert_reported(SMMU_EVT_NONE);

    renumber(rig, 1, 0);                        /* no StreamID to report */
    rig_cfgi_all(rig);
    assert_reported(SMMU_EVT_NONE);
    rig_free(rig);
}

/* Also if the host can abort only by detaching */
static void test_reports_blocked(void)
{
    Rig *rig = rig_new(LINUX_6_15);

    rig->s3->eventq.log2size = 4;
    rig_set_ste(SID(1), &ste_s1_illegal);
    rig_write_cr0(rig, CR0_SMMUEN | CR0_EVENTQEN);
    g_assert(rig_plug(rig, 1, &error_abort));
    assert_reported(SMMU_EVT_C_BAD_STE);
    rig_cfgi_ste(rig, SID(1));
    assert_reported(SMMU_EVT_NONE);
    rig_free(rig);
}

/* Hosts with and without what decides whether a command is legal */
static FakeSMMU smmu_of_kind(unsigned kind)
{
    static const uint8_t ssidsizes[] = { 0, 8, 20 };
    FakeSMMU smmu = host_smmu;

    smmu.info.idr[0] = deposit32(smmu.info.idr[0], 12, 1, kind & 1);
    smmu.info.idr[0] = deposit32(smmu.info.idr[0], 10, 1, kind >> 1 & 1);
    smmu.info.idr[3] = deposit32(smmu.info.idr[3], 10, 1, kind >> 2 & 1);
    smmu.info.idr[1] |= ssidsizes[kind >> 3] << 6;
    return smmu;
}

/* The vSMMU has the features of its host, or some of them */
static void check_legal(const FakeSMMU *smmu, const uint32_t *idr)
{
    static const uint8_t opcodes[] = { 0x05, 0x06, 0x10, 0x11, 0x12, 0x13,
                                       0x30, 0x40 };

    for (int n = 0; n < 128 * ARRAY_SIZE(opcodes); n++) {
        uint8_t opcode = opcodes[n % ARRAY_SIZE(opcodes)];
        SMMUv3AccelHostCmd host;
        uint64_t words[2];
        Cmd cmd;

        for (int w = 0; w < 4; w++) {
            cmd.word[w] = g_test_rand_int() &
                          (n & 64 ? UINT32_MAX : g_test_rand_int());
        }
        cmd.word[0] = deposit32(cmd.word[0], 0, 8, opcode);
        if (smmuv3_accel_cmd_classify(&cmd, idr) == SMMU_ACCEL_CMD_ILLEGAL) {
            continue;
        }
        smmuv3_accel_cmd_to_host(&cmd, idr, &host);
        words[0] = le64_to_cpu(host.cmd[0]);
        words[1] = le64_to_cpu(host.cmd[1]);
        g_assert(fake_command_is_valid(smmu, words));
    }
}

static void test_legal(void)
{
    for (unsigned kind = 0; kind < 24; kind++) {
        const FakeSMMU smmu = smmu_of_kind(kind);

        for (unsigned less = 0; less <= kind; less++) {
            const FakeSMMU vsmmu = smmu_of_kind(less);

            if ((less & 7 & ~kind) || less >> 3 > kind >> 3) {
                continue;       /* this host cannot back it */
            }
            for (uint32_t granules = 0; granules < 8; granules++) {
                uint32_t idr[6];

                memcpy(idr, vsmmu.info.idr, sizeof(idr));
                idr[5] = deposit32(idr[5], 4, 3, granules);
                check_legal(&smmu, idr);
            }
        }
    }
}

/* Commands that a kernel issued, as digits of their opcodes */
static char *issued(Rig *rig, unsigned from)
{
    const GArray *commands = fake_iommufd_commands(rig->iommufd);
    GString *text = g_string_new(NULL);

    for (unsigned i = from; i < commands->len; i++) {
        uint64_t word0 = g_array_index(commands, FakeCommand, i).cmd[0];

        g_string_append_printf(text, "%02x ", (unsigned)(word0 & 0xff));
    }
    return g_string_free(text, false);
}

/* An SMMU that needs each invalidation twice, if its kernel tells that */
static void test_invalidates_twice(void)
{
    static const struct {
        FakeKernel kernel;
        const char *commands;
        unsigned ioctls;
    } cases[] = { { LINUX_6_19, "05 11 ", 1 },
                  { LINUX_7_3, "05 11 05 11 ", 2 } };

    for (int i = 0; i < ARRAY_SIZE(cases); i++) {
        Rig *rig = rig_new(cases[i].kernel);
        FakeSMMU smmu = host_smmu;
        g_autofree char *commands = NULL;
        uint64_t before;

        smmu.info.flags = IOMMU_HW_INFO_ARM_SMMUV3_ERRATA_REPEAT_TLBI_CFGI;
        rig->smmu = &smmu;
        rig_set_ste(SID(1), &ste_s1);
        g_assert(rig_plug(rig, 1, &error_abort));
        rig_write_cr0(rig, CR0_SMMUEN);
        before = rig->s->counters.ioctls[SMMU_ACCEL_IOCTL_INVALIDATE];
        rig_put_command(rig, SMMU_CMD_CFGI_CD, SID(1), 1);
        rig_put_command(rig, SMMU_CMD_TLBI_NH_ASID, 0, 0);
        rig_put_command(rig, SMMU_CMD_SYNC, 0, 0);
        g_assert_cmpint(rig_ring(rig), ==, SMMU_CERROR_NONE);
        commands = issued(rig, 0);
        g_assert_cmpstr(commands, ==, cases[i].commands);
        g_assert_cmpuint(rig->s->counters.ioctls[SMMU_ACCEL_IOCTL_INVALIDATE] -
                         before, ==, cases[i].ioctls);
        rig_free(rig);
    }
}

int main(int argc, char **argv)
{
    rig_init(&argc, &argv);
    g_test_add_func("/smmuv3-accel/device/state-table", test_state_table);
    g_test_add_func("/smmuv3-accel/device/range", test_range);
    g_test_add_func("/smmuv3-accel/device/replace", test_replace);
    g_test_add_func("/smmuv3-accel/device/many", test_many_devices);
    g_test_add_func("/smmuv3-accel/device/renumber", test_renumber);
    g_test_add_func("/smmuv3-accel/device/renumber-at-once",
                    test_renumber_at_once);
    g_test_add_func("/smmuv3-accel/device/reports", test_reports);
    g_test_add_func("/smmuv3-accel/device/reports-blocked",
                    test_reports_blocked);
    g_test_add_func("/smmuv3-accel/device/renumber-bypass",
                    test_renumber_bypass);
    g_test_add_func("/smmuv3-accel/device/root-bus", test_root_bus);
    g_test_add_func("/smmuv3-accel/device/kernels", test_kernels);
    g_test_add_func("/smmuv3-accel/device/legal", test_legal);
    g_test_add_func("/smmuv3-accel/device/invalidates-twice",
                    test_invalidates_twice);
    return g_test_run();
}
