/*
 * arm-smmuv3-accel: decide what a device is attached to
 *
 * Pure: no ioctl, no QOM, no globals. The attachment of a device depends only
 * on SMMU_CR0.SMMUEN, SMMU_GBPA and the guest's STE.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_ARM_SMMUV3_ACCEL_TARGET_H
#define HW_ARM_SMMUV3_ACCEL_TARGET_H

#include "hw/arm/smmuv3.h"
#include "qapi/qapi-types-smmuv3-accel.h"
#include "smmuv3-internal.h"

typedef struct SMMUv3AccelTarget {
    SMMUv3AccelTargetKind kind;
    /*
     * For struct iommu_hwpt_arm_smmuv3, with any kind: only bits that the
     * kernel accepts. In host order: cpu_to_le64() before the ioctl.
     */
    uint64_t ste[2];
    SMMUEventType event;        /* why it is an abort, or NONE */
    const char *why;            /* for humans; a literal */
} SMMUv3AccelTarget;

/**
 * smmuv3_accel_target:
 * @smmuen: SMMU_CR0.SMMUEN
 * @gbpa: SMMU_GBPA, which applies only while @smmuen is false
 * @ste: the guest's STE in host order, NULL if there is none
 * @fetch_event: the reason if @ste is NULL (C_BAD_STREAMID, F_STE_FETCH...)
 * @idr: the vSMMU's IDR0..IDR5
 *
 * The caller records the event of a target when it is new. V=0 has no event,
 * although a transaction would report it: QEMU sees no transactions, and Linux
 * sets V=0 for a moment whenever it cannot change an STE in one write.
 */
SMMUv3AccelTarget smmuv3_accel_target(bool smmuen, uint32_t gbpa,
                                      const STE *ste,
                                      SMMUEventType fetch_event,
                                      const uint32_t *idr);

/**
 * smmuv3_accel_target_no_stall:
 * @host_idr0: the raw IDR0 of the physical SMMU
 *
 * Make a CD with S=1 illegal on a host that can stall. It is illegal on a vSMMU
 * that cannot stall, and nobody would hear of the stall of a device that the
 * host's kernel does not let stall: it would last for ever.
 */
void smmuv3_accel_target_no_stall(SMMUv3AccelTarget *target,
                                  uint32_t host_idr0);

/* Whether transactions may stall that are translated by @target */
bool smmuv3_accel_target_may_stall(const SMMUv3AccelTarget *target,
                                   uint32_t host_idr0);

/* Clear EATS in a target, because a member of the group has no ATS */
void smmuv3_accel_target_no_ats(SMMUv3AccelTarget *target);

/* Whether a device that is attached to @target may hold ATC entries */
bool smmuv3_accel_target_has_ats(const SMMUv3AccelTarget *target);

/* Targets without an STE; @why is a literal */
SMMUv3AccelTarget smmuv3_accel_target_abort(const char *why);
SMMUv3AccelTarget smmuv3_accel_target_bypass(const char *why);

/**
 * smmuv3_accel_target_join:
 *
 * Returns the target of two devices that the host can only attach together. A
 * device must not reach memory that the guest does not allow it to reach, so
 * both are blocked unless their targets agree. A guest has a table of Context
 * Descriptors for each StreamID, even if several of them have the same
 * contexts. Therefore S1ContextPtr may differ; that of @a is used.
 */
SMMUv3AccelTarget smmuv3_accel_target_join(const SMMUv3AccelTarget *a,
                                           const SMMUv3AccelTarget *b);

/* Whether @a and @b need the same HWPT; event and why do not matter */
bool smmuv3_accel_target_equal(const SMMUv3AccelTarget *a,
                               const SMMUv3AccelTarget *b);

/* Returns "nested ste 0x...,0x... (why)"; g_free() */
char *smmuv3_accel_target_str(const SMMUv3AccelTarget *target);

#endif /* HW_ARM_SMMUV3_ACCEL_TARGET_H */
