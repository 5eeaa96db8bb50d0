# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests that each name in the lab's own code exists: a scenario that nobody runs would not notice otherwise."""

import ast
import builtins
import importlib
import unittest
from types import ModuleType

from . import scenario
from .util import HERE

GIVEN = set(dir(builtins)) | {"__file__", "__name__", "__path__"}


def modules():
    """(path, module, syntax tree) of each file of the lab"""
    scenario.load()
    for path in sorted(HERE.rglob("*.py")):
        if path.name in ("__init__.py", "run.py"):
            continue
        name = ".".join(("lab", *path.relative_to(HERE).with_suffix("").parts))
        yield path.relative_to(HERE), importlib.import_module(name), ast.parse(path.read_text())


def bound(tree):
    """All names that a file gives a meaning to, in any scope."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.alias):
            yield (node.asname or node.name).split(".")[0]
        elif isinstance(node, ast.ExceptHandler) and node.name:
            yield node.name


def unknown(tree):
    """Names that have no meaning anywhere in their file."""
    known = GIVEN | set(bound(tree))
    return [f"{node.lineno}: {node.id}" for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id not in known]


def missing(module, tree):
    """Names that a module or class of the lab is asked for and does not have."""
    local = {node.arg if isinstance(node, ast.arg) else node.id for node in ast.walk(tree)
             if isinstance(node, ast.arg) or isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            owner = vars(module).get(node.value.id)
            own = isinstance(owner, (ModuleType, type)) and getattr(owner, "__module__", owner.__name__).startswith("lab")
            if own and node.value.id not in local and not hasattr(owner, node.attr):
                yield f"{node.lineno}: {node.value.id}.{node.attr}"


def unused(tree):
    """Names that are imported and not used."""
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    for node in tree.body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from (f"{node.lineno}: {alias.name}" for alias in node.names
                        if (alias.asname or alias.name).split(".")[0] not in used)


class Names(unittest.TestCase):
    def test_names(self):
        for path, module, tree in modules():
            with self.subTest(path=str(path)):
                self.assertEqual(unknown(tree), [], "unknown names")
                self.assertEqual(list(missing(module, tree)), [], "names that a module does not have")
                self.assertEqual(list(unused(tree)), [], "imports that are not used")

    def test_each_mistake_is_found(self):
        self.assertEqual(unknown(ast.parse("def f(a):\n    return a + b")), ["2: b"])
        self.assertEqual(unused(ast.parse("import os\nimport re\nre.compile")).__next__(), "1: os")
        tree = ast.parse("scenario.load, scenario.lod, scenario.Lab.guest, Lab.ghost")
        owner = ModuleType("lab.x")
        owner.scenario, owner.Lab = scenario, scenario.Lab
        self.assertEqual(list(missing(owner, tree)), ["1: scenario.lod", "1: Lab.ghost"])
