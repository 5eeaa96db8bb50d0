/*
 * arm-smmuv3-accel: unit tests of specifications as text
 *
 * Built with the compiler's address and undefined behaviour checks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/arm/smmuv3-accel-spec.h"

#ifdef SANITIZED
#include <sanitizer/lsan_interface.h>
#else
#define __lsan_disable()
#define __lsan_enable()
#endif

#define ALL "idr0=0xd44101a,idr1=0x2730010,idr3=0x1400,idr5=0x74," \
            "iidr=0x4832043b,aidr=0x2"

static const uint32_t all[SMMU_ACCEL_NR_REGS] = {
    [SMMU_ACCEL_IDR0] = 0x0d44101a,
    [SMMU_ACCEL_IDR1] = 0x02730010,
    [SMMU_ACCEL_IDR3] = 0x00001400,
    [SMMU_ACCEL_IDR5] = 0x00000074,
    [SMMU_ACCEL_IIDR] = 0x4832043b,
    [SMMU_ACCEL_AIDR] = 0x00000002,
};

/* QEMU's JSON parser loses the value of a member that appears twice */
static bool parse(const char *text, SMMUv3AccelSpec *spec, Error **errp)
{
    bool json = strchr(text, '{');
    bool ok;

    if (json) {
        __lsan_disable();
    }
    ok = smmuv3_accel_spec_parse(text, spec, errp);
    if (json) {
        __lsan_enable();
    }
    return ok;
}

static void assert_all(const SMMUv3AccelSpec *spec)
{
    g_autofree char *missing = smmuv3_accel_spec_missing(spec);

    g_assert_null(missing);
    for (int reg = 0; reg < SMMU_ACCEL_NR_REGS; reg++) {
        g_assert_cmphex(spec->reg[reg], ==, all[reg]);
    }
}

/* All syntaxes for the same six registers */
static void test_forms(void)
{
    static const char *const forms[] = {
        ALL,
        " " ALL ",\n",
        "arm-smmuv3-accel," ALL,
        "arm-smmuv3-accel,id=smmu1,bus=pcie.1,host-smmu=smmu3.0x9050000," ALL,
        "-device arm-smmuv3-accel,primary-bus=pcie.1," ALL,
        ALL ",driver=arm-smmuv3-accel,idr2=0,idr4=00",
        "idr0=222564378,idr1=0x02730010,idr3=012000,idr5=0X74,"
        "iidr=0x4832043B,aidr=2,ril=on,ats=off,ssidsize=0,oas=44",
        "{\"driver\": \"arm-smmuv3-accel\", \"id\": \"smmu1\", "
        "\"idr0\": 222564378, \"idr1\": 41091088, \"idr3\": 5120, "
        "\"idr5\": 116, \"iidr\": 1211237435, \"aidr\": 2, \"oas\": \"44\"}",
        "# by hand\n"
        "[machine]\n  type = \"virt\"\n\n"
        "[device \"pcie.1\"]\n  driver = \"pxb-pcie\"\n"
        "[device \"smmu1\"]\n  driver = \"arm-smmuv3-accel\"\n"
        "  bus = \"pcie.1\"\n  idr0 = \"0xd44101a\"\n"
        "  idr1 = \"0x2730010\"\n  idr3 = \"0x1400\"\n  idr5 = \"0x74\"\n"
        "  iidr = \"0x4832043b\"\n  aidr = \"0x2\"\n",
    };

    for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
        SMMUv3AccelSpec spec;

        g_test_message("%s", forms[i]);
        smmuv3_accel_spec_parse(forms[i], &spec, &error_abort);
        assert_all(&spec);
    }
}

