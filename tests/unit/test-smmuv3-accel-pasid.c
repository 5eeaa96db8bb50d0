/*
 * arm-smmuv3-accel: unit tests of a guest that uses PASIDs
 *
 * No emulated device sends any, so the tests compare the calls to the host bit
 * for bit: the STE of each nested HWPT, and each command.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "smmuv3-accel-rig.h"
#include "hw/arm/smmuv3-accel-commands.h"

#define IDR0_CD2L       (1U << 19)
#define IDR1_SSIDSIZE(n) ((n) << 6)

/* The host of the rig, with substreams, and devices that have PASIDs */
static FakeSMMU pasid_smmu(unsigned ssidsize, unsigned max_pasid_log2)
{
    FakeSMMU smmu = host_smmu;

    smmu.info.idr[0] |= R_IDR0_ATS_MASK;
    smmu.info.idr[1] |= IDR1_SSIDSIZE(ssidsize);
    smmu.max_pasid_log2 = max_pasid_log2;
    smmu.caps = IOMMU_HW_CAP_DIRTY_TRACKING | IOMMU_HW_CAP_PCI_PASID_PRIV;
    return smmu;
}

static void plug(Rig *rig, const FakeSMMU *smmu)
{
    rig->dev[1] = fake_vfio_bind(rig->iommufd, smmu, "0000:03:00.0", rig->s);
    g_assert_true(smmuv3_accel_device_plug(rig->s, &rig->bus[1].bus, 0,
                                           fake_vfio_hiod(rig->dev[1]),
                                           &error_abort));
}

static uint16_t pasid_cap(Rig *rig)
{
    return smmuv3_accel_pasid_cap(
        rig->s, smmuv3_accel_device_find(rig->s, &rig->bus[1].bus, 0));
}

/* The capability has what both the host and the vSMMU support */
static void test_capability(void)
{
    static const struct {
        FakeKernel kernel;
        unsigned host_ssidsize, max_pasid_log2;
        int ssidsize;           /* option of the vSMMU */
        uint64_t caps;
        uint16_t want;
    } cases[] = {
        { LINUX_6_15, 16, 16, SMMU_ACCEL_AUTO, 0, 0x1000 },
        { LINUX_7_3, 20, 20, SMMU_ACCEL_AUTO, IOMMU_HW_CAP_PCI_PASID_EXEC,
          0x1402 },
        { LINUX_7_3, 20, 16, SMMU_ACCEL_AUTO, IOMMU_HW_CAP_PCI_PASID_PRIV,
          0x1004 },
        { LINUX_7_3, 20, 20, 10, IOMMU_HW_CAP_PCI_PASID_EXEC |
          IOMMU_HW_CAP_PCI_PASID_PRIV | IOMMU_HW_CAP_DIRTY_TRACKING, 0x0a06 },
        { LINUX_7_3, 20, 1, SMMU_ACCEL_AUTO, 0, 0x0100 },
        /* Disabled for the guest, not in the device, an old kernel */
        { LINUX_7_3, 20, 20, 0, IOMMU_HW_CAP_PCI_PASID_EXEC, 0 },
        { LINUX_7_3, 20, 0, SMMU_ACCEL_AUTO, IOMMU_HW_CAP_PCI_PASID_EXEC, 0 },
        { LINUX_6_13, 20, 20, SMMU_ACCEL_AUTO, IOMMU_HW_CAP_PCI_PASID_EXEC,
          0 },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        FakeSMMU smmu = pasid_smmu(cases[i].host_ssidsize,
                                   cases[i].max_pasid_log2);
        Rig *rig = rig_new(cases[i].kernel);

        smmu.caps = cases[i].caps;
        rig->s->spec.ssidsize = cases[i].ssidsize;
        plug(rig, &smmu);
        g_assert_cmphex(pasid_cap(rig), ==, cases[i].want);
        rig_free(rig);
    }
}

/* No additional call is needed */
static void test_calls(void)
{
    FakeSMMU smmu = pasid_smmu(16, 16);
    Rig *rig = rig_new(LINUX_7_3);

    plug(rig, &smmu);
    g_assert_cmphex(pasid_cap(rig), ==, 0x1004);
    rig_assert_calls(rig, "get-hw-info ioas-alloc hwpt-alloc iova-ranges "
                     "destroy destroy viommu-alloc nested-alloc "
                     "vdevice-alloc");
    rig_free(rig);
}

