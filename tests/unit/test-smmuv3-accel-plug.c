/*
 * arm-smmuv3-accel: unit tests of plug and unplug, on a fake host
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "smmuv3-accel-rig.h"

/* The calls for the SMMU of a device and the range of stage 2 */
#define ASK "get-hw-info ioas-alloc hwpt-alloc iova-ranges destroy destroy"

/* The first and every other device follows its STE at once */
static void test_plug(void)
{
    Rig *rig = rig_new(LINUX_7_3);

    rig_write_cr0(rig, CR0_SMMUEN);
    rig_set_s1(SID(1), 0x1000);
    rig_set_config(SID(3), 4);
    for (int bus = 1; bus <= 3; bus++) {
        g_assert(rig_plug(rig, bus, &error_abort));
    }
    rig_assert_dma(rig, 1, "s1 1000 sid 100");
    rig_assert_dma(rig, 2, "abort");
    rig_assert_dma(rig, 3, "stage2");
    g_free(fake_iommufd_calls(rig->iommufd));

    /* The device that the vIOMMU was allocated with is unplugged first */
    rig_unplug(rig, 1);
    rig_assert_calls(rig, "detach destroy destroy");
    rig_unplug(rig, 3);
    rig_assert_calls(rig, "detach destroy");
    /* vDEVICE, event queue, abort HWPT, vIOMMU */
    rig_write_cr0(rig, CR0_SMMUEN | CR0_EVENTQEN);
    g_free(fake_iommufd_calls(rig->iommufd));
    rig_unplug(rig, 2);
    rig_assert_calls(rig, "detach destroy destroy destroy destroy");
    g_assert(rig_plug(rig, 1, &error_abort));
    rig_assert_dma(rig, 1, "s1 1000 sid 100");
    smmuv3_accel_device_unplug(rig->s, &rig->bus[5].bus, 0);
    rig_free(rig);
}

/* The calls for the first and every other device, without VFIO's own */
static void test_cost(void)
{
    g_autoptr(GString) two_each = g_string_new(NULL);
    Rig *rig = rig_new(LINUX_7_3);

    g_assert(rig_plug(rig, 1, &error_abort));
    rig_assert_calls(rig, ASK " viommu-alloc nested-alloc "
                     "vdevice-alloc");
    for (int bus = 2; bus <= 9; bus++) {
        g_assert(rig_plug(rig, bus, &error_abort));
        rig_assert_calls(rig, ASK " vdevice-alloc");
    }
    /* The guest sets them up one after the other, and then enables the SMMU */
    for (int bus = 1; bus <= 9; bus++) {
        rig_set_s1(SID(bus), 0x1000 * bus);
        rig_cfgi_ste(rig, SID(bus));
    }
    rig_assert_calls(rig, "");
    rig_write_cr0(rig, CR0_SMMUEN);
    for (int bus = 1; bus <= 9; bus++) {
        g_string_append_printf(two_each, "%snested-alloc attach",
                               bus == 1 ? "" : " ");
    }
    rig_assert_calls(rig, two_each->str);
    rig_write_cr0(rig, CR0_SMMUEN | CR0_EVENTQEN);
    rig_assert_calls(rig, "veventq-alloc");
    rig_free(rig);
}

/* A host that can stall gets S1STALLD, because the vSMMU cannot stall */
static void test_host_stalls(void)
{
    FakeSMMU stalling = host_smmu;
    Rig *rig = rig_new(LINUX_7_3);
    FakeDevice *dev;

    stalling.info.idr[0] &= ~(3U << 24);
    /* With STALL_MAX 0, so STALL_MODEL is 1 */
    rig->s->spec.given[SMMU_ACCEL_IDR5] = true;
    rig->s->spec.reg[SMMU_ACCEL_IDR5] = stalling.info.idr[5] & 0xffff;
    rig_set_s1(SID(1), 0x1000);
    rig_write_cr0(rig, CR0_SMMUEN);
    dev = fake_vfio_bind(rig->iommufd, &stalling, "dev", rig->s);
    g_assert(smmuv3_accel_device_plug(rig->s, &rig->bus[1].bus, 0,
                                      fake_vfio_hiod(dev), &error_abort));
    g_assert_cmphex(fake_vfio_ste(dev)[1], ==, 1U << 27);
    rig->dev[1] = dev;
    rig_unplug(rig, 1);
    g_assert(rig_plug(rig, 1, &error_abort));
    g_assert_cmphex(fake_vfio_ste(rig->dev[1])[1], ==, 0);
    rig_free(rig);
}