static void test_values(void)
{
    SMMUv3AccelSpec spec;

    smmuv3_accel_spec_parse("idr3=0xffffffff,ril=on,ats=off,ssidsize=20,"
                            "oas=48", &spec, &error_abort);
    g_assert_cmphex(spec.reg[SMMU_ACCEL_IDR3], ==, UINT32_MAX);
    g_assert_true(spec.given[SMMU_ACCEL_IDR3]);
    g_assert_false(spec.given[SMMU_ACCEL_IDR0]);
    g_assert_cmpint(spec.ril, ==, ON_OFF_AUTO_ON);
    g_assert_cmpint(spec.ats, ==, ON_OFF_AUTO_OFF);
    g_assert_cmpint(spec.ssidsize, ==, 20);
    g_assert_cmpint(spec.oas, ==, 48);

    smmuv3_accel_spec_parse("idr3=0", &spec, &error_abort);
    g_assert_cmpint(spec.cmdqv, ==, ON_OFF_AUTO_OFF);
    g_assert_cmphex(spec.cmdqv_param, ==, 0);
    smmuv3_accel_spec_parse("cmdqv=on,cmdqv-param=0x3021", &spec,
                            &error_abort);
    g_assert_cmpint(spec.cmdqv, ==, ON_OFF_AUTO_ON);
    g_assert_cmphex(spec.cmdqv_param, ==, 0x3021);

    smmuv3_accel_spec_parse("ril=auto,ssidsize=auto,oas=auto", &spec,
                            &error_abort);
    g_assert_cmpint(spec.ril, ==, ON_OFF_AUTO_AUTO);
    g_assert_cmpint(spec.ssidsize, ==, SMMU_ACCEL_AUTO);
    g_assert_cmpint(spec.oas, ==, SMMU_ACCEL_AUTO);
}

/* What newer QEMU, libvirt and KubeVirt write */
static void test_dropin(void)
{
    static const char *const forms[] = {
        "arm-smmuv3,id=iommu0,primary-bus=pci.1,accel=on,ats=on,ril=off,"
        "ssidsize=20,oas=48",
        "-device arm-smmuv3,oas=48,ssidsize=20,ril=off,ats=on,accel=on",
        "arm-smmuv3-accel,accel=on,ats=on,ril=off,ssidsize=20,oas=48",
        "{\"driver\": \"arm-smmuv3\", \"primary-bus\": \"pci.1\", "
        "\"id\": \"iommu0\", \"accel\": true, \"ats\": \"on\", "
        "\"ril\": \"off\", \"ssidsize\": \"20\", \"oas\": \"48\"}",
        "[device \"old\"]\ndriver = \"arm-smmuv3\"\n"
        "[device \"iommu0\"]\ndriver = \"arm-smmuv3\"\naccel = \"on\"\n"
        "ats = \"on\"\nril = \"off\"\nssidsize = \"20\"\noas = \"48\"\n",
    };

    for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
        g_autofree char *printed = NULL;
        SMMUv3AccelSpec spec;
        SMMUv3AccelRegs regs;

        g_test_message("%s", forms[i]);
        smmuv3_accel_spec_parse(forms[i], &spec, &error_abort);
        g_assert_true(spec.dropin);
        smmuv3_accel_regs_compose(&spec, NULL, &regs, &error_abort);
        printed = smmuv3_accel_regs_spec(&regs);
        /* Like QEMU 11.1 without a host, except IDR0.MSI */
        g_assert_cmpstr(printed, ==, "idr0=0xd44341a,idr1=0x2730510,"
                        "idr3=0x1004,idr5=0x75,iidr=0x0,aidr=0x1");
    }
}

