/*
 * Fuzz target: an emulated SMMUv3 and its guest
 *
 * Stream tables, CDs, page tables, queues and their contents are memory that
 * the guest changes at any time, also between two reads.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "smmu-rig.h"
#include "hw/arm/smmuv3-internal.h"
#include "hw/arm/smmuv3-regs.h"

/* Where Linux could have put its tables */
#define STRTAB      0x0000      /* linear, 4 STEs; or level 1 */
#define STRTAB_L2   0x1000
#define CDS         0x2000
#define TABLES      0x3000      /* of pages, each level 4K */
#define CMDQ        0x8000
#define EVENTQ      0x9000
#define LOG2_QUEUE  4

static struct {
    SMMUv3State *s;
    Input *in;
    unsigned changes;           /* of memory while it is read */
    bool ended;                 /* QEMU has refused a stream */
} f;

static void put64(unsigned offset, uint64_t value)
{
    stq_le_p(smmu_rig_ram + (offset & (SMMU_RIG_RAM_SIZE - 8)), value);
}

static uint64_t pick_address(void)
{
    uint8_t choice = input_u8(f.in);

    switch (choice & 3) {
    case 0:
        return SMMU_RIG_RAM + (choice >> 2) * 0x400;
    case 1:
        return SMMU_RIG_MMIO + (choice >> 2) * 0x40;
    case 2:
        return SMMU_RIG_RAM + SMMU_RIG_RAM_SIZE - (choice >> 2) * 8;
    default:
        return input_u64(f.in);
    }
}

/* An STE with stage 1 or stage 2, which use the same page tables */
static void put_ste(unsigned at, bool stage2)
{
    put64(at, 1 | (stage2 ? 6 : 5) << 1 | (SMMU_RIG_RAM + CDS));
    put64(at + 8, 0);
    /* S2T0SZ 25, S2SL0 1, S2TG 4K, S2PS 44 bits, S2AA64, S2R; S2TTB */
    put64(at + 16, 25ULL << 32 | 1ULL << 38 | 4ULL << 48 | 1ULL << 51 |
                   1ULL << 58);
    put64(at + 24, SMMU_RIG_RAM + TABLES);
}

/* A guest whose DMA works, until something is changed */
static void configure(void)
{
    uint8_t how = input_u8(f.in);
    bool two_levels = how & 1;

    for (int i = 0; i < SMMU_RIG_DEVICES; i++) {
        put_ste((two_levels ? STRTAB_L2 : STRTAB) + 64 * i, how & 2 << i);
    }
    if (two_levels) {
        put64(STRTAB, (SMMU_RIG_RAM + STRTAB_L2) | 3);
    }
    /* T0SZ 25, TG0 4K, EPD1, V, IPS 44 bits, AA64, A, R; TTB0 */
    put64(CDS, 25 | 1ULL << 30 | 1ULL << 31 | 4ULL << 32 | 1ULL << 41 |
               3ULL << 45);
    put64(CDS + 8, SMMU_RIG_RAM + TABLES);
    for (int level = 0; level < 2; level++) {
        put64(TABLES + 0x1000 * level,
              (SMMU_RIG_RAM + TABLES + 0x1000 * (level + 1)) | 3);
    }
    /* AF, AP for both privileges and for stage 2 */
    put64(TABLES + 0x2000, SMMU_RIG_RAM | 0x4c3);
    smmu_rig_write(A_CR0, 0, 4);
    smmu_rig_write(A_STRTAB_BASE, SMMU_RIG_RAM + STRTAB, 8);
    smmu_rig_write(A_STRTAB_BASE_CFG, two_levels ? 1 << 16 | 6 << 6 | 8 : 2, 4);
    smmu_rig_write(A_CMDQ_BASE, (SMMU_RIG_RAM + CMDQ) | LOG2_QUEUE, 8);
    smmu_rig_write(A_EVENTQ_BASE, (SMMU_RIG_RAM + EVENTQ) | LOG2_QUEUE, 8);
    smmu_rig_write(A_CR0, 0xd, 4);
}

static void write_register(void)
{
    static const uint16_t regs[] = {
        A_CR0, A_CR1, A_CR2, A_GBPA, A_IRQ_CTRL, A_GERRORN, A_GERROR_IRQ_CFG0,
        A_STRTAB_BASE, A_STRTAB_BASE_CFG, A_CMDQ_BASE, A_CMDQ_PROD, A_CMDQ_CONS,
        A_EVENTQ_BASE, A_EVENTQ_PROD, A_EVENTQ_CONS, A_EVENTQ_IRQ_CFG0,
    };
    uint8_t choice = input_u8(f.in), how = input_u8(f.in);
    unsigned size = how & 1 ? 8 : 4;
    hwaddr offset = choice & 0x80 ? input_u32(f.in) & 0x1ffff :
                    regs[choice % ARRAY_SIZE(regs)] | (how & 8) << 13;
    uint64_t value = how & 2 ? pick_address() | input_u8(f.in) :
                     how & 4 ? input_u32(f.in) : input_u8(f.in);

    offset &= ~(hwaddr)(size - 1);
    if (how & 0x10) {
        smmu_rig_read(offset, size);
    } else {
        smmu_rig_write(offset, value, size);
    }
}

