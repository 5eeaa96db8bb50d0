/*
 * arm-smmuv3-accel: parse specifications that a user pastes
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/util.h"
#include "qemu/ctype.h"
#include "qemu/cutils.h"
#include "qemu/option.h"
#include "qobject/qbool.h"
#include "qobject/qdict.h"
#include "qobject/qjson.h"
#include "qobject/qnum.h"
#include "qobject/qstring.h"
#include "smmuv3-accel-spec.h"
#include "smmuv3-cmdqv.h"

#define DEVICE "arm-smmuv3-accel"
/* Newer QEMU's name, which creates the same device with accel=on */
#define DROPIN "arm-smmuv3"

#define PARAM "cmdqv-param"

/* Options of the device other than registers; the last four are ignored */
static const char *const options[] = {
    "driver", "accel", "ril", "ats", "ssidsize", "oas", "cmdqv", PARAM,
    "id", "bus", "primary-bus", "host-smmu",
};

#define KNOWN "idr0..idr5, iidr, aidr, ril, ats, ssidsize, oas, cmdqv, " PARAM

static bool parse_reg(const char *key, const char *value, uint32_t *out,
                      Error **errp)
{
    uint64_t number;

    if (!qemu_isdigit(*value) || qemu_strtou64(value, NULL, 0, &number) ||
        number > UINT32_MAX) {
        error_setg(errp, "%s '%s' is not a number of 32 bits, such as "
                   "%s=0x1400 or %s=5120", key, value, key, key);
        return false;
    }
    *out = number;
    return true;
}

/* hw/arm/smmuv3.c parses it in the same way to choose the type to create */
static bool parse_accel(const char *value, bool *out, Error **errp)
{
    return qapi_bool_parse("accel", value, out, errp);
}

static bool parse_on_off(const char *key, const char *value, OnOffAuto *out,
                         Error **errp)
{
    int mode = qapi_enum_parse(&OnOffAuto_lookup, value, -1, NULL);

    if (mode < 0) {
        error_setg(errp, "%s '%s' is none of 'on', 'off' and 'auto'", key,
                   value);
        return false;
    }
    *out = mode;
    return true;
}

static int find_reg(const char *key)
{
    for (int reg = 0; reg < SMMU_ACCEL_NR_REGS; reg++) {
        if (!strcmp(key, smmuv3_accel_reg_name(reg))) {
            return reg;
        }
    }
    return -1;
}

static bool is_option(const char *key)
{
    for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
        if (!strcmp(key, options[i])) {
            return true;
        }
    }
    return false;
}

/* State of the parser */
typedef struct Parser {
    SMMUv3AccelSpec *spec;
    bool needs_accel;               /* the device is DROPIN */
} Parser;

static bool set_driver(Parser *p, const char *value, Error **errp)
{
    if (strcmp(value, DEVICE) && strcmp(value, DROPIN)) {
        error_setg(errp, "these are options of '%s', not of " DEVICE
                   " or " DROPIN ",accel=on", value);
        return false;
    }
    p->needs_accel = !strcmp(value, DROPIN);
    return true;
}

static bool set_option(Parser *p, const char *key, const char *value,
                       Error **errp)
{
    SMMUv3AccelSpec *spec = p->spec;
    int reg = find_reg(key);

    if (reg >= 0) {
        spec->given[reg] = parse_reg(key, value, &spec->reg[reg], errp);
        return spec->given[reg];
    }
    if (!is_option(key)) {
        error_setg(errp, "'%s' is not an option of " DEVICE " that specifies "
                   "registers: those are " KNOWN, key);
        return false;
    }
    if (!strcmp(key, "accel")) {
        return parse_accel(value, &spec->dropin, errp);
    }
    if (!strcmp(key, "ril")) {
        return parse_on_off(key, value, &spec->ril, errp);
    }
    if (!strcmp(key, "ats")) {
        return parse_on_off(key, value, &spec->ats, errp);
    }
    if (!strcmp(key, "ssidsize")) {
        return smmuv3_accel_parse_ssidsize(value, &spec->ssidsize, errp);
    }
    if (!strcmp(key, "oas")) {
        return smmuv3_accel_parse_oas(value, &spec->oas, errp);
    }
    if (!strcmp(key, "cmdqv")) {
        return parse_on_off(key, value, &spec->cmdqv, errp);
    }
    if (!strcmp(key, PARAM)) {
        return parse_reg(key, value, &spec->cmdqv_param, errp);
    }
    if (!strcmp(key, "driver")) {
        return set_driver(p, value, errp);
    }
    return true;
}

