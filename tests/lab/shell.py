# SPDX-License-Identifier: GPL-2.0-or-later
"""`shell`: a prompt in L2, with a disk to hot-plug.

The guest's console is this terminal.  Its commands ask the lab through a FIFO
that the agent in the guest reads, and print the lab's answer.
"""

import contextlib
import os
import re
import select
import stat
import sys
import termios
import threading
import tty

from . import checks, l0, options, progress, scenario, story, topology, topology_text, util
from .channel import Dead
from .util import LabError

TTY = "/dev/ttyAMA0"
PROMPT = "L2# "
ASKS = b"\x1b[6n"     # Busybox asks the terminal for the cursor's position after the prompt
AT_PROMPT = re.compile(rb"(?:^|\n|\r|J)" + PROMPT.encode() + b"(?:" + re.escape(ASKS) + b")?$")
DISKS = {"nvme0": ("dev1", "rp1"), "nvme1": ("dev2", "rp2")}
QUIT = "Ctrl-A X"

WELCOME = f"""
This is L2, a Linux guest. Its disk nvme0 is behind a vSMMU; another disk, nvme1, is still in the host.

    plug        plug nvme1, and see what the vSMMU does
    topology    draw the guest, the kernel's objects, and the hardware
    unplug      unplug nvme1 again

Also: pci lists the guest's devices, host COMMAND runs a command in the host (L1).
exit or {QUIT} ends the lab.

"""

# The request has a number, so that nobody takes the answer of an interrupted command.
COMMANDS = r"""
mkdir -p /run/lab && cd /run/lab && rm -f request && mkfifo request || exit
cat >ask <<'END'
#!/bin/sh
# Ask the lab, and print its answer.
echo "$$ ${0##*/} $*" >/run/lab/request
until [ -e /run/lab/$$.status ]; do sleep 0.1; done
cat /run/lab/$$.text
exit $(cat /run/lab/$$.status)
END
cat >pci <<'END'
#!/bin/sh
# The guest's PCI functions, as a list of the tree of buses.
cd /sys/bus/pci/devices
for d in *; do
    real=$(readlink -f $d)
    level=$(echo "${real#/sys/devices/pci*/}" | tr -cd / | wc -c)
    driver=$(basename "$(readlink $d/driver 2>/dev/null)" 2>/dev/null)
    iommu=$(basename "$(readlink $d/iommu 2>/dev/null)" 2>/dev/null)
    printf "%*s%s %s %s%s\n" $((level * 2)) "" $d $(cat $d/vendor $d/device | sed 's/0x//' | paste -s -d:) \
        "${driver:-no driver}" "${iommu:+, behind $iommu ($(cat $d/iommu_group/type))}"
done
END
chmod +x ask pci
for name in plug unplug topology host; do cp ask /bin/$name; done
cp pci /bin/
cat >rc <<'END'
PS1='""" + PROMPT + r"""'
trap 'echo "$$ exit $?" >/run/lab/request' EXIT
END
"""


def wanted_input(source):
    """The commands that are piped in, or None for a terminal; anything else is an error."""
    if os.isatty(source):
        return None
    kind = os.fstat(source).st_mode
    text = ""
    if stat.S_ISFIFO(kind) or stat.S_ISREG(kind):
        with os.fdopen(os.dup(source), errors="replace") as stream:
            text = stream.read()
    if not text.strip():
        raise LabError("shell needs a terminal, or commands on standard input, for example: "
                       "echo topology | make shell")
    return [line for line in text.splitlines() if line.strip()]


class Keys:
    """Finds the keys that end the lab in what is typed: Ctrl-A X, as in QEMU.  Ctrl-A twice types one."""

    def __init__(self):
        self.escaped = False

    def feed(self, data):
        """(bytes for the guest, whether to quit)"""
        out = bytearray()
        for byte in data:
            if self.escaped:
                self.escaped = False
                if byte in b"xX":
                    return bytes(out), True
                if byte == 1:
                    out.append(1)
            elif byte == 1:
                self.escaped = True
            else:
                out.append(byte)
        return bytes(out), False


