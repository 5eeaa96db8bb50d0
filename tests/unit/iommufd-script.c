/*
 * Run calls of iommufd and VFIO that are lines of text
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "iommufd-script.h"
#include "iommufd-words.h"

#define CMDS_MAX 256
#define ROOM_MAX 16
#define VARIABLES_MAX 64
#define PAGE_SIZE 0x10000
#define MEMORY_SIZE 0x10000

typedef struct Variable {
    char name[16];
    uint32_t id;
    void *device;       /* of a cdev */
    int fd;             /* of a queue; 0: none */
    uint64_t offset;    /* of the registers of a vIOMMU, in the iommufd */
    void *page;         /* those, where they are mapped */
    IommufdMapping mapping;
} Variable;

/* The mappings of an IOAS. Each page is a separate one in the kernel */
static uint8_t memory[MEMORY_SIZE] __attribute__((aligned(MEMORY_SIZE)));

struct IommufdScript {
    IommufdScriptHost host;
    IommufdNames names;
    Variable variables[VARIABLES_MAX];
    size_t n_variables;
};

/* The parts of one call */
typedef struct Call {
    const IommufdRequest *r;
    uint32_t w[IOMMUFD_WORDS_MAX];
    Variable *device, *viommu;
    uint64_t cmds[CMDS_MAX][2];
    uint64_t ste[2];
    uint64_t data[2 * ROOM_MAX];
} Call;

static Variable *variable(IommufdScript *s, const char *name)
{
    for (size_t i = 0; i < s->n_variables; i++) {
        if (!strcmp(s->variables[i].name, name)) {
            return &s->variables[i];
        }
    }
    return NULL;
}

/* A new or an existing variable; NULL: too many, or the name is too long */
static Variable *variable_for(IommufdScript *s, const char *name)
{
    Variable *v = variable(s, name);

    if (!v) {
        if (s->n_variables == VARIABLES_MAX ||
            strlen(name) >= sizeof(v->name)) {
            return NULL;
        }
        v = &s->variables[s->n_variables++];
    }
    memset(v, 0, sizeof(*v));
    strcpy(v->name, name);
    return v;
}

static void set_pointer(Call *c, const char *name, const void *p)
{
    int at = iommufd_word_index(c->r, name);

    c->w[at] = (uintptr_t)p;
    c->w[at + 1] = (uint64_t)(uintptr_t)p >> 32;
}

static void set(Call *c, const char *name, uint32_t value)
{
    c->w[iommufd_word_index(c->r, name)] = value;
}

/* "0x10:0*63" */
static const char *add_commands(Call *c, const char *value)
{
    unsigned long long word[2];
    unsigned count = 1;
    uint32_t *num = &c->w[iommufd_word_index(c->r, "num")];
    int n = sscanf(value, "%llx:%llx*%u", &word[0], &word[1], &count);

    if (n < 2 || count > CMDS_MAX - *num) {
        return "not a command";
    }
    for (; count; count--, ++*num) {
        c->cmds[*num][0] = word[0];
        c->cmds[*num][1] = word[1];
    }
    set_pointer(c, "cmds", c->cmds);
    set(c, "type", 1);
    set(c, "len", sizeof(c->cmds[0]));
    return NULL;
}

static const char *set_ste(Call *c, const char *value)
{
    unsigned long long word[2];

    if (sscanf(value, "%llx:%llx", &word[0], &word[1]) != 2) {
        return "not two words of an STE";
    }
    c->ste[0] = word[0];
    c->ste[1] = word[1];
    set_pointer(c, "ste", c->ste);
    set(c, "type", 2);
    set(c, "len", sizeof(c->ste));
    return NULL;
}

static const char *set_argument(IommufdScript *s, Call *c, const char *name,
                                const char *value)
{
    Variable *v = variable(s, value);
    int number = 0, used = 0, at;

    if (!strcmp(name, "cmd") && c->r->nr == NR_HWPT_INVALIDATE) {
        return add_commands(c, value);
    }
    if (!strcmp(name, "ste") && c->r->nr == NR_HWPT_ALLOC) {
        return set_ste(c, value);
    }
    if (!strcmp(value, "null") && iommufd_word_index(c->r, name) >= 0) {
        set_pointer(c, name, NULL);
        return NULL;
    }
    sscanf(value, "%i%n", &number, &used);
    if (!v && (!used || value[used])) {
        return "no such variable";
    }
    if (!strcmp(name, "room") && c->r->nr == NR_IOVA_RANGES) {
        name = "num";
        number = number < ROOM_MAX ? number : ROOM_MAX;
    }
    if (!strcmp(name, "memory") && c->r->nr == NR_IOAS_MAP) {
        set_pointer(c, name, memory + number % MEMORY_SIZE);
        return NULL;
    }
    if (!strcmp(name, "type") && c->r->nr == NR_VIOMMU_ALLOC && number == 2) {
        set(c, "len", 16);      /* struct iommu_viommu_tegra241_cmdqv */
        set_pointer(c, "page", c->data);
    }
    at = iommufd_word_index(c->r, name);
    if (at >= 0) {
        c->w[at] = v ? v->id : number;
        c->viommu = v;
        return NULL;
    }
    if (!strcmp(name, "dev")) {
        c->device = v;
        return NULL;
    }
    return "no such argument";
}

/* Arguments of every call */
static void begin(Call *c, const IommufdRequest *r)
{
    memset(c, 0, sizeof(*c));
    c->r = r;
    c->w[0] = 4 * iommufd_word_index(r, NULL);
    switch (r->nr) {
    case NR_IOVA_RANGES:
        set_pointer(c, "ranges", c->data);
        break;
    case NR_GET_HW_INFO:
        set(c, "len", 40);      /* struct iommu_hw_info_arm_smmuv3 */
        set_pointer(c, "data", c->data);
        break;
    case NR_IOAS_MAP:
        set(c, "flags", 7);     /* at this IOVA, to read and to write */
        set_pointer(c, "memory", memory);
        break;
    case NR_MMAP:
        set(c, "length", PAGE_SIZE);
        break;
    }
}