static void test_errors(void)
{
#define NOT_A_REG(v) "idr0 '" v "' is not a number of 32 bits, such as " \
                     "idr0=0x1400 or idr0=5120"
#define THOSE "those are idr0..idr5, iidr, aidr, ril, ats, ssidsize, oas, " \
              "cmdqv, cmdqv-param"
#define NO_ACCEL "without accel=on arm-smmuv3 is an emulated SMMU, whose " \
                 "registers cannot be set: add accel=on"
#define NO_CMDQV "cmdqv-param needs cmdqv=on: add that, or remove it"
#define NO_SECTION "no section [device \"...\"] with driver = " \
                   "\"arm-smmuv3-accel\", or with \"arm-smmuv3\" and " \
                   "accel = \"on\""
    static const struct {
        const char *text, *error;
    } cases[] = {
        { "", "the specification is empty: give idr0..idr5, iidr, aidr, ril, "
          "ats, ssidsize, oas, cmdqv, cmdqv-param" },
        { "-device\n", "the specification is empty: give idr0..idr5, iidr, "
          "aidr, ril, ats, ssidsize, oas, cmdqv, cmdqv-param" },
        { "idr0=", NOT_A_REG("") },
        { "idr0=x", NOT_A_REG("x") },
        { "idr0=-1", NOT_A_REG("-1") },
        { "idr0= 1", NOT_A_REG(" 1") },
        { "idr0=1 ", NULL },    /* the end of the text is trimmed */
        { "idr0=1 ,idr1=2", NOT_A_REG("1 ") },
        { "idr0=0x", NOT_A_REG("0x") },
        { "idr0=08", NOT_A_REG("08") },
        { "idr0=0x100000000", NOT_A_REG("0x100000000") },
        { "idr0=99999999999999999999", NOT_A_REG("99999999999999999999") },
        { "idr0=1,,idr1=2", NOT_A_REG("1,idr1=2") },
        { "idr0=1,idr1=2,idr0=1", "idr0 is given twice" },
        { "idr6=0", "'idr6' is not an option of arm-smmuv3-accel that "
          "specifies registers: " THOSE },
        { "idr0 =0", "'idr0 ' is not an option of arm-smmuv3-accel that "
          "specifies registers: " THOSE },
        { "x=1", "'x' is not an option of arm-smmuv3-accel that specifies "
          "registers: " THOSE },
        { "=1", "'' is not an option of arm-smmuv3-accel that specifies "
          "registers: " THOSE },
        { "idr0=0,ril", "'ril' is not an option with a value, such as ril=on" },
        { "ril=yes", "ril 'yes' is none of 'on', 'off' and 'auto'" },
        { "ats=", "ats '' is none of 'on', 'off' and 'auto'" },
        { "ssidsize=21", "ssidsize '21' is neither 0..20 nor 'auto'" },
        { "oas=39", "oas '39' is none of 32, 36, 40, 42, 44, 48 and 'auto'" },
        { "pxb-pcie,id=pcie.1,bus_nr=8", "these are options of 'pxb-pcie', "
          "not of arm-smmuv3-accel or arm-smmuv3,accel=on" },
        { "arm-smmuv3,ril=on", NO_ACCEL },
        { "arm-smmuv3,accel=off", NO_ACCEL },
        { "arm-smmuv3-accel,accel=off", NULL },
        { "arm-smmuv3,accel=1", "Parameter 'accel' expects 'on' or 'off'" },
        { "{\"driver\": \"arm-smmuv3\"}", NO_ACCEL },
        { "{\"driver\": \"arm-smmuv3\", \"accel\": \"on\"}",
          "accel must be true or false in JSON: \"accel\": true" },
        { "arm-smmuv3-accel,driver=arm-smmuv3-accel",
          "driver is given twice" },
        { "{\"idr0\": \"0x10\"}", "idr0 must be a number in JSON: "
          "\"idr0\": 16" },
        { "{\"idr0\": true}", "idr0 must be a number of 32 bits in JSON" },
        { "{\"idr0\": -1}", "idr0 must be a number of 32 bits in JSON" },
        { "{\"idr0\": 4294967296}", NOT_A_REG("4294967296") },
        { "{\"oas\": 44}", "oas must be a string in JSON: "
          "\"oas\": \"auto\"" },
        { "{\"accel\": true}", NULL },
        { "{\"cmdqv\": true}", "cmdqv must be a string in JSON: "
          "\"cmdqv\": \"auto\"" },
        { "{\"cmdqv\": \"on\", \"cmdqv-param\": 16401}", NULL },
        { "{\"cmdqv\": \"on\", \"cmdqv-param\": \"0x4011\"}",
          "cmdqv-param must be a number in JSON: \"cmdqv-param\": 16401" },
        { "cmdqv=yes", "cmdqv 'yes' is none of 'on', 'off' and 'auto'" },
        { "cmdqv=on,cmdqv-param=x", "cmdqv-param 'x' is not a number of 32 bits, "
          "such as cmdqv-param=0x1400 or cmdqv-param=5120" },
        { "cmdqv-param=0x4011", NO_CMDQV },
        { "cmdqv=off,cmdqv-param=0x4011", NO_CMDQV },
        { "cmdqv=auto,cmdqv-param=0x4011", NULL },
        { "cmdqv=on,cmdqv-param=0x4012", "cmdqv-param=0x4012: VER (bits 3 to "
          "0) has to be 1; 0x4011 has two queues" },
        { "cmdqv=on,cmdqv-param=0x4221", "cmdqv-param=0x4221: LOG2_VINTFS "
          "(bits 11 to 8) is 0 for a guest; 0x4011 has two queues" },
        { "{\"driver\": \"pxb-pcie\"}", "these are options of 'pxb-pcie', "
          "not of arm-smmuv3-accel or arm-smmuv3,accel=on" },
        { "[device \"a\"]\ndriver = \"pxb-pcie\"", NO_SECTION },
        { "[device \"a\"]\ndriver = \"arm-smmuv3\"", NO_SECTION },
        { "[device \"a\"]\ndriver = \"arm-smmuv3\"\naccel = \"off\"",
          NO_ACCEL },
        { "[device \"a\"]\ndriver = \"arm-smmuv3-accel\"\n"
          "[device \"b\"]\ndriver = \"arm-smmuv3-accel\"",
          "[device \"a\"] and [device \"b\"] are both for arm-smmuv3-accel: "
          "keep one" },
        { "[device \"a\"]\ndriver = \"arm-smmuv3-accel\"\nidr0 = 16",
          "idr0 = 16: put the value in double quotes" },
        { "[device \"a\"]\ndriver = \"arm-smmuv3-accel\"\nidr0 = \"",
          "idr0 = \": put the value in double quotes" },
        { "[device \"a\"]\ndriver = \"arm-smmuv3-accel\"\nidr0 =",
          "idr0 = : put the value in double quotes" },
        { "[device \"a\"]\ndriver = \"arm-smmuv3-accel\"\nidr0 = \"x\"",
          NOT_A_REG("x") },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        SMMUv3AccelSpec spec;
        Error *err = NULL;

        g_test_message("%s", cases[i].text);
        g_assert_cmpint(smmuv3_accel_spec_parse(cases[i].text, &spec, &err),
                        ==, !cases[i].error);
        g_assert_cmpstr(err ? error_get_pretty(err) : NULL, ==,
                        cases[i].error);
        error_free(err);
    }
}

