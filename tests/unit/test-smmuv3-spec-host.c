/*
 * smmuv3-spec: unit tests of finding a host device and asking the kernel
 *
 * A directory of files imitates sysfs, and functions here imitate the kernel.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <glib/gstdio.h>
#include <linux/iommufd.h>
#include "qapi/error.h"
#include "tools/smmuv3-spec/smmuv3-spec.h"

/* A fake kernel in which one step fails */
static struct {
    SpecStep step;
    int err;
    uint32_t type, iidr;
    uint64_t last;
    int cmdqv_err;
    struct iommu_hw_info_tegra241_cmdqv cmdqv;
    uint32_t next_id;
    int objects;
} kernel;

static int step(SpecStep this, uint32_t *id)
{
    if (kernel.step == this && kernel.err) {
        return -kernel.err;
    }
    if (id) {
        *id = ++kernel.next_id;
        kernel.objects++;
    }
    return 0;
}

int spec_bind(int cdev, int iommufd, uint32_t *dev_id)
{
    *dev_id = 77;
    return step(SPEC_BIND, NULL);
}

int spec_hw_info(int iommufd, uint32_t dev_id, uint32_t *type,
                 struct iommu_hw_info_arm_smmuv3 *info)
{
    g_assert_cmpuint(dev_id, ==, 77);
    *type = kernel.type;
    for (int i = 0; i < 6; i++) {
        info->idr[i] = 0x1000 + i;
    }
    info->iidr = kernel.iidr;
    info->aidr = 3;
    return step(SPEC_HW_INFO, NULL);
}

int spec_cmdqv_info(int iommufd, uint32_t dev_id,
                    struct iommu_hw_info_tegra241_cmdqv *info)
{
    g_assert_cmpuint(dev_id, ==, 77);
    *info = kernel.cmdqv;
    return kernel.cmdqv_err;
}

int spec_ioas_alloc(int iommufd, uint32_t *ioas_id)
{
    return step(SPEC_IOAS_ALLOC, ioas_id);
}

int spec_stage2_alloc(int iommufd, uint32_t dev_id, uint32_t ioas_id,
                      uint32_t *hwpt_id)
{
    g_assert_cmpuint(ioas_id, ==, 1);
    return step(SPEC_HWPT_ALLOC, hwpt_id);
}

int spec_viommu_alloc(int iommufd, uint32_t dev_id, uint32_t hwpt_id,
                      uint32_t *viommu_id)
{
    g_assert_cmpuint(hwpt_id, ==, 2);
    return step(SPEC_VIOMMU_ALLOC, viommu_id);
}

int spec_iova_last(int iommufd, uint32_t ioas_id, uint64_t *last)
{
    g_assert_cmpuint(ioas_id, ==, 1);
    *last = kernel.last;
    return step(SPEC_IOVA_RANGES, NULL);
}

/* Only the newest object can be destroyed: the others have users */
void spec_destroy(int iommufd, uint32_t id)
{
    g_assert_cmpuint(id, ==, kernel.objects);
    kernel.objects--;
}

static SpecStatus ask(SpecHost *host, Error **errp)
{
    SpecStatus status;

    host->bdf = g_strdup("0000:03:00.0");
    host->smmu = g_strdup("smmu3.0x9050000");
    kernel.next_id = 0;
    kernel.objects = 0;
    status = spec_host_ask_opened(host, 5, 6, errp);
    g_assert_cmpint(kernel.objects, ==, 0);
    return status;
}

static void test_ask(void)
{
    SpecHost host = { 0 };

    kernel.err = 0;
    kernel.type = IOMMU_HW_INFO_TYPE_ARM_SMMUV3;
    kernel.iidr = 0x43b;
    kernel.last = (1ULL << 44) - 1;
    g_assert_cmpint(ask(&host, &error_abort), ==, SPEC_YES);
    g_assert_cmphex(host.info.idr[5], ==, 0x1005);
    g_assert_cmphex(host.info.iidr, ==, 0x43b);
    g_assert_cmphex(host.info.aidr, ==, 3);
    g_assert_cmpuint(host.info.oas_bits, ==, 44);
    spec_host_clear(&host);

    kernel.last = 0;
    g_assert_cmpint(ask(&host, &error_abort), ==, SPEC_YES);
    g_assert_cmpuint(host.info.oas_bits, ==, 0);
    spec_host_clear(&host);
}

