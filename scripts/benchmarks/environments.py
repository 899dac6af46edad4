"""Environments of their own for programs that are measured beside ours: made once, kept between runs.

All get the torch and the transformers of our own environment, so that servers differ and not what
they serve. One that cannot be installed is CannotMeasure, with pip's reason.
"""

import subprocess
import tempfile
import venv
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from scripts.benchmarks.harness import CannotMeasure

PLACE = Path(tempfile.gettempdir()) / "marketresearch-bench-venvs"
SHARED = ("torch", "transformers")


def python(name: str, packages: Sequence[str]) -> Path:
    """Return the Python of the environment `name`; made when it is missing or holds other things."""
    place = PLACE / name
    wanted = "\n".join((*packages, *_same()))
    done = place / "done"
    if not done.exists() or done.read_text() != wanted:
        print(f"making an environment for {name}: {place}")
        venv.create(place, with_pip=True, clear=True)
        _install(place, packages)
        done.write_text(wanted)
    return place / "bin/python"


def _install(place: Path, packages: Sequence[str]) -> None:
    constraints = place / "constraints.txt"
    constraints.write_text("\n".join(_same()))
    command = [str(place / "bin/pip"), "install", "-q", "-c", str(constraints), *packages]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    if found.returncode:
        errors = [line for line in found.stderr.splitlines() if line.startswith("ERROR")]
        raise CannotMeasure(f"cannot be installed: {errors[-1] if errors else found.stderr[-200:]}")


def _same() -> tuple[str, ...]:
    return tuple(f"{name}=={version(name).partition('+')[0]}" for name in SHARED)
