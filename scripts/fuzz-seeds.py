#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
Files of seeds for the fuzz targets; tests/unit/fuzz/main.c describes the format.

  fuzz-seeds.py unpack SEEDS DIR     writes each input to a file
  fuzz-seeds.py choose CONTROL MAX   prints the inputs that reach most of the code, from libFuzzer's file about a merge
"""
import os
import sys

LENGTH_MAX = 400


def unpack(seeds, directory):
    with open(seeds, encoding='utf-8') as lines:
        for line in lines.read().split('\n'):
            if not line or line.startswith('#'):
                continue
            name, data = line.split(' ', 1)
            if data.startswith('='):
                raw = data[1:].encode().decode('unicode_escape').encode('latin-1')
            else:
                raw = bytes.fromhex(data)
            with open(os.path.join(directory, name), 'wb') as out:
                out.write(raw)


def read_control(control):
    """Returns the names of the inputs, and what each of them reaches."""
    with open(control, encoding='utf-8') as lines:
        words = [line.split() for line in lines]
    count = int(words[0][0])
    names = [' '.join(line) for line in words[2:2 + count]]
    reached = {int(line[1]): set(line[2:]) for line in words if line and line[0] == 'FT'}
    return names, reached


def choose(control, most):
    names, reached = read_control(control)
    fits = {i for i in reached if os.path.getsize(names[i]) <= LENGTH_MAX}
    have = set()
    for n in range(most):
        best = max(fits, key=lambda i: (len(reached[i] - have), -os.path.getsize(names[i])), default=None)
        if best is None or not reached[best] - have:
            break
        have |= reached[best]
        fits.remove(best)
        with open(names[best], 'rb') as data:
            print(f'seed-{n + 1} {data.read().hex()}')


if sys.argv[1] == 'unpack':
    unpack(sys.argv[2], sys.argv[3])
else:
    choose(sys.argv[2], int(sys.argv[3]))
