"""The demo models: made once by their own scripts, found again ever after."""

import fcntl
import subprocess
import sys
from pathlib import Path

from scripts.laptop.process import ROOT

NER = ("1.0.0", "1.1.0", "1.2.0")
EMBEDDER = "embedder-v1.0.0"


def ensure(folder: Path) -> None:
    """Train and prepare what is missing below `folder`; each script draws its own progress.

    Whoever comes second waits for the first and finds everything made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _make_missing(folder)


def _make_missing(folder: Path) -> None:
    if not (folder / EMBEDDER / "release.json").exists():
        _run("make_embedder", "--out", str(folder / EMBEDDER))
    if not all((folder / f"ner-v{version}" / "release.json").exists() for version in NER):
        _run("train_ner", "--all", "--out", str(folder))


def _run(script: str, *arguments: str) -> None:
    command = [sys.executable, "-m", f"scripts.{script}", *arguments]
    done = subprocess.run(command, cwd=ROOT, check=False)
    if done.returncode:
        raise SystemExit(f"{script} ended with exit code {done.returncode}; its message is above")


if __name__ == "__main__":
    ensure(ROOT / "models")
