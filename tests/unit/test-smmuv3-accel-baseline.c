/*
 * arm-smmuv3-accel: unit tests of the most that several hosts can back
 *
 * Built with the compiler's address and undefined behaviour checks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/bitops.h"
#include "hw/arm/smmuv3-accel-spec.h"

/* Medium values, so that each field can be increased and decreased */
#define MIDDLE "idr0=0xd44101a,idr1=0x2730010,idr3=0x0,idr5=0x74,iidr=0x0," \
               "aidr=0x1"

static void regs_of(SMMUv3AccelRegs *regs, const char *text)
{
    SMMUv3AccelSpec spec;

    smmuv3_accel_spec_parse(text, &spec, &error_abort);
    smmuv3_accel_regs_compose(&spec, NULL, regs, &error_abort);
}

/* The baseline of @n specifications as text; NULL with an error */
static char *baseline(const char *const *texts, size_t n, Error **errp)
{
    g_autofree SMMUv3AccelNamedRegs *named = g_new0(SMMUv3AccelNamedRegs, n);
    static const char *const names[] = { "one", "two", "three" };
    SMMUv3AccelRegs out;

    for (size_t i = 0; i < n; i++) {
        named[i].name = names[i];
        regs_of(&named[i].regs, texts[i]);
    }
    return smmuv3_accel_spec_baseline(named, n, &out, errp) ?
           smmuv3_accel_regs_spec(&out) : NULL;
}

/*
 * Three invented hosts; the result is derived by hand from the user page:
 *
 *              one                 two                three       all
 * IDR0         ASID16              ASID16             -           -
 *              CD2L                CD2L               CD2L        CD2L
 *              MSI                 MSI                MSI         MSI
 *              TTF 2               TTF 3              TTF 2       TTF 2
 *              TERM_MODEL 1        0                  1           1
 * IDR1         SSIDSIZE 20         16                 8           8
 * IDR3         RIL BBML 2          RIL BBML 1         RIL         RIL
 * IDR5         48 bits 4K 16K 64K  44 bits 4K 64K     48 bits 64K 44 bits 64K
 *              VAX 1               VAX 1              VAX 0       VAX 0
 * IIDR         0x4832043b          0x4832043b         0x1234     0
 * AIDR         3.2 = 0x02          3.3 = 0x03         3.1 = 0x01  0x01
 */
static void test_three_hosts(void)
{
    static const char *const hosts[] = {
        "idr0=0xd48301a,idr1=0x2730510,idr3=0x1400,idr5=0x475,"
        "iidr=0x4832043b,aidr=0x2",
        "idr0=0x948301e,idr1=0x2730410,idr3=0xc00,idr5=0x454,"
        "iidr=0x4832043b,aidr=0x3",
        "idr0=0xd48201a,idr1=0x2730210,idr3=0x400,idr5=0x45,"
        "iidr=0x1234,aidr=0x1",
    };
    g_autofree char *out = baseline(hosts, 3, &error_abort);
    g_autofree char *one = baseline(hosts, 1, &error_abort);

    g_assert_cmpstr(out, ==, "idr0=0xd48201a,idr1=0x2730210,idr3=0x400,"
                    "idr5=0x44,iidr=0x0,aidr=0x1");
    g_assert_cmpstr(one, ==, hosts[0]);
}

/* MIDDLE with a CMDQV, unless @param is NULL; g_free() */
static char *with_param(const char *param)
{
    return param ? g_strconcat(MIDDLE ",cmdqv=on,cmdqv-param=", param, NULL)
                 : g_strdup(MIDDLE);
}

/* The largest CMDQV that all have, or none if one has none */
static void test_cmdqv(void)
{
    static const struct {
        const char *params[3], *want;
    } cases[] = {
        { { "0x4011", "0x4011", "0x4011" }, "0x4011" },
        { { "0x3031", "0x4011", "0x4021" }, "0x3011" },
        { { "0x4031", "0x2031", "0x3021" }, "0x2021" },
        { { "0x4011", NULL, "0x4011" }, NULL },
        { { NULL, "0x4011", "0x4011" }, NULL },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        g_autofree char *out = NULL, *want = with_param(cases[i].want);
        char *texts[3];

        for (int j = 0; j < 3; j++) {
            texts[j] = with_param(cases[i].params[j]);
        }
        out = baseline((const char *const *)texts, 3, &error_abort);
        g_assert_cmpstr(out, ==, want);
        for (int j = 0; j < 3; j++) {
            g_free(texts[j]);
        }
    }
}

/*
 * Every field that can have several values with a host device: two values, and
 * the result if two hosts have one of them each. Derived by hand from the
 * meaning of the field (IHI 0070 6.3) instead of the table.
 */
