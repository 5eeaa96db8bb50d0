/*
 * A rig for QTests of SMMUv3s: the SMMU with its queues and tables in memory,
 * and behind it a PCI device (edu) that copies a buffer to memory
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TESTS_QTEST_SMMUV3_RIG_H
#define TESTS_QTEST_SMMUV3_RIG_H

#include "libqtest.h"
#include "qobject/qdict.h"

/* The SMMU of the machine, and the device that is derived from it */
#define RIG_SMMUV3      "-M iommu=smmuv3"
#define RIG_SMMUV3_BASE 0x09050000
#define RIG_ACCEL       "-device arm-smmuv3-accel,bus=pcie.0,idr0=0xd48301a," \
                        "idr1=0x2730290,idr3=0x1400,idr5=0x74,iidr=0,aidr=1"
#define RIG_ACCEL_BASE  0x0c000000      /* the first on the platform bus */

/* SMMU registers (IHI 0070, 6.3) */
enum {
    RIG_CR0 = 0x20,
    RIG_IRQ_CTRL = 0x50,
    RIG_GERROR = 0x60,
    RIG_GERRORN = 0x64,
    RIG_GERROR_IRQ_CFG0 = 0x68,
    RIG_GERROR_IRQ_CFG1 = 0x70,
    RIG_STRTAB_BASE = 0x80,
    RIG_STRTAB_BASE_CFG = 0x88,
    RIG_CMDQ_BASE = 0x90,
    RIG_CMDQ_PROD = 0x98,
    RIG_CMDQ_CONS = 0x9c,
    RIG_EVENTQ_BASE = 0xa0,
    RIG_EVENTQ_IRQ_CFG0 = 0xb0,
    RIG_EVENTQ_IRQ_CFG1 = 0xb8,
    RIG_EVENTQ_PROD = 0x100a8,
    RIG_EVENTQ_CONS = 0x100ac,
};

enum {
    RIG_GERROR_CMDQ = 1 << 0,
    RIG_GERROR_EVENTQ_ABT = 1 << 2,
    RIG_GERROR_MSI_CMDQ_ABT = 1 << 4,
    RIG_GERROR_MSI_EVENTQ_ABT = 1 << 5,
    RIG_CERROR_ABT = 2,
};

/* Events (IHI 0070, 7.3) */
enum {
    RIG_NO_EVENT = 0,
    RIG_F_STE_FETCH = 0x03,
    RIG_C_BAD_STE = 0x04,
    RIG_F_CD_FETCH = 0x09,
    RIG_F_WALK_EABT = 0x0b,
    RIG_F_TRANSLATION = 0x10,
};

/* Memory of the guest; all tables are aligned to their size */
#define RIG_CMDQ        0x40110000ULL
#define RIG_EVENTQ      0x40120000ULL
#define RIG_CDS         0x40140000ULL
#define RIG_PAGES       0x40160000ULL
#define RIG_STRTAB      0x40200000ULL
#define RIG_TARGET      0x41000000ULL
#define RIG_LOG2_QUEUE  7
#define RIG_LOG2_STRTAB 12              /* buses 0 to 15 */

/* The address of RIG_TARGET with and without stage 1 */
#define RIG_IOVA_S1     0x01000000ULL
#define RIG_IOVA_BYPASS RIG_TARGET

#define RIG_MARK        0x5ca1ab1eULL
#define RIG_ECAM        0x3f000000ULL
#define RIG_BAR         0x10000000
#define RIG_EDU_BUFFER  0x40000         /* as its registers have it */
#define RIG_EDU         "-device edu,dma_mask=0xffffffffffff"

typedef struct Rig {
    QTestState *qts;
    uint64_t smmu;              /* registers */
    uint64_t edu;               /* registers, RIG_MARK is in its buffer */
    uint32_t cmdq_prod;
    uint32_t event_word0;       /* of the last event taken */
    uint32_t event_sid;         /* the same */
    uint64_t event_addr;        /* of a failed fetch */
} Rig;

