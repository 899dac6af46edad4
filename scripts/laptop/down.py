"""`scripts/down`: end what `scripts/up --detach` started over this data folder, and nothing else."""

import argparse
import os
import signal
import sys
import time
from pathlib import Path

from scripts.laptop.process import ROOT, STOP_SECONDS
from scripts.laptop.up import PID_NAME


def main() -> None:
    """Send SIGTERM to the recorded process and wait until it and its platform are gone."""
    parser = argparse.ArgumentParser(prog="scripts/down", description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT / ".local")
    pid_file = parser.parse_args().data / PID_NAME
    pid = _recorded(pid_file)
    if pid is None:
        print("nothing is running there")
        return
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS + 5
    while _is_up(pid):
        if time.monotonic() > deadline:
            print(f"process {pid} does not end; look at it with: ps {pid}", file=sys.stderr)
            raise SystemExit(1)
        time.sleep(0.1)
    pid_file.unlink(missing_ok=True)
    print("stopped")


def _recorded(pid_file: Path) -> int | None:
    """Return the pid in `pid_file` if it is still an `up` of ours: pids are used again."""
    try:
        pid = int(pid_file.read_text())
    except (OSError, ValueError):
        return None
    return pid if _is_up(pid) else None


def _is_up(pid: int) -> bool:
    try:
        return b"scripts.laptop.up" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


if __name__ == "__main__":
    main()
