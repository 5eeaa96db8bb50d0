# SPDX-License-Identifier: GPL-2.0-or-later
"""A shell, and the monitor of a QEMU that is started in it, with typed input."""

import os
import re
import selectors
import signal
import subprocess
import time

PROMPT = "\x1e$ "
MONITOR = "(qemu) "


class Terminal:
    def __init__(self, directory, path):
        env = {"PATH": f"{path}:/usr/bin:/bin", "HOME": str(directory), "LC_ALL": "C.UTF-8", "PS1": PROMPT, "PS2": ""}
        self.shell = subprocess.Popen(["bash", "--norc", "--noprofile", "--noediting", "-i"], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=directory, env=env,
                                      start_new_session=True)
        self.prompt = None
        self.until_prompt(10)

    def until_prompt(self, seconds):
        """The output up to the next prompt, without the prompt."""
        data, deadline = b"", time.monotonic() + seconds
        with selectors.DefaultSelector() as selector:
            selector.register(self.shell.stdout, selectors.EVENT_READ)
            while True:
                text = data.decode(errors="replace")
                for prompt in (PROMPT, MONITOR):
                    if text.endswith(prompt):
                        self.prompt = "$ " if prompt == PROMPT else MONITOR
                        return text[:-len(prompt)]
                left = deadline - time.monotonic()
                if left <= 0 or not selector.select(left):
                    raise TimeoutError(f"nothing waits for input after {seconds} s; written so far:\n{text}")
                chunk = os.read(self.shell.stdout.fileno(), 65536)
                if not chunk:
                    raise EOFError(f"the shell has ended; written before:\n{text}")
                data += chunk

    def type(self, command, seconds=120):
        """The output of a command, as lines."""
        at = self.prompt
        self.shell.stdin.write(command.encode() + b"\n")
        self.shell.stdin.flush()
        text = self.until_prompt(seconds)
        if at == MONITOR:
            # The monitor echoes the line with cursor movements; the echo ends with the line.
            text = text.partition("\n")[2]
        text = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text).replace("\r", "")
        return text.rstrip("\n").split("\n") if text.strip() else []

    def close(self):
        try:
            os.killpg(self.shell.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.shell.wait()
        self.shell.stdin.close()
        self.shell.stdout.close()