static inline uint64_t rig_config(int bus, int slot)
{
    return RIG_ECAM + (bus << 20) + (slot << 15);
}

static inline void rig_start(Rig *r, bool accel, const char *args)
{
    *r = (Rig) {
        .qts = qtest_initf("-M virt,highmem-ecam=off -nodefaults %s %s",
                           accel ? RIG_ACCEL : RIG_SMMUV3, args),
        .smmu = accel ? RIG_ACCEL_BASE : RIG_SMMUV3_BASE,
    };
}

/* Sets up a bridge: its bus numbers and its memory window */
static inline void rig_setup_bridge(Rig *r, uint64_t config, int primary,
                                    int secondary, int subordinate,
                                    uint64_t bar)
{
    qtest_writel(r->qts, config + 0x18,
                 subordinate << 16 | secondary << 8 | primary);
    qtest_writel(r->qts, config + 0x20, bar | bar >> 16);
    qtest_writew(r->qts, config + 0x04, 0x6);
}

static inline void rig_edu_dma(Rig *r, uint64_t src, uint64_t dst,
                               bool to_memory)
{
    qtest_writeq(r->qts, r->edu + 0x80, src);
    qtest_writeq(r->qts, r->edu + 0x88, dst);
    qtest_writeq(r->qts, r->edu + 0x90, 4);
    qtest_writeq(r->qts, r->edu + 0x98, 1 | to_memory << 1);
    qtest_clock_step(r->qts, 200 * 1000 * 1000);
    g_assert_cmphex(qtest_readq(r->qts, r->edu + 0x98) & 1, ==, 0);
}

/* Fills the device's buffer; call it before the SMMU is enabled */
static inline void rig_setup_edu(Rig *r, uint64_t config, uint64_t bar)
{
    qtest_writel(r->qts, config + 0x10, bar);
    qtest_writew(r->qts, config + 0x04, 0x6);
    r->edu = bar;
    qtest_writel(r->qts, RIG_TARGET, RIG_MARK);
    rig_edu_dma(r, RIG_TARGET, RIG_EDU_BUFFER, false);
}

/* Sets up empty tables, and queues */
static inline void rig_enable(Rig *r)
{
    qtest_writeq(r->qts, r->smmu + RIG_STRTAB_BASE, RIG_STRTAB);
    qtest_writel(r->qts, r->smmu + RIG_STRTAB_BASE_CFG, RIG_LOG2_STRTAB);
    qtest_writeq(r->qts, r->smmu + RIG_CMDQ_BASE, RIG_CMDQ | RIG_LOG2_QUEUE);
    qtest_writeq(r->qts, r->smmu + RIG_EVENTQ_BASE,
                 RIG_EVENTQ | RIG_LOG2_QUEUE);
    qtest_writel(r->qts, r->smmu + RIG_CR0, 0xd);
}

/* The device at 1.0 of pcie.0, with the SMMU enabled, but no STE */
#define RIG_EDU_SID     0x8

static inline void rig_start_edu(Rig *r, bool accel)
{
    rig_start(r, accel, RIG_EDU ",bus=pcie.0,addr=1.0");
    rig_setup_edu(r, rig_config(0, 1), RIG_BAR);
    rig_enable(r);
}

/* The guest writes a command to the queue */
static inline void rig_submit(Rig *r, uint64_t word0, uint64_t word1)
{
    uint32_t mask = (1 << (RIG_LOG2_QUEUE + 1)) - 1;
    uint64_t entry = RIG_CMDQ + (r->cmdq_prod & (mask >> 1)) * 16;

    qtest_writeq(r->qts, entry, word0);
    qtest_writeq(r->qts, entry + 8, word1);
    r->cmdq_prod = (r->cmdq_prod + 1) & mask;
    qtest_writel(r->qts, r->smmu + RIG_CMDQ_PROD, r->cmdq_prod);
}

/* The guest sends a command, which is consumed at once */
static inline void rig_command(Rig *r, uint64_t word0, uint64_t word1)
{
    rig_submit(r, word0, word1);
    g_assert_cmphex(qtest_readl(r->qts, r->smmu + RIG_CMDQ_CONS), ==,
                    r->cmdq_prod);
}