class NoQuestions:
    """Removes the question for the cursor's position, which only a terminal answers, from a stream."""

    def __init__(self):
        self.held = b""

    def feed(self, data):
        data = (self.held + data).replace(ASKS, b"")
        # The rest of a question may follow.
        cut = next((n for n in range(len(ASKS) - 1, 0, -1) if data.endswith(ASKS[:n])), 0)
        self.held = data[len(data) - cut:]
        return data[:len(data) - cut]


class Screen:
    """What the guest prints goes to a file; knows whether the guest waits at its prompt."""

    def __init__(self, sink):
        self.sink = sink
        self.filter = (lambda data: data) if os.isatty(sink) else NoQuestions().feed
        self.tail = b""
        self.more = threading.Condition()

    def show(self, data):
        with self.more:
            self.tail = (self.tail + data)[-200:]
            self.more.notify_all()
        with contextlib.suppress(BrokenPipeError):      # nobody reads it any more
            view = memoryview(self.filter(data))
            while view:
                view = view[os.write(self.sink, view):]

    def clear(self):
        with self.more:
            self.tail = b""

    def at_prompt(self, ended, timeout):
        """Wait for a prompt; False if the session has ended."""
        with self.more:
            done = self.more.wait_for(lambda: AT_PROMPT.search(self.tail) or ended(), timeout)
        if not done:
            raise LabError(f"the guest's shell does not come back to its prompt within {timeout:.0f} s")
        return not ended()


