/*
 * Accelerated SMMUv3: lines of text in the monitor
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_ARM_SMMUV3_ACCEL_LINE_H
#define HW_ARM_SMMUV3_ACCEL_LINE_H

#include "monitor/monitor.h"

/*
 * A label and its items. Each line has as many items as fit, and the lines are
 * aligned at the first item. Without items nothing is printed.
 */
typedef struct Line {
    Monitor *mon;
    const char *separator;
    char label[40];
    unsigned column;
} Line;

/* @separator is printed between items, and @fmt gives the label */
Line G_GNUC_PRINTF(3, 4) line_start(Monitor *mon, const char *separator,
                                    const char *fmt, ...);
void G_GNUC_PRINTF(2, 3) line_add(Line *line, const char *fmt, ...);
/* Add "name 5", or nothing if @count is 0 */
void line_count(Line *line, const char *name, uint64_t count);
void line_end(Line *line);

#endif /* HW_ARM_SMMUV3_ACCEL_LINE_H */
