/*
 * What a vSMMU may ask of the host, according to IHI 0070 and the uAPI
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "oracle.h"

#define BIT(n)          (1ULL << (n))
/* Bits @last to @first */
#define BITS(last, first)   (~0ULL >> (63 - (last)) & ~0ULL << (first))

static unsigned get(uint64_t word, unsigned last, unsigned first)
{
    return (word & BITS(last, first)) >> first;
}

static bool has_s2(const uint32_t *idr)
{
    return get(idr[0], 0, 0);
}

static bool has_ats(const uint32_t *idr)
{
    return get(idr[0], 10, 10);
}

static unsigned ssidsize(const uint32_t *idr)
{
    return MIN(get(idr[1], 10, 6), 20);
}

static unsigned oas(const uint32_t *idr)
{
    static const uint8_t bits[] = { 32, 36, 40, 42, 44, 48, 48, 48 };

    return bits[get(idr[5], 2, 0)];
}

static bool s1_is_legal(const uint64_t *ste, const uint32_t *idr)
{
    unsigned cdmax = get(ste[0], 63, 59), fmt = get(ste[0], 5, 4);
    bool stalls = !get(idr[0], 25, 24);

    if (cdmax > get(idr[1], 10, 6) || (ste[0] & BITS(51, 6)) >> oas(idr)) {
        return false;
    }
    if (cdmax && (fmt == 3 || (fmt && !get(idr[0], 19, 19)) ||
                  get(ste[1], 1, 0) == 3)) {
        return false;
    }
    if (get(ste[1], 27, 27) && !stalls) {
        return false;
    }
    return !has_ats(idr) || get(ste[1], 29, 28) <= 1;
}

void oracle_ste_mask(const uint32_t *idr, uint64_t mask[2])
{
    /* V, Config, S1Fmt, S1ContextPtr, S1CDMax */
    mask[0] = BITS(3, 0) | BITS(5, 4) | BITS(51, 6) | BITS(63, 59);
    /* S1DSS, S1CIR, S1COR, S1CSH, S1STALLD, EATS */
    mask[1] = BITS(7, 0) | BIT(27) | (has_ats(idr) ? BITS(29, 28) : 0);
}

OracleTarget oracle_target(bool smmuen, bool gbpa_abort, const uint64_t *ste,
                           const uint32_t *idr)
{
    OracleTarget t = { .kind = ORACLE_ABORT };
    unsigned config;

    if (!smmuen) {
        t.kind = gbpa_abort ? ORACLE_ABORT : ORACLE_BYPASS;
        return t;
    }
    if (!ste || !(ste[0] & 1)) {
        return t;
    }
    config = get(ste[0], 3, 1);
    if (config == 4) {
        t.kind = ORACLE_BYPASS;
    } else if (config > 5) {
        t.bad_ste = !has_s2(idr);
    } else if (config == 5) {
        t.bad_ste = !s1_is_legal(ste, idr);
        if (!t.bad_ste) {
            uint64_t mask[2];

            oracle_ste_mask(idr, mask);
            if (!get(ste[0], 63, 59)) {
                mask[0] &= ~BITS(5, 4);
                mask[1] &= ~BITS(1, 0);
            }
            t.kind = ORACLE_STAGE1;
            t.ste[0] = ste[0] & mask[0];
            t.ste[1] = ste[1] & mask[1];
        }
    }
    return t;
}

/* Commands (IHI 0070, 4) */

enum {
    CFGI_CD = 0x05,
    CFGI_CD_ALL = 0x06,
    TLBI_NH_ALL = 0x10,
    TLBI_NH_ASID = 0x11,
    TLBI_NH_VA = 0x12,
    TLBI_NH_VAA = 0x13,
    TLBI_NSNH_ALL = 0x30,
    ATC_INV = 0x40,
};

bool oracle_cmd_mask(uint64_t word0, const uint32_t *idr, uint64_t mask[2])
{
    uint64_t sid = BITS(63, 32);
    uint64_t ssid = ssidsize(idr) ? BITS(11 + ssidsize(idr), 12) : 0;
    uint64_t asid = get(idr[0], 12, 12) ? BITS(63, 48) : BITS(55, 48);
    bool ril = get(idr[3], 10, 10);

    mask[0] = BITS(7, 0);
    mask[1] = 0;
    switch (word0 & 0xff) {
    case TLBI_NH_ALL:
    case TLBI_NSNH_ALL:
        return true;
    case TLBI_NH_ASID:
        mask[0] |= asid;
        return true;
    case TLBI_NH_VA:
    case TLBI_NH_VAA:
        /* ASID; NUM, SCALE; Leaf, Address; TTL, TG */
        mask[0] |= (word0 & 0xff) == TLBI_NH_VA ? asid : 0;
        mask[0] |= ril ? BITS(16, 12) | BITS(24, 20) : 0;
        mask[1] = BIT(0) | BITS(63, 12) | (ril ? BITS(11, 8) : 0);
        return true;
    case CFGI_CD:
        mask[0] |= sid | ssid;
        mask[1] = BIT(0);
        return true;
    case CFGI_CD_ALL:
        mask[0] |= sid;
        return true;
    case ATC_INV:
        /* Global, SSV; Size, Address. QEMU itself needs no SSID for "all" */
        mask[0] |= sid | ssid | (ssidsize(idr) ? BIT(9) | BIT(11) : 0);
        mask[1] = BITS(5, 0) | BITS(63, 12);
        return has_ats(idr);
    }
    return false;
}

bool oracle_cmd_has_sid(uint64_t word0)
{
    switch (word0 & 0xff) {
    case CFGI_CD:
    case CFGI_CD_ALL:
    case ATC_INV:
        return true;
    }
    return false;
}

static bool is_tlbi(uint64_t word0)
{
    switch (word0 & 0xff) {
    case TLBI_NH_ALL:
    case TLBI_NH_ASID:
    case TLBI_NH_VA:
    case TLBI_NH_VAA:
    case TLBI_NSNH_ALL:
        return true;
    }
    return false;
}

bool oracle_cmd_covers(const uint64_t done[2], const uint64_t owed[2])
{
    unsigned type = done[0] & 0xff;

    if (done[0] == owed[0] && done[1] == owed[1]) {
        return true;
    }
    if (type == TLBI_NH_ALL || type == TLBI_NSNH_ALL) {
        return is_tlbi(owed[0]);
    }
    return type == CFGI_CD_ALL && (owed[0] & 0xff) == CFGI_CD &&
           done[0] >> 32 == owed[0] >> 32;
}
