/*
 * arm-smmuv3-accel: unit tests of the ID registers
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/arm/smmuv3.h"
#include "hw/arm/smmuv3-internal.h"
#include "hw/arm/smmuv3-accel-idregs.h"
#include "qemu/units.h"

/*
 * The rules once more, derived from the uAPI and IHI 0070 instead of the table:
 * the relation of the vSMMU to the host, the values that may be given, and
 * those that a host device allows, as ranges. Fields that are not here must be
 * 0.
 */
typedef struct Expect {
    const char *field;
    char relation;      /* '<', '>', '&' (subset), 'e', 's', 'o' or '-' */
    int min, max;       /* given */
    int vmin, vmax;     /* with a host device */
} Expect;

static const Expect expect[] = {
    { "IDR0.S2P",         '-', 0, 1, 0, 0 },
    { "IDR0.S1P",         '-', 1, 1, 1, 1 },
    { "IDR0.TTF",         '&', 2, 3, 2, 3 },
    { "IDR0.COHACC",      '-', 1, 1, 1, 1 },
    { "IDR0.ATS",         '-', 0, 1, 0, 1 },
    { "IDR0.ASID16",      '<', 0, 1, 0, 1 },
    { "IDR0.MSI",         '-', 0, 1, 0, 1 },
    { "IDR0.VMID16",      '-', 0, 1, 0, 1 },
    { "IDR0.CD2L",        '<', 0, 1, 0, 1 },
    { "IDR0.TTENDIAN",    'e', 0, 2, 0, 2 },
    { "IDR0.STALL_MODEL", 's', 0, 1, 0, 1 },
    { "IDR0.TERM_MODEL",  '>', 0, 1, 0, 1 },
    { "IDR0.STLEVEL",     '-', 0, 1, 0, 1 },
    { "IDR1.SIDSIZE",     '-', 16, 32, 16, 32 },
    { "IDR1.SSIDSIZE",    '<', 0, 20, 0, 20 },
    { "IDR1.EVENTQS",     '-', 0, 19, 0, 19 },
    { "IDR1.CMDQS",       '-', 0, 19, 0, 19 },
    { "IDR3.HAD",         '-', 0, 1, 0, 0 },
    { "IDR3.XNX",         '-', 0, 1, 0, 0 },
    { "IDR3.FWB",         '-', 0, 1, 0, 0 },
    { "IDR3.RIL",         '<', 0, 1, 0, 1 },
    { "IDR3.BBML",        '<', 0, 2, 0, 2 },
    { "IDR4.IMPDEF",      '-', 0, 63, 0, 63 },
    { "IDR5.OAS",         'o', 0, 5, 0, 5 },
    { "IDR5.GRAN4K",      '&', 0, 1, 0, 1 },
    { "IDR5.GRAN16K",     '&', 0, 1, 0, 1 },
    { "IDR5.GRAN64K",     '&', 0, 1, 0, 1 },
    { "IDR5.VAX",         '<', 0, 1, 0, 1 },
    { "IDR5.STALL_MAX",   '-', 0, 32, 0, 32 },
    { "IIDR.IMPLEMENTER", '-', 0, 63, 0, 63 },
    { "IIDR.REVISION",    '-', 0, 63, 0, 63 },
    { "IIDR.VARIANT",     '-', 0, 63, 0, 63 },
    { "IIDR.PRODUCTID",   '-', 0, 63, 0, 63 },
    { "AIDR.ARCH_MINOR",  '-', 0, 63, 0, 63 },
    { "AIDR.ARCH_MAJOR",  '-', 0, 63, 0, 63 },
};

static const Expect nothing = { NULL, '-', 0, 0, 0, 0 };

static char *field_name(const SMMUv3AccelRule *rule)
{
    g_autofree char *reg = g_ascii_strup(smmuv3_accel_reg_name(rule->reg), -1);

    return g_strdup_printf("%s.%s", reg, rule->name);
}

static const Expect *find_expect(const char *field)
{
    for (size_t i = 0; i < ARRAY_SIZE(expect); i++) {
        if (!strcmp(expect[i].field, field)) {
            return &expect[i];
        }
    }
    return &nothing;
}

static bool in_range(const Expect *e, int value, bool vfio)
{
    /* the one field with a hole: 1 is reserved */
    if (e->relation == 'e' && value == 1) {
        return false;
    }
    return vfio ? value >= e->vmin && value <= e->vmax
                : value >= e->min && value <= e->max;
}

static const int oas_bits[] = { 32, 36, 40, 42, 44, 48, 52, 56 };

static bool relation_holds(char relation, int vsmmu, int host)
{
    switch (relation) {
    case '<':
        return vsmmu <= host;
    case '>':
        return vsmmu >= host;
    case '&':
        return (vsmmu & host) == vsmmu;
    case 'e':
        return host == 0 || host == vsmmu;
    case 's':
        return host == vsmmu || (host == 0 && vsmmu == 1);
    case 'o':
        return oas_bits[vsmmu] <= oas_bits[host];
    default:
        return true;
    }
}

/* A vSMMU with few features, which a host with all features backs */
static const uint32_t modest[SMMU_ACCEL_NR_REGS] = {
    [SMMU_ACCEL_IDR0] = 0x0d44101a,
    [SMMU_ACCEL_IDR1] = 0x02730010,
    [SMMU_ACCEL_IDR5] = 0x00000014,
};

static const SMMUv3AccelHostInfo rich_host = {
    .idr = { 0x0808100f, 0x00000510, 0, 0x00001c04, 0, 0x00000475 },
    .iidr = 0x4832043b,
    .aidr = 2,
    .oas_bits = 48,
};

static void spec_of(SMMUv3AccelSpec *spec, const uint32_t *regs)
{
    smmuv3_accel_spec_init(spec);
    for (int reg = 0; reg < SMMU_ACCEL_NR_REGS; reg++) {
        spec->given[reg] = true;
        spec->reg[reg] = regs[reg];
    }
}

static void regs_of(SMMUv3AccelRegs *regs, const uint32_t *value)
{
    for (int reg = 0; reg < SMMU_ACCEL_NR_REGS; reg++) {
        regs->reg[reg] = value[reg];
        regs->origin[reg] = SMMU_ACCEL_ORIGIN_GIVEN;
    }
}

static uint32_t put(const SMMUv3AccelRule *rule, uint32_t reg, uint32_t value)
{
    return deposit32(reg, rule->shift, rule->length, value);
}

