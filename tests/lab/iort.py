# SPDX-License-Identifier: GPL-2.0-or-later
"""Change the IORT so that L1 can be a host.

arm-smmu-v3 provides a vIOMMU only if the root complex has CANWBS, or the SMMU
has FWB; QEMU's emulated SMMU has neither.  And VFIO accepts no device for which
the firmware requires a one to one mapping (RMR), as the tables of our own device
do.  A changed copy of the machine's table, with a higher revision, replaces it
through the initrd.
"""

import struct

NODE_ROOT_COMPLEX = 2
NODE_RMR = 6
CANWBS = 1 << 2


def checksum(table):
    return -sum(table) & 0xff


def nodes(table):
    """The (offset, type) of every node."""
    count, offset = struct.unpack_from("<II", table, 36)
    for _ in range(count):
        kind, length = struct.unpack_from("<BH", table, offset)
        yield offset, kind
        offset += length


def check(table):
    if table[:4] != b"IORT" or len(table) != struct.unpack_from("<I", table, 4)[0]:
        raise ValueError("this is not an IORT")
    return bytearray(table)


def renewed(table):
    """Update revision and checksum of a changed table."""
    revision = struct.unpack_from("<I", table, 24)[0]
    struct.pack_into("<I", table, 24, revision + 1)
    table[9] = 0
    table[9] = checksum(table)
    return bytes(table)


def with_canwbs(table):
    """The same table with CANWBS in every root complex."""
    out = check(table)
    for offset, kind in nodes(table):
        if kind == NODE_ROOT_COMPLEX:
            # node header 16 bytes; memory access properties: cache
            # coherency u32, hints u8, reserved u16, flags u8
            out[offset + 16 + 7] |= CANWBS
    return renewed(out)


def without_rmr(table):
    """The same table without its reserved ranges, which are its last nodes."""
    out = check(table)
    kept = [kind for _, kind in nodes(table) if kind != NODE_RMR]
    ends = [offset for offset, kind in nodes(table) if kind == NODE_RMR]
    if ends:
        if [kind for _, kind in nodes(table)][:len(kept)] != kept:
            raise ValueError("RMR nodes are not the last ones")
        out = out[:ends[0]]
        struct.pack_into("<I", out, 4, len(out))
        struct.pack_into("<I", out, 36, len(kept))
    return renewed(out)