static inline void rig_cfgi_ste(Rig *r, uint32_t sid)
{
    rig_command(r, 0x03ULL | (uint64_t)sid << 32, 1);
}

static inline void rig_invalidate(Rig *r, uint32_t sid)
{
    rig_cfgi_ste(r, sid);
    rig_command(r, 0x30, 0);                    /* TLBI_NSNH_ALL */
    rig_command(r, 0x46, 0);                    /* SYNC */
}

/* Writes an STE, which takes effect when it is invalidated */
static inline void rig_put_ste_bypass(Rig *r, uint32_t sid)
{
    qtest_writeq(r->qts, RIG_STRTAB + sid * 64, 1 | 4 << 1);
}

/* A CD for 39 bits of address by 4K pages */
static inline void rig_put_cd(Rig *r, uint64_t addr, uint64_t ttb)
{
    uint64_t word0 = 25 | 1ULL << 30 | 1ULL << 31;
    uint64_t word1 = 4 | 1 << 9 | 1 << 13 | 1 << 14 | 1ULL << 16;

    qtest_writeq(r->qts, addr, word1 << 32 | word0);
    qtest_writeq(r->qts, addr + 8, ttb);
}

/* Maps IOVA 0 to the start of memory: a gigabyte, as a block of level 1 */
static inline void rig_put_ste_s1(Rig *r, uint32_t sid)
{
    qtest_writeq(r->qts, RIG_PAGES,
                 0x40000000 | 1 << 10 | 3 << 8 | 1 << 6 | 1);
    rig_put_cd(r, RIG_CDS, RIG_PAGES);
    qtest_writeq(r->qts, RIG_STRTAB + sid * 64, 1 | 5 << 1 | RIG_CDS);
}

/* The only event since the last call, RIG_NO_EVENT if there was none */
static inline int rig_take_event(Rig *r)
{
    uint32_t prod = qtest_readl(r->qts, r->smmu + RIG_EVENTQ_PROD);
    uint32_t cons = qtest_readl(r->qts, r->smmu + RIG_EVENTQ_CONS);
    uint32_t mask = (1 << (RIG_LOG2_QUEUE + 1)) - 1;
    uint64_t entry = RIG_EVENTQ + (cons & (mask >> 1)) * 32;

    if (prod == cons) {
        return RIG_NO_EVENT;
    }
    g_assert_cmphex(prod, ==, (cons + 1) & mask);
    qtest_writel(r->qts, r->smmu + RIG_EVENTQ_CONS, prod);
    r->event_word0 = qtest_readl(r->qts, entry);
    r->event_sid = qtest_readl(r->qts, entry + 4);
    r->event_addr = qtest_readq(r->qts, entry + 24);
    return r->event_word0 & 0xff;
}

/* The device writes to @iova: it arrives at RIG_TARGET, or causes @event */
static inline void rig_assert_write(Rig *r, uint64_t iova, int event)
{
    qtest_writel(r->qts, RIG_TARGET, 0);
    rig_edu_dma(r, RIG_EDU_BUFFER, iova, true);
    g_assert_cmphex(rig_take_event(r), ==, event);
    g_assert_cmphex(qtest_readl(r->qts, RIG_TARGET), ==, event ? 0 : RIG_MARK);
}

/* Waits for the end of a migration; returns whether it succeeded */
static inline bool rig_migrated(QTestState *qts)
{
    for (;;) {
        QDict *info = qtest_qmp_assert_success_ref(qts,
            "{'execute': 'query-migrate'}");
        g_autofree char *status =
            g_strdup(qdict_get_try_str(info, "status") ?: "none");

        qobject_unref(info);
        if (!strcmp(status, "completed") || !strcmp(status, "failed")) {
            return !strcmp(status, "completed");
        }
        g_usleep(10000);
    }
}