static int max_value(const SMMUv3AccelRule *rule)
{
    return rule->length > 6 ? 63 : (1 << rule->length) - 1;
}

static unsigned n_lines(const char *str)
{
    unsigned n = 0;

    for (; *str; str++) {
        n += *str == '\n';
    }
    return n;
}

/* @err names @field and nothing else; frees it */
static void assert_names(Error *err, const char *field)
{
    g_autofree char *start = g_strdup_printf("\n  %s: ", field);

    g_assert_nonnull(err);
    if (!strstr(error_get_pretty(err), start) ||
        n_lines(error_get_pretty(err)) != 1) {
        g_error("expected %s alone in: %s", field, error_get_pretty(err));
    }
    error_free(err);
}

static void test_table(void)
{
    const uint32_t uapi[SMMU_ACCEL_NR_REGS] = {
        [SMMU_ACCEL_IDR0] = 0x1f68100c,     /* see the uAPI header */
        [SMMU_ACCEL_IDR1] = 0x000007ff,
        [SMMU_ACCEL_IDR3] = 0x00001c00,
        [SMMU_ACCEL_IDR5] = 0x00000c70,
        [SMMU_ACCEL_IIDR] = 0xffffffff,
        [SMMU_ACCEL_AIDR] = 0xffffffff,
    };
    uint32_t seen[SMMU_ACCEL_NR_REGS] = { 0 };
    unsigned last = 0, n_shorthands = 0;
    size_t n;
    const SMMUv3AccelRule *rules = smmuv3_accel_rules(&n);

    for (size_t i = 0; i < n; i++) {
        const SMMUv3AccelRule *r = &rules[i];
        uint32_t mask = MAKE_64BIT_MASK(r->shift, r->length);

        g_assert_cmpuint(r->reg * 32 + r->shift, >=, last);
        last = r->reg * 32 + r->shift;
        g_assert_cmphex(seen[r->reg] & mask, ==, 0);
        seen[r->reg] |= mask;
        g_assert_true(r->why && *r->why);
        g_assert_true(r->vfio == SMMU_ACCEL_ANY ||
                      (r->vfio & r->emulated & BIT_ULL(r->preset)));
        n_shorthands += r->shorthand != NULL;

        /* the host is read only where the uAPI allows it */
        if (r->compare != SMMU_ACCEL_OAS_BITS &&
            (r->inherit || r->compare != SMMU_ACCEL_IGNORE)) {
            g_assert_cmphex(mask & ~uapi[r->reg], ==, 0);
        }
    }
    g_assert_cmpuint(n_shorthands, ==, 4);
    for (size_t i = 0; i < ARRAY_SIZE(expect); i++) {
        bool found = false;

        for (size_t j = 0; j < n; j++) {
            g_autofree char *name = field_name(&rules[j]);

            found |= !strcmp(name, expect[i].field);
        }
        g_assert_true(found);
    }
}

/* STALL_MAX is 0 if and only if STALL_MODEL is not: change the other one */
static void make_stalls_agree(uint32_t *reg, const char *field)
{
    if (!strcmp(field, "IDR0.STALL_MODEL") &&
        !FIELD_EX32(reg[SMMU_ACCEL_IDR0], IDR0, STALL_MODEL)) {
        reg[SMMU_ACCEL_IDR5] |= 7 << 16;
    }
    if (!strcmp(field, "IDR5.STALL_MAX") && reg[SMMU_ACCEL_IDR5] >> 16) {
        reg[SMMU_ACCEL_IDR0] &= ~R_IDR0_STALL_MODEL_MASK;
    }
}

/* Every value of every field, given on the command line */
static void test_validate_fields(void)
{
    size_t n;
    const SMMUv3AccelRule *rules = smmuv3_accel_rules(&n);

    for (size_t i = 0; i < n; i++) {
        g_autofree char *field = field_name(&rules[i]);
        const Expect *e = find_expect(field);

        for (int value = 0; value <= max_value(&rules[i]); value++) {
            SMMUv3AccelSpec spec;
            Error *err = NULL;
            bool ok;

            spec_of(&spec, modest);
            spec.reg[SMMU_ACCEL_IDR5] |= R_IDR5_GRAN64K_MASK;
            spec.reg[rules[i].reg] = put(&rules[i], spec.reg[rules[i].reg],
                                         value);
            make_stalls_agree(spec.reg, field);
            ok = smmuv3_accel_spec_validate(&spec, &err);
            g_assert_cmpint(ok, ==, in_range(e, value, false));
            if (!ok) {
                assert_names(err, field);
            }
        }
    }
}

/* Every bit without a rule */
static void test_validate_reserved(void)
{
    static const uint32_t reserved[SMMU_ACCEL_NR_REGS] = {
        [SMMU_ACCEL_IDR0] = 0xa0000000,
        [SMMU_ACCEL_IDR2] = 0xfffffc00,
        [SMMU_ACCEL_IDR3] = 0xffff0043,
        [SMMU_ACCEL_IDR5] = 0x0000f308,
        [SMMU_ACCEL_AIDR] = 0xffffff00,
    };

    for (int reg = 0; reg < SMMU_ACCEL_NR_REGS; reg++) {
        for (int bit = 0; bit < 32; bit++) {
            g_autofree char *up = g_ascii_strup(smmuv3_accel_reg_name(reg), -1);
            g_autofree char *name = g_strdup_printf("%s[%d]", up, bit);
            SMMUv3AccelSpec spec;
            Error *err = NULL;

            if (reserved[reg] & (1U << bit)) {
                spec_of(&spec, modest);
                spec.reg[reg] |= 1U << bit;
                g_assert_false(smmuv3_accel_spec_validate(&spec, &err));
                assert_names(err, name);
            }
        }
    }
}

