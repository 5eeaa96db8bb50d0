# SPDX-License-Identifier: GPL-2.0-or-later
"""Find the names of tests on a page, and those that do not exist."""

import re

import messages

ROLE = re.compile(r"``(unit|qtest|lab) ([^`]+)``")
ADDED = re.compile(r'\b(?:g_test_add\w*|qtest_add\w*|rig_add_func|g_strdup_printf)\(\s*"((?:[^"\\]|\\.)+)"')


def paths(root, directory):
    """Regular expressions for the paths of the tests in the sources of a directory; a format stands for any words."""
    found = set()
    for source in (root / "tests" / directory).glob("*.c"):
        for literal in ADDED.findall(source.read_text()):
            names = [literal] if "/" in literal else []
            if "rig_add_func" in source.read_text() and not literal.startswith("smmuv3"):
                names = [f"smmuv3/{literal}", f"smmuv3-accel/{literal}"]
            found |= {".*".join(map(re.escape, re.split("%[a-z0-9]+", name))) for name in names}
    return found


def exists(kind, name, known):
    if kind == "lab":
        return name in known[kind]
    if kind == "unit" and not name.startswith("/"):
        name = f"/smmuv3-accel/{name}"
    if name.endswith("/*"):
        return any(re.match(re.escape(name[:-1]), path.replace("\\", "")) or re.fullmatch(path, name[:-1] + "x")
                   for path in known[kind])
    return any(re.fullmatch(path, name) for path in known[kind])


def unknown(root, text):
    known = {"unit": paths(root, "unit"), "qtest": paths(root, "qtest"), "lab": messages.scenarios(root)}
    named = sorted(set(ROLE.findall(" ".join(text.split()))))
    problems = [f"there is no test '{kind} {name}'" for kind, name in named if not exists(kind, name, known)]
    return problems if named else ["the page names no test"]
