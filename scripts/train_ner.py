#!/usr/bin/env python3
"""Trains ner releases into `models/`: the demo's with `train_ner.py --all`, or one `--version`.

A version that is not the demo's is trained by --steps and --batch. A run that is stopped goes on
where it was when started again; releases that exist are kept.
"""

import argparse
import contextlib
import os
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from scripts.project_python import use_project_python  # noqa: E402 - the script is started by its path

if __name__ == "__main__":
    use_project_python("rich", "torch")
# A thread that waits by spinning takes the core from one that works; read when torch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from rich.console import Console  # noqa: E402 - after what torch reads
from rich.progress import (  # noqa: E402 - after what torch reads
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from scripts.training.recipes import RECIPES, Recipe, recipe  # noqa: E402 - after what torch reads

console = Console(stderr=True)


def main(argv: list[str]) -> int:
    """Train what was asked for and print how good it is."""
    arguments = parse(argv)
    wanted = [
        one
        for one in _recipes(arguments)
        if not (arguments.out / one.name / "release.json").exists()
    ]
    if not wanted:
        console.print(f"nothing to train: {arguments.out} has it all")
        return 0
    console.print("importing torch …")
    for one in wanted:
        started = time.monotonic()
        scores = _make(one, arguments.out, arguments.threads)
        seconds = time.monotonic() - started
        f1 = scores["all"].f1
        console.print(f"{one.name}: golden F1 {f1:.3f}, made in {seconds:.0f} s")
        if arguments.report:
            from scripts.training.evaluate import report  # noqa: PLC0415 - heavy, as below

            console.print(report(scores))
    return 0


def _recipes(arguments: argparse.Namespace) -> tuple[Recipe, ...]:
    if arguments.all:
        return RECIPES
    return (recipe(arguments.version, arguments.steps, arguments.batch),)


def _make(one: Recipe, out: Path, threads: int) -> Any:
    from scripts.training import release, train  # noqa: PLC0415 - torch: after the first words

    train.use_threads(threads)
    checkpoint = out / ".training" / f"{one.name}.pt"
    with _progress() as progress:
        task = progress.add_task(f"training {one.name}", total=one.steps)
        model = train.train(one, checkpoint, lambda done: progress.update(task, completed=done))
    scores = release.build(one, model, out / one.name, threads)
    checkpoint.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # another recipe has its checkpoint there
        checkpoint.parent.rmdir()
    return scores


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("steps,"),
        TimeRemainingColumn(),
        TextColumn("left"),
        console=console,
    )


def parse(argv: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--version", help="1.0.0, 1.1.0, 1.2.0 are the demo's; or one of your own")
    which.add_argument("--all", action="store_true", help="every version that is not there yet")
    parser.add_argument("--out", type=Path, default=ROOT / "models", help="where releases go")
    parser.add_argument("--threads", type=int, default=2, help="threads to compute with")
    parser.add_argument("--steps", type=int, help="of --version; default: the recipe's, or 250")
    parser.add_argument("--batch", type=int, help="sentences a step, of --version; default 32")
    parser.add_argument("--report", action="store_true", help="print scores by label")
    return parser.parse_args(argv)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        console.print("stopped; the same command goes on from the last checkpoint")
        sys.exit(130)