static void test_validate_messages(void)
{
    SMMUv3AccelSpec spec;
    SMMUv3AccelRegs regs;
    Error *err = NULL;

    spec_of(&spec, modest);
    g_assert_true(smmuv3_accel_spec_validate(&spec, &error_abort));

    spec.reg[SMMU_ACCEL_IDR0] |= R_IDR0_ATOS_MASK | R_IDR0_HTTU_MASK;
    spec.reg[SMMU_ACCEL_IDR1] = 0x02730008;
    spec.reg[SMMU_ACCEL_IDR5] = 0x6;
    spec.ril = ON_OFF_AUTO_ON;
    spec.ssidsize = 0;
    g_assert_false(smmuv3_accel_spec_validate(&spec, &err));
    g_assert_cmpstr(error_get_pretty(err), ==,
        "these ID registers cannot be honoured:"
        "\n  IDR0.HTTU: 3, can be 0 (the kernel does not nest access and dirty "
        "flag updates)"
        "\n  IDR0.ATOS: 1, can be 0 (QEMU has no address translation "
        "operations)"
        "\n  IDR1.SIDSIZE: 8, can be 16..32 (a PCIe root complex has StreamIDs "
        "of 16 bits; QEMU walks the table)"
        "\n  IDR3.RIL: 0 by idr3=0x0, but 1 by ril=on"
        "\n  IDR5.OAS: 6, can be 0..5 (stage 1 must not output more bits than "
        "stage 2 accepts; QEMU walks up to 48 bits)"
        "\n  IDR5.GRAN4K, GRAN16K, GRAN64K: all 0, one must be 1");
    error_free(err);
    err = NULL;
    g_assert_false(smmuv3_accel_regs_compose(&spec, &rich_host, &regs, &err));
    error_free(err);
    for (int reg = 0; reg < SMMU_ACCEL_NR_REGS; reg++) {
        g_assert_cmphex(regs.reg[reg], ==, 0);
    }
}

/* STALL_MODEL and STALL_MAX, where none, one or both are given */
static void test_stalls(void)
{
    static const struct {
        int host;                   /* STALL_MODEL */
        int model, max;             /* -1: not given */
        int want_model, want_max;   /* -1: an error */
    } cases[] = {
        { 0, -1, -1, 0, 32 }, { 1, -1, -1, 1, 0 }, { 2, -1, -1, 1, 0 },
        { 0, 0, -1, 0, 32 }, { 0, 1, -1, 1, 0 }, { 1, 0, -1, 0, 32 },
        { 0, -1, 0, 1, 0 }, { 0, -1, 5, 0, 5 }, { 1, -1, 0, 1, 0 },
        { 1, -1, 5, -1, -1 }, { 0, 0, 5, 0, 5 }, { 0, 1, 0, 1, 0 },
        { 0, 0, 0, -1, -1 }, { 0, 1, 5, -1, -1 },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        SMMUv3AccelHostInfo host = rich_host;
        SMMUv3AccelSpec spec;
        SMMUv3AccelRegs regs;
        Error *err = NULL;
        bool ok;

        host.idr[0] = FIELD_DP32(host.idr[0], IDR0, STALL_MODEL, cases[i].host);
        spec_of(&spec, modest);
        spec.given[SMMU_ACCEL_IDR0] = cases[i].model >= 0;
        spec.given[SMMU_ACCEL_IDR5] = cases[i].max >= 0;
        spec.reg[SMMU_ACCEL_IDR0] = FIELD_DP32(modest[SMMU_ACCEL_IDR0], IDR0,
                                               STALL_MODEL,
                                               MAX(cases[i].model, 0));
        spec.reg[SMMU_ACCEL_IDR5] |= MAX(cases[i].max, 0) << 16;
        ok = smmuv3_accel_regs_compose(&spec, &host, &regs, &err);
        g_assert_cmpint(ok, ==, cases[i].want_model >= 0);
        if (!ok) {
            assert_names(err, "IDR5.STALL_MAX");
            continue;
        }
        g_assert_cmpint(FIELD_EX32(regs.reg[SMMU_ACCEL_IDR0], IDR0,
                                   STALL_MODEL), ==, cases[i].want_model);
        g_assert_cmpint(regs.reg[SMMU_ACCEL_IDR5] >> 16, ==,
                        cases[i].want_max);
    }
}

/* Without a host, nothing can be wrong that realize has not seen */
static void test_stalls_without_host(void)
{
    SMMUv3AccelSpec spec;
    SMMUv3AccelRegs regs;

    for (int max = 0; max < 2; max++) {
        spec_of(&spec, modest);
        spec.dropin = true;
        spec.given[SMMU_ACCEL_IDR0] = false;
        spec.reg[SMMU_ACCEL_IDR5] |= max << 16;
        g_assert_true(smmuv3_accel_regs_compose(&spec, NULL, &regs,
                                                &error_abort));
        g_assert_cmpint(FIELD_EX32(regs.reg[SMMU_ACCEL_IDR0], IDR0,
                                   STALL_MODEL), ==, !max);
    }
}

/* Each shorthand with a register that agrees, and with one that does not */
static void test_shorthand_conflict(void)
{
    static const struct {
        const char *field, *text;
        OnOffAuto ril, ats;
        int ssidsize, oas;
    } cases[] = {
        { "IDR3.RIL", "0 by idr3=0x0, but 1 by ril=on", ON_OFF_AUTO_ON,
          ON_OFF_AUTO_AUTO, SMMU_ACCEL_AUTO, SMMU_ACCEL_AUTO },
        { "IDR0.ATS", "0 by idr0=0xd44101a, but 1 by ats=on",
          ON_OFF_AUTO_AUTO, ON_OFF_AUTO_ON, SMMU_ACCEL_AUTO, SMMU_ACCEL_AUTO },
        { "IDR1.SSIDSIZE", "0 by idr1=0x2730010, but 7 by ssidsize=7",
          ON_OFF_AUTO_AUTO, ON_OFF_AUTO_AUTO, 7, SMMU_ACCEL_AUTO },
        { "IDR5.OAS", "4 by idr5=0x14, but 0 by oas=32",
          ON_OFF_AUTO_AUTO, ON_OFF_AUTO_AUTO, SMMU_ACCEL_AUTO, 32 },
        { NULL, NULL, ON_OFF_AUTO_OFF, ON_OFF_AUTO_OFF, 0, 44 },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        SMMUv3AccelSpec spec;
        Error *err = NULL;
        bool ok;

        spec_of(&spec, modest);
        spec.ril = cases[i].ril;
        spec.ats = cases[i].ats;
        spec.ssidsize = cases[i].ssidsize;
        spec.oas = cases[i].oas;
        ok = smmuv3_accel_spec_validate(&spec, &err);
        g_assert_cmpint(ok, ==, !cases[i].field);
        if (!ok) {
            g_assert_nonnull(strstr(error_get_pretty(err), cases[i].text));
            assert_names(err, cases[i].field);
        }
    }
}

