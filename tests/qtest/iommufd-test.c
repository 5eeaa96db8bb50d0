/*
 * QTest: file descriptors that are passed to an iommufd object
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "libqtest.h"
#include "qobject/qdict.h"

#define CLOSED_FD       987

/* QEMU inherits all descriptors of this process */
static void assert_refused(int fd, const char *reason)
{
    QTestState *qts = qtest_init("-M none");
    g_autofree char *number = g_strdup_printf("%d", fd);
    g_autofree char *want = g_strdup_printf("fd=%d is not %s", fd, reason);
    QDict *error;

    error = qtest_qmp_assert_failure_ref(qts, "{'execute': 'object-add',"
        " 'arguments': {'qom-type': 'iommufd', 'id': 'iommufd0',"
        " 'fd': %s}}", number);
    g_assert_cmpstr(qdict_get_str(error, "desc"), ==, want);
    qobject_unref(error);
    qtest_quit(qts);
}

static void test_null(void)
{
    int fd = open("/dev/null", O_RDWR);

    g_assert_cmpint(fd, >=, 0);
    assert_refused(fd, "/dev/iommu but /dev/null: pass an open /dev/iommu, or "
                   "leave out fd=");
    close(fd);
}

static void test_closed(void)
{
    assert_refused(CLOSED_FD, "an open file descriptor: let QEMU inherit an "
                   "open /dev/iommu, or leave out fd=");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("iommufd/null", test_null);
    qtest_add_func("iommufd/closed", test_closed);
    return g_test_run();
}
