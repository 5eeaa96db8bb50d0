/*
 * arm-smmuv3-accel: compare the fake host of the unit tests with a real kernel
 *
 * Runs smmuv3-accel-flows.txt and smmuv3-accel-flows-raw.txt on the fake, and
 * smmuv3-accel-flows-cmdqv.txt on a fake with a CMDQV. The calls and their
 * results must be those of the .log files, which were written on a real kernel.
 * If they differ, the fake is wrong.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "smmuv3-accel-rig-cmdqv.h"
#include "qemu/cutils.h"
#include "iommufd-script.h"

/* Slot 3 has two functions, in one IOMMU group */
#define PAIR_BUS    3
#define PAIR_GROUP  7
/* The address of the contexts in the lab's guest, and the size of its queue */
#define CONTEXTS    0x40300000ULL
#define STE_WORD1   0xd4ULL
#define LOG2_EVENTS 4

typedef struct Flow {
    char *title;            /* "raw NAME" or "flow NAME" */
    GPtrArray *lines;
    const FakeSMMU *smmu;
} Flow;

/* The emulated SMMU of the lab: 44 address bits, and devices without ATS */
static FakeSMMU lab_smmu, lab_cmdqv_smmu;

/* The lines after each title, without comments */
static void read_flows(GPtrArray *flows, const char *name, const FakeSMMU *smmu)
{
    g_autofree char *path = g_test_build_filename(G_TEST_DIST, name, NULL);
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;
    Flow *flow = NULL;

    g_assert(g_file_get_contents(path, &text, NULL, NULL));
    lines = g_strsplit(text, "\n", 0);
    for (char **line = lines; *line; line++) {
        (*line)[strcspn(*line, "#")] = '\0';
        g_strstrip(*line);
        if (g_str_has_prefix(*line, "raw ") ||
            g_str_has_prefix(*line, "flow ")) {
            flow = g_new0(Flow, 1);
            flow->title = g_strdup(*line);
            flow->smmu = smmu;
            flow->lines = g_ptr_array_new();
            g_ptr_array_add(flows, flow);
        } else if (**line) {
            g_assert(flow);
            g_ptr_array_add(flow->lines, g_strdup(*line));
        }
    }
}

/* Raw flows */

static const FakeSMMU *raw_smmu;

static void *raw_open(void *opaque, const char *name)
{
    int group = g_str_has_prefix(name, "3.") ? PAIR_GROUP : -1;

    return fake_cdev_open(opaque, raw_smmu, group);
}

static int raw_device(void *device, unsigned long request, void *arg)
{
    return fake_cdev_ioctl(device, request, arg);
}

static void raw_close(void *device)
{
    fake_cdev_close(device);
}

static GString *said;       /* by a raw flow */

static void raw_say(void *opaque, const char *line)
{
    g_string_append_printf(said, "%s\n", line);
}

static char *run_raw(const Flow *flow)
{
    FakeIOMMUFD *f = fake_iommufd_new(LINUX_7_3, "iommufd0");
    IommufdScriptHost host = {
        .iommufd = fake_iommufd_backend(f)->fd,
        .opaque = f,
        .open = raw_open,
        .device = raw_device,
        .close = raw_close,
        .say = raw_say,
    };
    IommufdScript *script = iommufd_script_new(&host);

    said = g_string_new(NULL);
    raw_smmu = flow->smmu;
    fake_iommufd_set_group(f, raw_smmu, PAIR_GROUP, 2);
    for (guint i = 0; i < flow->lines->len; i++) {
        const char *line = g_ptr_array_index(flow->lines, i);
        const char *wrong = iommufd_script_line(script, line);

        if (wrong) {
            g_error("%s: %s: %s", flow->title, line, wrong);
        }
    }
    iommufd_script_free(script);
    fake_iommufd_close(f);
    fake_iommufd_free(f);
    return g_string_free(said, false);
}

/* Flows of the device */

typedef struct Machine {
    Rig *rig;
    FakeDevice *pair[2];
} Machine;

static void parse_place(const char *word, int *bus, int *fn)
{
    *fn = 0;
    g_assert_cmpint(sscanf(word, "%d.%d", bus, fn), >=, 1);
}

static uint32_t sid_of(Machine *m, const char *word)
{
    int bus, fn;

    parse_place(word, &bus, &fn);
    return PCI_BUILD_BDF(m->rig->bus[bus].num, fn);
}

/* The call may be refused */
static void plug(Machine *m, const char *word)
{
    int bus, fn;

    parse_place(word, &bus, &fn);
    if (bus == PAIR_BUS) {
        m->pair[fn] = rig_plug_in_group(m->rig, bus, fn, PAIR_GROUP, NULL);
    } else {
        rig_plug(m->rig, bus, NULL);
    }
}

