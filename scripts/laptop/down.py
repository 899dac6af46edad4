"""`scripts/down`: end the `scripts/up` that serves this data folder, and nothing else."""

import argparse
import os
import signal
import sys
import time
from pathlib import Path

from scripts.environment import data_folder
from scripts.laptop.process import STOP_SECONDS
from scripts.laptop.running import is_up, serving


def main() -> None:
    """Send SIGTERM to the recorded process and wait until it and its platform are gone."""
    parser = argparse.ArgumentParser(prog="scripts/down", description=__doc__)
    parser.add_argument("--data", type=Path, default=data_folder())
    pid = serving(parser.parse_args().data)
    if pid is None:
        print("nothing is running there")
        return
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS + 5
    while is_up(pid):
        if time.monotonic() > deadline:
            print(f"process {pid} does not end; look at it with: ps {pid}", file=sys.stderr)
            raise SystemExit(1)
        time.sleep(0.1)
    print("stopped")


if __name__ == "__main__":
    main()