/* STE: V, stage 1, S1Fmt and S1CDMax around a pointer; S1DSS below caches */
#define STE0(cdmax, fmt) \
    (0xbULL | (fmt) << 4 | 0x123456780040ULL | (uint64_t)(cdmax) << 59)
#define STE1(dss)       (0xd4ULL | (dss))

static void set_ste(Rig *rig, uint64_t word0, uint64_t word1)
{
    rig_set_ste(SID(1), &(STE) {
        .word = { word0, word0 >> 32, word1, word1 >> 32 },
    });
    rig_cfgi_ste(rig, SID(1));
}

/* S1CDMax, S1Fmt and S1DSS are forwarded, or the result is abort */
static void test_ste(void)
{
    FakeSMMU smmu = pasid_smmu(16, 16);
    Rig *rig = rig_new(LINUX_7_3);

    plug(rig, &smmu);
    g_assert_cmphex(rig->s3->idr[0] & IDR0_CD2L, ==, IDR0_CD2L);
    rig_write_cr0(rig, CR0_SMMUEN);

    for (int fmt = 0; fmt < 3; fmt++) {
        for (int dss = 0; dss < 3; dss++) {
            const uint64_t *ste;

            set_ste(rig, STE0(16, fmt), STE1(dss));
            ste = fake_vfio_ste(rig->dev[1]);
            g_assert_cmphex(ste[0], ==, STE0(16, fmt));
            g_assert_cmphex(ste[1], ==, STE1(dss));
        }
    }
    rig_assert_dma(rig, 1, "s1 123456780040 sid 100");

    /* Too many substreams, reserved values, and valid ones again */
    set_ste(rig, STE0(17, 0), STE1(2));
    rig_assert_dma(rig, 1, "abort");
    set_ste(rig, STE0(16, 3), STE1(2));
    rig_assert_dma(rig, 1, "abort");
    set_ste(rig, STE0(16, 0), STE1(3));
    rig_assert_dma(rig, 1, "abort");
    set_ste(rig, STE0(1, 2), STE1(1));
    rig_assert_dma(rig, 1, "s1 123456780040 sid 100");
    rig_free(rig);
}

/* A vSMMU with fewer substreams than its host is limited to them */
static void test_ste_less(void)
{
    FakeSMMU smmu = pasid_smmu(16, 16);
    Rig *rig = rig_new(LINUX_7_3);

    rig->s->spec.ssidsize = 8;
    smmu.info.idr[0] &= ~IDR0_CD2L;
    plug(rig, &smmu);
    rig_write_cr0(rig, CR0_SMMUEN);
    set_ste(rig, STE0(8, 0), STE1(2));
    rig_assert_dma(rig, 1, "s1 123456780040 sid 100");
    set_ste(rig, STE0(9, 0), STE1(2));
    rig_assert_dma(rig, 1, "abort");
    set_ste(rig, STE0(8, 1), STE1(2));
    rig_assert_dma(rig, 1, "abort");
    rig_free(rig);
}

static void command(Rig *rig, uint64_t word0, uint64_t word1)
{
    Cmd cmd = { .word = { word0, word0 >> 32, word1, word1 >> 32 } };

    g_assert_cmpint(smmuv3_accel_command(rig->s, &cmd), ==, SMMU_CERROR_NONE);
}

/* Commands of the guest, and those that reach the host's queue */
typedef struct Command {
    uint64_t guest[2];
    uint64_t host[2];           /* except SID and VMID, bits 63:32 of [0] */
} Command;

#define CFGI_CD         0x05ULL
#define CFGI_CD_ALL     0x06ULL
#define TLBI_NH_ASID    0x11ULL
#define ATC_INV         0x40ULL
#define IS_TLBI(word0)  ((word0) & 0x10)
#define G               (1ULL << 9)
#define SSV             (1ULL << 11)
#define SSID(n)         ((uint64_t)(n) << 12)
#define LEAF            1ULL
#define ATC_RANGE       (0x123456789000ULL | 7)     /* 2^7 pages */

