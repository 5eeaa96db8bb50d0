/*
 * QTest: SMMUv3 refuses sizes in a migration stream that no guest can set
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <glib/gstdio.h>
#include "qemu/bswap.h"
#include "smmuv3-rig.h"

/* Addresses that occur nowhere else in the stream */
#define CMDQ            0x4dabcdea000ULL
#define EVENTQ          0x4dabcdeb000ULL
#define STRTAB          0x4dabcdec000ULL

/* A queue in the stream: base, indices, and the size in the last byte */
#define SIZE_OFFSET     16
/* From the split of the stream table to its base: 12 registers */
#define SPLIT_OFFSET    (12 * 4 + 1)

static void save(const void *accel, const char *path)
{
    g_autofree char *uri = g_strdup_printf("file:%s", path);
    Rig r;

    rig_start(&r, GPOINTER_TO_INT(accel), "");
    qtest_writeq(r.qts, r.smmu + RIG_CMDQ_BASE, CMDQ | RIG_LOG2_QUEUE);
    qtest_writeq(r.qts, r.smmu + RIG_EVENTQ_BASE, EVENTQ | RIG_LOG2_QUEUE);
    qtest_writeq(r.qts, r.smmu + RIG_STRTAB_BASE, STRTAB);
    rig_save(r.qts, uri);
    qtest_quit(r.qts);
}

static bool load(const void *accel, const char *path)
{
    g_autofree char *uri = g_strdup_printf("file:%s", path);
    bool loaded;
    Rig r;

    rig_start(&r, GPOINTER_TO_INT(accel), "-incoming defer");
    qtest_qmp_assert_success(r.qts, "{'execute': 'migrate-incoming',"
        " 'arguments': {'uri': %s, 'exit-on-error': false}}", uri);
    loaded = rig_migrated(r.qts);
    qtest_quit(r.qts);
    return loaded;
}

/* Where a register with this value is, which occurs once */
static char *find(char *stream, gsize len, uint64_t value)
{
    uint64_t pattern = cpu_to_be64(value);
    char *found = memmem(stream, len, &pattern, sizeof(pattern));

    g_assert_nonnull(found);
    g_assert_cmpint(stream + len - found, >, SIZE_OFFSET);
    g_assert_cmpint(found - stream, >, SPLIT_OFFSET);
    g_assert_null(memmem(found + 1, stream + len - found - 1, &pattern,
                         sizeof(pattern)));
    return found;
}

static char *find_size(char *stream, gsize len, uint64_t base)
{
    char *size = find(stream, len, base | RIG_LOG2_QUEUE) + SIZE_OFFSET;

    g_assert_cmpint(*size, ==, RIG_LOG2_QUEUE);
    return size;
}

static char *find_split(char *stream, gsize len, uint64_t base)
{
    return find(stream, len, base) - SPLIT_OFFSET;
}

/* A stream with a byte of 32, where the largest legal value is less */
static void test_byte(const void *accel, uint64_t base,
                      char *(*find_byte)(char *, gsize, uint64_t))
{
    g_autofree char *path = NULL, *stream = NULL;
    int fd = g_file_open_tmp("smmuv3-load-XXXXXX", &path, NULL);
    gsize len;

    g_assert_cmpint(fd, >=, 0);
    close(fd);
    save(accel, path);
    g_assert_true(load(accel, path));

    g_assert_true(g_file_get_contents(path, &stream, &len, NULL));
    *find_byte(stream, len, base) = 32;
    g_assert_true(g_file_set_contents(path, stream, len, NULL));
    g_assert_false(load(accel, path));
    g_unlink(path);
}

static void test_command_queue(const void *accel)
{
    test_byte(accel, CMDQ, find_size);
}

static void test_event_queue(const void *accel)
{
    test_byte(accel, EVENTQ, find_size);
}

static void test_split(const void *accel)
{
    test_byte(accel, STRTAB, find_split);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    rig_add_func("load/command-queue", test_command_queue);
    rig_add_func("load/event-queue", test_event_queue);
    rig_add_func("load/split", test_split);
    return g_test_run();
}