/* What a guest's PARAM can be; to have none is no failure */
static void test_ask_cmdqv(void)
{
    static const struct {
        int err;
        uint8_t version, log2vcmdqs, log2vsids;
        uint32_t param;
    } cases[] = {
        { 0, 1, 1, 4, 0x4011 },
        { 0, 1, 3, 2, 0x2031 },
        { 0, 1, 0, 0, 0x0001 },
        { -EOPNOTSUPP, 0, 0, 0, 0 },
        { -ENODEV, 1, 1, 4, 0 },
        { 0, 2, 1, 4, 0 },          /* nobody knows that version */
        { 0, 1, 8, 4, 0 },          /* more than there can be */
        { 0, 1, 1, 5, 0 },
        { 0, 17, 1, 4, 0 },
        { 0, 1, 17, 4, 0 },
        { 0, 1, 1, 20, 0 },
    };

    kernel.err = 0;
    kernel.type = IOMMU_HW_INFO_TYPE_ARM_SMMUV3;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        SpecHost host = { 0 };

        kernel.cmdqv_err = cases[i].err;
        kernel.cmdqv.version = cases[i].version;
        kernel.cmdqv.log2vcmdqs = cases[i].log2vcmdqs;
        kernel.cmdqv.log2vsids = cases[i].log2vsids;
        g_test_message("case %zu", i);
        g_assert_cmpint(ask(&host, &error_abort), ==, SPEC_YES);
        g_assert_cmphex(host.info.cmdqv_param, ==, cases[i].param);
        spec_host_clear(&host);
    }
    kernel.cmdqv_err = -EOPNOTSUPP;
}

#define DEV "0000:03:00.0 (smmu3.0x9050000): "