/* Migrates the machine to @uri */
static inline void rig_save(QTestState *qts, const char *uri)
{
    qtest_qmp_assert_success(qts, "{'execute': 'migrate', "
                             "'arguments': {'uri': %s}}", uri);
    g_assert_true(rig_migrated(qts));
}

/* Registers next to each other: offset, and size in bytes */
typedef struct RigRow {
    uint32_t first, size;
} RigRow;

/* All words of @rows at @base; g_array_unref() */
static inline GArray *rig_read_rows(QTestState *qts, uint64_t base,
                                    const RigRow *rows, size_t n)
{
    GArray *words = g_array_new(false, false, sizeof(uint32_t));

    for (size_t i = 0; i < n; i++) {
        for (uint32_t offset = 0; offset < rows[i].size; offset += 4) {
            uint32_t word = qtest_readl(qts, base + rows[i].first + offset);

            g_array_append_val(words, word);
        }
    }
    return words;
}

/* A QEMU with these options exits with this message */
static inline void rig_assert_refused(const char *args, const char *error)
{
    g_autofree char *command =
        g_strdup_printf("timeout 120 %s -accel qtest %s",
                        getenv("QTEST_QEMU_BINARY"), args);
    g_autofree char *text = NULL;
    g_autoptr(GError) err = NULL;
    g_auto(GStrv) argv = NULL;
    int status;

    g_shell_parse_argv(command, NULL, &argv, &err);
    g_assert_no_error(err);
    g_spawn_sync(NULL, argv, NULL,
                 G_SPAWN_SEARCH_PATH | G_SPAWN_STDOUT_TO_DEV_NULL, NULL, NULL,
                 NULL, &text, &status, &err);
    g_assert_no_error(err);
    if (!strstr(text, error)) {
        /* Fails, and prints both */
        g_assert_cmpstr(text, ==, error);
    }
    g_assert_true(WIFEXITED(status));
    g_assert_cmpint(WEXITSTATUS(status), ==, 1);
}

/* Where the PCI Express capability is in the config space of a port */
static inline uint64_t rig_express_cap(Rig *r, uint64_t config)
{
    uint8_t cap = qtest_readb(r->qts, config + 0x34);

    while (cap && qtest_readb(r->qts, config + cap) != 0x10) {
        cap = qtest_readb(r->qts, config + cap + 1);
    }
    g_assert_cmphex(cap, !=, 0);
    return config + cap;
}

static inline uint64_t rig_slot_control(Rig *r, uint64_t config)
{
    return rig_express_cap(r, config) + 0x18;
}

/* Slot Control: power on, and power off, which ejects the device */
#define RIG_SLOT_ON     0x1c0
#define RIG_SLOT_OFF    0x7c0

/* The guest turns a port off; waits until the memory of @id is freed */
static inline void rig_eject(Rig *r, uint64_t port, const char *id)
{
    bool gone = false;

    qtest_writew(r->qts, rig_slot_control(r, port), RIG_SLOT_ON);
    qtest_writew(r->qts, rig_slot_control(r, port), RIG_SLOT_OFF);
    while (!gone) {
        QDict *event = qtest_qmp_eventwait_ref(r->qts, "DEVICE_DELETED");
        QDict *data = qdict_get_qdict(event, "data");

        gone = !g_strcmp0(qdict_get_try_str(data, "device"), id);
        qobject_unref(event);
    }
}

/*
 * Adds a test for the SMMU of the machine, and for the derived device if it is
 * built; the argument of @fn says which.
 */
static inline void rig_add_func(const char *name, void (*fn)(const void *))
{
    g_autofree char *smmuv3 = g_strdup_printf("smmuv3/%s", name);
    g_autofree char *accel = g_strdup_printf("smmuv3-accel/%s", name);

    qtest_add_data_func(smmuv3, GINT_TO_POINTER(false), fn);
    if (qtest_has_device("arm-smmuv3-accel")) {
        qtest_add_data_func(accel, GINT_TO_POINTER(true), fn);
    }
}

#endif /* TESTS_QTEST_SMMUV3_RIG_H */