/* Unplug all functions of a slot */
static void unplug(Machine *m, int bus)
{
    if (bus != PAIR_BUS) {
        if (m->rig->dev[bus]) {
            rig_unplug(m->rig, bus);
        }
        return;
    }
    for (int fn = 0; fn < 2; fn++) {
        if (m->pair[fn]) {
            smmuv3_accel_device_unplug(m->rig->s, &m->rig->bus[bus].bus, fn);
            fake_vfio_unbind(m->pair[fn]);
            m->pair[fn] = NULL;
        }
    }
}

static void set_ste(uint32_t sid, char **args)
{
    uint64_t word0 = 0, word1 = 0;

    if (!strcmp(args[0], "s1")) {
        word0 = 1 | 5 << 1 | (CONTEXTS + 64 * atoi(args[1]));
        word1 = STE_WORD1;
    } else if (!strcmp(args[0], "bypass")) {
        word0 = 1 | 4 << 1;
    } else if (!strcmp(args[0], "abort")) {
        word0 = 1;
    } else if (!strcmp(args[0], "illegal")) {
        word0 = 1 | 5 << 1 | 31ULL << 59;
    } else {
        g_assert_cmpstr(args[0], ==, "invalid");
    }
    rig_set_ste(sid, &(STE) {
        .word = { word0, word0 >> 32, word1, word1 >> 32 },
    });
}

static void queue(Machine *m, const char *words, const char *step)
{
    unsigned long long word0, word1, more = 0;
    unsigned count = 1;

    g_assert_cmpint(sscanf(words, "%llx:%llx*%u", &word0, &word1, &count),
                    >=, 2);
    g_assert(!step || sscanf(step, "%llx", &more) == 1);
    for (unsigned i = 0; i < count; i++) {
        rig_put_words(m->rig, word0, word1 + i * more);
    }
}

static void sync_queue(Machine *m)
{
    rig_put_command(m->rig, SMMU_CMD_SYNC, 0, 0);
    g_assert_cmpint(rig_ring(m->rig), ==, SMMU_CERROR_NONE);
}

static void renumber(Machine *m, int bus, int number)
{
    m->rig->bus[bus].num = number;
    smmuv3_accel_evaluate_moved(m->rig->s);
}

static uint64_t number(const char *text, int base)
{
    uint64_t value;

    g_assert_cmpint(qemu_strtou64(text, NULL, base, &value), ==, 0);
    return value;
}

/* A register of the guest's CMDQV, of 32 bits if it is not said */
static void write_cmdqv(Machine *m, char **args)
{
    void (*write)(Rig *rig, hwaddr offset, uint64_t value) =
        args[2] && !strcmp(args[2], "64") ? rig_cmdqv_write64 : rig_cmdqv_write;
    uint64_t offset, value;

    g_assert_cmpint(qemu_strtou64(args[0], NULL, 0, &offset), ==, 0);
    g_assert_cmpint(qemu_strtou64(args[1], NULL, 0, &value), ==, 0);
    write(m->rig, offset, value);
}

/* Two words of a command, if anybody here reads what is there */
static void write_memory(char **args)
{
    g_auto(GStrv) words = g_strsplit(args[1], ":", 2);
    uint64_t at = number(args[0], 0);

    if (at - RIG_RAM > RIG_RAM_SIZE - 16) {
        return;
    }
    for (int i = 0; words[i]; i++) {
        stq_le_p(rig_ram + (at - RIG_RAM) + 8 * i, number(words[i], 16));
    }
}

static void carry_out(Machine *m, char **args)
{
    const char *what = args[0];

    if (!strcmp(what, "plug")) {
        plug(m, args[1]);
    } else if (!strcmp(what, "unplug")) {
        unplug(m, atoi(args[1]));
    } else if (!strcmp(what, "cr0")) {
        rig_write_cr0(m->rig,
                      (g_strv_contains((const char **)args, "smmuen") ?
                       CR0_SMMUEN : 0) |
                      (g_strv_contains((const char **)args, "eventqen") ?
                       CR0_EVENTQEN : 0));
    } else if (!strcmp(what, "gbpa")) {
        rig_write_gbpa(m->rig, !strcmp(args[1], "abort") ?
                               R_GBPA_ABORT_MASK : 0);
    } else if (!strcmp(what, "ste")) {
        set_ste(sid_of(m, args[1]), args + 2);
    } else if (!strcmp(what, "cfgi-ste")) {
        rig_put_command(m->rig, SMMU_CMD_CFGI_STE, sid_of(m, args[1]), 1);
        sync_queue(m);
    } else if (!strcmp(what, "cfgi-all")) {
        rig_put_command(m->rig, SMMU_CMD_CFGI_STE_RANGE, 0, 31);
        sync_queue(m);
    } else if (!strcmp(what, "queue")) {
        queue(m, args[1], args[2]);
    } else if (!strcmp(what, "sync")) {
        sync_queue(m);
    } else if (!strcmp(what, "bus")) {
        renumber(m, atoi(args[1]), atoi(args[2]));
    } else if (!strcmp(what, "cmdqv")) {
        write_cmdqv(m, args + 1);
    } else if (!strcmp(what, "memory")) {
        write_memory(args + 1);
    } else if (!strcmp(what, "eventq-size")) {
        rig_write_eventq_size(m->rig, atoi(args[1]));
    } else {
        g_assert_cmpstr(what, ==, "reset");
        rig_reset(m->rig);
        m->rig->s3->eventq.log2size = LOG2_EVENTS;
    }
}

