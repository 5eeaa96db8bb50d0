/*
 * smmuv3-spec: read the XML of a domain
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/cutils.h"
#include "domain.h"

#define QEMU_NAMESPACE "http://libvirt.org/schemas/domain/qemu/1.0"

bool domain_is(const xmlNode *node, const char *name)
{
    return node->type == XML_ELEMENT_NODE &&
           !strcmp((const char *)node->name, name);
}

static const xmlNode *find(const xmlNode *node, const char *name)
{
    while (node && !domain_is(node, name)) {
        node = node->next;
    }
    return node;
}

const xmlNode *domain_child(const xmlNode *node, const char *name)
{
    return node ? find(node->children, name) : NULL;
}

const xmlNode *domain_next(const xmlNode *node)
{
    return find(node->next, (const char *)node->name);
}

const char *domain_attr(const xmlNode *node, const char *name)
{
    g_autofree char *copy = NULL;
    xmlChar *value;

    if (!node) {
        return NULL;
    }
    value = xmlGetNoNsProp(node, (const xmlChar *)name);
    if (!value) {
        return NULL;
    }
    copy = g_strdup((char *)value);
    xmlFree(value);
    return g_intern_string(copy);
}

bool domain_is_qemu(const xmlNode *node)
{
    return node->ns && node->ns->href &&
           !strcmp((const char *)node->ns->href, QEMU_NAMESPACE);
}

int domain_number(const char *text)
{
    int number;

    return text && !qemu_strtoi(text, NULL, 0, &number) && number >= 0 ?
           number : -1;
}

int domain_index(const char *text)
{
    int number;

    return text && !qemu_strtoi(text, NULL, 10, &number) && number >= 0 ?
           number : -1;
}
