/*
 * SMMUv3: find the Context Descriptor that a transaction uses
 *
 * Pure: the result depends on the STE, the SubstreamID and memory, which is
 * read through a callback.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_ARM_SMMUV3_CD_H
#define HW_ARM_SMMUV3_CD_H

#include "smmuv3-internal.h"

typedef enum SMMUCDResult {
    SMMU_CD_FOUND,
    SMMU_CD_BYPASS,             /* stage 1 is bypassed, there is no CD */
    SMMU_CD_FAULT,              /* the event has the reason */
} SMMUCDResult;

/**
 * SMMUCDRead: read the memory of CD tables
 * @addr: an IPA if the STE enables stage 2, else a PA
 *
 * Returns: false if that failed, with the type of @event and the fields that
 * depend on the address filled in.
 */
typedef bool SMMUCDRead(void *opaque, dma_addr_t addr, void *buf, size_t len,
                        SMMUEventInfo *event);

/**
 * smmuv3_cd_get - fetch the CD that a transaction uses (IHI 0070, 3.3.2, 5.2)
 * @ste: a legal one that enables stage 1
 * @ss: the transaction's SubstreamID
 * @read: how to read the tables
 * @opaque: for @read
 * @cd: (out) the CD in host order if FOUND, valid or not
 * @event: (out) the event to record if FAULT, without the StreamID
 */
SMMUCDResult smmuv3_cd_get(const STE *ste, SMMUSubstream ss, SMMUCDRead *read,
                           void *opaque, CD *cd, SMMUEventInfo *event);

/**
 * smmuv3_substreams_illegal - check the substream configuration of an STE
 * @ste: an STE that enables stage 1
 * @idr: IDR0 and IDR1 at least
 *
 * Returns: a literal that says why the STE is ILLEGAL, or NULL if it is not.
 */
static inline const char *smmuv3_substreams_illegal(const STE *ste,
                                                    const uint32_t *idr)
{
    if (STE_S1CDMAX(ste) > FIELD_EX32(idr[1], IDR1, SSIDSIZE)) {
        return "S1CDMax is beyond IDR1.SSIDSIZE";
    }
    /* With a single CD, S1Fmt and S1DSS are ignored */
    if (!STE_S1CDMAX(ste)) {
        return NULL;
    }
    if (STE_S1FMT(ste) == 3) {
        return "S1Fmt is reserved";
    }
    if (STE_S1FMT(ste) && !FIELD_EX32(idr[0], IDR0, CD2L)) {
        return "S1Fmt has two levels, IDR0.CD2L is 0";
    }
    if (STE_S1DSS(ste) == 3) {
        return "S1DSS is reserved";
    }
    return NULL;
}

#endif /* HW_ARM_SMMUV3_CD_H */
