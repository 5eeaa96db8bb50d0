/*
 * smmuv3-spec: check how libvirt interprets the XML of a domain
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef SMMUV3_SPEC_DOMAIN_H
#define SMMUV3_SPEC_DOMAIN_H

#include <libxml/tree.h>
#include "smmuv3-spec.h"

/* 12.7.0 is 12007000, as in libvirt itself */
#define LIBVIRT(major, minor) ((major) * 1000000 + (minor) * 1000)

/* The oldest libvirt with each of the features that are checked */
#define LIBVIRT_PCI_BUS LIBVIRT(11, 10)
#define LIBVIRT_HOSTDEV_IOMMUFD LIBVIRT(12, 1)
#define LIBVIRT_IOMMUFD LIBVIRT(12, 2)
#define LIBVIRT_ACCEL LIBVIRT(12, 7)

typedef struct Finding {
    long line;
    bool advice;            /* it works without */
    const char *value;
    char *text;
} Finding;

#define NO_CONTROLLER (-1)

/* A PCI controller, which the guest sees as a bus */
typedef struct Controller {
    int index;
    const char *model;
    int parent;             /* index of the parent, or NO_CONTROLLER */
} Controller;

/* An <iommu model='smmuv3'>, or its equivalent in <qemu:commandline> */
typedef struct Smmu {
    const xmlNode *node;
    int controller;         /* whose devices it serves, or NO_CONTROLLER */
    bool accel;
    bool last;              /* QEMU creates it after all devices */
    GString *options;       /* as for -device */
    SMMUv3AccelSpec spec;   /* of the options, if they are valid */
} Smmu;

typedef struct Domain {
    const xmlNode *root, *devices;
    unsigned libvirt;       /* the version to check for, 0: any */
    unsigned needs;         /* the oldest one that supports it all */
    bool iommufd;           /* <iommufd enabled='yes'/> */
    bool commandline;       /* there is a <qemu:commandline> */
    bool hostdevs;          /* at least one at start */
    GPtrArray *smmus;       /* Smmu */
    GPtrArray *controllers; /* Controller */
    GArray *findings;       /* Finding */
} Domain;

/* domain.c */

/* Whether @arg names a file, or is "-": standard input */
bool domain_is_file(const char *arg);

/**
 * domain_check:
 * @libvirt: a version such as "11.3.0", or NULL: the newest that is known
 * @bdf: NULL, or a device of this host to assign to the guest
 * @spec: set to the specification of the SMMU for @bdf, if that is not NULL
 *
 * Prints what libvirt and QEMU would drop or refuse. @errp has a summary.
 */
SpecStatus domain_check(const char *file, const char *libvirt, bool json,
                        const char *bdf, SMMUv3AccelSpec *spec, Error **errp);

/* domain-report.c */

/* What is wrong with @value at @node, and what to write instead */
void domain_wrong(Domain *d, const xmlNode *node, const char *value,
                  const char *fmt, ...) G_GNUC_PRINTF(4, 5);
/* The same for something that works, but not everywhere */
void domain_advise(Domain *d, const xmlNode *node, const char *value,
                   const char *fmt, ...) G_GNUC_PRINTF(4, 5);
/* @value at @node is new in @libvirt: older versions silently drop it */
void domain_needs(Domain *d, const xmlNode *node, const char *value,
                  unsigned libvirt);
char *domain_version_str(unsigned libvirt);
void domain_report(const Domain *d, const char *file, bool json);

/* domain-xml.c */

bool domain_is(const xmlNode *node, const char *name);
/* The first child with this name, or NULL */
const xmlNode *domain_child(const xmlNode *node, const char *name);
/* The next one of the same name */
const xmlNode *domain_next(const xmlNode *node);
#define DOMAIN_FOREACH(var, parent, name)                                     \
    for (const xmlNode *var = domain_child(parent, name); var;                \
         var = domain_next(var))
/* The value of an attribute, or NULL; lives as long as the program */
const char *domain_attr(const xmlNode *node, const char *name);
/* Whether a <qemu:...> element is in its namespace */
bool domain_is_qemu(const xmlNode *node);
/* A number as libvirt parses it, or -1 */
int domain_number(const char *text);
/* The index of a controller, which is decimal, or NO_CONTROLLER */
int domain_index(const char *text);

/* domain-iommu.c: fills in d->smmus */
void domain_check_iommus(Domain *d);
/* domain-qemu.c: <qemu:commandline> and <qemu:override>, which add to them */
void domain_check_commandline(Domain *d);
void domain_check_override(Domain *d);
/* Whether QEMU accepts the options of @smmu; adds a finding if not */
bool domain_check_options(Domain *d, Smmu *smmu, const xmlNode *node);

/* domain-hostdev.c */
void domain_find_controllers(Domain *d);
void domain_check_controllers(Domain *d);
void domain_check_hostdevs(Domain *d);
const Controller *domain_controller(const Domain *d, int index);
/* The SMMU for a <hostdev> whose device on the host is @bdf, or NULL */
const Smmu *domain_smmu_of(const Domain *d, const char *bdf);

#endif /* SMMUV3_SPEC_DOMAIN_H */
