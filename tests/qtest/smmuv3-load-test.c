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

/* A queue in the stream: base, indices, and the size in the last byte */
#define SIZE_OFFSET     16

static void save(const void *accel, const char *path)
{
    g_autofree char *uri = g_strdup_printf("file:%s", path);
    Rig r;

    rig_start(&r, GPOINTER_TO_INT(accel), "");
    qtest_writeq(r.qts, r.smmu + RIG_CMDQ_BASE, CMDQ | RIG_LOG2_QUEUE);
    qtest_writeq(r.qts, r.smmu + RIG_EVENTQ_BASE, EVENTQ | RIG_LOG2_QUEUE);
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

/* Where the size of the queue at @base is */
static char *find_size(char *stream, gsize len, uint64_t base)
{
    uint64_t pattern = cpu_to_be64(base | RIG_LOG2_QUEUE);
    char *queue = memmem(stream, len, &pattern, sizeof(pattern));

    g_assert_nonnull(queue);
    g_assert_cmpint(stream + len - queue, >, SIZE_OFFSET);
    g_assert_null(memmem(queue + 1, stream + len - queue - 1, &pattern,
                         sizeof(pattern)));
    g_assert_cmpint(queue[SIZE_OFFSET], ==, RIG_LOG2_QUEUE);
    return queue + SIZE_OFFSET;
}

static void test_size(const void *accel, uint64_t base)
{
    g_autofree char *path = NULL, *stream = NULL;
    int fd = g_file_open_tmp("smmuv3-load-XXXXXX", &path, NULL);
    gsize len;

    g_assert_cmpint(fd, >=, 0);
    close(fd);
    save(accel, path);
    g_assert_true(load(accel, path));

    g_assert_true(g_file_get_contents(path, &stream, &len, NULL));
    *find_size(stream, len, base) = 32;
    g_assert_true(g_file_set_contents(path, stream, len, NULL));
    g_assert_false(load(accel, path));
    g_unlink(path);
}

static void test_command_queue(const void *accel)
{
    test_size(accel, CMDQ);
}

static void test_event_queue(const void *accel)
{
    test_size(accel, EVENTQ);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    rig_add_func("load/command-queue", test_command_queue);
    rig_add_func("load/event-queue", test_event_queue);
    return g_test_run();
}