/* Options as text: "name,key=value,..." */

/* -device uses the last of two; here two of them are a mistake */
static bool set_once(Parser *p, GHashTable *seen, const char *key,
                     const char *value, Error **errp)
{
    if (!g_hash_table_add(seen, g_strdup(key))) {
        error_setg(errp, "%s is given twice", key);
        return false;
    }
    return set_option(p, key, value, errp);
}

static bool parse_item(Parser *p, GHashTable *seen, char *item, bool first,
                       Error **errp)
{
    char *value = strchr(item, '=');

    if (value) {
        *value++ = '\0';
        return set_once(p, seen, item, value, errp);
    }
    if (first) {
        return set_once(p, seen, "driver", item, errp);
    }
    error_setg(errp, "'%s' is not an option with a value, such as ril=on",
               item);
    return false;
}

static bool parse_options(const char *text, Parser *parser, Error **errp)
{
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal,
                                                       g_free, NULL);
    const char *p = text;

    while (*p) {
        g_autofree char *item = NULL;
        bool first = p == text;

        p = get_opt_value(p, &item);
        if (!parse_item(parser, seen, item, first, errp)) {
            return false;
        }
        p += *p == ',';
    }
    return true;
}

/* Options in JSON, with the types that -device requires */

static bool parse_member(Parser *p, const char *key, const QObject *obj,
                         Error **errp)
{
    const QString *string = qobject_to(QString, obj);
    const QNum *number = qobject_to(QNum, obj);
    g_autofree char *value = NULL;
    uint32_t reg_value;
    uint64_t n;

    if (find_reg(key) >= 0 || !strcmp(key, PARAM)) {
        if (number && qnum_get_try_uint(number, &n)) {
            value = g_strdup_printf("%" PRIu64, n);
            return set_option(p, key, value, errp);
        }
        if (string && parse_reg(key, qstring_get_str(string), &reg_value,
                                NULL)) {
            error_setg(errp, "%s must be a number in JSON: \"%s\": %u", key,
                       key, reg_value);
            return false;
        }
        error_setg(errp, "%s must be a number of 32 bits in JSON", key);
        return false;
    }
    if (!strcmp(key, "accel")) {
        const QBool *on = qobject_to(QBool, obj);

        if (!on) {
            error_setg(errp, "accel must be true or false in JSON: "
                       "\"accel\": true");
            return false;
        }
        p->spec->dropin = qbool_get_bool(on);
        return true;
    }
    if (!string && is_option(key)) {
        error_setg(errp, "%s must be a string in JSON: \"%s\": \"auto\"",
                   key, key);
        return false;
    }
    return set_option(p, key, string ? qstring_get_str(string) : "", errp);
}

static bool parse_dict(const QDict *dict, Parser *p, Error **errp)
{
    for (const QDictEntry *e = qdict_first(dict); e; e = qdict_next(dict, e)) {
        if (!parse_member(p, qdict_entry_key(e), qdict_entry_value(e), errp)) {
            return false;
        }
    }
    return true;
}

static bool parse_json(const char *text, Parser *p, Error **errp)
{
    /* The text begins with a brace, so it is an object or invalid */
    g_autoptr(QDict) dict = qobject_to(QDict, qobject_from_json(text, errp));

    return dict && parse_dict(dict, p, errp);
}

/* The file of -readconfig: [device "id"], then lines key = "value" */

static bool is_device(GKeyFile *file, const char *group)
{
    g_autofree char *driver = g_key_file_get_value(file, group, "driver",
                                                   NULL);
    g_autofree char *accel = g_key_file_get_value(file, group, "accel", NULL);

    return g_str_has_prefix(group, "device ") &&
           (!g_strcmp0(driver, "\"" DEVICE "\"") ||
            (!g_strcmp0(driver, "\"" DROPIN "\"") && accel));
}

