"""What `bench scale` starts from: measured figures with the command behind each, and known limits.

A newer measurement replaces a default: `--ner`, `--coldstart` and `--demo` name the JSON files that
those commands write. Only `pod_seconds` was never measured: there was no cluster to measure it on.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from scripts.benchmarks.harness import ROOT, CannotMeasure
from scripts.benchmarks.scale_revision import Function, Target

_MEASURED = {"server": "ours", "tokens": "64", "concurrency": 32.0}
_PREFIX = "autoscaling.knative.dev/"
Pair = tuple[Function, Function]
Targets = Mapping[str, Target]


@dataclass(frozen=True, slots=True)
class Facts:
    """Seconds of one core a request, seconds of a start, and requests a second of one process."""

    ner_seconds: float = 0.094  # bench ner --json: ours, a sentence of 64 tokens at concurrency 32
    question_seconds: float = 0.073  # demo --json: warm_answer_seconds, its small ner included
    ner_start: float = 0.42  # bench coldstart --json: ours
    ner_plain_start: float = 4.43  # bench coldstart --json: functions-framework + pipeline
    question_start: float = 0.52  # demo --json: cold_start of inference, all phases
    gateway_rate: float = 17_100.0  # bench gateway: gateway, 64 connections, 2 cores
    activator_rate: float = 4_500.0  # bench gateway: activator, 64 connections, 2 cores
    pod_seconds: float = 1.5  # assumed: scheduling a Pod and starting its container, image present
    ner_most: int = 20  # knative/overlays/production/ner.yaml: max-scale
    question_most: int = 40  # knative/overlays/production/inference.yaml: max-scale
    pods: int = 150_000  # kubernetes.io, "Considerations for large clusters"
    nodes: int = 5_000  # the same
    cores_a_node: int = 16  # assumed

    def functions(self, *, warmed: bool, targets: Targets | None = None) -> Pair:
        """Return inference and ner; without warm-up both import and load what everybody does.

        Without `targets` a replica should carry what one core does in a second.
        """
        slower = self.pod_seconds + (0.0 if warmed else self.ner_plain_start - self.ner_start)
        fitting = targets or {
            "inference": Target(1 / self.question_seconds, by_rate=True),
            "ner": Target(1 / self.ner_seconds, by_rate=True),
        }
        return (
            Function(self.question_seconds, self.question_start + slower, fitting["inference"]),
            Function(self.ner_seconds, self.ner_start + slower, fitting["ner"]),
        )


def manifests(overlay: str = "") -> Targets:
    """Return the targets that `base` gives, or an overlay on top of it."""
    folders = ["base", *([f"overlays/{overlay}"] if overlay else [])]
    found = {name: _annotations(name, folders) for name in ("inference", "ner")}
    return {
        name: Target(float(said[f"{_PREFIX}target"]), said.get(f"{_PREFIX}metric") == "rps")
        for name, said in found.items()
    }


def _annotations(name: str, folders: Iterable[str]) -> dict[str, str]:
    annotations: dict[str, str] = {}
    for folder in folders:
        manifest = yaml.safe_load((ROOT / "knative" / folder / f"{name}.yaml").read_text())
        annotations |= manifest["spec"]["template"]["metadata"]["annotations"]
    return annotations


def read(facts: Facts, ner: Path | None, coldstart: Path | None, demo: Path | None) -> Facts:
    """Replace defaults by what the files say; raises CannotMeasure for a file that says nothing."""
    try:
        if ner:
            told = [row for row in _rows(ner) if _MEASURED.items() <= row.items()]
            facts = replace(facts, ner_seconds=1 / told[0]["sentences_s"])
        if coldstart:
            starts = {row["server"]: row["median_s"] for row in _rows(coldstart)}
            plain = min(value for name, value in starts.items() if name not in ("ours", "floor"))
            facts = replace(facts, ner_start=starts["ours"], ner_plain_start=plain)
        if demo:
            said = json.loads(demo.read_text())["steps"][0]["facts"]
            start = sum(said["cold_start"]["inference"].values())
            seconds = said["warm_answer_seconds"]
            facts = replace(facts, question_seconds=seconds, question_start=start)
    except (OSError, ValueError, KeyError, IndexError, ZeroDivisionError) as error:
        raise CannotMeasure(f"a file of figures cannot be read: {error!r}") from error
    return facts


def _rows(file: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(file.read_text())["rows"]
    return rows