/* Syntax errors of other parsers may change */
static void test_bad_syntax(void)
{
    static const char *const texts[] = {
        "{", "{\"idr0\": }", "{\"idr0\": 1, \"idr0\": 1}", "{} {}", "[1, 2]",
        "[device", "[]\nx", "# only a remark", "[device \"a\"]\nno value",
    };

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        SMMUv3AccelSpec spec;
        Error *err = NULL;

        g_assert_false(parse(texts[i], &spec, &err));
        g_assert_nonnull(err);
        error_free(err);
    }
}

/* Any @text gives an error or a specification, never both or neither */
static void parse_any(const char *text)
{
    g_autofree char *printed = NULL;
    SMMUv3AccelSpec spec, again;
    SMMUv3AccelRegs regs;
    Error *err = NULL;

    if (!parse(text, &spec, &err)) {
        g_assert_nonnull(err);
        error_free(err);
        return;
    }
    g_assert_null(err);
    if (!smmuv3_accel_regs_compose(&spec, NULL, &regs, &err)) {
        g_assert_nonnull(err);
        error_free(err);
        return;
    }
    printed = smmuv3_accel_regs_spec(&regs);
    if (*printed) {
        smmuv3_accel_spec_parse(printed, &again, &error_abort);
        for (int reg = 0; reg < SMMU_ACCEL_NR_REGS; reg++) {
            g_assert_cmphex(regs.reg[reg], ==, again.reg[reg]);
        }
    }
}