/* Every value of every field against every value of the host */
static void test_compare_fields(void)
{
    size_t n;
    const SMMUv3AccelRule *rules = smmuv3_accel_rules(&n);

    for (size_t i = 0; i < n; i++) {
        const SMMUv3AccelRule *r = &rules[i];
        g_autofree char *field = field_name(r);
        const Expect *e = find_expect(field);
        int max = max_value(r);

        for (int pair = 0; pair < (max + 1) * (max + 1); pair++) {
            int value = pair / (max + 1), hvalue = pair % (max + 1);
            SMMUv3AccelHostInfo host = rich_host;
            SMMUv3AccelRegs regs;
            Error *err = NULL;
            bool ok;

            if (!in_range(e, value, false)) {
                continue;   /* refused at realize */
            }
            regs_of(&regs, modest);
            regs.reg[r->reg] = put(r, regs.reg[r->reg], value);
            if (r->reg < SMMU_ACCEL_IIDR) {
                host.idr[r->reg] = put(r, host.idr[r->reg], hvalue);
            }
            if (e->relation == 'o') {
                host.oas_bits = oas_bits[hvalue];
            }
            ok = smmuv3_accel_regs_compare(&regs, &host, "dev", "smmu", &err);
            g_assert_cmpint(ok, ==, in_range(e, value, true) &&
                                    relation_holds(e->relation, value, hvalue));
            if (!ok) {
                assert_names(err, field);
            }
        }
    }
}

static void test_compare_message(void)
{
    SMMUv3AccelHostInfo host = {
        .idr = { 0x0208000e | (2 << 24), 0x10, 0, 0, 0, 0x50 },
        .oas_bits = 40,
    };
    SMMUv3AccelRegs regs;
    Error *err = NULL;

    regs_of(&regs, modest);
    regs.reg[SMMU_ACCEL_IDR0] |= R_IDR0_S2P_MASK;
    regs.reg[SMMU_ACCEL_IDR3] = R_IDR3_RIL_MASK | (2 << R_IDR3_BBML_SHIFT);
    regs.reg[SMMU_ACCEL_IDR5] = 0x74;
    regs.origin[SMMU_ACCEL_IDR5] = SMMU_ACCEL_ORIGIN_INHERITED;
    g_assert_false(smmuv3_accel_regs_compare(&regs, &host, "0000:03:00.0",
                                             "smmu3.0x9050000", &err));
    g_assert_cmpstr(error_get_pretty(err), ==,
        "device 0000:03:00.0: its SMMU smmu3.0x9050000 cannot back this vSMMU:"
        "\n  IDR0.S2P: host device needs 0, vSMMU 1 (idr0=0xd44001a)"
        "\n  IDR0.ASID16: host 0, vSMMU 1 (idr0=0xd44001a)"
        "\n  IDR0.STALL_MODEL: host 2, vSMMU 1 (no option helps: 0 needs a "
        "host that lets software choose; no guest can resume what an SMMU with "
        "2 stalls)"
        "\n  IDR3.RIL: host 0, vSMMU 1 (idr3=0x0)"
        "\n  IDR3.BBML: host 0, vSMMU 2 (idr3=0x0)"
        "\n  IDR5.OAS: host 40 bits, vSMMU 44 bits (oas=40)"
        "\n  IDR5.GRAN16K: host 0, vSMMU 1 (idr5=0x52)");
    error_free(err);
}

/* The comparison succeeds with the values that the message proposes */
static void test_compare_cure(void)
{
    SMMUv3AccelHostInfo host = rich_host;
    SMMUv3AccelRegs regs;
    Error *err = NULL;
    const char *opt;
    char *end;

    regs_of(&regs, modest);
    regs.reg[SMMU_ACCEL_IDR5] = 0x75;
    host.idr[5] = 0x10;
    host.oas_bits = 39;
    g_assert_false(smmuv3_accel_regs_compare(&regs, &host, "d", NULL, &err));
    g_assert_true(g_str_has_prefix(error_get_pretty(err),
                                   "device d: its SMMU cannot back"));
    opt = strstr(error_get_pretty(err), "(idr5=");
    g_assert_nonnull(opt);
    regs.reg[SMMU_ACCEL_IDR5] = g_ascii_strtoull(opt + 6, &end, 0);
    g_assert_cmphex(regs.reg[SMMU_ACCEL_IDR5], ==, 0x11);
    error_free(err);
    g_assert_true(smmuv3_accel_regs_compare(&regs, &host, "d", NULL,
                                            &error_abort));
}

static void test_inherit(void)
{
    static const struct {
        const char *name;
        SMMUv3AccelHostInfo host;
        uint32_t want[SMMU_ACCEL_NR_REGS];
    } cases[] = { {
        "everything, of which the walker does a part",
        { .idr = { 0xffffffff, 0xffffffff, ~0, 0xffffffff, ~0, 0xffffffff },
          .iidr = 0x4832043b, .aidr = 0x12, .oas_bits = 52 },
        { 0x0d48341a & ~R_IDR0_ATS_MASK, 0x02730510, 0, 0x1400, 0, 0x75,
          0x4832043b, 0x12 },
    }, {
        "substreams in a linear table",
        { .idr = { 0x0000100e, 0x00000410, 0, 0, 0, 0x50 }, .oas_bits = 40 },
        { 0x0c40301a, 0x02730410, 0, 0, 0, 0x200052, 0, 0 },
    }, {
        "SMMUv3.0: no RIL, no BBML, 4K only, 8-bit ASIDs, linear, AIDR 0",
        { .idr = { 0x0000000e, 0x00000010, 0, 0, 0, 0x10 }, .oas_bits = 40 },
        { 0x0c40201a, 0x02730010, 0, 0, 0, 0x200012, 0, 0 },
    }, {
        "64K only, an aperture that is no size of OAS, no stalls",
        { .idr = { 0x0100100e, 0x00000010, 0, 0x400, 0, 0x40 },
          .oas_bits = 43 },
        { 0x0d40301a, 0x02730010, 0, 0x400, 0, 0x43, 0, 0 },
    }, {
        "OAS unknown",
        { .idr = { 0x0000100e, 0x00000010, 0, 0, 0, 0x57 } },
        { 0x0c40301a, 0x02730010, 0, 0, 0, 0x200054, 0, 0 },
    } };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        SMMUv3AccelHostInfo host = cases[i].host;
        SMMUv3AccelSpec spec;
        SMMUv3AccelRegs regs;

        smmuv3_accel_spec_init(&spec);
        smmuv3_accel_regs_compose(&spec, &host, &regs, &error_abort);
        for (int reg = 0; reg < SMMU_ACCEL_NR_REGS; reg++) {
            g_test_message("%s: reg %d", cases[i].name, reg);
            g_assert_cmphex(regs.reg[reg], ==, cases[i].want[reg]);
            g_assert_cmpint(regs.origin[reg], ==,
                            reg == SMMU_ACCEL_IDR2 || reg == SMMU_ACCEL_IDR4 ?
                            SMMU_ACCEL_ORIGIN_DEFAULT :
                            SMMU_ACCEL_ORIGIN_INHERITED);
        }

        /* a valid spec, which the same host backs if it can nest */
        spec_of(&spec, regs.reg);
        g_assert_true(smmuv3_accel_spec_validate(&spec, &error_abort));
        if (i) {
            g_assert_true(smmuv3_accel_regs_compare(&regs, &host, "d", NULL,
                                                    &error_abort));
        }
    }
}

