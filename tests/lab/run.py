#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab of arm-smmuv3-accel.  See tests/lab/README.md."""

import argparse
import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lab import cli, util  # noqa: E402

if __name__ == "__main__":
    try:
        sys.exit(cli.main(argparse.ArgumentParser(
            prog="tests/lab/run.py", description=__doc__.split(".")[0])))
    except util.LabError as error:
        sys.exit(f"lab: error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