class Session:
    """A guest with its shell.  Only the thread that serves requests talks to the agents and to QMP."""

    def __init__(self, lab, sink, style):
        self.lab = lab
        self.screen = Screen(sink)
        self.style = style
        self.guest = None
        self.status = None      # of the guest's shell, when it has ended
        self.error = None
        self.quits = False      # the user has ended it
        self.wake = os.pipe()
        self.thread = threading.Thread(target=self.serve, daemon=True)

    # --------------------------------------------------------------- start

    def start(self, size, term="dumb"):
        lab = self.lab
        bdf, _ = lab.vfio("nvme0")
        lab.vfio("nvme1")
        with util.stage("L2 boots"):
            self.guest = lab.start(options.iommufd() + options.root_complex(lab.qemu, ports=(1, 2))
                                   + options.vfio(bdf))
        self.guest.sh(COMMANDS)
        self.screen.show(WELCOME.replace("\n", "\r\n" if os.isatty(self.screen.sink) else "\n").encode())
        self.guest.copy.also = self.screen.show
        # In the background of a shell, it and its children would ignore Ctrl-C.
        self.guest.sh(f"""
            stty -F {TTY} rows {size.lines} cols {size.columns}
            export ENV=/run/lab/rc TERM={term}
            start-stop-daemon -S -b -p /run/lab/pid -x /bin/setsid -- sh -c 'exec sh -i <{TTY} >{TTY} 2>&1'""")
        # The thread that waits for a request has to end before the guest does: a later guest uses the same channel.
        channel = self.guest.agent.channel
        self.alive, channel.alive = channel.alive, self.wanted
        self.thread.start()

    def wanted(self):
        """Called while the thread waits."""
        if self.quits:
            raise Dead("the session has ended")
        self.alive()

    def stop(self):
        self.quits = True
        self.guest.copy.also = None
        if self.thread.is_alive():
            self.thread.join(60 * util.patience)
            self.guest.booted = False       # its agent is busy, so its log cannot be fetched
        for end in self.wake:
            os.close(end)

    def type(self, data):
        self.guest.copy.channel.send(data)

    def ended(self):
        return self.status is not None or self.error is not None

    # ------------------------------------------------------------ requests

    def serve(self):
        """Carry out what the guest's commands ask for, until its shell ends."""
        try:
            while self.status is None:
                asked = self.guest.agent.run("cat /run/lab/request", 600)
                for line in asked.out.splitlines() if asked else ():
                    number, name, *words = line.split()
                    if name == "exit":
                        self.status = int(words[0])
                        break
                    self.answer(number, *self.carry_out(name, words))
        except LabError as error:
            self.error = error
        finally:
            with self.screen.more:
                self.screen.more.notify_all()
            with contextlib.suppress(OSError):      # the session did not wait for this
                os.write(self.wake[1], b"x")

    def carry_out(self, name, words):
        """(status, text)"""
        try:
            return 0, getattr(self, f"do_{name}")(*words)
        except Dead:
            raise
        except LabError as error:
            return 1, f"{name}: {error}\n"

    def answer(self, number, status, text):
        self.guest.sh(f"cat >/run/lab/{number}.text <<'END OF ANSWER'\n{text}END OF ANSWER\n"
                      f"echo {status} >/run/lab/{number}.status")

    def do_topology(self, *_):
        return topology_text.draw(topology.of_guest(self.guest), self.style)

    def do_host(self, *words):
        result = self.lab.l1.sh(" ".join(words), 60, check=False)
        return f"{result.out}\n" if result.out else ""

    def do_plug(self, disk="nvme1", *_):
        id, bus = self.disk(disk)
        bdf = self.lab.l1.bdf(disk)
        mark = len(self.guest.trace().events)
        self.guest.device_add("vfio-pci", id=id, bus=bus, host=bdf, iommufd="iommufd0")
        device, inside = checks.nvme(self.guest, disk)
        return self.happened(mark) + f"The guest has {disk} as {device} ({inside}). Try: sha256sum {device}\n"

    def do_unplug(self, disk="nvme1", *_):
        id, _ = self.disk(disk)
        mark = len(self.guest.trace().events)
        self.guest.device_del(id)
        return self.happened(mark) + f"{disk} is back with the host.\n"

    @staticmethod
    def disk(name):
        if name not in DISKS:
            raise LabError(f"there is no disk {name}; the disks are {' and '.join(DISKS)}")
        return DISKS[name]

    def happened(self, mark):
        return "".join(f"{line}\n" for line in story.told(self.guest.trace(), mark))

    # ------------------------------------------------------------- the user

    def commands(self, lines):
        """Type commands as somebody would; returns the status of the guest's shell."""
        for line in [*lines, "exit"]:
            if not self.screen.at_prompt(self.ended, 300 * util.patience):
                break
            self.screen.clear()
            self.type(line.encode() + b"\n")
        with self.screen.more:
            self.screen.more.wait_for(self.ended, 300 * util.patience)
        return self.result()

    def terminal(self, source):
        """Pass on what is typed, until the shell ends or the user ends the lab."""
        before, keys = termios.tcgetattr(source), Keys()
        tty.setraw(source)
        try:
            while not self.ended():
                ready, _, _ = select.select([source, self.wake[0]], [], [])
                if source not in ready:
                    continue
                typed = os.read(source, 1024)
                data, quits = keys.feed(typed)
                if data:
                    self.type(data)
                if quits or not typed:
                    return 0
        finally:
            termios.tcsetattr(source, termios.TCSADRAIN, before)
            self.screen.show(b"\r\n")
        # That somebody's last command failed is not an error of the lab.
        return 0 if self.result() == self.status else 1

    def result(self):
        if self.error:
            self.guest.booted = False
            util.say(str(self.error))
        return self.status if self.status is not None else 1


def converse(lab, source, sink, lines, style, ready=lambda: None):
    """A whole session; the status of the last command that was piped in, or 0 at a terminal."""
    session = Session(lab, sink, style)
    size = os.get_terminal_size(sink) if os.isatty(sink) else os.terminal_size((200, 50))
    session.start(size, os.environ.get("TERM", "dumb") if lines is None else "dumb")
    ready()
    try:
        return session.terminal(source) if lines is None else session.commands(lines)
    finally:
        session.stop()


def main(_args):
    source = sys.stdin.fileno()
    lines = wanted_input(source)
    run = progress.Run.current("shell")
    util.begin_at(run.began)
    util.time_left = run.step
    lab = scenario.Lab()
    lab.begin("shell", l0.STOCK)
    try:
        return converse(lab, source, sys.stdout.fileno(), lines, topology_text.Style.of(sys.stdout), run.finish)
    except scenario.Skip as skip:
        raise LabError(f"{skip}: make build-arm64") from None
    finally:
        lab.end(False)
        lab.drop_l1()
