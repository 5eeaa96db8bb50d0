/*
 * Fuzz target: the CD that a transaction uses
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/arm/smmuv3.h"
#include "hw/arm/smmuv3-cd.h"
#include "fuzz.h"

#define CD_SIZE     64
#define L1_SIZE     8
#define L2PTR       0x000ffffffffff000ULL
/* As far as IDR5.OAS of 48 bits, the most that there is */
#define CTXPTR      0x0000ffffffffffc0ULL

typedef struct Reader {
    Input *in;
    uint64_t word0;             /* of the STE */
    unsigned reads;
    uint64_t l2;                /* address of a table of level 2 */
    bool failed;
} Reader;

static unsigned cdmax(uint64_t word0)
{
    return word0 >> 59;
}

/* 0 for a linear table, or log2 of the CDs in a table of level 2 */
static unsigned leaf_bits(uint64_t word0)
{
    unsigned fmt = cdmax(word0) ? word0 >> 4 & 3 : 0;

    return fmt == 1 ? 6 : fmt == 2 ? 10 : 0;
}

/* Reads stay in the tables of the STE, and are aligned to what is read */
static bool read_table(void *opaque, dma_addr_t addr, void *buf, size_t len,
                       SMMUEventInfo *event)
{
    Reader *r = opaque;
    unsigned leaf = leaf_bits(r->word0), max = cdmax(r->word0);
    bool level1 = leaf && !r->reads;
    uint64_t base = leaf && r->reads ? r->l2 : r->word0 & CTXPTR;
    uint64_t entries = level1 ? 1ULL << (max > leaf ? max - leaf : 0) :
                       leaf ? 1ULL << leaf : 1ULL << max;
    uint64_t word = input_u64(r->in);

    g_assert_cmpuint(len, ==, level1 ? L1_SIZE : CD_SIZE);
    g_assert_cmphex(addr, >=, base);
    g_assert_cmphex(addr - base, <, entries * len);
    g_assert_cmphex((addr - base) % len, ==, 0);
    g_assert_cmpuint(r->reads, <, leaf ? 2 : 1);
    r->reads++;
    if (input_u8(r->in) & 1) {
        event->type = input_u8(r->in) & 1 ? SMMU_EVT_F_CD_FETCH :
                                            SMMU_EVT_F_WALK_EABT;
        r->failed = true;
        return false;
    }
    memset(buf, 0, len);
    stq_le_p(buf, word);
    r->l2 = word & L2PTR;
    return true;
}

void fuzz_init(void)
{
}

void fuzz_one(Input *in)
{
    uint64_t words[2] = { input_u64(in), input_u64(in) };
    STE ste = {
        .word = { words[0], words[0] >> 32, words[1], words[1] >> 32 },
    };
    uint32_t idr[2] = { input_u32(in), 20 << 6 };
    SMMUSubstream ss = { .valid = input_u8(in) & 1 };
    Reader r = { .in = in, .word0 = words[0] };
    SMMUEventInfo event = { .type = SMMU_EVT_NONE };
    SMMUCDResult res;
    CD cd;

    ss.id = ss.valid ? input_u32(in) & 0xfffff : 0;
    /* As long as an STE is legal: the caller has checked that */
    if (smmuv3_substreams_illegal(&ste, idr)) {
        return;
    }
    res = smmuv3_cd_get(&ste, ss, read_table, &r, &cd, &event);
    g_assert((res == SMMU_CD_FAULT) == (event.type != SMMU_EVT_NONE));
    g_assert(!r.failed || res == SMMU_CD_FAULT);
    if (ss.valid && res == SMMU_CD_FOUND) {
        g_assert(cdmax(words[0]) && !(ss.id >> cdmax(words[0])));
    }
    if (res == SMMU_CD_BYPASS) {
        g_assert(!ss.valid && !r.reads && (words[1] & 3) == 1);
    }
}