/* A failure of any step prints one line, and leaves no object */
static void test_ask_fails(void)
{
    static const struct {
        SpecStep step;
        int err;
        uint32_t type, iidr;
        SpecStatus status;
        const char *text;
    } cases[] = {
        { SPEC_BIND, EINVAL, 2, 0, SPEC_SETUP, DEV "somebody else uses it" },
        { SPEC_BIND, EPERM, 2, 0, SPEC_SETUP, DEV "another device of its" },
        { SPEC_BIND, EBUSY, 2, 0, SPEC_SETUP, DEV "somebody else uses it" },
        { SPEC_BIND, EIO, 2, 0, SPEC_SETUP, DEV "VFIO_DEVICE_BIND_IOMMUFD "
          "failed: Input/output error" },
        { SPEC_HW_INFO, ENOTTY, 2, 0, SPEC_NO, DEV "the kernel is older than "
          "6.6" },
        { SPEC_HW_INFO, EFAULT, 2, 0, SPEC_SETUP, DEV "IOMMU_GET_HW_INFO "
          "failed: Bad address" },
        { SPEC_HW_TYPE, 0, 0, 0, SPEC_NO, DEV "the kernel does not nest on "
          "SMMUv3: it is older than 6.13, or has no" },
        { SPEC_HW_TYPE, 0, 1, 0, SPEC_NO, DEV "the kernel does not nest" },
        { SPEC_IOAS_ALLOC, ENOMEM, 2, 0, SPEC_SETUP, DEV "IOMMU_IOAS_ALLOC "
          "failed: Cannot allocate memory" },
        { SPEC_HWPT_ALLOC, EOPNOTSUPP, 2, 0, SPEC_NO, DEV "the SMMU cannot "
          "nest: it does not have both stages" },
        { SPEC_HWPT_ALLOC, EOPNOTSUPP, 2, 0x4831043b, SPEC_NO, DEV "the SMMU "
          "has an erratum: Linux does not nest on an MMU-600 before r2p0" },
        { SPEC_HWPT_ALLOC, EOPNOTSUPP, 2, 0x4832043b, SPEC_NO, DEV "the SMMU "
          "cannot nest: it does not have both stages" },
        { SPEC_HWPT_ALLOC, EOPNOTSUPP, 2, 0x4871143b, SPEC_NO, DEV "the "
          "kernel is older than 7.1" },
        { SPEC_HWPT_ALLOC, ENOSPC, 2, 0x4831043b, SPEC_SETUP, DEV "the SMMU "
          "has no VMID left" },
        { SPEC_HWPT_ALLOC, ENOMEM, 2, 0x4831043b, SPEC_SETUP, DEV
          "IOMMU_HWPT_ALLOC failed: Cannot allocate memory" },
        { SPEC_IOVA_RANGES, EFAULT, 2, 0, SPEC_SETUP, DEV
          "IOMMU_IOAS_IOVA_RANGES failed: Bad address" },
        { SPEC_VIOMMU_ALLOC, ENOTTY, 2, 0, SPEC_NO, DEV "the kernel is older "
          "than 6.13" },
        { SPEC_VIOMMU_ALLOC, ENOTTY, 2, 0x4831043b, SPEC_NO, DEV "the kernel "
          "is older than 6.13" },
        { SPEC_VIOMMU_ALLOC, EOPNOTSUPP, 2, 0, SPEC_NO, DEV "the SMMU cannot "
          "nest: the firmware does not set CANWBS" },
        { SPEC_VIOMMU_ALLOC, EOPNOTSUPP, 2, 0x4870143b, SPEC_NO, DEV "the "
          "SMMU has an erratum: Linux does not nest on an MMU-700 before" },
        { SPEC_VIOMMU_ALLOC, EOPNOTSUPP, 2, 0x4871043b, SPEC_NO, DEV "the "
          "SMMU has an erratum: Linux does not nest on an MMU-700 before" },
        { SPEC_VIOMMU_ALLOC, ENOMEM, 2, 0, SPEC_SETUP, DEV
          "IOMMU_VIOMMU_ALLOC failed: Cannot allocate memory" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        SpecHost host = { 0 };
        Error *err = NULL;

        kernel.step = cases[i].step;
        kernel.err = cases[i].err;
        kernel.type = cases[i].type;
        kernel.iidr = cases[i].iidr;
        g_assert_cmpint(ask(&host, &err), ==, cases[i].status);
        g_test_message("%s", error_get_pretty(err));
        g_assert_true(g_str_has_prefix(error_get_pretty(err), cases[i].text));
        g_assert_null(strchr(error_get_pretty(err), '\n'));
        error_free(err);
        spec_host_clear(&host);
    }
}

static void test_open_fails(void)
{
    static const struct {
        SpecStep step;
        int err;
        SpecStatus status;
        const char *text;
    } cases[] = {
        { SPEC_OPEN_IOMMU, ENOENT, SPEC_NO, DEV "there is no /dev/iommu: "
          "type modprobe iommufd;" },
        { SPEC_OPEN_IOMMU, ENODEV, SPEC_NO, DEV "nothing is behind "
          "/dev/iommu: type modprobe iommufd;" },
        { SPEC_OPEN_IOMMU, EACCES, SPEC_SETUP, DEV "no permission for "
          "/dev/iommu" },
        { SPEC_OPEN_CDEV, EACCES, SPEC_SETUP, DEV "no permission for its "
          "file" },
        { SPEC_OPEN_CDEV, ENOENT, SPEC_SETUP, DEV "opening the device's file "
          "in /dev/vfio/devices failed: No such file or directory" },
    };
    SpecHost host = {
        .bdf = (char *)"0000:03:00.0", .smmu = (char *)"smmu3.0x9050000",
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        Error *err = NULL;

        g_assert_cmpint(spec_explain(cases[i].step, cases[i].err, &host, 0,
                                     &err), ==, cases[i].status);
        g_assert_true(g_str_has_prefix(error_get_pretty(err), cases[i].text));
        error_free(err);
    }
}

/* Fake sysfs */

#define BDF "0000:03:00.0"

static char *root;

static void add_dir(const char *name)
{
    g_autofree char *path = g_build_filename(root, "sys/bus/pci/devices", name,
                                             NULL);

    g_assert_cmpint(g_mkdir_with_parents(path, 0700), ==, 0);
}

static void add_link(const char *target, const char *name)
{
    g_autofree char *path = g_build_filename(root, "sys/bus/pci/devices", name,
                                             NULL);

    g_assert_cmpint(symlink(target, path), ==, 0);
}

static void remove_all(void)
{
    const char *argv[] = { "rm", "-r", root, NULL };

    g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL,
                 NULL, NULL, NULL, NULL);
    g_free(root);
}

