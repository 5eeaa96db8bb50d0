/*
 * smmuv3-spec: check whether a host is ready, and print what to do if not
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef SMMUV3_SPEC_DOCTOR_H
#define SMMUV3_SPEC_DOCTOR_H

#include "smmuv3-spec.h"

typedef enum DoctorLevel {
    DOCTOR_OK,
    DOCTOR_BAD,             /* no device can be behind a vSMMU */
    DOCTOR_NOTE,            /* it works, but less well */
    DOCTOR_UNSEEN,          /* could not be checked */
    DOCTOR_NR_LEVELS
} DoctorLevel;

typedef struct DoctorLine {
    DoctorLevel level;
    const char *topic;
    char *text;
    char *cure;             /* what to do, or NULL */
} DoctorLine;

typedef struct Doctor {
    const char *root;       /* "" for this host */
    const char *bdf;        /* or NULL */
    char *release;          /* of the kernel, "7.2.0-arm64" */
    unsigned version;       /* of the kernel, as KERNEL(); 0 if unknown */
    char *config;           /* its config, after a newline; NULL if unknown */
    char *config_path;
    bool cmdqv;             /* the host has a CMDQV, perhaps not for guests */
    GArray *lines;          /* DoctorLine */
} Doctor;

/**
 * doctor_run:
 * @root: "", or a directory with a copy of another host's sys/, proc/, dev/
 *        and boot/, whose kernel cannot be asked
 * @bdf: a device to assign, or NULL
 */
SpecStatus doctor_run(const char *root, const char *bdf, bool json,
                      Error **errp);

/* doctor.c: functions for the other files */

/* Takes ownership of @text and @cure, which is NULL if nothing is to be done */
void doctor_say(Doctor *d, DoctorLevel level, const char *topic, char *text,
                char *cure);
/* The contents of @path without surrounding white space, or NULL; g_free() */
char *doctor_read(const Doctor *d, const char *path);
bool doctor_exists(const Doctor *d, const char *path);
/* Prints a line about the permissions of a file in /dev */
void doctor_check_access(Doctor *d, const char *topic, const char *path);

#define KERNEL(major, minor) ((major) * 1000 + (minor))
/* Whether the kernel's configuration has @name, built in or as a module */
bool doctor_config_has(const Doctor *d, const char *name);
/* The commands for a kernel with the options @enable of scripts/config; g_free */
char *doctor_config_cure(const Doctor *d, const char *enable);
/* The sorted names in a directory, or an empty array; g_ptr_array_unref() */
GPtrArray *doctor_names(const Doctor *d, const char *path);

/* The checks, in this order */
void doctor_check_kernel(Doctor *d);        /* doctor-kernel.c */
void doctor_check_smmu(Doctor *d);          /* doctor-smmu.c */
void doctor_check_cmdqv(Doctor *d);         /* doctor-cmdqv.c */
void doctor_check_device(Doctor *d);        /* doctor-device.c */
void doctor_check_memory(Doctor *d);        /* doctor-memory.c */

#endif /* SMMUV3_SPEC_DOCTOR_H */
