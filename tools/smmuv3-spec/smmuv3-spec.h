/*
 * smmuv3-spec: shared declarations
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef SMMUV3_SPEC_H
#define SMMUV3_SPEC_H

#include "hw/arm/smmuv3-accel-spec.h"

/*
 * The exit status, see docs/tools/smmuv3-spec.rst. A function that returns one
 * sets an error unless it is SPEC_YES.
 */
typedef enum SpecStatus {
    SPEC_YES = 0,       /* done; it fits */
    SPEC_NO = 1,        /* it does not fit; this host cannot nest */
    SPEC_USAGE = 2,     /* the command line or a specification is wrong */
    SPEC_SETUP = 3,     /* the host cannot be asked as it is set up now */
} SpecStatus;

/* A device of this host, and the kernel's information about its SMMU */
typedef struct SpecHost {
    char *bdf;
    char *smmu;                     /* name in sysfs */
    char *cdev;                     /* "vfio0" */
    SMMUv3AccelHostInfo info;
} SpecHost;

/**
 * spec_host_find:
 * @root: "", or in tests a directory that contains sys/
 * @bdf: address of a device, with or without its domain
 *
 * Finds the device in sysfs, and fills in all of @host except info. The caller
 * frees @host with spec_host_clear(), also after an error.
 */
SpecStatus spec_host_find(SpecHost *host, const char *root, const char *bdf,
                          Error **errp);

/**
 * spec_host_ask:
 *
 * Asks the kernel for the registers of the SMMU, and tries whether it can nest.
 * The device's DMA is blocked meanwhile. Everything is undone on return.
 */
SpecStatus spec_host_ask(SpecHost *host, Error **errp);

/* The same, with /dev/iommu and the device's file opened by the caller */
SpecStatus spec_host_ask_opened(SpecHost *host, int iommufd, int cdev,
                                Error **errp);

void spec_host_clear(SpecHost *host);

/* The steps of spec_host_ask(), each of which can fail */
typedef enum SpecStep {
    SPEC_OPEN_IOMMU,
    SPEC_OPEN_CDEV,
    SPEC_BIND,
    SPEC_HW_INFO,
    SPEC_HW_TYPE,
    SPEC_IOAS_ALLOC,
    SPEC_HWPT_ALLOC,
    SPEC_IOVA_RANGES,
    SPEC_VIOMMU_ALLOC,
    SPEC_NR_STEPS
} SpecStep;

/**
 * spec_explain:
 * @err: errno; 0 for SPEC_HW_TYPE, which is not a call
 * @iidr: of the SMMU, 0 if not known yet
 *
 * Pure: sets an error of one line: why @step failed and what to do about it.
 */
SpecStatus spec_explain(SpecStep step, int err, const SpecHost *host,
                        uint32_t iidr, Error **errp);

/*
 * The ioctls. They return 0 or -errno. backends/iommufd-viommu.c has some of
 * them, but for a QOM object and with trace events, which do not exist here.
 */
struct iommu_hw_info_arm_smmuv3;
struct iommu_hw_info_tegra241_cmdqv;

int spec_bind(int cdev, int iommufd, uint32_t *dev_id);
int spec_hw_info(int iommufd, uint32_t dev_id, uint32_t *type,
                 struct iommu_hw_info_arm_smmuv3 *info);
/* -EOPNOTSUPP: the SMMU has no CMDQV, or the kernel is older than 6.17 */
int spec_cmdqv_info(int iommufd, uint32_t dev_id,
                    struct iommu_hw_info_tegra241_cmdqv *info);
int spec_ioas_alloc(int iommufd, uint32_t *ioas_id);
int spec_stage2_alloc(int iommufd, uint32_t dev_id, uint32_t ioas_id,
                      uint32_t *hwpt_id);
int spec_viommu_alloc(int iommufd, uint32_t dev_id, uint32_t hwpt_id,
                      uint32_t *viommu_id);
/* The highest address that @ioas_id can map */
int spec_iova_last(int iommufd, uint32_t ioas_id, uint64_t *last);
void spec_destroy(int iommufd, uint32_t id);

/* How results are printed */
typedef enum SpecFormat {
    SPEC_TEXT,
    SPEC_JSON,
    SPEC_LIBVIRT,       /* domain XML */
    SPEC_KUBEVIRT,      /* YAML */
    SPEC_NR_FORMATS
} SpecFormat;

/* Functions that print to standard output */
void report_decode(const SMMUv3AccelSpec *spec, const SMMUv3AccelRegs *regs,
                   bool json);
void report_host(const SpecHost *host, const SMMUv3AccelRegs *regs, bool json);
/*
 * @queues: what smmuv3_accel_regs_software_queues() says, or NULL
 * @differences: the message of smmuv3_accel_regs_compare(), or NULL
 * @later: the same for a device that is plugged while the guest runs; NULL also
 *         if that makes no difference
 */
void report_check(const SpecHost *host, const char *queues,
                  const char *differences, const char *later, bool json);
/* @regs: what the @n hosts @named have in common */
void report_baseline(const SMMUv3AccelNamedRegs *named, size_t n,
                     const SMMUv3AccelRegs *regs, bool json);
void report_fields(bool json);
void report_fields_rst(void);
/* @of: a description of the host or hosts of the specification */
void report_libvirt(const SMMUv3AccelSpec *spec, const char *of);
void report_kubevirt(const SMMUv3AccelSpec *spec, const char *of);

#endif /* SMMUV3_SPEC_H */
