/*
 * arm-smmuv3-accel: decide what a device is attached to
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bitops.h"
#include "smmuv3-accel-target.h"
#include "smmuv3-cd.h"

/* The bits of an STE by 64-bit word (IHI 0070, 5.2) */
#define STE0_V              BIT_ULL(0)
#define STE0_CONFIG_BYPASS  (4ULL << 1)
#define STE0_CONFIG         MAKE_64BIT_MASK(1, 3)
#define STE0_S1FMT          MAKE_64BIT_MASK(4, 2)
#define STE0_S1CONTEXTPTR   MAKE_64BIT_MASK(6, 46)
#define STE0_S1CDMAX        MAKE_64BIT_MASK(59, 5)
#define STE1_S1DSS          MAKE_64BIT_MASK(0, 2)
#define STE1_S1CIR          MAKE_64BIT_MASK(2, 2)
#define STE1_S1COR          MAKE_64BIT_MASK(4, 2)
#define STE1_S1CSH          MAKE_64BIT_MASK(6, 2)
#define STE1_S1STALLD       BIT_ULL(27)
#define STE1_EATS           MAKE_64BIT_MASK(28, 2)

/*
 * The kernel refuses an STE with any other bit (struct iommu_hwpt_arm_smmuv3).
 * A guest may set some of them, such as SHCFG. An SMMU without the feature that
 * they configure ignores them, so clear them instead of making them illegal.
 */
#define STE0_ALLOWED (STE0_V | STE0_CONFIG | STE0_S1FMT | STE0_S1CONTEXTPTR | \
                      STE0_S1CDMAX)
#define STE1_ALLOWED (STE1_S1DSS | STE1_S1CIR | STE1_S1COR | STE1_S1CSH |     \
                      STE1_S1STALLD | STE1_EATS)

/* IDR0.STALL_MODEL of an SMMU that lets software choose */
#define STALL_MODEL_BOTH 0

static SMMUv3AccelTarget target_abort(SMMUEventType event, const char *why)
{
    return (SMMUv3AccelTarget) {
        .kind = SMMU_ACCEL_ABORT,
        .ste = { STE0_V, 0 },
        .event = event,
        .why = why,
    };
}

static SMMUv3AccelTarget target_bypass(const char *why)
{
    return (SMMUv3AccelTarget) {
        .kind = SMMU_ACCEL_BYPASS,
        .ste = { STE0_V | STE0_CONFIG_BYPASS, 0 },
        .event = SMMU_EVT_NONE,
        .why = why,
    };
}

/*
 * Returns why the stage 1 configuration of @ste is ILLEGAL (IHI 0070, 5.2), or
 * NULL. The kernel passes these fields on, and the hardware would check them
 * with its own ID registers instead of those of the vSMMU.
 */
static const char *s1_illegal(const STE *ste, uint64_t ctxptr,
                              const uint32_t *idr)
{
    int oas = oas2bits(MIN(FIELD_EX32(idr[5], IDR5, OAS), 5));
    const char *illegal = smmuv3_substreams_illegal(ste, idr);

    if (illegal) {
        return illegal;
    }
    if (ctxptr >> oas) {
        return "S1ContextPtr is beyond IDR5.OAS";
    }
    if (STE_S1STALLD(ste) && FIELD_EX32(idr[0], IDR0, STALL_MODEL)) {
        return "S1STALLD is set, IDR0.STALL_MODEL is not 0";
    }
    /* 2 is split-stage ATS, which needs both stages */
    if (STE_EATS(ste) > 1 && FIELD_EX32(idr[0], IDR0, ATS)) {
        return "EATS is reserved or needs stage 2";
    }
    return NULL;
}

static SMMUv3AccelTarget target_nested(const STE *ste, const uint32_t *idr)
{
    uint64_t word0 = (uint64_t)ste->word[1] << 32 | ste->word[0];
    uint64_t word1 = (uint64_t)ste->word[3] << 32 | ste->word[2];
    const char *illegal = s1_illegal(ste, word0 & STE0_S1CONTEXTPTR, idr);

    if (illegal) {
        return target_abort(SMMU_EVT_C_BAD_STE, illegal);
    }
    /* Clear fields that are ignored here, so the hardware ignores them, too */
    if (!STE_S1CDMAX(ste)) {
        word0 &= ~STE0_S1FMT;
        word1 &= ~STE1_S1DSS;
    }
    if (!FIELD_EX32(idr[0], IDR0, ATS)) {
        word1 &= ~STE1_EATS;
    }
    return (SMMUv3AccelTarget) {
        .kind = SMMU_ACCEL_NESTED,
        .ste = { word0 & STE0_ALLOWED, word1 & STE1_ALLOWED },
        .event = SMMU_EVT_NONE,
        .why = "stage 1",
    };
}

