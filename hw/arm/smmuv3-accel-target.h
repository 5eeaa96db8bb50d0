/*
 * arm-smmuv3-accel: what a device shall be attached to
 *
 * Pure: no ioctl, no QOM, no globals. The attachment of a device is a function
 * of SMMU_CR0.SMMUEN, SMMU_GBPA and the guest's STE, and of nothing else.
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
     * For struct iommu_hwpt_arm_smmuv3, every kind: only bits that the kernel
     * takes. In host order: cpu_to_le64() before the ioctl.
     */
    uint64_t ste[2];
    SMMUEventType event;        /* what is wrong with an abort, or NONE */
    const char *why;            /* for people; a literal */
} SMMUv3AccelTarget;

/**
 * smmuv3_accel_target:
 * @smmuen: SMMU_CR0.SMMUEN
 * @gbpa: SMMU_GBPA, which counts only while @smmuen is false
 * @ste: the guest's STE in host order, NULL if there is none
 * @fetch_event: with a NULL @ste, why not (C_BAD_STREAMID, F_STE_FETCH...)
 * @idr: the vSMMU's IDR0..IDR5
 *
 * A target's event is for the caller to record when it is new. V=0 has none,
 * although a transaction would report it: no transaction is seen here, and
 * Linux passes through V=0 whenever it cannot change an STE in one write.
 */
SMMUv3AccelTarget smmuv3_accel_target(bool smmuen, uint32_t gbpa,
                                      const STE *ste,
                                      SMMUEventType fetch_event,
                                      const uint32_t *idr);

/**
 * smmuv3_accel_target_no_stall:
 * @host_idr0: the raw IDR0 of the physical SMMU
 *
 * Make a CD with S=1 as illegal on a host that can stall as it is on the
 * vSMMU, which says it cannot. No event of a stall could reach the guest, and
 * no CMD_RESUME the host.
 */
void smmuv3_accel_target_no_stall(SMMUv3AccelTarget *target,
                                  uint32_t host_idr0);

/* Take EATS out of a target: the device, or another of its group, has no ATS */
void smmuv3_accel_target_no_ats(SMMUv3AccelTarget *target);

/* Whether a device that is attached to @target may hold ATC entries */
bool smmuv3_accel_target_has_ats(const SMMUv3AccelTarget *target);

/* Targets that no STE is behind; @why is a literal */
SMMUv3AccelTarget smmuv3_accel_target_abort(const char *why);
SMMUv3AccelTarget smmuv3_accel_target_bypass(const char *why);

/**
 * smmuv3_accel_target_join:
 *
 * What two devices are attached to that the host can only attach together.
 * Neither may reach memory that the guest allows none of them, so that both
 * are blocked unless both shall be attached to the same. A guest keeps tables
 * of Context Descriptors for each StreamID, also where it gives several the
 * same contexts: S1ContextPtr may differ, and is that of @a.
 */
SMMUv3AccelTarget smmuv3_accel_target_join(const SMMUv3AccelTarget *a,
                                           const SMMUv3AccelTarget *b);

/* Whether @a and @b need the same HWPT; event and why do not matter */
bool smmuv3_accel_target_equal(const SMMUv3AccelTarget *a,
                               const SMMUv3AccelTarget *b);

/* Returns "nested ste 0x...,0x... (why)"; g_free() */
char *smmuv3_accel_target_str(const SMMUv3AccelTarget *target);

#endif /* HW_ARM_SMMUV3_ACCEL_TARGET_H */