/* Find @bdf: expect @status and the beginning of the message (NULL: none) */
static void find(const char *bdf, SpecStatus status, const char *text)
{
    SpecHost host;
    Error *err = NULL;

    g_assert_cmpint(spec_host_find(&host, root, bdf, &err), ==, status);
    g_assert_cmpint(!err, ==, !text);
    if (text) {
        g_test_message("%s", error_get_pretty(err));
        g_assert_true(g_str_has_prefix(error_get_pretty(err), text));
        g_assert_null(strchr(error_get_pretty(err), '\n'));
        error_free(err);
    } else {
        g_assert_cmpstr(host.bdf, ==, BDF);
        g_assert_cmpstr(host.smmu, ==, "smmu3.0x9050000");
        g_assert_cmpstr(host.cdev, ==, "vfio7");
    }
    spec_host_clear(&host);
}

/* All stages from nothing to a device that can be used */
static void test_find(void)
{
    root = g_dir_make_tmp("smmuv3-spec-XXXXXX", NULL);
    find("nonsense", SPEC_USAGE, "'nonsense' is not a PCI address, such as "
         "0000:03:00.0");
    find("03:00.0x", SPEC_USAGE, "'03:00.0x' is not a PCI address");
    find("../03:00.0", SPEC_USAGE, "'../03:00.0' is not a PCI address");
    find("", SPEC_USAGE, "'' is not a PCI address");
    find("03:00.0", SPEC_USAGE, "there is no PCI device " BDF " on this host");

    add_dir(BDF);
    find(BDF, SPEC_NO, BDF " is behind no IOMMU");
    add_link("../../iommu/dmar0", BDF "/iommu");
    find(BDF, SPEC_NO, BDF " is behind dmar0, which is not an SMMUv3");
    remove_all();

    root = g_dir_make_tmp("smmuv3-spec-XXXXXX", NULL);
    add_dir(BDF);
    add_link("../../iommu/smmu3.0x9050000", BDF "/iommu");
    find(BDF, SPEC_SETUP, BDF " is bound to no driver, not to vfio-pci: type "
         "modprobe vfio-pci; echo vfio-pci > /sys/bus/pci/devices/" BDF
         "/driver_override; echo " BDF " > /sys/bus/pci/drivers_probe");
    add_link("../../drivers/nvme", BDF "/driver");
    find(BDF, SPEC_SETUP, BDF " is bound to nvme, not to vfio-pci: type "
         "modprobe vfio-pci; echo vfio-pci > /sys/bus/pci/devices/" BDF
         "/driver_override; echo " BDF " > /sys/bus/pci/devices/" BDF
         "/driver/unbind; echo " BDF " > /sys/bus/pci/drivers_probe");
    add_dir(BDF "/vfio-dev/vfio7");
    find(BDF, SPEC_NO, BDF " has no file in /dev/vfio/devices: this kernel "
         "has no CONFIG_VFIO_DEVICE_CDEV");
    add_dir(BDF "/vfio-dev/vfio7/dev");
    find(BDF, SPEC_YES, NULL);
    find("03:00.0", SPEC_YES, NULL);
    find("0:3:0.0", SPEC_YES, NULL);
    remove_all();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/smmuv3-spec/host/ask", test_ask);
    g_test_add_func("/smmuv3-spec/host/ask-cmdqv", test_ask_cmdqv);
    g_test_add_func("/smmuv3-spec/host/ask-fails", test_ask_fails);
    g_test_add_func("/smmuv3-spec/host/open-fails", test_open_fails);
    g_test_add_func("/smmuv3-spec/host/find", test_find);
    return g_test_run();
}