static const struct Mix {
    const char *field;
    uint32_t low, high, mixed;
} mixes[] = {
    { "idr0.TTF", 2, 3, 2 },            /* AArch64; and AArch32 */
    { "idr0.ATS", 0, 1, 0 },
    { "idr0.ASID16", 0, 1, 0 },
    { "idr0.MSI", 0, 1, 0 },
    { "idr0.VMID16", 0, 1, 0 },
    { "idr0.CD2L", 0, 1, 0 },
    { "idr0.TTENDIAN", 0, 2, 2 },       /* mixed; little */
    { "idr0.STALL_MODEL", 0, 1, 1 },    /* a choice; none */
    { "idr0.TERM_MODEL", 0, 1, 1 },     /* CD.A can be 0; must be 1 */
    { "idr0.STLEVEL", 0, 1, 0 },
    { "idr1.SIDSIZE", 16, 32, 16 },
    { "idr1.SSIDSIZE", 1, 20, 1 },
    { "idr1.EVENTQS", 7, 19, 7 },
    { "idr1.CMDQS", 7, 19, 7 },
    { "idr3.RIL", 0, 1, 0 },
    { "idr3.BBML", 1, 2, 1 },
    { "idr4.IMPDEF", 7, 8, 0 },
    { "idr5.OAS", 2, 5, 2 },
    { "idr5.GRAN4K", 0, 1, 0 },
    { "idr5.GRAN16K", 0, 1, 0 },
    { "idr5.GRAN64K", 0, 1, 0 },
    { "idr5.VAX", 0, 1, 0 },
    { "idr5.STALL_MAX", 0, 32, 0 },
    { "iidr.IMPLEMENTER", 0x43b, 0x43c, 0 },
    { "iidr.REVISION", 1, 2, 0 },
    { "iidr.VARIANT", 1, 2, 0 },
    { "iidr.PRODUCTID", 0x483, 0x487, 0 },
    { "aidr.ARCH_MINOR", 1, 3, 1 },
    { "aidr.ARCH_MAJOR", 0, 1, 0 },
};

static const struct Mix *find_mix(const SMMUv3AccelRule *r)
{
    g_autofree char *name = g_strdup_printf("%s.%s",
                                            smmuv3_accel_reg_name(r->reg),
                                            r->name);

    for (size_t i = 0; i < ARRAY_SIZE(mixes); i++) {
        if (!strcmp(mixes[i].field, name)) {
            return &mixes[i];
        }
    }
    return NULL;
}

static uint32_t mix_field(const SMMUv3AccelRule *r, uint32_t a, uint32_t b)
{
    SMMUv3AccelNamedRegs named[2] = { { "a" }, { "b" } };
    uint32_t values[2] = { a, b };
    SMMUv3AccelRegs out;

    for (int i = 0; i < 2; i++) {
        uint32_t *reg = &named[i].regs.reg[r->reg];

        regs_of(&named[i].regs, MIDDLE);
        *reg = deposit32(*reg, r->shift, r->length, values[i]);
    }
    smmuv3_accel_spec_baseline(named, 2, &out, &error_abort);
    for (int reg = 0; reg < SMMU_ACCEL_NR_REGS; reg++) {
        if (reg != r->reg) {
            g_assert_cmphex(out.reg[reg], ==, named[0].regs.reg[reg]);
        }
    }
    return extract32(out.reg[r->reg], r->shift, r->length);
}

/* Every field x {equal, below, above} */
static void test_fields(void)
{
    unsigned found = 0;
    size_t n;
    const SMMUv3AccelRule *rules = smmuv3_accel_rules(&n);

    for (size_t i = 0; i < n; i++) {
        const SMMUv3AccelRule *r = &rules[i];
        const struct Mix *mix = find_mix(r);

        g_test_message("%s", r->name);
        /* only one value */
        g_assert_cmpint(!mix, ==, r->vfio && !(r->vfio & (r->vfio - 1)));
        if (!mix) {
            continue;
        }
        found++;
        g_assert_cmpuint(mix_field(r, mix->low, mix->low), ==, mix->low);
        g_assert_cmpuint(mix_field(r, mix->high, mix->high), ==, mix->high);
        g_assert_cmpuint(mix_field(r, mix->low, mix->high), ==, mix->mixed);
        g_assert_cmpuint(mix_field(r, mix->high, mix->low), ==, mix->mixed);
    }
    g_assert_cmpuint(found, ==, ARRAY_SIZE(mixes));
}

