/*
 * SMMUv3: find the Context Descriptor that a transaction uses
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bitops.h"
#include "qemu/bswap.h"
#include "hw/arm/smmuv3.h"
#include "smmuv3-cd.h"

/* STE.S1DSS: transactions without a SubstreamID; 0 terminates them */
#define S1DSS_BYPASS    1
#define S1DSS_SSID0     2

/* STE.S1Fmt: leaf tables of 64 CDs (4K) or 1024 CDs (64K); 0 is linear */
#define S1FMT_4K_L2     1
#define S1FMT_64K_L2    2

/* Level 1 descriptor (IHI 0070, 5.3) */
#define L1CD_V          BIT_ULL(0)
#define L1CD_L2PTR      MAKE_64BIT_MASK(12, 40)

static SMMUCDResult bad_substream(uint32_t ssid, SMMUEventInfo *event)
{
    event->type = SMMU_EVT_C_BAD_SUBSTREAMID;
    event->u.c_bad_substream.ssid = ssid;
    return SMMU_CD_FAULT;
}

/* By S1CDMax and S1DSS: the index of the CD, or the result without one */
static SMMUCDResult select_cd(const STE *ste, SMMUSubstream ss,
                              uint32_t *index, SMMUEventInfo *event)
{
    uint32_t max = STE_S1CDMAX(ste), dss = STE_S1DSS(ste);

    *index = ss.id;
    if (ss.valid) {
        /* A single CD has no substreams; S1DSS may reserve the CD of SSID 0 */
        if (!max || ss.id >> max || (dss == S1DSS_SSID0 && !ss.id)) {
            return bad_substream(ss.id, event);
        }
        return SMMU_CD_FOUND;
    }

    if (!max || dss == S1DSS_SSID0) {
        *index = 0;
        return SMMU_CD_FOUND;
    }
    if (dss == S1DSS_BYPASS) {
        return SMMU_CD_BYPASS;
    }
    event->type = SMMU_EVT_F_STREAM_DISABLED;
    return SMMU_CD_FAULT;
}

static bool read_table(SMMUSubstream ss, SMMUCDRead *read, void *opaque,
                       dma_addr_t addr, void *buf, size_t len,
                       SMMUEventInfo *event)
{
    if (read(opaque, addr, buf, len, event)) {
        return true;
    }
    if (event->type == SMMU_EVT_F_CD_FETCH) {
        event->u.f_cd_fetch.ssv = ss.valid;
        event->u.f_cd_fetch.ssid = ss.id;
    } else {                    /* the address has faulted in stage 2 */
        event->u.f_walk_eabt.ssv = ss.valid;
        event->u.f_walk_eabt.ssid = ss.id;
    }
    return false;
}

SMMUCDResult smmuv3_cd_get(const STE *ste, SMMUSubstream ss, SMMUCDRead *read,
                           void *opaque, CD *cd, SMMUEventInfo *event)
{
    dma_addr_t table = STE_CTXPTR(ste);
    uint32_t fmt = STE_S1CDMAX(ste) ? STE_S1FMT(ste) : 0;
    uint32_t index;
    SMMUCDResult res = select_cd(ste, ss, &index, event);

    if (res != SMMU_CD_FOUND) {
        return res;
    }

    if (fmt == S1FMT_4K_L2 || fmt == S1FMT_64K_L2) {
        unsigned leaf_bits = fmt == S1FMT_4K_L2 ? 6 : 10;
        uint64_t l1cd;

        if (!read_table(ss, read, opaque,
                        table + (index >> leaf_bits) * sizeof(l1cd),
                        &l1cd, sizeof(l1cd), event)) {
            return SMMU_CD_FAULT;
        }
        le64_to_cpus(&l1cd);
        if (!(l1cd & L1CD_V)) {
            return bad_substream(index, event);
        }
        table = l1cd & L1CD_L2PTR;
        index = extract32(index, 0, leaf_bits);
    }

    if (!read_table(ss, read, opaque, table + index * sizeof(*cd), cd,
                    sizeof(*cd), event)) {
        return SMMU_CD_FAULT;
    }
    for (int i = 0; i < ARRAY_SIZE(cd->word); i++) {
        le32_to_cpus(&cd->word[i]);
    }
    return SMMU_CD_FOUND;
}
