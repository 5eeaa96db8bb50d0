# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests of the pure parts of the bench; they run with those of the lab itself."""

import re
import unittest
import xml.etree.ElementTree as ElementTree

from ..util import LabError
from . import counters, machines, model, page, plan, report, svg, targets, workloads
from .stats import Samples, Spread, spread

QEMU_TRACE = """\
7@1.0:smmuv3_cmdq_opcode <--- SMMU_CMD_TLBI_NH_VA
7@1.0:smmuv3_cmdq_opcode <--- SMMU_CMD_SYNC
7@1.0:iommufd_backend_invalidate  iommufd=9 viommu=4 data_type=1 entries=3 done=3 (0)
7@1.0:smmuv3_write_mmio addr: 0x98 val:0x44 size: 0x4(0)
7@1.0:smmuv3_read_mmio addr: 0x9c val:0x44 size: 0x4(0)
2026-11-21T00:00:00.1Z smmuv3_read_mmio addr: 0x9c val:0x44 size: 0x4(0)
1970-01-01T00:00:10.1Z iommufd_backend_invalidate_cache  iommufd=9 id=4 data_type=1 entry_len=16 entry_num=2 done=2 (0)
"""


def made_up(ours=1.2, rival=2.4, exits=1, ours4=0.4, queued=0):
    """Samples of three rounds; every figure follows from the arguments."""
    samples = Samples()
    for round in range(3):
        noise = 1 + round / 10      # of the whole machine, in that round
        for name, factor, per_read in (("ours", ours, exits), ("none", 1, 0), ("rival", rival, 2),
                                       ("cmdqv", 1, queued)):
            for size in ("4k", "1M"):
                samples.add(round, name, f"read-{size}-1", ops=1000, seconds=factor * noise,
                            to_qemu=1000 * per_read, exits=2000, wfi=1, cpu=factor)
            gain = ours4 if name == "ours" else 0.9
            samples.add(round, name, "read-4k-4", ops=1000, seconds=factor * noise * gain,
                        to_qemu=1000 * per_read, exits=2000, wfi=1, cpu=factor)
            commands = {"ours": 1, "rival": 3}.get(name, 0)
            hardware = 10 * (name == "cmdqv")
            for size in ("4k", "128k", "1M"):
                samples.add(round, name, f"count-{size}", ops=10, syncs=10 * bool(commands),
                            mmio=10 * per_read, commands=30 * bool(commands),
                            hw_syncs=hardware, hw_commands=hardware,
                            cons_reads=0, ioctls=10 * commands, walks=10)
            if commands:
                samples.add(round, name, "cfgi-all", syncs=1, ioctls=1)
                for size in (1, 8):
                    samples.add(round, name, f"batch-{size}", syncs=1,
                                ioctls=1 if name == "ours" else size)
            samples.add(round, name, "boot", ops=1, seconds=5, cpu=5, to_qemu=9, exits=10)
    return samples


def result_of(samples):
    return {"date": "today", "plan": "quick", "rounds": 3, "qemu": "10.0", "rival": "11.1",
            "kernel": "7.2", "host": "here", "load": 3.2, "problems": ["round 1: it broke"],
            "targets": targets.evaluate(samples), "samples": samples.rows}


def verdicts(samples):
    return {v["target"].split(":")[0]: v["verdict"] for v in targets.evaluate(samples)}