/* Bits that the uAPI does not allow to read make no difference */
static void test_inherit_uapi(void)
{
    static const uint32_t unread[6] = {
        0xe097eff3, 0xfffff800, 0xffffffff, 0xffffe3ff, 0xffffffff, 0xfffff38f,
    };
    SMMUv3AccelSpec spec;
    SMMUv3AccelRegs want, regs;

    smmuv3_accel_spec_init(&spec);
    smmuv3_accel_regs_compose(&spec, &rich_host, &want, &error_abort);
    for (int i = 0; i < 6 * 32; i++) {
        SMMUv3AccelHostInfo host = rich_host;

        if (!(unread[i / 32] & (1U << (i % 32)))) {
            continue;
        }
        host.idr[i / 32] ^= 1U << (i % 32);
        smmuv3_accel_regs_compose(&spec, &host, &regs, &error_abort);
        g_assert_cmpmem(&regs, sizeof(regs), &want, sizeof(want));
        g_assert_true(smmuv3_accel_regs_compare(&want, &host, "d", NULL,
                                                &error_abort));
    }
}

static void test_compose_mixed(void)
{
    SMMUv3AccelHostInfo host = rich_host;
    SMMUv3AccelSpec spec;
    SMMUv3AccelRegs regs;
    Error *err = NULL;

    smmuv3_accel_spec_init(&spec);
    spec.given[SMMU_ACCEL_IDR5] = true;
    spec.reg[SMMU_ACCEL_IDR5] = 0x12;
    spec.given[SMMU_ACCEL_IDR4] = true;
    spec.reg[SMMU_ACCEL_IDR4] = 0xabcd;
    spec.ril = ON_OFF_AUTO_OFF;
    spec.ats = ON_OFF_AUTO_ON;
    spec.ssidsize = 8;
    smmuv3_accel_regs_compose(&spec, &host, &regs, &error_abort);
    g_assert_cmphex(regs.reg[SMMU_ACCEL_IDR5], ==, 0x12);
    g_assert_cmpint(regs.origin[SMMU_ACCEL_IDR5], ==, SMMU_ACCEL_ORIGIN_GIVEN);
    g_assert_cmphex(regs.reg[SMMU_ACCEL_IDR4], ==, 0xabcd);
    g_assert_cmpint(regs.origin[SMMU_ACCEL_IDR4], ==, SMMU_ACCEL_ORIGIN_GIVEN);
    g_assert_cmpint(regs.origin[SMMU_ACCEL_IDR2], ==,
                    SMMU_ACCEL_ORIGIN_DEFAULT);
    g_assert_cmpint(FIELD_EX32(regs.reg[SMMU_ACCEL_IDR3], IDR3, RIL), ==, 0);
    g_assert_cmpint(FIELD_EX32(regs.reg[SMMU_ACCEL_IDR0], IDR0, ATS), ==, 1);
    g_assert_cmpint(FIELD_EX32(regs.reg[SMMU_ACCEL_IDR1], IDR1, SSIDSIZE), ==,
                    8);
    g_assert_true(smmuv3_accel_regs_compare(&regs, &host, "d", NULL,
                                            &error_abort));

    /* a shorthand that requests more than the host has */
    host.idr[3] &= ~R_IDR3_RIL_MASK;
    spec.ril = ON_OFF_AUTO_ON;
    smmuv3_accel_regs_compose(&spec, &host, &regs, &error_abort);
    g_assert_false(smmuv3_accel_regs_compare(&regs, &host, "d", NULL, &err));
    g_assert_nonnull(strstr(error_get_pretty(err),
                            "IDR3.RIL: host 0, vSMMU 1 (ril=off)"));
    assert_names(err, "IDR3.RIL");
}

static void test_compose_no_host(void)
{
    static const char all[] = "idr0, idr1, idr3, idr5, iidr, aidr";
    SMMUv3AccelSpec spec;
    SMMUv3AccelRegs regs;
    g_autofree char *missing = NULL;
    g_autofree char *some = NULL;

    smmuv3_accel_spec_init(&spec);
    missing = smmuv3_accel_spec_missing(&spec);
    g_assert_cmpstr(missing, ==, all);
    spec.ril = ON_OFF_AUTO_ON;
    spec.given[SMMU_ACCEL_IDR3] = true;
    spec.reg[SMMU_ACCEL_IDR3] = R_IDR3_RIL_MASK;
    some = smmuv3_accel_spec_missing(&spec);
    g_assert_cmpstr(some, ==, "idr0, idr1, idr5, iidr, aidr");
    smmuv3_accel_regs_compose(&spec, NULL, &regs, &error_abort);
    g_assert_cmpint(regs.origin[SMMU_ACCEL_IDR0], ==,
                    SMMU_ACCEL_ORIGIN_UNKNOWN);
    g_assert_cmphex(regs.reg[SMMU_ACCEL_IDR0], ==, 0);
    g_assert_cmpint(regs.origin[SMMU_ACCEL_IDR3], ==, SMMU_ACCEL_ORIGIN_GIVEN);

    spec_of(&spec, modest);
    spec.given[SMMU_ACCEL_IDR2] = spec.given[SMMU_ACCEL_IDR4] = false;
    g_assert_null(smmuv3_accel_spec_missing(&spec));
    smmuv3_accel_regs_compose(&spec, NULL, &regs, &error_abort);
    for (int reg = 0; reg < SMMU_ACCEL_NR_REGS; reg++) {
        g_assert_cmphex(regs.reg[reg], ==, modest[reg]);
        g_assert_cmpint(regs.origin[reg], !=, SMMU_ACCEL_ORIGIN_UNKNOWN);
    }
}