static void write_memory(void)
{
    uint8_t choice = input_u8(f.in);
    unsigned offset = input_u16(f.in) & ~7;

    switch (choice & 3) {
    case 0:
        put64(offset, pick_address() | (choice >> 2));
        break;
    case 1:
        /* One bit or byte of a table */
        put64(offset & 0xf3ff,
              ldq_le_p(smmu_rig_ram + (offset & 0xf3f8)) ^
              (uint64_t)input_u8(f.in) << (choice >> 2));
        break;
    default:
        put64(offset, input_u64(f.in));
        break;
    }
}

static void send_commands(void)
{
    static const uint8_t types[] = {
        1, 2, 3, 4, 5, 6, 0x10, 0x11, 0x12, 0x13, 0x20, 0x28, 0x2a, 0x30, 0x40,
        0x46,
    };
    unsigned n = 1 + (input_u8(f.in) & 3);
    uint32_t prod = smmu_rig_read(A_CMDQ_PROD, 4);

    while (n--) {
        uint8_t choice = input_u8(f.in);
        unsigned offset = CMDQ + 16 * (prod++ & 15);
        uint64_t word0 = types[choice & 15], word1 = 0;

        if (choice & 0x80) {
            word0 |= input_u64(f.in) & ~0xffULL;
            word1 = input_u64(f.in);
        } else if (choice & 0x40) {
            /* CMD_SYNC: CS, MSIData, MSIAddress */
            word0 |= (uint64_t)input_u8(f.in) << 32 |
                     (input_u8(f.in) & 3) << 12;
            word1 = pick_address();
        }
        put64(offset, word0);
        put64(offset + 8, word1);
    }
    smmu_rig_write(A_CMDQ_PROD, prod & 0x1f, 4);
}

static void repair_queue(void)
{
    smmu_rig_write(A_CMDQ_CONS, smmu_rig_read(A_CMDQ_PROD, 4), 4);
    smmu_rig_write(A_GERRORN, smmu_rig_read(A_GERROR, 4), 4);
    smmu_rig_write(A_EVENTQ_CONS, smmu_rig_read(A_EVENTQ_PROD, 4), 4);
}

static void dma(void)
{
    uint8_t choice = input_u8(f.in);
    hwaddr addr = choice & 0x80 ? input_u64(f.in) : (choice & 0x7c) << 10;
    bool write = input_u8(f.in) & 1;
    IOMMUTLBEntry e = smmu_rig_translate(choice & 3, addr,
                                         write ? IOMMU_WO : IOMMU_RO);
    bool enabled = f.s->cr[0] & 1;

    if (!enabled) {
        bool abort = f.s->gbpa >> 20 & 1;

        g_assert((e.perm == IOMMU_NONE) == abort);
        g_assert(abort || e.translated_addr == addr);
    }
    if (e.perm != IOMMU_NONE && enabled && e.translated_addr != addr) {
        g_assert_cmphex(e.translated_addr >> 52, ==, 0);
    }
}

/* Memory changes behind the SMMU's back */
static void on_read(hwaddr addr)
{
    if (f.changes) {
        f.changes--;
        write_memory();
    }
}

static void migrate(void)
{
    g_autoptr(GByteArray) stream = smmu_rig_save();
    unsigned n = input_u8(f.in) & 15;
    bool changed = n;

    while (n--) {
        unsigned offset = input_u8(f.in);

        if (offset < stream->len) {
            stream->data[offset] = input_u8(f.in);
        }
    }
    if (smmu_rig_load(stream)) {
        g_assert(changed);
        f.ended = true;
    }
}

static void check(void)
{
    SMMUv3State *s = f.s;
    size_t n;
    const SMMUv3Reg *reg = smmuv3_regs(&n);

    g_assert_cmpuint(s->cmdq.log2size, <=, s->idr[1] >> 21 & 31);
    g_assert_cmpuint(s->eventq.log2size, <=, s->idr[1] >> 16 & 31);
    for (; n--; reg++) {
        uint64_t value = smmu_rig_read(reg->offset, reg->size);

        g_assert_cmphex(value & ~smmuv3_reg_bits(reg, s->idr), ==, 0);
    }
}

static void step(void)
{
    switch (input_below(f.in, 12)) {
    case 0:
        configure();
        break;
    case 1:
    case 2:
        write_register();
        break;
    case 3:
    case 4:
        write_memory();
        break;
    case 5:
    case 6:
        send_commands();
        break;
    case 7:
        repair_queue();
        break;
    case 8:
    case 9:
        dma();
        break;
    case 10:
        f.changes = input_u8(f.in) & 3;
        smmu_rig_poll();
        break;
    case 11:
        migrate();
        break;
    }
}

void fuzz_one(Input *in)
{
    static const char *const stages[] = { "1", "2", "nested" };
    uint8_t choice = input_u8(in);

    f.in = in;
    f.changes = 0;
    f.ended = false;
    f.s = smmu_rig_new(stages[(choice & 0x7f) % ARRAY_SIZE(stages)]);
    if (choice & 0x80) {
        /* As in a subclass */
        f.s->idr[0] |= R_IDR0_MSI_MASK;
    }
    smmu_rig_on_read(on_read);
    configure();
    while (in->left && !f.ended) {
        step();
        if (!f.ended) {
            check();
        }
    }
    smmu_rig_poll();
}