class Statistics(unittest.TestCase):
    def test_spread(self):
        self.assertEqual(spread([3, 1, None, 2]), Spread(2, 1, 3, 3))
        self.assertIsNone(spread([]))

    def test_ratio_is_of_one_round(self):
        # The machine slows both down in the same way, so the ratio does not change.
        ratio = made_up(ours=1.5).ratio("ours", "none", "read-4k-1")
        self.assertAlmostEqual(ratio.low, 1.5)
        self.assertAlmostEqual(ratio.high, 1.5)
        self.assertEqual(ratio.n, 3)

    def test_a_round_without_its_partner(self):
        samples = Samples()
        samples.add(0, "ours", "x", seconds=2, ops=1)
        samples.add(1, "ours", "x", seconds=3, ops=1)
        samples.add(1, "none", "x", seconds=1, ops=1)
        self.assertEqual(samples.ratio("ours", "none", "x"), Spread(3, 3, 3, 1))
        self.assertIsNone(samples.ratio("rival", "none", "x"))

    def test_gain(self):
        self.assertAlmostEqual(made_up(ours4=0.5).gain("ours", "read-4k-4", "read-4k-1").median, 2)


class Counting(unittest.TestCase):
    def test_kvm(self):
        found = counters.parse_kvm("exits:70\nmmio_exit_user:0x10\nsomething: else: 5\nhvc_exit_stat\n")
        self.assertEqual(found, {"exits": 70, "to_qemu": 16})

    def test_trace(self):
        self.assertEqual(counters.from_trace(QEMU_TRACE),
                         {"mmio": 3, "prod_writes": 1, "cons_reads": 2, "syncs": 1, "commands": 1,
                          "ioctls": 2, "forwarded": 5})

    def test_l0_trace(self):
        found = counters.from_l0_trace(b"1@2:smmu_iotlb_lookup_hit IOTLB cache HIT\n"
                                       b"1@2:smmu_iotlb_lookup_miss IOTLB cache MISS\n"
                                       b"1@2:smmuv3_cmdqv_command vintf 0 vcmdq 0 SMMU_CMD_SYNC 0x46 0x0 error 0\n"
                                       b"1@2:smmuv3_cmdqv_command vintf 1 vcmdq 2 SMMU_CMD_TLBI_NH_VA 0x1 0x0 error 0\n"
                                       b"1@2:smmuv3_cmdqv_command vintf 1 vcmdq 2 SMMU_CMD_SYNC 0x46 0x0 error 0\n")
        self.assertEqual(found, {"walks": 1, "lookups": 2, "hw_syncs": 1, "hw_commands": 1})


class Work(unittest.TestCase):
    def test_sizes(self):
        self.assertEqual([workloads.bytes_of(s) for s in ("512", "4k", "1M")], [512, 4096, 1 << 20])

    def test_readers_stay_on_the_disk(self):
        """160 MiB of a disk of 64 MiB are read in several passes."""
        load = workloads.Reads("1M", 160, readers=2, cpus=2)
        script = workloads.readers_script("/dev/x", load)
        for line in script.splitlines()[:-1]:
            passes = int(re.search(r"seq (\d+)", line)[1])
            skip, counts = re.search(r"skip=(\d+)", line)[1], re.findall(r"count=(\d+)", line)
            counts = [int(n) for n in counts]
            self.assertLessEqual(int(skip) + max(counts), 64)
            self.assertEqual(passes * counts[0] + sum(counts[1:]), 80)

    def test_readers_have_cpus(self):
        load = workloads.Reads("4k", 40, readers=4, cpus=2)
        script = workloads.readers_script("/dev/x", load)
        self.assertEqual([line.split()[1] for line in script.splitlines()[:-1]], ["1", "2", "1", "2"])

    def test_what_was_read(self):
        self.assertEqual(workloads.blocks_in("40+0 records in\n40+0 records out\n2+1 records in\n"
                                             "8+0 records in\n"), 48)


class Plans(unittest.TestCase):
    def test_every_configuration_is_first_once(self):
        standard = plan.PLANS["standard"]
        firsts = [standard.order(n)[0] for n in range(len(standard.configs))]
        self.assertEqual(set(firsts), set(standard.configs))
        self.assertEqual(standard.order(0)[0].name, "ours")     # tells its ID registers
        self.assertGreaterEqual(standard.rounds, 5)