static void test_no_answer(void)
{
    static const struct {
        const char *texts[3];
        const char *error;
    } cases[] = { {
        { MIDDLE, MIDDLE ",idr2=0", "idr0=0xd44101a,idr1=0x2730010,idr3=0x0,"
          "idr5=0x14,iidr=0x0,aidr=0x1" }, NULL
    }, {
        { "idr0=0xd44101a,idr1=0x2730010,idr3=0x0,idr5=0x15,iidr=0x0,aidr=0x1",
          "idr0=0xd44101a,idr1=0x2730010,idr3=0x0,idr5=0x64,iidr=0x0,aidr=0x1",
          MIDDLE },
        "no specification runs on all of these hosts:"
        "\n  IDR5.GRAN4K, GRAN16K, GRAN64K: none in common (one: 4K, "
        "two: 16K+64K, three: 4K+16K+64K)"
    }, {
        { "idr0=0xd44101b,idr1=0x2730010,idr3=0x0,idr5=0x74,iidr=0x0,aidr=0x1",
          "idr0=0xd44101b,idr1=0x2730010,idr3=0x4,idr5=0x74,iidr=0x0,aidr=0x1",
          "idr0=0xd44101b,idr1=0x2730010,idr3=0x0,idr5=0x74,iidr=0x0,aidr=0x1"
        },
        "no specification runs on all of these hosts:"
        "\n  IDR0.S2P: a host device needs 0 (one: 1, two: 1, three: 1)"
    } };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        Error *err = NULL;
        g_autofree char *out = baseline(cases[i].texts, 3, &err);

        g_assert_cmpint(!out, ==, !!err);
        g_assert_cmpstr(err ? error_get_pretty(err) : NULL, ==,
                        cases[i].error);
        error_free(err);
    }
}

/* A host as the kernel may describe it, and the registers for the device */
static void random_host(GRand *rand, SMMUv3AccelHostInfo *host,
                        SMMUv3AccelRegs *regs)
{
    static const uint8_t bits[] = { 32, 36, 39, 40, 42, 44, 48, 52 };
    SMMUv3AccelSpec spec;

    smmuv3_accel_spec_init(&spec);
    do {
        for (int i = 0; i < 6; i++) {
            host->idr[i] = g_rand_int(rand);
        }
        host->iidr = g_rand_int_range(rand, 0, 2);
        host->aidr = g_rand_int_range(rand, 0, 4);
        host->oas_bits = bits[g_rand_int_range(rand, 0, ARRAY_SIZE(bits))];
        smmuv3_accel_regs_compose(&spec, host, regs, &error_abort);
    } while (!smmuv3_accel_regs_compare(regs, host, "host", NULL, NULL) ||
             !(regs->reg[SMMU_ACCEL_IDR5] & 0x70));
}

#define N_HOSTS 3

static bool all_fit(const SMMUv3AccelRegs *regs,
                    const SMMUv3AccelHostInfo *hosts)
{
    for (int i = 0; i < N_HOSTS; i++) {
        if (!smmuv3_accel_regs_compare(regs, &hosts[i], "host", NULL, NULL)) {
            return false;
        }
    }
    return true;
}

/* With more of any limited feature, one of @hosts does not fit */
static void assert_best(const SMMUv3AccelRegs *best,
                        const SMMUv3AccelHostInfo *hosts)
{
    size_t n;
    const SMMUv3AccelRule *rules = smmuv3_accel_rules(&n);

    for (size_t i = 0; i < n; i++) {
        const SMMUv3AccelRule *r = &rules[i];
        uint32_t value = extract32(best->reg[r->reg], r->shift, r->length);

        if (!r->inherit || r->vfio == SMMU_ACCEL_ANY) {
            continue;
        }
        for (uint32_t v = 0; v < 1U << r->length; v++) {
            SMMUv3AccelRegs more = *best;
            /* The one field whose feature is a lower value */
            bool is_more = r->compare == SMMU_ACCEL_STALLS_LIKE ? v < value :
                           v > value;

            if (is_more && r->vfio & r->emulated & BIT_ULL(v)) {
                more.reg[r->reg] = deposit32(more.reg[r->reg], r->shift,
                                             r->length, v);
                g_assert_false(all_fit(&more, hosts));
            }
        }
    }
}

static void test_random_hosts(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(7);
    int answers = 0;

    for (int i = 0; i < 3000; i++) {
        SMMUv3AccelNamedRegs named[N_HOSTS] = { { "a" }, { "b" }, { "c" } };
        SMMUv3AccelHostInfo hosts[N_HOSTS];
        SMMUv3AccelRegs best;

        for (int j = 0; j < N_HOSTS; j++) {
            random_host(rand, &hosts[j], &named[j].regs);
        }
        if (smmuv3_accel_spec_baseline(named, N_HOSTS, &best, NULL)) {
            g_assert_true(all_fit(&best, hosts));
            assert_best(&best, hosts);
            answers++;
        }
    }
    g_assert_cmpint(answers, >, 500);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/smmuv3-accel/baseline/three-hosts", test_three_hosts);
    g_test_add_func("/smmuv3-accel/baseline/cmdqv", test_cmdqv);
    g_test_add_func("/smmuv3-accel/baseline/fields", test_fields);
    g_test_add_func("/smmuv3-accel/baseline/no-answer", test_no_answer);
    g_test_add_func("/smmuv3-accel/baseline/random-hosts", test_random_hosts);
    return g_test_run();
}
