/*
 * Accelerated SMMUv3: lines of text in the monitor
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "smmuv3-accel-line.h"

#define COLUMNS 80

Line line_start(Monitor *mon, const char *separator, const char *fmt, ...)
{
    Line line = { .mon = mon, .separator = separator };
    va_list ap;

    va_start(ap, fmt);
    g_vsnprintf(line.label, sizeof(line.label), fmt, ap);
    va_end(ap);
    return line;
}

void line_add(Line *line, const char *fmt, ...)
{
    unsigned indent = strlen(line->label);
    g_autofree char *item = NULL;
    va_list ap;

    va_start(ap, fmt);
    item = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    if (!line->column) {
        monitor_printf(line->mon, "%s", line->label);
        line->column = indent;
    } else if (line->column + strlen(item) + 3 >= COLUMNS) {
        monitor_printf(line->mon, "%s\n%*s", line->separator, indent, "");
        line->column = indent;
    } else {
        monitor_printf(line->mon, "%s ", line->separator);
        line->column += strlen(line->separator) + 1;
    }
    monitor_printf(line->mon, "%s", item);
    line->column += strlen(item);
}

void line_count(Line *line, const char *name, uint64_t count)
{
    if (count) {
        line_add(line, "%s %" PRIu64, name, count);
    }
}

void line_end(Line *line)
{
    if (line->column) {
        monitor_printf(line->mon, "\n");
    }
}
