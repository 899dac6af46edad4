"""`scripts/up`: models if missing, the platform, its first contents; then serve until Ctrl-C."""

import argparse
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from functions.registry.errors import RegistryError
from knative.local.platform import CannotStart, usable_port
from scripts.environment import data_folder, reach_loopback
from scripts.laptop import models
from scripts.laptop.kubectl import KubectlError
from scripts.laptop.process import ROOT, Running, StartError, platform
from scripts.laptop.progress import steps
from scripts.laptop.provision import STAMP_NAME, Contents, describe, provision, wait_until_answering
from scripts.laptop.running import READY_NAME, registered, serving

FIRST_BYTES, LATER_BYTES = 2 << 30, 200 << 20
"""Free disk for the first contents and a few models more; for starting again."""
LOG_NAME = "up.log"
_LAST_PORT = 65535


class Stopped(Exception):
    """SIGTERM or Ctrl-C arrived."""


def main() -> None:
    """Parse the arguments and run here, or in the background with --detach."""
    arguments = _parser().parse_args()
    reach_loopback()
    if pid := serving(arguments.data):
        raise SystemExit(_is_served(arguments.data, pid, detach=arguments.detach))
    _make_room(arguments.data)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    with suppress(Stopped):
        if arguments.detach:
            raise SystemExit(_detach(arguments.data, arguments.port))
        raise SystemExit(_serve(arguments.data, arguments.port))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/up", description=__doc__)
    parser.add_argument(
        "--port", type=_port, default=8080, help="the gateway's port; 0: a free one (8080)"
    )
    parser.add_argument("--data", type=Path, default=data_folder(), help="where everything is kept")
    parser.add_argument("--detach", action="store_true", help="go on in the background")
    return parser


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > _LAST_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: 0 to {_LAST_PORT}")
    return int(text)


def _make_room(data: Path) -> None:
    """Make the folder; a place that cannot be used or is too full is one line, before any work."""
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)  # Secrets are in it
    except OSError as error:
        raise SystemExit(f"cannot use {data}: {error.strerror}; choose another --data") from error
    needed = LATER_BYTES if (data / STAMP_NAME).exists() else FIRST_BYTES
    if shutil.disk_usage(data).free < needed:
        text = f"the disk is too full: {needed >> 20} MiB are needed at {data}; free some, or "
        raise SystemExit(text + "choose another --data")


def _is_served(data: Path, pid: int, *, detach: bool) -> int:
    """Say who serves `data` already; that is what --detach asks for, once questions are answered."""
    ready = data / READY_NAME
    where = ready.read_text() if ready.exists() else "It is still starting.\n"
    print(f"{data} is served already, by process {pid}.\n{where}\n{_end(data)}", file=sys.stderr)
    return int(not (detach and ready.exists()))


def _end(data: Path) -> str:
    elsewhere = f" --data {data}" if data.resolve() != data_folder().resolve() else ""
    return f"./scripts/down{elsewhere} ends it."


def _stop(_signal: int, _frame: object) -> None:
    raise Stopped


def _serve(data: Path, port: int) -> int:
    with registered(data):
        return _run(data, port)


def _run(data: Path, port: int) -> int:
    try:
        usable_port(port)  # before minutes of training
    except CannotStart as error:
        print(error, file=sys.stderr)
        return 1
    models.ensure(ROOT / "models")
    try:
        with platform(data.resolve(), port) as running:
            _fill(running)
            (data / READY_NAME).write_text(describe(running))
            print(f"{describe(running)}\nCtrl-C ends it.", flush=True)
            return running.process.wait()
    except (StartError, TimeoutError, KubectlError, RegistryError) as error:
        if text := str(error):  # empty: the platform has said it already
            print(text, file=sys.stderr)
        return 1


def _fill(running: Running) -> None:
    say = steps()
    provision(running, Contents(), say)
    wait_until_answering(running, Contents(), say)
    say("ready")


def _detach(data: Path, port: int) -> int:
    """Start this program again in a session of its own, and wait until it is ready."""
    command = [sys.executable, "-m", "scripts.laptop.up", "--data", str(data), "--port", str(port)]
    log, ready = data / LOG_NAME, data / READY_NAME
    ready.unlink(missing_ok=True)  # of one that was killed
    print(f"starting; what it does is told in {log}", flush=True)
    with log.open("w") as out:
        child = subprocess.Popen(
            command, cwd=ROOT, stdout=out, stderr=out, stdin=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
    try:
        while child.poll() is None and not ready.exists():
            time.sleep(0.2)
    except Stopped:
        child.terminate()
        return child.wait() or 1
    if child.returncode is not None:
        lines = log.read_text().strip().splitlines()
        print(lines[-1] if lines else "it ended at once", file=sys.stderr)
        return child.returncode or 1
    print(f"{ready.read_text()}\n{_end(data)}")
    return 0


if __name__ == "__main__":
    main()
