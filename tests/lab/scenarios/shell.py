# SPDX-License-Identifier: GPL-2.0-or-later
"""What `make shell` gives to people: from a pipe, and from a terminal."""

import codecs
import os
import pty
import subprocess
import sys
import termios
import threading
import time

from lab import images, shell, util
from lab.checks import READ_MB, expect
from lab.scenario import scenario
from lab.topology_text import Style


def piped(lab, *lines):
    """(status, output) of commands from a pipe."""
    source, end = os.pipe()
    os.write(end, "".join(f"{line}\n" for line in lines).encode())
    os.close(end)
    out = lab.dir / "terminal.txt"
    with open(out, "wb") as sink:
        status = shell.converse(lab, source, sink.fileno(), shell.wanted_input(source), Style())
    os.close(source)
    return status, out.read_text().replace("\r", "")


def after(text, command):
    """What a command printed, up to the next prompt."""
    mark = f"{shell.PROMPT}{command}\n"
    expect(mark in text, f"the command {command} was not typed: {text}")
    return text.split(mark, 1)[1].split(shell.PROMPT, 1)[0]


def said(text, command, *words):
    answer = after(text, command)
    for word in words:
        expect(word in answer, f"{command} does not say {word}: {answer}")
    return answer


@scenario
def shell_piped(lab):
    """Commands piped into the guest's shell plug a disk, draw it, read it, and unplug it; the status is the last one's."""
    other = lab.l1.bdf("nvme1")
    read = f"dd if=/dev/nvme1n1 bs=1M count={READ_MB} iflag=direct 2>/dev/null | sha256sum"
    status, text = piped(lab, "topology", "plug", "topology | cat", read, "pci", "host uname -n; echo $?", "unplug",
                         "topology # again", "unplug", "plug nvme9", "sh -c 'exit 5'")
    expect(status == 5, f"the status is {status}, not 5: {text}")
    expect("plug nvme1" in text.split(shell.PROMPT)[0], f"there is no welcome: {text}")
    first = said(text, "topology", "dev1  vfio-pci", "nested, stage 1", lab.l1.bdf("nvme0"), "vEVENTQ", "IOAS")
    expect("dev2" not in first, f"nvme1 is there already: {first}")
    said(text, "plug", other, "IOMMU_VDEVICE_ALLOC", "nested (stage 1)", "VFIO_DEVICE_ATTACH_IOMMUFD_PT", "/dev/nvme1n1")
    second = said(text, "topology | cat", "dev1  vfio-pci", "dev2  vfio-pci", other)
    expect(second.count("nested, stage 1") == 2, f"not both disks are nested: {second}")
    said(text, read, images.disk_sha256("nvme1", 0, READ_MB))
    said(text, "pci", "nvme, behind smmu3", "(DMA")
    said(text, "host uname -n; echo $?", "0")
    said(text, "unplug", "IOMMU_DESTROY: vDEVICE", "back with the host")
    expect(after(text, "topology # again") == first, f"the topology is not that of the start: {text}")
    expect("there is no disk nvme9" in after(text, "plug nvme9"), text)
    again = text.split(f"{shell.PROMPT}unplug\n")[2].split(shell.PROMPT)[0]
    expect("unplug: " in again and "dev2" in again, f"a second unplug says: {again}")


class Person:
    """Somebody at a terminal: reads it, and types."""

    def __init__(self, session):
        self.end, self.terminal = pty.openpty()
        self.before = termios.tcgetattr(self.terminal)
        self.text = ""
        self.status = None
        self.thread = threading.Thread(target=self.sit, args=(session,), daemon=True)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        self.thread.start()

    def sit(self, session):
        self.status = session(self.terminal)

    def read(self):
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        while data := os.read(self.end, 4096):
            self.text += decoder.decode(data)

    def sees(self, word, since=0, timeout=120):
        deadline = time.monotonic() + timeout * util.patience
        while word not in self.text[since:]:
            expect(time.monotonic() < deadline and (self.thread.is_alive() or word in self.text[since:]),
                   f"{word!r} does not appear: {self.text[since:]}")
            time.sleep(0.1)
        return self.text[since:]

    def types(self, keys):
        mark = len(self.text)
        os.write(self.end, keys.encode())
        return mark

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.thread.is_alive():
            self.types("\x01x")
            self.thread.join(60 * util.patience)

    def leaves(self):
        self.thread.join(60 * util.patience)
        expect(not self.thread.is_alive(), "the session does not end")
        expect(termios.tcgetattr(self.terminal) == self.before, "the terminal is not as it was")


def in_guest(lab):
    return lambda terminal: shell.converse(lab, terminal, terminal, None, Style(lines=True, colour=True))


def in_host(terminal):
    return subprocess.run([sys.executable, util.HERE / "run.py", "shell", "--host"], check=False,
                          stdin=terminal, stdout=terminal, stderr=terminal).returncode


def interrupts(person, prompt):
    """Ctrl-C ends a command that would run for minutes, and the prompt comes back."""
    mark = person.types("sleep 1000\n")
    person.sees("sleep 1000", mark)
    time.sleep(1)
    person.sees(prompt, person.types("\x03"), 20)


@scenario
def shell_terminal(lab):
    """At a terminal, Ctrl-C interrupts a command of the guest, also one that asks the lab, and Ctrl-A X ends the lab."""
    lab.l1.sh("true")   # L1 must outlive the person's thread
    with Person(in_guest(lab)) as person:
        person.sees(shell.PROMPT)
        interrupts(person, shell.PROMPT)
        mark = person.types("topology\n\x03")
        person.sees(shell.PROMPT, mark)
        mark = person.types("topology\n")
        text = person.sees(shell.PROMPT, mark)
        expect("┌─" in text and "\x1b[32mvIOMMU" in text, f"there is no coloured picture: {text}")
        person.types("\x01x")
        person.leaves()
        expect(person.status == 0, f"the status is {person.status}")


@scenario
def shell_ends(lab):
    """The session ends with the guest's shell, and when the guest is powered off."""
    status, text = piped(lab, "echo one", "exit 3", "echo two")
    expect(status == 3 and "two" not in text, f"status {status}: {text}")
    for guest in lab.guests:
        guest.stop()
    lab.l1.sh("true")
    with Person(in_guest(lab)) as person:
        person.sees(shell.PROMPT)
        person.types("exit 3\n")
        person.leaves()
        expect(person.status == 0, f"the status at a terminal is {person.status}")
    for guest in lab.guests:
        guest.stop()
    status, text = piped(lab, "poweroff -f")
    expect(status == 1, f"the status is {status}, although the guest has gone: {text}")


@scenario(named=True)
def shell_host(lab):
    """At a terminal, shell --host gives a prompt of L1, where Ctrl-C interrupts a command, and Ctrl-A X ends the lab."""
    lab.drop_l1()       # the session boots one of its own
    with Person(in_host) as person:
        person.sees("# ")
        interrupts(person, "# ")
        person.types("exit\n")
        person.sees("# ", person.types("\n"))      # there is always another shell
        person.types("\x01x")
        person.leaves()
