# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests of the time that is left; the scenario lab_itself runs them."""

import json
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from . import progress, util


def run(total, *steps):
    return {"total": total, "steps": [list(step) for step in steps]}


RUNS = [run(100, ("build", 10), ("boot", 60), ("boot", 80)), run(300, ("build", 10), ("boot", 200), ("boot", 280)),
        run(120, ("build", 10), ("boot", 90), ("boot", 100))]


class Left(unittest.TestCase):
    def test_median_of_what_was_left(self):
        self.assertEqual(progress.left(RUNS, ["build"]), 110)       # of 90, 290, 110
        self.assertEqual(progress.left(RUNS, ["build", "boot"]), 40)
        self.assertEqual(progress.left(RUNS, ["build", "boot", "boot"]), 20)

    def test_unknown_step(self):
        self.assertIsNone(progress.left(RUNS, ["build", "download"]))
        self.assertIsNone(progress.left(RUNS, ["boot", "boot", "boot"]))
        self.assertIsNone(progress.left([], ["build"]))

    def test_scenarios(self):
        self.assertEqual(progress.of_scenarios({"a": [1, 9, 2], "b": [5]}, ["a", "b", "a"]), (9, 0))
        self.assertEqual(progress.of_scenarios({"a": [3]}, ["a", "c"]), (3, 1))

    def test_words(self):
        self.assertEqual([progress.human(n) for n in (0, 44, 55, 89, 91, 3000, 7260)],
                         ["10 s", "40 s", "1 min", "1 min", "2 min", "50 min", "2 h 1 min"])

    def test_old_runs_go(self):
        history = {}
        for n in range(progress.KEPT + 2):
            history = progress.with_run(history, "a", n)
            history = progress.with_duration(history, "s", n)
        self.assertEqual(history["runs"]["a"], list(range(2, progress.KEPT + 2)))
        self.assertEqual(history["scenarios"]["s"], list(range(2, progress.KEPT + 2)))
        for n in range(progress.KINDS):
            history = progress.with_run(history, f"k{n}", n)
        self.assertNotIn("a", history["runs"])
        self.assertEqual(len(history["runs"]), progress.KINDS)


class File(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.addCleanup(self.dir.cleanup)
        for name in ("CACHE", "LAB_CACHE", "BUILD"):
            patch = mock.patch.object(util, name, Path(self.dir.name))
            patch.start()
            self.addCleanup(patch.stop)

    def finished(self, *names):
        first = progress.Run("kind")
        texts = [first.step(name) for name in names]
        first.finish()
        return texts

    def test_first_run_says_that_nothing_is_known(self):
        texts = self.finished("one", "two")
        self.assertIn(progress.UNKNOWN, texts[0])
        self.assertEqual(texts[1], "")
        self.assertEqual(self.finished("one", "two", "new"), [" (about 10 s left)"] * 2 + [""])
        self.assertIn(progress.UNKNOWN, progress.Run("another kind").step("one"))

    def test_several_processes(self):
        file = Path(self.dir.name, "progress.json")
        one = progress.Run("kind", file=str(file))
        one.step("build")
        with mock.patch.dict("os.environ", LAB_PROGRESS=str(file)):
            two = progress.Run.current("other")
        two.step("boot")
        self.assertEqual((two.kind, two.began), ("kind", one.began))
        self.assertEqual([name for name, _ in json.loads(file.read_text())["steps"]], ["build", "boot"])

    def test_damaged_history(self):
        for text in ("", "{", "[]"):
            progress.history_file().write_text(text)
            self.assertEqual(progress.load(), {})
            self.finished("one")
        self.assertEqual(len(progress.load()["runs"]["kind"]), 1)

    def test_kind_depends_on_what_is_missing(self):
        cold = progress.kind_of("run")
        self.assertIn("native", cold)
        Path(self.dir.name, "obj").mkdir()
        Path(self.dir.name, "obj/qemu-system-aarch64").touch()
        self.assertNotIn("native", progress.kind_of("run"))
        self.assertNotEqual(cold, progress.kind_of("check"))

    def test_scenarios(self):
        times = progress.Scenarios(["a", "b"])
        self.assertIn(progress.UNKNOWN, times.left_from(0))
        self.assertEqual(times.left_from(1), "")
        times.done("a", 20)
        self.assertEqual(progress.Scenarios(["a", "b"]).left_from(0), " (more than 20 s left)")
        times.done("b", 40)
        self.assertEqual(progress.Scenarios(["a", "b"]).left_from(0), " (about 1 min left)")