class Targets(unittest.TestCase):
    def test_met(self):
        self.assertEqual(set(verdicts(made_up()).values()), {"PASS"})

    def test_missed(self):
        found = verdicts(made_up(ours=2.0, exits=2, ours4=1.0, queued=1))
        missed = {name for name, verdict in found.items() if verdict == "MISSED"}
        self.assertEqual(missed, {"exits to QEMU per unmap", "exits to QEMU per unmap with queues in hardware",
                                  "4 KiB reads", "1 MiB reads", "4 vCPUs"})

    def test_not_measured(self):
        self.assertEqual(set(verdicts(Samples()).values()), {"not measured"})


class Model(unittest.TestCase):
    def test_counts_and_cost(self):
        found = model.measured(made_up(), "ours", "4k", 1)
        # 1000 exits for 1000 reads; three commands for each CMD_SYNC
        self.assertEqual(found, model.Counts(1, 1, 3, 1, locked=False))
        self.assertTrue(model.measured(made_up(), "rival", "4k", 1).locked)
        self.assertGreater(found.cost(1), found.cost(0))
        self.assertGreater(found.cost(), model.FLOOR.cost())
        self.assertLess(model.ceiling(model.measured(made_up(), "rival", "4k", 1)),
                        model.ceiling(found))
        self.assertIsNone(model.measured(Samples(), "ours", "4k", 1))
        self.assertEqual(model.measured(made_up(), "cmdqv", "4k", 1), model.Counts(0, 0, 1, 1, locked=False))

    def test_exit_in_the_lab(self):
        # 1.2 ms more for one exit more
        self.assertAlmostEqual(model.lab_exit(made_up()), 1200)

    def test_breakdown_adds_up(self):
        samples = made_up()
        self.assertEqual(model.breakdown(samples, "read-4k-1"), [])
        for round in range(3):
            for name, cpu in (("l1-dma", 0.5), ("l1-identity", 0.4)):
                samples.add(round, name, "read-4k-1", ops=1000, seconds=1, cpu=cpu)
        parts = [us for _, us, _ in model.breakdown(samples, "read-4k-1")]
        self.assertAlmostEqual(sum(parts), 1200)
        self.assertAlmostEqual(parts[1], 100)


class Pages(unittest.TestCase):
    def test_markers(self):
        text = "a\n<!-- bench:x -->\nold\n<!-- /bench:x -->\nb\n"
        once = page.replaced(text, {"x": "new\n"})
        self.assertEqual(once, "a\n<!-- bench:x -->\nnew\n<!-- /bench:x -->\nb\n")
        self.assertEqual(page.replaced(once, {"x": "new"}), once)
        self.assertEqual(page.replaced(text, {"x": "new\n"}, ["y"]), text)
        for bad in ("<!-- bench:y -->\n<!-- /bench:y -->", "<!-- bench:x -->\nno end"):
            with self.assertRaises(LabError):
                page.replaced(bad, {"x": ""})

    def test_every_page(self):
        """The present pages can be written, also from very few results."""
        for samples in (made_up(), Samples()):
            parts = page.parts_of(result_of(samples))
            for name in page.PAGES:
                page.replaced((page.DOCS / name).read_text(), parts)

    def test_report(self):
        text = report.text(result_of(made_up()))
        for word in ("PASS", "it broke", "busy", "read-4k-1", "no vIOMMU"):
            self.assertIn(word, text)
        self.assertIn("not measured", report.text(result_of(Samples())))


class Plots(unittest.TestCase):
    def test_well_formed(self):
        for samples in (made_up(), Samples()):
            for name, text in page.drawn(samples).items():
                root = ElementTree.fromstring(text)
                self.assertTrue(root.tag.endswith("svg"), name)
                self.assertIn("prefers-color-scheme: dark", text)

    def test_bars_are_to_scale(self):
        text = svg.bars("a <b>", "u", ["x"], {"one": [Spread(1, 1, 1, 1)], "two": [Spread(2, 2, 2, 1)]})
        heights = [float(r.get("height")) for r in ElementTree.fromstring(text).iter()
                   if r.tag.endswith("rect") and r.get("height") != "12"]
        self.assertAlmostEqual(heights[1], 2 * heights[0], delta=0.2)
        self.assertIn("a &lt;b&gt;", text)

    def test_axis(self):
        self.assertEqual([svg.nice_ceiling(v) for v in (0, 0.7, 1, 1.2, 9, 130)],
                         [1, 0.8, 1, 1.5, 10, 150])


