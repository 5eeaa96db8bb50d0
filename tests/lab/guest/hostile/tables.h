/*
 * Stream table entries, context descriptors and page tables
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TABLES_H
#define TABLES_H

#include "hostile.h"

uint64_t context_table(unsigned n);
uint64_t page_table(unsigned n);
void ste_stage1(uint32_t sid, unsigned context);
void cd_valid(unsigned context);
void tables_valid(void);

#endif