/* The only group with this device, or NULL; g_free() */
static char *find_group(GKeyFile *file, Error **errp)
{
    g_auto(GStrv) groups = g_key_file_get_groups(file, NULL);
    char *found = NULL;

    for (int i = 0; groups[i]; i++) {
        if (!is_device(file, groups[i])) {
            continue;
        }
        if (found) {
            error_setg(errp, "[%s] and [%s] are both for " DEVICE ": keep one",
                       found, groups[i]);
            g_free(found);
            return NULL;
        }
        found = g_strdup(groups[i]);
    }
    if (!found) {
        error_setg(errp, "no section [device \"...\"] with driver = \""
                   DEVICE "\", or with \"" DROPIN "\" and accel = \"on\"");
    }
    return found;
}

static bool parse_line(Parser *p, const char *key, char *value, Error **errp)
{
    size_t len = strlen(value);

    if (len < 2 || value[0] != '"' || value[len - 1] != '"') {
        error_setg(errp, "%s = %s: put the value in double quotes", key,
                   value);
        return false;
    }
    value[len - 1] = '\0';
    return set_option(p, key, value + 1, errp);
}

static bool parse_config(const char *text, Parser *p, Error **errp)
{
    g_autoptr(GKeyFile) file = g_key_file_new();
    g_autoptr(GError) err = NULL;
    g_autofree char *group = NULL;
    g_auto(GStrv) keys = NULL;

    if (!g_key_file_load_from_data(file, text, -1, G_KEY_FILE_NONE, &err)) {
        error_setg(errp, "%s", err->message);
        return false;
    }
    group = find_group(file, errp);
    if (!group) {
        return false;
    }
    keys = g_key_file_get_keys(file, group, NULL, NULL);
    for (int i = 0; keys[i]; i++) {
        g_autofree char *value = g_key_file_get_value(file, group, keys[i],
                                                      NULL);

        if (!parse_line(p, keys[i], value, errp)) {
            return false;
        }
    }
    return true;
}

static bool parse_any(const char *text, Parser *p, Error **errp)
{
    switch (*text) {
    case '\0':
        error_setg(errp, "the specification is empty: give " KNOWN);
        return false;
    case '{':
        return parse_json(text, p, errp);
    case '[':
    case '#':
        return parse_config(text, p, errp);
    default:
        return parse_options(text, p, errp);
    }
}

/* Checks a given CMDQV as the device itself does */
static bool check_cmdqv(const SMMUv3AccelSpec *spec, Error **errp)
{
    uint32_t param = spec->cmdqv_param;
    const char *illegal = param ? smmuv3_cmdqv_param_illegal(param) : NULL;

    if (param && spec->cmdqv == ON_OFF_AUTO_OFF) {
        error_setg(errp, PARAM " needs cmdqv=on: add that, or remove it");
        return false;
    }
    if (!illegal && FIELD_EX32(param, CMDQV_PARAM, LOG2_VINTFS)) {
        illegal = "LOG2_VINTFS (bits 11 to 8) is 0 for a guest";
    }
    if (illegal) {
        error_setg(errp, PARAM "=0x%x: %s; 0x%x has two queues", param,
                   illegal, SMMU_ACCEL_CMDQV_PARAM);
    }
    return !illegal;
}

bool smmuv3_accel_spec_parse(const char *text, SMMUv3AccelSpec *spec,
                             Error **errp)
{
    g_autofree char *copy = g_strstrip(g_strdup(text));
    const char *p = copy;
    Parser parser = { .spec = spec };

    smmuv3_accel_spec_init(spec);
    if (strstart(p, "-device", &p)) {
        p += strspn(p, " \t\n");
    }
    if (!parse_any(p, &parser, errp)) {
        return false;
    }
    if (parser.needs_accel && !spec->dropin) {
        error_setg(errp, "without accel=on " DROPIN " is an emulated SMMU, "
                   "whose registers cannot be set: add accel=on");
        return false;
    }
    return check_cmdqv(spec, errp);
}