static SMMUv3AccelTarget target_ste(const STE *ste, const uint32_t *idr)
{
    uint32_t config = STE_CONFIG(ste);

    if (!STE_VALID(ste)) {
        return target_abort(SMMU_EVT_NONE, "STE is not valid");
    }
    /* 1 to 3 are reserved and behave as 0 */
    if (STE_CFG_ABORT(config)) {
        return target_abort(SMMU_EVT_NONE, "STE says abort");
    }
    if (STE_CFG_BYPASS(config)) {
        return target_bypass("STE says bypass");
    }
    if (STE_CFG_S2_ENABLED(config)) {
        if (!FIELD_EX32(idr[0], IDR0, S2P)) {
            return target_abort(SMMU_EVT_C_BAD_STE,
                                "STE enables stage 2, IDR0.S2P is 0");
        }
        /* Legal, but a vSMMU with S2P=1 accepts no host device */
        return target_abort(SMMU_EVT_NONE, "stage 2 cannot be forwarded");
    }
    return target_nested(ste, idr);
}

SMMUv3AccelTarget smmuv3_accel_target(bool smmuen, uint32_t gbpa,
                                      const STE *ste,
                                      SMMUEventType fetch_event,
                                      const uint32_t *idr)
{
    if (!smmuen) {
        return FIELD_EX32(gbpa, GBPA, ABORT) ?
               target_abort(SMMU_EVT_NONE, "SMMUEN=0, GBPA says abort") :
               target_bypass("SMMUEN=0, GBPA says bypass");
    }
    if (!ste) {
        return target_abort(fetch_event, "no STE");
    }
    return target_ste(ste, idr);
}

/* On other hosts S1STALLD itself is ILLEGAL, and not needed */
static bool host_may_stall(const SMMUv3AccelTarget *target, uint32_t host_idr0)
{
    return target->kind == SMMU_ACCEL_NESTED &&
           FIELD_EX32(host_idr0, IDR0, STALL_MODEL) == STALL_MODEL_BOTH;
}

void smmuv3_accel_target_no_stall(SMMUv3AccelTarget *target,
                                  uint32_t host_idr0)
{
    if (host_may_stall(target, host_idr0)) {
        target->ste[1] |= STE1_S1STALLD;
    }
}

bool smmuv3_accel_target_may_stall(const SMMUv3AccelTarget *target,
                                   uint32_t host_idr0)
{
    return host_may_stall(target, host_idr0) &&
           !(target->ste[1] & STE1_S1STALLD);
}

void smmuv3_accel_target_no_ats(SMMUv3AccelTarget *target)
{
    target->ste[1] &= ~STE1_EATS;
}

bool smmuv3_accel_target_has_ats(const SMMUv3AccelTarget *target)
{
    return target->kind == SMMU_ACCEL_NESTED && target->ste[1] & STE1_EATS;
}

SMMUv3AccelTarget smmuv3_accel_target_abort(const char *why)
{
    return target_abort(SMMU_EVT_NONE, why);
}

SMMUv3AccelTarget smmuv3_accel_target_bypass(const char *why)
{
    return target_bypass(why);
}

SMMUv3AccelTarget smmuv3_accel_target_join(const SMMUv3AccelTarget *a,
                                           const SMMUv3AccelTarget *b)
{
    if (a->kind == b->kind && a->ste[1] == b->ste[1] &&
        !((a->ste[0] ^ b->ste[0]) & ~STE0_S1CONTEXTPTR)) {
        return *a;
    }
    return target_abort(SMMU_EVT_NONE, "functions of one IOMMU group of the "
                        "host have different STEs");
}

bool smmuv3_accel_target_equal(const SMMUv3AccelTarget *a,
                               const SMMUv3AccelTarget *b)
{
    return a->kind == b->kind &&
           a->ste[0] == b->ste[0] && a->ste[1] == b->ste[1];
}

char *smmuv3_accel_target_str(const SMMUv3AccelTarget *target)
{
    return g_strdup_printf("%s ste 0x%" PRIx64 ",0x%" PRIx64 " (%s)",
                           SMMUv3AccelTargetKind_str(target->kind),
                           target->ste[0], target->ste[1], target->why);
}