static char *run_flow(const Flow *flow)
{
    Machine m;
    char *words;

    m.rig = rig_cmdqv_new(LINUX_7_3, flow->smmu, flow->smmu->interfaces ?
                          ON_OFF_AUTO_ON : ON_OFF_AUTO_OFF, 0, &error_abort);
    m.rig->s3->eventq.log2size = LOG2_EVENTS;
    fake_iommufd_set_group(m.rig->iommufd, flow->smmu, PAIR_GROUP, 2);
    for (guint i = 0; i < flow->lines->len; i++) {
        g_auto(GStrv) args =
            g_strsplit(g_ptr_array_index(flow->lines, i), " ", 0);

        carry_out(&m, args);
    }
    words = fake_iommufd_words(m.rig->iommufd);
    for (int bus = 1; bus <= PAIR_BUS; bus++) {
        unplug(&m, bus);
    }
    rig_free(m.rig);
    return words;
}

/* Comparison */

static GPtrArray *flows, *logs;

static const Flow *log_of(const char *title)
{
    for (guint i = 0; i < logs->len; i++) {
        const Flow *log = g_ptr_array_index(logs, i);

        if (!strcmp(log->title, title)) {
            return log;
        }
    }
    return NULL;
}

static void test_flow(const void *opaque)
{
    const Flow *flow = opaque, *log = log_of(flow->title);
    g_autofree char *words = flow->title[0] == 'r' ? run_raw(flow) :
                                                     run_flow(flow);
    g_auto(GStrv) lines = g_strsplit(words, "\n", 0);
    unsigned n = g_strv_length(lines) - 1, differ = 0;

    g_assert(log);
    for (unsigned i = 0; i < MAX(n, log->lines->len); i++) {
        const char *fake = i < n ? lines[i] : "(nothing)";
        const char *kernel = i < log->lines->len ?
                             g_ptr_array_index(log->lines, i) : "(nothing)";

        if (strcmp(fake, kernel) && differ++ < 5) {
            g_test_message("%s, call %u", flow->title, i + 1);
            g_test_message("  kernel: %s", kernel);
            g_test_message("  fake:   %s", fake);
        }
    }
    if (differ) {
        g_test_message("%u calls differ; the log is written by the scenario "
                       "contract, or contract_cmdqv, of tests/lab", differ);
        g_test_fail();
    }
}

int main(int argc, char **argv)
{
    rig_init(&argc, &argv);
    lab_smmu = host_smmu;
    lab_smmu.oas_bits = 44;
    lab_smmu.caps = IOMMU_HW_CAP_PCI_ATS_NOT_SUPPORTED;
    lab_cmdqv_smmu = lab_smmu;
    lab_cmdqv_smmu.cmdqv = cmdqv_smmu.cmdqv;
    lab_cmdqv_smmu.interfaces = cmdqv_smmu.interfaces;
    flows = g_ptr_array_new();
    logs = g_ptr_array_new();
    read_flows(flows, "smmuv3-accel-flows-raw.txt", &lab_smmu);
    read_flows(flows, "smmuv3-accel-flows.txt", &lab_smmu);
    read_flows(flows, "smmuv3-accel-flows-cmdqv.txt", &lab_cmdqv_smmu);
    read_flows(logs, "smmuv3-accel-flows-raw.log", NULL);
    read_flows(logs, "smmuv3-accel-flows.log", NULL);
    read_flows(logs, "smmuv3-accel-flows-cmdqv.log", NULL);
    for (guint i = 0; i < flows->len; i++) {
        const Flow *flow = g_ptr_array_index(flows, i);
        g_autofree char *path = g_strdup_printf("/smmuv3-accel/contract/%s",
                                                flow->title);

        g_test_add_data_func(path, flow, test_flow);
    }
    return g_test_run();
}