/*
 * accel=on and no host: the registers that QEMU 11 shows without one, and
 * IDR0.MSI, which does not depend on hosts.
 */
static void test_compose_dropin(void)
{
    static const uint32_t qemu11[SMMU_ACCEL_NR_REGS] = {
        [SMMU_ACCEL_IDR0] = 0xd44101a | R_IDR0_MSI_MASK,
        [SMMU_ACCEL_IDR1] = 0x2730010,
        [SMMU_ACCEL_IDR3] = 0x1404,
        [SMMU_ACCEL_IDR5] = 0x74,
        [SMMU_ACCEL_AIDR] = 1,
    };
    SMMUv3AccelSpec spec;
    SMMUv3AccelRegs regs;
    SMMUv3AccelHostInfo host = rich_host;
    Error *err = NULL;

    smmuv3_accel_spec_init(&spec);
    spec.dropin = true;
    smmuv3_accel_regs_compose(&spec, NULL, &regs, &error_abort);
    for (int reg = 0; reg < SMMU_ACCEL_NR_REGS; reg++) {
        g_assert_cmphex(regs.reg[reg], ==, qemu11[reg]);
        g_assert_cmpint(regs.origin[reg], ==, SMMU_ACCEL_ORIGIN_DEFAULT);
    }
    /* Nobody uses HAD, and a host without it does no harm */
    smmuv3_accel_regs_compare(&regs, &host, "d", NULL, &error_abort);

    /* Given registers may have it, too, but not with the strict type */
    memcpy(spec.reg, regs.reg, sizeof(spec.reg));
    memset(spec.given, true, sizeof(spec.given));
    smmuv3_accel_regs_compose(&spec, &host, &regs, &error_abort);
    smmuv3_accel_regs_compare(&regs, &host, "d", NULL, &error_abort);
    spec.dropin = false;
    smmuv3_accel_regs_compose(&spec, &host, &regs, &error_abort);
    g_assert_false(smmuv3_accel_regs_compare(&regs, &host, "d", NULL, &err));
    assert_names(err, "IDR3.HAD");

    /* Everything that KubeVirt requests and this host lacks, at once */
    smmuv3_accel_spec_init(&spec);
    spec.dropin = true;
    spec.ats = ON_OFF_AUTO_ON;
    spec.ssidsize = 20;
    spec.oas = 48;
    smmuv3_accel_regs_compose(&spec, NULL, &regs, &error_abort);
    host.idr[1] = FIELD_DP32(host.idr[1], IDR1, SSIDSIZE, 5);
    host.idr[3] &= ~R_IDR3_RIL_MASK;
    host.oas_bits = 44;
    err = NULL;
    g_assert_false(smmuv3_accel_regs_compare(&regs, &host, "d", NULL, &err));
    g_assert_cmpstr(error_get_pretty(err), ==,
        "device d: its SMMU cannot back this vSMMU:"
        "\n  IDR1.SSIDSIZE: host 5, vSMMU 20 (ssidsize=5)"
        "\n  IDR3.RIL: host 0, vSMMU 1 (ril=off)"
        "\n  IDR5.OAS: host 44 bits, vSMMU 48 bits (oas=44)");
    error_free(err);

    /* With a host, registers that are not given come from there */
    spec.ssidsize = SMMU_ACCEL_AUTO;
    smmuv3_accel_regs_compose(&spec, &host, &regs, &error_abort);
    g_assert_cmpint(FIELD_EX32(regs.reg[SMMU_ACCEL_IDR1], IDR1, SSIDSIZE), ==,
                    5);
    g_assert_cmphex(regs.reg[SMMU_ACCEL_IDR3] & R_IDR3_HAD_MASK, ==, 0);
}

/* The base device's own nested SMMU, for a hypervisor as the guest */
static void test_stage2_given(void)
{
    SMMUv3AccelSpec spec;
    SMMUv3AccelRegs regs;
    Error *err = NULL;

    spec_of(&spec, modest);
    spec.reg[SMMU_ACCEL_IDR0] |= R_IDR0_S2P_MASK;
    spec.reg[SMMU_ACCEL_IDR3] = R_IDR3_XNX_MASK | R_IDR3_FWB_MASK |
                                R_IDR3_HAD_MASK;
    smmuv3_accel_regs_compose(&spec, NULL, &regs, &error_abort);
    g_assert_false(smmuv3_accel_regs_compare(&regs, &rich_host, "d", NULL,
                                             &err));
    g_assert_cmpstr(error_get_pretty(err), ==,
        "device d: its SMMU cannot back this vSMMU:"
        "\n  IDR0.S2P: host device needs 0, vSMMU 1 (idr0=0xd44101a)"
        "\n  IDR3.HAD: host device needs 0, vSMMU 1 (idr3=0x0)"
        "\n  IDR3.XNX: host device needs 0, vSMMU 1 (idr3=0x0)"
        "\n  IDR3.FWB: host device needs 0, vSMMU 1 (idr3=0x0)");
    error_free(err);
}

/* The fields that are not 0 */
static char *fields_text(SMMUv3AccelReg reg, uint32_t value)
{
    size_t n;
    const SMMUv3AccelRule *rules = smmuv3_accel_rules(&n);
    GString *str = g_string_new(NULL);

    for (size_t i = 0; i < n; i++) {
        g_autofree char *text = smmuv3_accel_field_text(&rules[i], value);

        if (rules[i].reg == reg && smmuv3_accel_field_value(&rules[i], value)) {
            g_string_append_printf(str, "%s%s=%s", str->len ? " " : "",
                                   rules[i].name, text);
        }
    }
    return g_string_free(str, false);
}

