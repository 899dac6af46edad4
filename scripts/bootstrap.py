#!/usr/bin/env python3
"""Make `.venv` with the locked dependencies, or find it as it should be. Standard library only.

`python3 scripts/bootstrap.py [dev]`: `dev` adds what the tests and checks need. A stamp of the lock
files tells whether anything is to be done, so that a second start costs nothing.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
OLDEST = (3, 11)
NEEDED_BYTES = 4 << 30
"""Free disk that an installation and the demo models want."""


def main() -> None:
    """Install what is missing; every refusal is one line that says what to do."""
    if sys.version_info < OLDEST:
        raise SystemExit(f"Python {OLDEST[0]}.{OLDEST[1]} or newer is needed: install python3.11")
    locks = [ROOT / "requirements.lock"]
    if "dev" in sys.argv[1:]:
        locks.append(ROOT / "requirements-dev.lock")
    for lock in locks:
        _ensure(lock)


def _ensure(lock: Path) -> None:
    stamp = VENV / f".{lock.stem}"
    wanted = hashlib.sha256(lock.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return
    if shutil.disk_usage(ROOT).free < NEEDED_BYTES:
        raise SystemExit(f"the disk is too full: {NEEDED_BYTES >> 30} GiB are needed at {ROOT}")
    _make_venv()
    _install(lock)
    stamp.write_text(wanted)


def _make_venv() -> None:
    if (VENV / "bin" / "pip").exists():
        return
    try:
        venv.create(VENV, with_pip=True, clear=True)
    except (subprocess.CalledProcessError, ImportError):
        _install_debian_venv()
        venv.create(VENV, with_pip=True, clear=True)


def _install_debian_venv() -> None:
    """Debian keeps ensurepip in a package of its own."""
    package = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
    as_root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if shutil.which("apt-get"):
        subprocess.run([*as_root, "apt-get", "update", "-qq"], check=False)
        done = subprocess.run([*as_root, "apt-get", "install", "-qq", "-y", package], check=False)
        if done.returncode == 0:
            return
    raise SystemExit(f"Python's venv module is missing: sudo apt-get install {package}")


def _install(lock: Path) -> None:
    total = sum(1 for line in lock.read_text().splitlines() if "==" in line)
    command = [str(VENV / "bin/python"), "-m", "pip", "install", "--no-deps", "-r", str(lock)]
    log = VENV / "install.log"
    print(f"installing {total} packages of {lock.name}; pip's own words: {log}", file=sys.stderr)
    started = time.monotonic()
    with (
        log.open("w") as out,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=out, text=True) as pip,
    ):
        collected = 0
        for line in pip.stdout or ():
            out.write(line)
            collected += line.startswith(("Collecting", "Processing", "Requirement already"))
            _draw(lock.stem, collected, total, time.monotonic() - started)
    if sys.stderr.isatty():
        print(file=sys.stderr, flush=True)
    if pip.returncode:
        tail = [line for line in log.read_text().splitlines() if line.startswith("ERROR")]
        reason = tail[0] if tail else f"see {log}"
        raise SystemExit(f"the dependencies could not be installed: {reason}")


UNPACKING_SHARE = 0.4
"""The part of an installation that comes after the last download, as seen on two cores."""


def _draw(name: str, done: int, total: int, seconds: float) -> None:
    share = (1 - UNPACKING_SHARE) * done / total
    left = f"about {seconds / share - seconds:3.0f} s left" if done > total / 10 else "…"
    filled = "█" * int(30 * share)
    text = f"\rinstalling {name}: {filled:30} {done}/{total} packages, {left}   "
    if sys.stderr.isatty():  # stdout is the command's that wants us
        print(text, end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