/* Devices that are refused, and then belong to VFIO as before */

static void assert_refused(SMMUv3AccelState *s, Rig *rig, FakeIOMMUFD *f,
                           const FakeSMMU *smmu, const char *text)
{
    FakeDevice *dev = fake_vfio_bind(f, smmu, "0000:07:00.0", s);
    g_autofree char *pattern = g_strdup_printf("*%s*", text);
    g_autofree char *dma = NULL;
    Error *err = NULL;

    g_assert(!smmuv3_accel_device_plug(s, &rig->bus[9].bus, 0,
                                       fake_vfio_hiod(dev), &err));
    g_assert(g_pattern_match_simple(pattern, error_get_pretty(err)));
    rig_refused(err);
    dma = fake_vfio_dma(dev);
    g_assert_cmpstr(dma, ==, "stage2");
    fake_vfio_unbind(dev);
}

static void test_association(void)
{
    Rig *rig = rig_new(LINUX_7_3);
    FakeIOMMUFD *other = fake_iommufd_new(LINUX_7_3, "iommufd1");
    FakeSMMU unnamed = host_smmu;

    unnamed.name = NULL;
    g_assert(rig_plug(rig, 1, &error_abort));
    assert_refused(rig->s, rig, other, &host_smmu,
                   "0000:07:00.0 uses another iommufd * use iommufd=iommufd0");
    assert_refused(rig->s, rig, rig->iommufd, &other_smmu,
                   "0000:07:00.0 * smmu3.1, but smmu1 already * smmu3.0");
    assert_refused(rig->s, rig, rig->iommufd, &unnamed,
                   "(physical SMMU unnamed) * smmu1 (physical SMMU smmu3.0)");
    /* This never changes */
    rig_unplug(rig, 1);
    assert_refused(rig->s, rig, rig->iommufd, &other_smmu,
                   "but smmu1 already stands for smmu3.0");
    g_assert(rig_plug(rig, 1, &error_abort));
    rig_free(rig);
    fake_iommufd_free(other);
}

static void test_host_smmu_property(void)
{
    Rig *rig = rig_new(LINUX_7_3);
    FakeSMMU unnamed = host_smmu;
    char wanted[] = "smmu3.0";

    unnamed.name = NULL;
    rig->s->host_smmu = wanted;
    assert_refused(rig->s, rig, rig->iommufd, &other_smmu,
                   "is behind * smmu3.1, but smmu1 has host-smmu=smmu3.0");
    assert_refused(rig->s, rig, rig->iommufd, &unnamed,
                   "0000:07:00.0, so QEMU cannot check host-smmu=smmu3.0 of "
                   "smmu1");
    g_assert(rig_plug(rig, 1, &error_abort));
    rig_free(rig);
}

static void test_host_differs(void)
{
    Rig *rig = rig_new(LINUX_7_3);
    FakeSMMU lesser = host_smmu;

    lesser.info.idr[5] &= ~0x20;
    g_assert(rig_plug(rig, 1, &error_abort));
    rig_unplug(rig, 1);         /* for example after a firmware update */
    assert_refused(rig->s, rig, rig->iommufd, &lesser, "GRAN16K");
    rig_free(rig);
}

static void test_host_cannot_nest(void)
{
    FakeSMMU plain = host_smmu;

    plain.cannot_nest = true;
    for (FakeKernel kernel = 0; kernel < LINUX_END; kernel++) {
        Rig *rig = rig_new(kernel);

        assert_refused(rig->s, rig, rig->iommufd, &plain,
                       kernel == LINUX_6_12 ? "older than 6.13"
                                            : "IOMMU_VIOMMU_ALLOC failed");
        rig_free(rig);
    }
}

/* A device tree cannot describe a device that is plugged later */
static void test_late(void)
{
    Rig *rig = rig_new(LINUX_7_3);

    rig->s->no_hotplug = true;
    assert_refused(rig->s, rig, rig->iommufd, &host_smmu,
                   "0000:07:00.0 cannot be hot-plugged: * with a device tree");
    rig_free(rig);
}