static void test_text(void)
{
    static const struct {
        SMMUv3AccelReg reg;
        uint32_t value;
        const char *text;
    } cases[] = {
        { SMMU_ACCEL_IDR0, 0x0d44101a, "S1P=1 TTF=2 COHACC=1 ASID16=1 VMID16=1 "
          "TTENDIAN=2 STALL_MODEL=1 TERM_MODEL=1 STLEVEL=1" },
        { SMMU_ACCEL_IDR1, 0x02730010, "SIDSIZE=16 EVENTQS=19 CMDQS=19" },
        { SMMU_ACCEL_IDR3, 0, "" },
        { SMMU_ACCEL_IDR3, 0x1400, "RIL=1 BBML=2" },
        { SMMU_ACCEL_IDR5, 0x10, "GRAN4K=1" },
        { SMMU_ACCEL_IDR5, 0x11, "OAS=1(36bit) GRAN4K=1" },
        { SMMU_ACCEL_IDR5, 0x75, "OAS=5(48bit) GRAN4K=1 GRAN16K=1 GRAN64K=1" },
        { SMMU_ACCEL_IDR5, 0x7, "OAS=7" },
        { SMMU_ACCEL_IIDR, 0x4832043b,
          "IMPLEMENTER=0x43b VARIANT=0x2 PRODUCTID=0x483" },
        { SMMU_ACCEL_AIDR, 0x2, "ARCH_MINOR=0x2" },
    };
    SMMUv3AccelRegs regs = { 0 };
    char *str;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        str = fields_text(cases[i].reg, cases[i].value);
        g_assert_cmpstr(str, ==, cases[i].text);
        g_free(str);
    }

    regs_of(&regs, modest);
    str = smmuv3_accel_regs_spec(&regs);
    g_assert_cmpstr(str, ==, "idr0=0xd44101a,idr1=0x2730010,idr3=0x0,"
                    "idr5=0x14,iidr=0x0,aidr=0x0");
    g_free(str);
    regs.reg[SMMU_ACCEL_IDR4] = 1;
    regs.origin[SMMU_ACCEL_IDR0] = SMMU_ACCEL_ORIGIN_UNKNOWN;
    str = smmuv3_accel_regs_spec(&regs);
    g_assert_cmpstr(str, ==, "idr1=0x2730010,idr3=0x0,idr4=0x1,"
                    "idr5=0x14,iidr=0x0,aidr=0x0");
    g_free(str);
    regs.cmdqv_param = 0x3021;
    str = smmuv3_accel_regs_spec(&regs);
    g_assert_cmpstr(str, ==, "idr1=0x2730010,idr3=0x0,idr4=0x1,idr5=0x14,"
                    "iidr=0x0,aidr=0x0,cmdqv=on,cmdqv-param=0x3021");
    g_free(str);
    g_assert_cmpstr(SMMUv3AccelOrigin_str(SMMU_ACCEL_ORIGIN_GIVEN), ==,
                    "given");
}

/* Pages, and what the host's SMMU has: 0 for no host */
static void test_hardware_cmdqs(void)
{
    static const struct {
        uint64_t page_size;
        unsigned host, want;
    } cases[] = {
        { 4 * KiB, 0, 8 }, { 16 * KiB, 0, 10 }, { 64 * KiB, 0, 12 },
        { 2 * MiB, 0, 17 }, { 32 * MiB, 0, 19 }, { 1 * GiB, 0, 19 },
        { LONG_MAX, 0, 19 },
        { 4 * KiB, 7, 7 }, { 4 * KiB, 8, 8 }, { 4 * KiB, 19, 8 },
        { 2 * MiB, 16, 16 }, { 2 * MiB, 18, 17 }, { 1 * GiB, 19, 19 },
        { 1 * GiB, 20, 19 },            /* the architecture has 19 */
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        SMMUv3AccelHostInfo host = rich_host, *known = &host;

        host.idr[1] = FIELD_DP32(host.idr[1], IDR1, CMDQS, cases[i].host);
        if (!cases[i].host) {
            known = NULL;
        }
        g_assert_cmpuint(smmuv3_accel_hardware_cmdqs(cases[i].page_size, known),
                         ==, cases[i].want);
    }
}

/* Whether there is a CMDQV, with which PARAM, and what IDR1.CMDQS is then */
static void test_compose_cmdqv(void)
{
    enum { NO_HOST = -1 };
    static const struct {
        OnOffAuto cmdqv;
        uint32_t given;
        int host;               /* its PARAM */
        uint32_t param;
        unsigned cmdqs;         /* of 2 MiB pages and a host with 16 */
    } cases[] = {
        { ON_OFF_AUTO_OFF, 0, 0x4011, 0, 19 },
        { ON_OFF_AUTO_OFF, 0x3021, 0x4011, 0, 19 },
        { ON_OFF_AUTO_AUTO, 0, NO_HOST, 0, 19 },
        { ON_OFF_AUTO_AUTO, 0x3021, NO_HOST, 0, 19 },
        { ON_OFF_AUTO_AUTO, 0, 0, 0, 19 },
        { ON_OFF_AUTO_AUTO, 0, 0x2021, 0x2021, 16 },
        { ON_OFF_AUTO_AUTO, 0x3011, 0x2021, 0x3011, 16 },
        { ON_OFF_AUTO_ON, 0, NO_HOST, 0x4011, 17 },
        { ON_OFF_AUTO_ON, 0x3021, NO_HOST, 0x3021, 17 },
        { ON_OFF_AUTO_ON, 0, 0, 0x4011, 16 },
        { ON_OFF_AUTO_ON, 0, 0x2021, 0x2021, 16 },
        { ON_OFF_AUTO_ON, 0x3021, 0x2021, 0x3021, 16 },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        bool has_host = cases[i].host != NO_HOST;
        SMMUv3AccelHostInfo host = rich_host;
        SMMUv3AccelSpec spec;
        SMMUv3AccelRegs regs;

        host.idr[1] = FIELD_DP32(host.idr[1], IDR1, CMDQS, 16);
        host.cmdqv_param = MAX(cases[i].host, 0);
        smmuv3_accel_spec_init(&spec);
        spec.dropin = true;
        spec.cmdqv = cases[i].cmdqv;
        spec.cmdqv_param = cases[i].given;
        spec.page_size = 2 * MiB;
        smmuv3_accel_regs_compose(&spec, has_host ? &host : NULL, &regs,
                                  &error_abort);
        g_test_message("case %zu", i);
        g_assert_cmphex(regs.cmdqv_param, ==, cases[i].param);
        g_assert_cmpuint(FIELD_EX32(regs.reg[SMMU_ACCEL_IDR1], IDR1, CMDQS),
                         ==, cases[i].cmdqs);

        /* What is given stays, and a host with less is no reason to refuse */
        spec.given[SMMU_ACCEL_IDR1] = true;
        spec.reg[SMMU_ACCEL_IDR1] = modest[SMMU_ACCEL_IDR1];
        smmuv3_accel_regs_compose(&spec, has_host ? &host : NULL, &regs,
                                  &error_abort);
        g_assert_cmphex(regs.reg[SMMU_ACCEL_IDR1], ==,
                        modest[SMMU_ACCEL_IDR1]);
        if (has_host) {
            g_assert_true(smmuv3_accel_regs_compare(&regs, &host, "d", NULL,
                                                    &error_abort));
        }
    }

    /* Linux needs this much of its own SMMU, 4 KiB pages are the smallest */
    g_assert_cmpuint(smmuv3_accel_hardware_cmdqs(4 * KiB, NULL), >=,
                     SMMU_ACCEL_CMDQS_LINUX);
}

