# SPDX-License-Identifier: GPL-2.0-or-later
"""QMP over a channel."""

import json
import time

from .util import LabError


class QmpError(LabError):
    """QEMU refused a command; str() is its message."""


class Qmp:
    def __init__(self, channel, timeout=30):
        self.channel = channel
        self.events = []
        self.count = 0
        deadline = time.monotonic() + timeout
        # The remains of an earlier QEMU may precede the greeting.
        while "QMP" not in self._message(max(deadline - time.monotonic(), 0.01)):
            pass
        self.events.clear()
        self.cmd("qmp_capabilities")

    def _message(self, timeout):
        line = self.channel.line(timeout, "QMP")
        try:
            message = json.loads(line)
        except ValueError:
            return {}
        if isinstance(message, dict) and "event" in message:
            self.events.append(message)
        return message if isinstance(message, dict) else {}

    def cmd(self, name, /, timeout=60, **arguments):
        self.count += 1
        request = {"execute": name, "id": self.count}
        if arguments:
            request["arguments"] = arguments
        self.channel.send(json.dumps(request).encode() + b"\n")
        deadline = time.monotonic() + timeout
        while True:
            answer = self._message(max(deadline - time.monotonic(), 0.01))
            if answer.get("id") != self.count:
                continue
            if "error" in answer:
                raise QmpError(answer["error"]["desc"])
            return answer["return"]

    def hmp(self, line):
        """The output of a command of the human monitor; errors are text, too."""
        return self.cmd("human-monitor-command", **{"command-line": line})

    def event(self, name, timeout=20, match=lambda data: True):
        """Wait for an event, which may have arrived already."""
        deadline = time.monotonic() + timeout
        while True:
            for event in self.events:
                if event["event"] == name and match(event.get("data", {})):
                    self.events.remove(event)
                    return event.get("data", {})
            self._message(max(deadline - time.monotonic(), 0.01))
