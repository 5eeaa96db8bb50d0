# SPDX-License-Identifier: GPL-2.0-or-later
"""Byte channels to the levels below, and the agent's protocol on one."""

import contextlib
import hashlib
import socket
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from . import util
from .util import LabError


class Dead(LabError):
    """The other side has ended; its current command is lost."""


class Channel:
    """A unix socket that is always read, so that the other side never blocks.

    `alive` is called while waiting: it raises when the process at the other
    end has ended, which is faster and clearer than a timeout.
    """

    def __init__(self, path, alive=lambda: None, wait=10):
        self.alive = alive
        self.buffer = bytearray()
        self.more = threading.Condition()
        self.closed = False
        deadline = time.monotonic() + wait
        while True:
            self.sock = socket.socket(socket.AF_UNIX)
            try:
                self.sock.connect(str(path))
                break
            except OSError:
                self.sock.close()
                alive()
                if time.monotonic() > deadline:
                    raise LabError(f"{path}: cannot connect") from None
                time.sleep(0.02)
        threading.Thread(target=self._reader, daemon=True).start()

    def _reader(self):
        while True:
            try:
                data = self.sock.recv(1 << 16)
            except OSError:
                data = b""
            with self.more:
                if not data:
                    self.closed = True
                    self.more.notify_all()
                    return
                self.buffer += data
                self.more.notify_all()

    def _wait(self, ready, timeout, what):
        timeout *= util.patience
        deadline = time.monotonic() + timeout
        with self.more:
            while not ready():
                left = deadline - time.monotonic()
                if self.closed:
                    time.sleep(0.3)     # let the process end, to get its exit status
                    self.alive()
                    raise Dead(f"{what}: the channel closed")
                if left <= 0:
                    raise Dead(f"{what}: no answer in {timeout:.0f} s")
                if not self.more.wait(min(left, 0.5)):
                    self.alive()

    def line(self, timeout, what="a line"):
        self._wait(lambda: b"\n" in self.buffer, timeout, what)
        with self.more:
            line, _, rest = self.buffer.partition(b"\n")
            self.buffer = bytearray(rest)
        return line.decode(errors="replace").rstrip("\r")

    def exactly(self, count, timeout, what="data"):
        self._wait(lambda: len(self.buffer) >= count, timeout, what)
        with self.more:
            data = bytes(self.buffer[:count])
            del self.buffer[:count]
        return data

    def text(self):
        """All text so far, without consuming it."""
        with self.more:
            return self.buffer.decode(errors="replace")

    def clear(self, quiet=0.05):
        """Drop the remains of an earlier user of the channel."""
        while True:
            with self.more:
                had = len(self.buffer)
                self.buffer.clear()
                if not self.more.wait(quiet) and not had:
                    return

    def send(self, data):
        try:
            self.sock.sendall(data)
        except OSError as error:
            self.alive()
            raise Dead(f"channel: {error}") from None

    def close(self):
        # close() alone does not wake the reader from recv()
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()


@dataclass
class Result:
    """The result of a command."""
    status: int
    data: bytes

    @property
    def out(self):
        return self.data.decode(errors="replace").strip()

    def __bool__(self):
        return self.status == 0

    def good(self, name, script):
        """Returns this result of the script by that name; raises if it failed."""
        if not self:
            raise LabError(f"{name}: `{script.strip().splitlines()[-1]}': "
                           f"exit status {self.status}: {self.out[-600:]}")
        return self


class Agent:
    """Runs shell scripts at the other end of a channel."""

    def __init__(self, channel, nonce, name):
        self.channel = channel
        self.nonce = nonce
        self.name = name
        self.count = 0
        self.mutex = threading.Lock()

    def hello(self, timeout):
        deadline = time.monotonic() + timeout
        while True:
            left = max(deadline - time.monotonic(), 0.01)
            if self.channel.line(left, f"{self.name}: boot") == f"HELLO {self.nonce}":
                return

    def run(self, script, timeout=30):
        with self.mutex:
            return self._run(script, timeout)

    def _run(self, script, timeout):
        self.count += 1
        body = script.encode()
        limit = int(timeout * util.patience)
        self.channel.send(f"RUN {self.nonce} {self.count} {limit} {len(body)}\n".encode() + body)
        what = f"{self.name}: {script.strip().splitlines()[0][:60]}"
        # The other side stops the command itself; this waits longer only if
        # the other side is dead.
        while True:
            words = self.channel.line(timeout + 30, what).split()
            if words[:3] == ["END", self.nonce, str(self.count)] and len(words) == 6:
                break
        status, size, md5 = int(words[3]), int(words[4]), words[5]
        data = self.channel.exactly(size, timeout + 30, what)
        if hashlib.md5(data).hexdigest() != md5:
            raise Dead(f"{what}: the output was damaged on its way")
        return Result(status, data)

    def sh(self, script, timeout=60, check=True):
        """The same, but raises if the command fails, unless check is False."""
        result = self.run(script, timeout)
        return result.good(self.name, script) if check else result


class Copy(threading.Thread):
    """Copies a channel, such as a console, to a file."""

    def __init__(self, channel, path):
        super().__init__(daemon=True)
        self.channel = channel
        self.path = Path(path)
        self.also = None        # called with what is copied
        self.going = True
        self.file = open(path, "wb")
        self.start()

    def run(self):
        while self.going:
            with self.channel.more:
                if not self.channel.buffer:
                    if self.channel.closed:
                        return
                    self.channel.more.wait(0.2)
                data = bytes(self.channel.buffer)
                self.channel.buffer.clear()
            self.file.write(data)
            self.file.flush()
            if self.also and data:
                self.also(data)

    def stop(self):
        time.sleep(0.05)
        self.going = False
        self.join(2)
        self.file.close()

    def text(self):
        return self.path.read_bytes().decode(errors="replace")