/* Without sysfs the user is told for the second device, and for each other */
static void test_unknown_group(void)
{
    const FakeSMMU unnamed = { .info = host_smmu.info };
    Rig *rig = rig_new(LINUX_7_3);

    rig->smmu = &unnamed;
    for (int bus = 1; bus <= 3; bus++) {
        g_autofree char *messages = NULL;

        g_assert(rig_plug(rig, bus, &error_abort));
        messages = rig_messages();
        g_assert_cmpint(!!strstr(messages, "shares an IOMMU group with another "
                                 "device behind smmu1"), ==, bus > 1);
    }
    rig_free(rig);
}

/* The host refuses to detach the last device: DMA is blocked all the same */
static void test_detach_fails(void)
{
    for (FakeKernel kernel = LINUX_6_13; kernel < LINUX_END; kernel++) {
        Rig *rig = rig_new(kernel);
        FakeDevice *dev = fake_vfio_bind(rig->iommufd, &host_smmu, "dev",
                                         rig->s);
        g_autofree char *dma = NULL, *messages = NULL;

        rig_set_s1(SID(1), 0x1000);
        rig_write_cr0(rig, CR0_SMMUEN);
        g_assert(smmuv3_accel_device_plug(rig->s, &rig->bus[1].bus, 0,
                                          fake_vfio_hiod(dev), &error_abort));
        g_free(rig_messages());
        fake_iommufd_fail_nth(rig->iommufd, 1, 0);
        smmuv3_accel_device_unplug(rig->s, &rig->bus[1].bus, 0);
        g_assert(fake_iommufd_has_failed(rig->iommufd));
        fake_iommufd_fail_nth(rig->iommufd, 0, 0);
        dma = fake_vfio_dma(dev);
        g_assert_cmpstr(dma, ==, "abort");
        messages = rig_messages();
        g_assert_cmpstr(messages, ==, "");
        fake_vfio_unbind(dev);
        rig_free(rig);
    }
}

/* Two vSMMUs on two SMMUs, or both on one; with one iommufd */
static void test_two_vsmmus(void)
{
    for (int same = 0; same < 2; same++) {
        Rig *rig = rig_new(LINUX_7_3);
        SMMUv3AccelState *s2 = rig_vsmmu_new("smmu2");
        FakeDevice *dev = fake_vfio_bind(rig->iommufd,
                                         same ? &host_smmu : &other_smmu,
                                         "dev", s2);

        g_assert(rig_plug(rig, 1, &error_abort));
        g_assert(smmuv3_accel_device_plug(s2, &rig->bus[2].bus, 0,
                                          fake_vfio_hiod(dev), &error_abort));
        rig_set_s1(SID(1), 0x1000);
        rig_set_s1(SID(2), 0x2000);
        rig_write_cr0(rig, CR0_SMMUEN);
        ARM_SMMUV3(s2)->cr[0] = CR0_SMMUEN;
        smmuv3_accel_evaluate(s2, SID(2), SID(2));
        rig_assert_dma(rig, 1, "s1 1000 sid 100");
        g_assert_cmpuint(rig->s->host->stage2_hwpt_id, !=,
                         s2->host->stage2_hwpt_id);
        smmuv3_accel_device_unplug(s2, &rig->bus[2].bus, 0);
        fake_vfio_unbind(dev);
        rig_vsmmu_free(s2);
        rig_free(rig);
    }
}

int main(int argc, char **argv)
{
    rig_init(&argc, &argv);
    g_test_add_func("/smmuv3-accel/plug/order", test_plug);
    g_test_add_func("/smmuv3-accel/plug/cost", test_cost);
    g_test_add_func("/smmuv3-accel/plug/host-stalls", test_host_stalls);
    g_test_add_func("/smmuv3-accel/plug/association", test_association);
    g_test_add_func("/smmuv3-accel/plug/host-smmu", test_host_smmu_property);
    g_test_add_func("/smmuv3-accel/plug/host-differs", test_host_differs);
    g_test_add_func("/smmuv3-accel/plug/host-cannot-nest",
                    test_host_cannot_nest);
    g_test_add_func("/smmuv3-accel/plug/late", test_late);
    g_test_add_func("/smmuv3-accel/plug/unknown-group", test_unknown_group);
    g_test_add_func("/smmuv3-accel/plug/detach-fails", test_detach_fails);
    g_test_add_func("/smmuv3-accel/plug/two-vsmmus", test_two_vsmmus);
    return g_test_run();
}
