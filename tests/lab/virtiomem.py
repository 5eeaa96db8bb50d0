# SPDX-License-Identifier: GPL-2.0-or-later
"""virtio-mem without a driver: the lab sends its requests with qtest (VIRTIO 1.2, 5.15)."""

import struct
import time

from . import metal
from .metal import get, memory, put
from .util import LabError

VENDOR = 0x09                       # the id of a vendor's capability, which says where the registers are
COMMON, NOTIFY = 1, 2               # its types
BAR = 4

# Common configuration
FEATURES_OF, FEATURES, STATUS, QUEUE, SIZE, ENABLE, DESC, DRIVER, DEVICE = 0x8, 0xc, 0x14, 0x16, 0x18, 0x1c, 0x20, 0x28, 0x30
ACKNOWLEDGE, HAS_DRIVER, DRIVER_OK, FEATURES_OK = 1, 2, 4, 8
UNPLUGGED_INACCESSIBLE, VERSION_1 = 1 << 1, 1 << 0      # of the low and of the high word of the features

# In RAM: descriptors, both rings, the request and its answer
DESCRIPTORS, AVAILABLE, USED, REQUEST, ANSWER = (0x41200000 + n * 0x1000 for n in range(5))
NEXT, WRITE = 1, 2                  # of a descriptor
ENTRIES = 8

PLUG, UNPLUG, UNPLUG_ALL = 0, 1, 2
ACK = 0


class VirtioMem:
    """The driver of a virtio-mem in a slot of pcie.0, with its BAR at an address."""

    def __init__(self, qtest, slot, bar):
        self.qtest = qtest
        self.config = metal.ECAM + (slot << 15)
        self.bar = bar
        self.set_up()

    def set_up(self):
        """Set the device up after a reset."""
        self.sent = 0
        at = 0x10 + 4 * BAR
        self.qtest.send(put(self.config + at, self.bar), put(self.config + at + 4, 0), put(self.config + 4, 0x6, 16))
        found = self.structures()
        common, self.notify = found[COMMON], found[NOTIFY]
        set_status = [put(common + STATUS, status, 8) for status in
                      (0, ACKNOWLEDGE, ACKNOWLEDGE | HAS_DRIVER, ACKNOWLEDGE | HAS_DRIVER | FEATURES_OK,
                       ACKNOWLEDGE | HAS_DRIVER | FEATURES_OK | DRIVER_OK)]
        features = [put(common + FEATURES_OF, 0), put(common + FEATURES, UNPLUGGED_INACCESSIBLE),
                    put(common + FEATURES_OF, 1), put(common + FEATURES, VERSION_1)]
        queue = [put(common + QUEUE, 0, 16), put(common + SIZE, ENTRIES, 16)]
        for register, address in ((DESC, DESCRIPTORS), (DRIVER, AVAILABLE), (DEVICE, USED)):
            queue += [put(common + register, address), put(common + register + 4, 0)]
        self.qtest.send(*(f"memset {at:#x} 0x1000 0x0" for at in (DESCRIPTORS, AVAILABLE, USED)))
        self.qtest.send(*set_status[:3], *features, set_status[3], *queue, put(common + ENABLE, 1, 16), set_status[4])
        status, = self.qtest.send(get(common + STATUS, 8))
        if status != ACKNOWLEDGE | HAS_DRIVER | FEATURES_OK | DRIVER_OK:
            raise LabError(f"virtio-mem does not accept its driver: status {status:#x}")

    def structures(self):
        """{type: address} of the device's registers."""
        found = {}
        at, = self.qtest.send(get(self.config + 0x34, 8))
        while at:
            kind, following, which, bar = self.qtest.send(*(get(self.config + at + n, 8) for n in (0, 1, 3, 4)))
            if kind == VENDOR and bar == BAR:
                found[which] = self.bar + self.qtest.send(get(self.config + at + 8))[0]
            at = following
        return found

    def request(self, kind, address=0, blocks=0, timeout=10):
        """Send a request, and check that the device carries it out."""
        self.qtest.send(
            memory(REQUEST, struct.pack("<HxxxxxxQHxxxxxx", kind, address, blocks)), memory(ANSWER, b"\xff" * 16),
            memory(DESCRIPTORS, struct.pack("<QIHHQIHH", REQUEST, 24, NEXT, 1, ANSWER, 16, WRITE, 0)),
            put(AVAILABLE + 4 + 2 * (self.sent % ENTRIES), 0, 16))
        self.sent += 1
        self.qtest.send(put(AVAILABLE + 2, self.sent, 16), put(self.notify, 0, 16))
        deadline = time.monotonic() + timeout
        while self.qtest.send(get(USED + 2, 16))[0] != self.sent:
            if time.monotonic() > deadline:
                raise LabError(f"virtio-mem does not answer request {kind}")
        answer, = self.qtest.send(get(ANSWER, 16))
        if answer != ACK:
            raise LabError(f"virtio-mem refuses request {kind} for {blocks} blocks at {address:#x}: {answer}")

    def plug(self, address, blocks=1):
        self.request(PLUG, address, blocks)

    def unplug(self, address, blocks=1):
        self.request(UNPLUG, address, blocks)

    def unplug_all(self):
        self.request(UNPLUG_ALL)