def of_machine(**more):
    """A result of two rounds; the second one is on a slower machine."""
    samples = [{"round": r, "setup": setup, "job": job.name, "iops": iops / (r + 1), "us": 80, "cpu": 9}
               for r in range(2) for job in machines.JOBS
               for setup, iops in (("host-strict", 1000), ("strict", 900), ("plain", 950))]
    return {"format": machines.FORMAT, "machine": "Maker Model", "kernel": "7.2", "qemu": "10.0.13", "device": "a disk",
            "smmu": "smmu3.0", "date": "2026-11-26", "rounds": 2, "seconds": 10, "samples": samples, **more}


class Machines(unittest.TestCase):
    def test_fio(self):
        text = ('fio: a warning\n{"jobs": [{"error": 0, "usr_cpu": 1.0, "sys_cpu": 2.0, "read": '
                '{"total_ios": 7, "iops": 5.5, "clat_ns": {"mean": 81000.0}}}]}\nanother')
        self.assertEqual(machines.parse(text), {"iops": 5.5, "us": 81.0, "cpu": 3.0})
        for bad in ("", "fio: no such engine", '{"jobs": []}', '{"jobs": [', text.replace('"error": 0', '"error": 5'),
                    text.replace('"total_ios": 7', '"total_ios": 0')):
            with self.assertRaises(LabError):
                machines.parse(bad)

    def test_share_is_within_a_round(self):
        result = of_machine()
        self.assertEqual(machines.share(result, "strict", "4k-1").json(), {"median": 0.9, "low": 0.9, "high": 0.9, "n": 2})
        self.assertEqual(machines.median(result, "strict", "4k-1").median, 675)
        self.assertIsNone(machines.share(result, "plain", "4k-1"))      # host-pass is missing

    def test_table(self):
        text = machines.table([of_machine(note="one node", skipped={"guest, strict, cmdqv": "no queues"}),
                               of_machine(machine="Other")])
        for row in ("**Maker Model**: a disk;", "; one node", "| host, strict | 750 | 750 | 750 |",
                    "| guest, strict | 675, 90% | 675, 90% | 675, 90% |", "**Other**",
                    "guest, strict, cmdqv: not measured, no queues."):
            self.assertIn(row, text)
        self.assertNotIn("lazy", text)
        self.assertEqual(machines.table([]), "No results yet.")

    def test_only_results_that_the_table_can_take(self):
        self.assertEqual(machines.check(of_machine())["machine"], "Maker Model")
        with self.assertRaisesRegex(LabError, "no 'samples'"):
            machines.check({k: v for k, v in of_machine().items() if k != "samples"})
        with self.assertRaisesRegex(LabError, "format"):
            machines.check(of_machine(format=9))

    def test_chosen(self):
        self.assertEqual(machines.chosen(None), list(machines.SETUPS))
        self.assertEqual([s.name for s in machines.chosen("lazy,host-lazy")], ["host-lazy", "lazy"])
        with self.assertRaisesRegex(LabError, "no configuration fast"):
            machines.chosen("lazy,fast")
        for guest, native in machines.NATIVE.items():
            self.assertFalse(machines.BY_NAME[guest].domain)
            self.assertTrue(machines.BY_NAME[native].domain)

    def test_page(self):
        text = (page.DOCS / "machines.md").read_text()
        self.assertIn("a row", page.replaced(text, {"machines": "a row"}))