/* What keeps queues with QEMU on a host, as far as registers tell */
static void test_software_queues(void)
{
    static const struct {
        uint32_t param, host_param;
        unsigned cmdqs, host_cmdqs;
        const char *why;
    } cases[] = {
        { 0, 0, 19, 8, NULL },
        { 0, 0x4011, 19, 8, NULL },
        { 0x4011, 0x4011, 8, 8, NULL },
        { 0x3011, 0x4021, 8, 19, NULL },
        { 0x4011, 0x3011, 8, 8, NULL },     /* StreamIDs do not matter */
        { 0x4011, 0, 8, 8, "the host has no CMDQV of version 1" },
        { 0x4021, 0x4011, 8, 8, "the host's CMDQV has fewer queues" },
        { 0x4011, 0x4011, 9, 8, "the host's IDR1.CMDQS is less" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        SMMUv3AccelRegs regs = { .cmdqv_param = cases[i].param };
        SMMUv3AccelHostInfo host = { .cmdqv_param = cases[i].host_param };
        const char *why;

        regs.reg[SMMU_ACCEL_IDR1] = FIELD_DP32(0, IDR1, CMDQS, cases[i].cmdqs);
        host.idr[1] = FIELD_DP32(0, IDR1, CMDQS, cases[i].host_cmdqs);
        why = smmuv3_accel_regs_software_queues(&regs, &host);
        g_assert_cmpint(!why, ==, !cases[i].why);
        g_assert_true(!why || g_str_has_prefix(why, cases[i].why));
    }
}

static void test_parse(void)
{
    static const struct {
        const char *str;
        int ssidsize, oas;      /* -2: an error */
    } cases[] = {
        { "auto", -1, -1 }, { "0", 0, -2 }, { "1", 1, -2 }, { "20", 20, -2 },
        { "21", -2, -2 }, { "32", -2, 32 }, { "33", -2, -2 },
        { "36", -2, 36 }, { "40", -2, 40 }, { "42", -2, 42 },
        { "44", -2, 44 }, { "48", -2, 48 }, { "52", -2, -2 },
        { "", -2, -2 }, { "-1", -2, -2 }, { " 1", -2, -2 }, { "+8", -2, -2 },
        { "8x", -2, -2 }, { "0x8", -2, -2 }, { "AUTO", -2, -2 },
        { "4294967340", -2, -2 }, { "99999999999999999999", -2, -2 },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        Error *err = NULL;
        int out = -2;

        g_assert_cmpint(smmuv3_accel_parse_ssidsize(cases[i].str, &out, &err),
                        ==, cases[i].ssidsize != -2);
        g_assert_cmpint(out, ==, cases[i].ssidsize);
        g_assert_cmpint(!err, ==, out != -2);
        if (!err) {
            g_autofree char *str = smmuv3_accel_auto_to_str(out);

            g_assert_cmpstr(str, ==, cases[i].str);
        }
        error_free(err);

        err = NULL;
        out = -2;
        g_assert_cmpint(smmuv3_accel_parse_oas(cases[i].str, &out, &err),
                        ==, cases[i].oas != -2);
        g_assert_cmpint(out, ==, cases[i].oas);
        g_assert_cmpint(!err, ==, out != -2);
        error_free(err);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/smmuv3-accel/idregs/table", test_table);
    g_test_add_func("/smmuv3-accel/idregs/validate/fields",
                    test_validate_fields);
    g_test_add_func("/smmuv3-accel/idregs/validate/reserved",
                    test_validate_reserved);
    g_test_add_func("/smmuv3-accel/idregs/validate/messages",
                    test_validate_messages);
    g_test_add_func("/smmuv3-accel/idregs/validate/stalls", test_stalls);
    g_test_add_func("/smmuv3-accel/idregs/validate/stalls-without-host",
                    test_stalls_without_host);
    g_test_add_func("/smmuv3-accel/idregs/validate/shorthands",
                    test_shorthand_conflict);
    g_test_add_func("/smmuv3-accel/idregs/compare/fields",
                    test_compare_fields);
    g_test_add_func("/smmuv3-accel/idregs/compare/message",
                    test_compare_message);
    g_test_add_func("/smmuv3-accel/idregs/compare/cure", test_compare_cure);
    g_test_add_func("/smmuv3-accel/idregs/compose/inherit", test_inherit);
    g_test_add_func("/smmuv3-accel/idregs/compose/uapi", test_inherit_uapi);
    g_test_add_func("/smmuv3-accel/idregs/compose/mixed", test_compose_mixed);
    g_test_add_func("/smmuv3-accel/idregs/compose/no-host",
                    test_compose_no_host);
    g_test_add_func("/smmuv3-accel/idregs/compose/dropin",
                    test_compose_dropin);
    g_test_add_func("/smmuv3-accel/idregs/compose/stage2", test_stage2_given);
    g_test_add_func("/smmuv3-accel/idregs/cmdqs", test_hardware_cmdqs);
    g_test_add_func("/smmuv3-accel/idregs/compose/cmdqv", test_compose_cmdqv);
    g_test_add_func("/smmuv3-accel/idregs/software-queues",
                    test_software_queues);
    g_test_add_func("/smmuv3-accel/idregs/text", test_text);
    g_test_add_func("/smmuv3-accel/idregs/parse", test_parse);
    return g_test_run();
}