static void check_commands(int ssidsize, const Command *c, size_t n)
{
    FakeSMMU smmu = pasid_smmu(20, 20);
    Rig *rig = rig_new(LINUX_7_3);
    const GArray *got = fake_iommufd_commands(rig->iommufd);

    rig->s->spec.ssidsize = ssidsize;
    rig->s->spec.ats = ON_OFF_AUTO_ON;
    plug(rig, &smmu);
    /* EATS, so that there is an ATC to invalidate */
    rig_set_ste(SID(1), &(STE) { .word = { 1 | 5 << 1 | 0x1000, 0, 1U << 28 } });
    rig_write_cr0(rig, CR0_SMMUEN);
    g_free(fake_iommufd_calls(rig->iommufd));

    for (size_t i = 0; i < n; i++) {
        uint64_t sid = IS_TLBI(c[i].guest[0]) ? 0 : SID(1);

        command(rig, c[i].guest[0] | sid << 32, c[i].guest[1]);
    }
    /* All in one call, in order */
    rig_assert_calls(rig, "");
    rig_drained(rig);
    rig_assert_calls(rig, "invalidate");
    g_assert_cmpuint(got->len, ==, n);
    for (size_t i = 0; i < n; i++) {
        const FakeCommand *host = &g_array_index(got, FakeCommand, i);

        g_assert_cmphex((uint32_t)host->cmd[0], ==, c[i].host[0]);
        g_assert_cmphex(host->cmd[1], ==, c[i].host[1]);
        if (IS_TLBI(c[i].guest[0])) {
            g_assert_cmphex(extract64(host->cmd[0], 32, 16), ==, 0x5a5a);
        } else {
            g_assert_cmphex(host->cmd[0] >> 32, ==,
                            fake_vfio_psid(rig->dev[1]));
        }
    }
    rig_free(rig);
}

static void test_commands(void)
{
    static const Command c[] = {
        { { CFGI_CD | SSID(5), LEAF }, { CFGI_CD | SSID(5), LEAF } },
        { { CFGI_CD | SSID(0xfffff), 0 }, { CFGI_CD | SSID(0xfffff), 0 } },
        { { CFGI_CD, LEAF }, { CFGI_CD, LEAF } },
        { { CFGI_CD_ALL | SSID(5), 0 }, { CFGI_CD_ALL, 0 } },
        { { TLBI_NH_ASID | SSID(5), 0 }, { TLBI_NH_ASID, 0 } },
        /* One substream, all of them, and none */
        { { ATC_INV | SSV | SSID(0x12345), ATC_RANGE },
          { ATC_INV | SSV | SSID(0x12345), ATC_RANGE } },
        { { ATC_INV | SSV | G | SSID(0x12345), 52 },
          { ATC_INV | SSV | G | SSID(0x12345), 52 } },
        { { ATC_INV, ATC_RANGE }, { ATC_INV, ATC_RANGE } },
    };

    check_commands(SMMU_ACCEL_AUTO, c, ARRAY_SIZE(c));
}

/* SubstreamIDs have as many bits as the vSMMU */
static void test_commands_less(void)
{
    static const Command c[] = {
        { { CFGI_CD | SSID(0xfff05), LEAF }, { CFGI_CD | SSID(5), LEAF } },
        { { ATC_INV | SSV | SSID(0x123ff), ATC_RANGE },
          { ATC_INV | SSV | SSID(0xff), ATC_RANGE } },
    };

    check_commands(8, c, ARRAY_SIZE(c));
}

/* Without substreams, Global, SSV and SSID are reserved, too */
static void test_commands_none(void)
{
    static const Command c[] = {
        { { CFGI_CD | SSID(5), LEAF }, { CFGI_CD, LEAF } },
        { { ATC_INV | SSV | G | SSID(5), ATC_RANGE }, { ATC_INV, ATC_RANGE } },
    };

    check_commands(0, c, ARRAY_SIZE(c));
}

int main(int argc, char **argv)
{
    rig_init(&argc, &argv);
    g_test_add_func("/smmuv3-accel/pasid/capability", test_capability);
    g_test_add_func("/smmuv3-accel/pasid/calls", test_calls);
    g_test_add_func("/smmuv3-accel/pasid/ste", test_ste);
    g_test_add_func("/smmuv3-accel/pasid/ste-less", test_ste_less);
    g_test_add_func("/smmuv3-accel/pasid/commands", test_commands);
    g_test_add_func("/smmuv3-accel/pasid/commands-less", test_commands_less);
    g_test_add_func("/smmuv3-accel/pasid/commands-none", test_commands_none);
    return g_test_run();
}
