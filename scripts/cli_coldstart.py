"""`marketresearch coldstart`: the waterfall of a function's newest start, on any platform.

The exit codes are those of `CODES`, which the help prints. Kubernetes tells when a Pod was created by the
second only: how long its process had to wait is known to a second, and is no part of the total.
"""

import asyncio
import json
import os
from datetime import datetime
from typing import Annotated, Any

import typer

from knative.serving import errors
from knative.serving.client import PODS, SERVICES, KubeClient
from knative.serving.kubeconfig import NoCluster
from knative.serving.objects import Object
from scripts import cluster
from warmup.budget import PHASES

CODES = "Exit codes: 0 fine, 1 no start to show, 2 wrong use, 3 the platform cannot be reached or refuses."
app = typer.Typer(add_completion=False)
CONTAINER, LINES, WIDTH = "function", 2000, 40
_LABEL = "serving.knative.dev/service"
_UNREACHABLE = 3


@app.command(epilog=CODES)
def coldstart(
    service: Annotated[str, typer.Argument(help="The Knative Service, for example ner")],
    namespace: Annotated[
        str | None, typer.Option("--namespace", "-n", help="default: the kubeconfig's")
    ] = None,
    *,
    json_: Annotated[bool, typer.Option("--json", help="machine-readable output")] = False,
) -> None:
    """Print the phases of the newest Pod's start, from its log."""
    try:
        pod, phases = asyncio.run(_newest(service, namespace))
    except (NoCluster, errors.KubeError) as error:
        typer.echo(f"error: {cluster.explain(error)}", err=True)
        raise typer.Exit(_UNREACHABLE) from error
    if not phases:
        text = f"{service}: no Pod has said how it started; if it is asleep, a request wakes it"
        typer.echo(text, err=True)
        raise typer.Exit(1)
    schedule = phases.pop("schedule")
    total = sum(phases.values())
    if json_:
        told = {"phases": phases, "total": total, "schedule_at_most": schedule}
        typer.echo(json.dumps({"service": service, "pod": pod, **told}))
        return
    typer.echo(f"{pod}: {total:.3f} s, and at most {schedule:.3f} s before its process began")
    for line in waterfall(phases):
        typer.echo(line)


def connect(namespace: str | None) -> KubeClient:
    """Open the client that the command works with."""
    return KubeClient(cluster.choose(os.environ, namespace))


async def _newest(service: str, namespace: str | None) -> tuple[str, dict[str, float]]:
    """Return the newest Pod that has told its start; no phases when none has."""
    kube = connect(namespace)
    try:
        await kube.get(SERVICES, service)  # a name that nobody has is no Service asleep
        pods = await kube.list(PODS, {_LABEL: service})
        for pod in sorted(pods, key=_created, reverse=True):
            name = pod["metadata"]["name"]
            try:
                phases = started(await kube.log(name, CONTAINER, LINES), _created(pod))
            except errors.NotFound:  # gone, or nothing said yet
                continue
            if phases:
                return name, phases
    finally:
        await kube.close()
    return "", {}


def started(log: str, created: str) -> dict[str, float]:
    """Read the last start in a Pod's log; `schedule` is the most that passed before its process began."""
    for line in reversed(log.splitlines()):
        try:
            said: Any = json.loads(line)
            phases = {str(name): float(value) for name, value in said["cold_start"].items()}
            begun = float(said["started_at"])
        except (ValueError, KeyError, TypeError, AttributeError):
            continue  # another line
        schedule = begun - datetime.fromisoformat(created).timestamp()
        return {"schedule": round(max(0.0, schedule), 3), **phases}
    return {}


def waterfall(phases: dict[str, float]) -> list[str]:
    """Draw a bar a phase, each beginning where the one before ends."""
    total, begun, lines = sum(phases.values()) or 1.0, 0.0, list[str]()
    for name in sorted(phases, key=_order):
        seconds = phases[name]
        left, right = round(begun / total * WIDTH), round((begun + seconds) / total * WIDTH)
        bar = " " * left + "█" * max(1, right - left)
        lines.append(f"  {name:<16}{seconds:>8.3f} s  {bar}")
        begun += seconds
    return lines


def _order(phase: str) -> int:
    return PHASES.index(phase) if phase in PHASES else len(PHASES)


def _created(pod: Object) -> str:
    return str(pod["metadata"]["creationTimestamp"])