/* Words of a specification, and some others */
static const char *const words[] = {
    "idr0", "idr1", "idr2", "idr3", "idr4", "idr5", "idr6", "iidr", "aidr",
    "ril", "ats", "ssidsize", "oas", "driver", "id", "bus", "host-smmu",
    "arm-smmuv3-accel", "arm-smmuv3", "accel", "-device ", "cmdqv",
    "cmdqv-param", "0x4011",
    "=", ",", ",,", "0x", "0", "1", "2", "20",
    "44", "0xd44101a", "0x2730010", "0x1400", "0x74", "4294967295",
    "4294967296", "on", "off", "auto", "{", "}", "[", "]", ":", "\"", "#",
    "\n", " ", "\\", "\\u0000", "\\ud800", "\xff", "[device \"a\"]\n",
    " = \"", "driver = \"arm-smmuv3-accel\"\n", "true", "null", "-1", "1e99",
};

static void append_words(GString *text, GRand *rand)
{
    for (int n = g_rand_int_range(rand, 1, 24); n; n--) {
        g_string_append(text, words[g_rand_int_range(rand, 0,
                                                     ARRAY_SIZE(words))]);
    }
}

/* Change, drop or duplicate some bytes */
static void mutate(GString *text, GRand *rand)
{
    for (int n = g_rand_int_range(rand, 1, 6); n && text->len; n--) {
        gsize at = g_rand_int_range(rand, 0, text->len);

        switch (g_rand_int_range(rand, 0, 3)) {
        case 0:
            text->str[at] = g_rand_int_range(rand, 1, 256);
            break;
        case 1:
            g_string_erase(text, at, 1);
            break;
        default:
            g_string_insert(text, at, words[g_rand_int_range(rand, 0,
                                            ARRAY_SIZE(words))]);
            break;
        }
    }
}

static void test_fuzz(void)
{
    static const char *const seeds[] = {
        ALL, "arm-smmuv3-accel,id=s,bus=pcie.1,ril=on,oas=44,ssidsize=8",
        "{\"driver\": \"arm-smmuv3-accel\", \"idr0\": 222564378, "
        "\"ril\": \"on\"}",
        "[device \"s\"]\ndriver = \"arm-smmuv3-accel\"\nidr0 = \"0x1\"\n",
        "arm-smmuv3,accel=on,ats=on,cmdqv=on,cmdqv-param=0x4011",
        "{\"driver\": \"arm-smmuv3\", "
        "\"accel\": true, \"oas\": \"48\"}",
        NULL,
    };
    g_autoptr(GRand) rand = g_rand_new_with_seed(3);

    for (int i = 0; i < 100000; i++) {
        g_autoptr(GString) text =
            g_string_new(seeds[g_rand_int_range(rand, 0, ARRAY_SIZE(seeds))]);

        if (!text->len) {
            append_words(text, rand);
        }
        mutate(text, rand);
        parse_any(text->str);
    }
}

static void test_sanitized(void)
{
#ifndef SANITIZED
    g_test_skip("the compiler has no address sanitizer");
#endif
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/smmuv3-accel/spec/forms", test_forms);
    g_test_add_func("/smmuv3-accel/spec/values", test_values);
    g_test_add_func("/smmuv3-accel/spec/dropin", test_dropin);
    g_test_add_func("/smmuv3-accel/spec/errors", test_errors);
    g_test_add_func("/smmuv3-accel/spec/syntax", test_bad_syntax);
    g_test_add_func("/smmuv3-accel/spec/fuzz", test_fuzz);
    g_test_add_func("/smmuv3-accel/spec/sanitized", test_sanitized);
    return g_test_run();
}