/* Not an ioctl; its errno */
static int map_page(IommufdScript *s, Call *c, Variable *result)
{
    uint32_t length = c->w[iommufd_word_index(c->r, "length")];
    void *page = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED,
                      s->host.iommufd, c->viommu ? c->viommu->offset : 0);

    if (page == MAP_FAILED) {
        return errno;
    }
    result->page = page;
    result->mapping = iommufd_mapping(c->w[1], length);
    return 0;
}

static void unmap_page(IommufdScript *s, Variable *v)
{
    const uint32_t *w = (uint32_t *)&v->mapping;
    char line[4096];
    int err = munmap(v->page, v->mapping.length) ? errno : 0;

    v->page = NULL;
    iommufd_words(&s->names, iommufd_request_by_name("munmap"), w, w, 0, err,
                  line, sizeof(line));
    s->host.say(s->host.opaque, line);
}

static const char *carry_out(IommufdScript *s, Call *c, Variable *result)
{
    const IommufdRequest *r = c->r;
    uint32_t before[IOMMUFD_WORDS_MAX];
    int of_device = r->nr == NR_BIND || r->nr == NR_ATTACH ||
                    r->nr == NR_DETACH;
    char line[4096];
    int err;

    if (of_device && (!c->device || !c->device->device)) {
        return "not a device";
    }
    if (r->nr == NR_MMAP && !result) {
        return "what is mapped needs a variable";
    }
    memcpy(before, c->w, sizeof(before));
    if (of_device) {
        err = -s->host.device(c->device->device, IOMMUFD_REQUEST(r->nr), c->w);
    } else if (r->nr == NR_MMAP) {
        err = map_page(s, c, result);
    } else {
        err = ioctl(s->host.iommufd, IOMMUFD_REQUEST(r->nr), c->w) ? errno : 0;
    }
    iommufd_words(&s->names, r, before, c->w,
                  c->device ? c->device->id : 0, err, line, sizeof(line));
    s->host.say(s->host.opaque, line);
    if (result && !err && r->nr != NR_MMAP) {
        result->id = c->w[iommufd_word_index(r, "out")];
        result->fd = r->nr == NR_VEVENTQ_ALLOC ? (int)c->w[6] :
                     r->nr == NR_FAULT_QUEUE_ALLOC ? (int)c->w[3] : 0;
        result->offset = r->nr == NR_VIOMMU_ALLOC ? c->data[0] : 0;
    }
    return NULL;
}

static const char *bind_device(IommufdScript *s, const char *name,
                               const char *device)
{
    Variable *v = variable_for(s, name);
    const char *wrong;
    Call c;

    if (!v) {
        return "one variable too many";
    }
    v->device = s->host.open(s->host.opaque, device);
    if (!v->device) {
        return "no such device";
    }
    begin(&c, iommufd_request_by_name("VFIO_DEVICE_BIND_IOMMUFD"));
    c.device = v;
    c.w[2] = s->host.iommufd;
    wrong = carry_out(s, &c, v);
    return wrong;
}

static void close_variable(IommufdScript *s, Variable *v)
{
    if (v->page) {
        unmap_page(s, v);
    }
    if (v->device) {
        s->host.close(v->device);
    }
    if (v->fd) {
        close(v->fd);
    }
    v->device = NULL;
    v->fd = 0;
}

static const char *call(IommufdScript *s, const char *result, char *rest)
{
    const IommufdRequest *r;
    Variable *v = NULL;
    const char *wrong;
    char *word = strtok(rest, " ");
    Call c;

    r = word ? iommufd_request_by_name(word) : NULL;
    if (!r) {
        return "no such call";
    }
    begin(&c, r);
    while ((word = strtok(NULL, " "))) {
        char *value = strchr(word, '=');

        if (!value) {
            return "an argument without a value";
        }
        *value = '\0';
        wrong = set_argument(s, &c, word, value + 1);
        if (wrong) {
            return wrong;
        }
    }
    if (result) {
        v = variable_for(s, result);
        if (!v || (iommufd_word_index(r, "out") < 0 && r->nr != NR_MMAP)) {
            return "nothing is returned that fits this variable";
        }
    }
    return carry_out(s, &c, v);
}

const char *iommufd_script_line(IommufdScript *s, const char *line)
{
    char text[512], first[16], second[16];
    Variable *v;
    int used = 0;

    if (strlen(line) >= sizeof(text)) {
        return "too long";
    }
    strcpy(text, line);
    if (sscanf(text, "bind %15s %15s", first, second) == 2) {
        return bind_device(s, first, second);
    }
    if (sscanf(text, "close %15s", first) == 1) {
        v = variable(s, first);
        if (!v || (!v->device && !v->fd && !v->page)) {
            return "nothing to close";
        }
        close_variable(s, v);
        return NULL;
    }
    if (sscanf(text, "%15[^ =] = %n", first, &used) == 1 && used) {
        return call(s, first, text + used);
    }
    return call(s, NULL, text);
}

IommufdScript *iommufd_script_new(const IommufdScriptHost *host)
{
    IommufdScript *s = calloc(1, sizeof(*s));

    s->host = *host;
    return s;
}

void iommufd_script_free(IommufdScript *s)
{
    for (int devices = 0; devices < 2; devices++) {
        for (size_t i = 0; i < s->n_variables; i++) {
            if (!s->variables[i].device == !devices) {
                close_variable(s, &s->variables[i]);
            }
        }
    }
    free(s);
}
