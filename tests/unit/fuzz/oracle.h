/*
 * What a vSMMU may ask of the host, according to IHI 0070 and the uAPI
 *
 * A second implementation of the decisions in hw/arm/smmuv3-accel-target.c and
 * hw/arm/smmuv3-accel-cmd.c, by bit numbers, which shares no code with them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TESTS_UNIT_FUZZ_ORACLE_H
#define TESTS_UNIT_FUZZ_ORACLE_H

/* What the DMA of a stream is; the values are those of STE.Config */
typedef enum OracleKind {
    ORACLE_ABORT = 0,
    ORACLE_BYPASS = 4,
    ORACLE_STAGE1 = 5,
} OracleKind;

typedef struct OracleTarget {
    OracleKind kind;
    uint64_t ste[2];        /* of stage 1: words for the host */
    bool bad_ste;           /* C_BAD_STE is reported */
} OracleTarget;

/* @ste: 8 words of 64 bits; NULL: no STE. @idr: IDR0 to IDR5 */
OracleTarget oracle_target(bool smmuen, bool gbpa_abort, const uint64_t *ste,
                           const uint32_t *idr);

/* Bits of a stage 1 STE that the host may see, with these ID registers */
void oracle_ste_mask(const uint32_t *idr, uint64_t mask[2]);

/*
 * Bits of a command that the host may see. Returns false if it may not see the
 * command at all.
 */
bool oracle_cmd_mask(uint64_t word0, const uint32_t *idr, uint64_t mask[2]);

/* Whether the command is for one StreamID, in its upper 32 bits */
bool oracle_cmd_has_sid(uint64_t word0);

/* Whether the host has carried out @owed when it has carried out @done */
bool oracle_cmd_covers(const uint64_t done[2], const uint64_t owed[2]);

#endif
