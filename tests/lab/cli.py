# SPDX-License-Identifier: GPL-2.0-or-later
"""The commands of run.py."""

import argparse
import os

from . import host, hostility, kernel, l0, mainjob, progress, roots, scenario, shell, soak, util
from .bench import command as bench
from .bench import machines


def check(args):
    run = progress.Run.current("check")
    util.begin_at(run.began)
    run.step("scenarios")
    names = args.names or [name for name, func in scenario.load().items() if args.matrix and func.matrix]
    good = scenario.run_all(names, args.rival)
    if good and not names and not args.rival:
        run.finish()
    return 0 if good else 1


def listing(_args):
    for name, func in scenario.load().items():
        print(f"{name:28} {scenario.summary(func)}")
    return 0


def prepare(_args):
    """Build everything that can be prepared, so that runs are fast."""
    print(kernel.image())
    print(roots.l1_root())
    return 0


def l2_shell(args):
    return l1_shell(args) if args.host else shell.main(args)


def l1_shell(args):
    """L1's console on this terminal; Ctrl-A X ends it."""
    qemu = scenario.under_test() if scenario.under_test().exists() else None
    rival = roots.rival_root() / "image" if args.rival else None
    util.say("This is L1's shell; Ctrl-A X ends it.  /lab has the guest's files and the QEMU under test")
    l1 = host.L1(util.LOGS / "shell", l0.STOCK, qemu=qemu, rival=rival, shell=True)
    try:
        return l1.l0.proc.wait()
    finally:
        l1.stop()


def main(parser):
    parser.add_argument("-v", "--verbose", action="store_true", help="print more")
    sub = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    add = sub.add_parser("run", help="run a guest with a vSMMU and a device, and print a report")
    add.add_argument("--device", metavar="BDF",
                     help="on an Arm host with SMMUv3: use this PCI device, without emulation")
    add.add_argument("--yes", action="store_true",
                     help="with --device: do not ask before taking the device from its driver")
    add.add_argument("--rival", action="store_true", help=argparse.SUPPRESS)
    add.set_defaults(func=mainjob.main)

    add = sub.add_parser("check", help="run all scenarios, or those that are named; prints TAP")
    add.add_argument("names", nargs="*", metavar="NAME")
    add.add_argument("--rival", action="store_true",
                     help="run only those for upstream's device, with Debian's newer QEMU")
    add.add_argument("--matrix", action="store_true",
                     help="run only those with other kernels, for guests and for the host (an hour)")
    add.set_defaults(func=check)

    add = sub.add_parser("bench", help="compare this vSMMU, upstream's, no vIOMMU, and L1 itself")
    much = add.add_mutually_exclusive_group()
    much.add_argument("--quick", action="store_true",
                      help="run one round with the fewest measurements (4 minutes)")
    much.add_argument("--full", action="store_true", help="run more rounds and more measurements (an hour)")
    much.add_argument("--docs", action="store_true",
                      help="do not run, but write docs/ from the results of the last run")
    add.add_argument("--parts", metavar="NAME,...",
                     help="with --docs: write only the parts between these markers, and no plots")
    add.add_argument("--rounds", type=int, metavar="N", help="run N rounds")
    add.add_argument("--only", metavar="NAME,...",
                     help="run only these configurations: " + " ".join(bench.BY_NAME)
                     + "; with --device: " + " ".join(machines.BY_NAME))
    add.add_argument("--device", metavar="BDF", help="on an Arm host: compare the host itself and guests with this NVMe disk")
    add.add_argument("--yes", action="store_true",
                     help="with --device: do not ask before taking the device from its driver")
    add.add_argument("--seconds", type=int, default=10, metavar="N", help="with --device: seconds of each read")
    add.add_argument("--name", metavar="TEXT", help="with --device: the name of the machine in the table")
    add.add_argument("--note", metavar="TEXT", help="with --device: a remark for the table")
    much.add_argument("--machines", action="store_true",
                      help="do not run, but write docs/machines.md from docs/bench/machines/")
    add.set_defaults(func=bench.main)
    add = sub.add_parser("soak", help="repeat operations, and check that memory and kernel objects do not grow")
    add.add_argument("names", nargs="*", metavar="NAME", help="run only these flows")
    add.add_argument("--cycles", type=int, metavar="N", help="run N cycles of each flow")
    add.add_argument("--quick", action="store_true", help=f"run 1/{soak.QUICK} of the cycles")
    add.add_argument("--resume", action="store_true",
                     help="omit flows that were flat with this QEMU in an earlier run")
    add.set_defaults(func=soak.main)
    add = sub.add_parser("hostile", help="let a guest abuse its vSMMU beside others, and a device fault without end")
    add.add_argument("names", nargs="*", metavar="NAME", help="run only these parts: " + " ".join(hostility.PARTS))
    add.add_argument("--seconds", type=int, default=240, metavar="N", help="abuse it for so long")
    add.add_argument("--seed", metavar="N", help="with the random numbers of an earlier run")
    add.set_defaults(func=hostility.main)
    sub.add_parser("list", help="list the scenarios and what each shows").set_defaults(func=listing)
    sub.add_parser("prepare", help="build and fetch everything that runs need").set_defaults(func=prepare)
    add = sub.add_parser("shell", help="start an interactive L2, with a disk to hot-plug")
    add.add_argument("--host", action="store_true", help="an interactive L1 instead")
    add.add_argument("--rival", action="store_true", help="with --host: Debian's newer QEMU below /lab/rival")
    add.set_defaults(func=l2_shell)

    args = parser.parse_args()
    util.verbose = args.verbose or bool(os.environ.get("V"))
    return args.func(args)
