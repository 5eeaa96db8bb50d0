/*
 * Fuzz target: specifications as a user pastes them
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/arm/smmuv3-accel-spec.h"
#include "fuzz.h"

#ifdef QEMU_SANITIZE_ADDRESS
#include <sanitizer/lsan_interface.h>
#else
#define __lsan_disable()
#define __lsan_enable()
#endif

static void check_error(bool ok, Error *err)
{
    g_assert(ok == !err);
    g_assert(ok || *error_get_pretty(err));
    error_free(err);
}

/* QEMU's JSON parser loses the value of a member that appears twice */
static bool parse(const char *text, SMMUv3AccelSpec *spec)
{
    bool json = strchr(text, '{');
    Error *err = NULL;
    bool ok;

    if (json) {
        __lsan_disable();
    }
    ok = smmuv3_accel_spec_parse(text, spec, &err);
    if (json) {
        __lsan_enable();
    }
    check_error(ok, err);
    return ok;
}

/* A specification that is printed can be parsed, and says the same */
static void check_round_trip(const SMMUv3AccelRegs *regs)
{
    g_autofree char *text = smmuv3_accel_regs_spec(regs);
    SMMUv3AccelSpec again;

    if (!*text) {
        return;
    }
    g_assert(parse(text, &again));
    for (int reg = 0; reg < SMMU_ACCEL_NR_REGS; reg++) {
        if (regs->origin[reg] != SMMU_ACCEL_ORIGIN_UNKNOWN) {
            g_assert_cmphex(again.reg[reg], ==, regs->reg[reg]);
        }
    }
}

static void check_baseline(const SMMUv3AccelRegs *a, const SMMUv3AccelRegs *b)
{
    const SMMUv3AccelNamedRegs both[] = { { "a", *a }, { "b", *b } };
    SMMUv3AccelRegs regs;
    Error *err = NULL;
    bool ok = smmuv3_accel_spec_baseline(both, 2, &regs, &err);

    check_error(ok, err);
}

static void check_host(const SMMUv3AccelSpec *spec, const SMMUv3AccelRegs *regs,
                       const SMMUv3AccelHostInfo *host)
{
    SMMUv3AccelRegs with_host;
    Error *err = NULL;
    bool ok = smmuv3_accel_regs_compare(regs, host, "0000:03:00.0", "smmu3",
                                        &err);

    check_error(ok, err);
    smmuv3_accel_regs_software_queues(regs, host);
    err = NULL;
    ok = smmuv3_accel_regs_compose(spec, host, &with_host, &err);
    check_error(ok, err);
    if (ok) {
        check_round_trip(&with_host);
        check_baseline(regs, &with_host);
    }
}

void fuzz_init(void)
{
}

/* The text, and after a zero byte a host */
void fuzz_one(Input *in)
{
    g_autofree char *text = g_strndup((const char *)in->at, in->left);
    size_t length = MIN(strlen(text) + 1, in->left);
    SMMUv3AccelHostInfo host = { 0 };
    SMMUv3AccelSpec spec;
    SMMUv3AccelRegs regs;
    Error *err = NULL;
    bool ok;

    in->at += length;
    in->left -= length;
    if (!parse(text, &spec)) {
        return;
    }
    for (int i = 0; i < 6; i++) {
        host.idr[i] = input_u32(in);
    }
    host.iidr = input_u32(in);
    host.oas_bits = input_u8(in) & 63;
    spec.page_size = 4096ULL << input_below(in, 20);
    g_free(smmuv3_accel_spec_missing(&spec));
    ok = smmuv3_accel_spec_validate(&spec, &err);
    check_error(ok, err);
    err = NULL;
    ok = smmuv3_accel_regs_compose(&spec, NULL, &regs, &err);
    check_error(ok, err);
    if (ok) {
        check_round_trip(&regs);
        check_host(&spec, &regs, &host);
    }
}
