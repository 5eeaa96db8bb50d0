/*
 * smmuv3-spec: check whether a host is ready, and print what to do if not
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <glib/gstdio.h>
#include "qapi/error.h"
#include "qobject/json-writer.h"
#include "doctor.h"

static const char *const levels[DOCTOR_NR_LEVELS] = {
    [DOCTOR_OK] = "ok",
    [DOCTOR_BAD] = "NOT OK",
    [DOCTOR_NOTE] = "note",
    [DOCTOR_UNSEEN] = "unseen",
};

void doctor_say(Doctor *d, DoctorLevel level, const char *topic, char *text,
                char *cure)
{
    DoctorLine line = {
        .level = level, .topic = topic, .text = text, .cure = cure,
    };

    g_array_append_val(d->lines, line);
}

char *doctor_read(const Doctor *d, const char *path)
{
    g_autofree char *full = g_strconcat(d->root, path, NULL);
    char *text;

    return g_file_get_contents(full, &text, NULL, NULL) ? g_strstrip(text)
                                                        : NULL;
}

bool doctor_exists(const Doctor *d, const char *path)
{
    g_autofree char *full = g_strconcat(d->root, path, NULL);

    return g_file_test(full, G_FILE_TEST_EXISTS);
}

void doctor_check_access(Doctor *d, const char *topic, const char *path)
{
    g_autofree char *full = g_strconcat(d->root, path, NULL);

    if (!g_access(full, R_OK | W_OK)) {
        doctor_say(d, DOCTOR_OK, topic,
                   g_strdup_printf("%s can be opened", path), NULL);
    } else {
        doctor_say(d, DOCTOR_BAD, topic,
                   g_strdup_printf("%s: %s", path, strerror(errno)),
                   g_strdup_printf("run this and QEMU as root, or type: chgrp "
                                   "kvm %s; chmod g+rw %s; and add the user "
                                   "to that group", path, path));
    }
}

/* Output */

static void print_text(const Doctor *d, bool ready)
{
    guint unseen = 0;

    for (guint i = 0; i < d->lines->len; i++) {
        const DoctorLine *l = &g_array_index(d->lines, DoctorLine, i);

        printf("%-7s %s: %s\n", levels[l->level], l->topic, l->text);
        if (l->cure) {
            printf("          -> %s\n", l->cure);
        }
        unseen += l->level == DOCTOR_UNSEEN;
    }
    if (ready) {
        printf("ready%s\n", unseen ? ", as far as can be seen" : "");
    }
}

static void print_json(const Doctor *d, bool ready)
{
    g_autoptr(GString) str = NULL;
    JSONWriter *json = json_writer_new(true);

    json_writer_start_object(json, NULL);
    json_writer_bool(json, "ready", ready);
    json_writer_start_array(json, "checks");
    for (guint i = 0; i < d->lines->len; i++) {
        const DoctorLine *l = &g_array_index(d->lines, DoctorLine, i);

        json_writer_start_object(json, NULL);
        json_writer_str(json, "level", levels[l->level]);
        json_writer_str(json, "topic", l->topic);
        json_writer_str(json, "text", l->text);
        json_writer_str(json, "cure", l->cure ?: "");
        json_writer_end_object(json);
    }
    json_writer_end_array(json);
    json_writer_end_object(json);
    str = json_writer_get_and_free(json);
    printf("%s\n", str->str);
}

static guint count_bad(const Doctor *d)
{
    guint bad = 0;

    for (guint i = 0; i < d->lines->len; i++) {
        bad += g_array_index(d->lines, DoctorLine, i).level == DOCTOR_BAD;
    }
    return bad;
}

static void clear_line(void *opaque)
{
    DoctorLine *line = opaque;

    g_free(line->text);
    g_free(line->cure);
}

SpecStatus doctor_run(const char *root, const char *bdf, bool json,
                      Error **errp)
{
    Doctor d = { .root = root, .bdf = bdf };
    guint bad;

    d.lines = g_array_new(false, false, sizeof(DoctorLine));
    g_array_set_clear_func(d.lines, clear_line);
    doctor_check_kernel(&d);
    doctor_check_smmu(&d);
    doctor_check_cmdqv(&d);
    doctor_check_device(&d);
    doctor_check_memory(&d);
    bad = count_bad(&d);
    (json ? print_json : print_text)(&d, !bad);
    if (bad) {
        error_setg(errp, "not ready: %u of these lines %s NOT OK", bad,
                   bad > 1 ? "are" : "is");
    }
    g_array_free(d.lines, true);
    g_free(d.release);
    g_free(d.config);
    g_free(d.config_path);
    return bad ? SPEC_NO : SPEC_YES;
}
