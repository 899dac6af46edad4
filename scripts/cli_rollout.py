"""`marketresearch rollout`: see and steer rollouts, on any platform that KUBECONFIG leads to.

Exit codes: 0 fine (for `watch`: Succeeded), 1 the rollout ended otherwise, 2 wrong use,
3 the platform cannot be reached or refuses.
"""

import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

import typer

from knative.serving import errors, policy, state
from knative.serving.client import SERVICES, KubeClient
from knative.serving.kubeconfig import NoCluster, find
from knative.serving.objects import Object
from knative.serving.observation import COMMAND
from knative.serving.table import Phase

app = typer.Typer(no_args_is_help=True, help="See and steer rollouts.")
T = TypeVar("T")
Service = Annotated[str, typer.Argument(help="The Knative Service, for example ner")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON")]
_POLL_SECONDS = 1.0
_UNREACHABLE = 3


@app.command()
def status(service: Service, *, json_: Json = False) -> None:
    """Print where the rollout is."""
    _show(_summary(_run(lambda kube: kube.get(SERVICES, service))), json_=json_)


@app.command()
def history(service: Service, *, json_: Json = False) -> None:
    """Print every write of traffic that is remembered, oldest first."""
    found = _known(_run(lambda kube: kube.get(SERVICES, service)))
    if json_:
        typer.echo(json.dumps([list(line) for line in found.history]))
        return
    for at, phase, weight, why in found.history:
        when = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")
        typer.echo(f"{when}  {phase:<12} {weight:>3} %  {why}")


@app.command()
def watch(
    service: Service,
    *,
    seconds: Annotated[float, typer.Option(help="Give up after so long")] = 3600.0,
    json_: Json = False,
) -> None:
    """Print each change until the rollout ends; exit 0 only when it Succeeded."""
    raise typer.Exit(0 if _run(lambda kube: _follow(kube, service, seconds, json_=json_)) else 1)


@app.command()
def promote(service: Service) -> None:
    """Give the candidate everything now, without waiting for samples."""
    _run(lambda kube: _command(kube, service, "promote"))


@app.command()
def abort(service: Service) -> None:
    """Roll back: the running candidate, or a promotion whose old Revision is still warm."""
    _run(lambda kube: _command(kube, service, "abort"))


def connect() -> KubeClient:
    """Open the client that every command works with."""
    return KubeClient(find(os.environ))


async def _follow(kube: KubeClient, service: str, seconds: float, *, json_: bool) -> bool:
    deadline, last = time.monotonic() + seconds, ""
    while time.monotonic() < deadline:
        summary = _summary(await kube.get(SERVICES, service))
        text = json.dumps(summary)
        if text != last:
            last = text
            _show(summary, json_=json_)
        if not summary["active"]:
            return bool(summary["phase"] == Phase.SUCCEEDED)
        await asyncio.sleep(_POLL_SECONDS)
    return False


async def _command(kube: KubeClient, service: str, verb: str) -> None:
    found = await kube.get(SERVICES, service)
    known = _known(found)
    undoable = verb == "abort" and known.previous is not None
    if not known.candidate or not (known.active or undoable):
        typer.echo(f"{service} has no rollout to {verb}: it is {known.phase.value}", err=True)
        raise typer.Exit(1)
    meta = {
        "resourceVersion": found["metadata"]["resourceVersion"],
        "annotations": {COMMAND: f"{verb} {known.candidate}"},
    }
    await kube.patch(SERVICES, service, {"metadata": meta})
    typer.echo(f"{verb} {known.candidate}: asked for")


def _known(service: Object) -> state.State:
    found = state.of(service)
    if found:
        return found
    name, annotations = service["metadata"]["name"], service["metadata"].get("annotations") or {}
    why = "no rollout yet" if policy.ANNOTATION in annotations else "no rollout policy"
    typer.echo(f"{name} has {why}", err=True)
    raise typer.Exit(1)


def _summary(service: Object) -> dict[str, Any]:
    known = _known(service)
    return {
        "service": service["metadata"]["name"],
        "phase": known.phase.value,
        "active": known.active,
        "stable": known.stable,
        "candidate": known.candidate,
        "previous": known.previous,
        "weights": dict(known.weights or {}),
        "digest": known.digest,
        "refused": list(known.refused),
        "why": known.reason,
    }


def _show(summary: dict[str, Any], *, json_: bool) -> None:
    if json_:
        typer.echo(json.dumps(summary))
        return
    weights = ", ".join(f"{name} {percent} %" for name, percent in summary["weights"].items())
    typer.echo(f"{summary['service']}: {summary['phase']}  [{weights}]  {summary['why']}")


def _run(work: Callable[[KubeClient], Awaitable[T]]) -> T:
    async def connected() -> T:
        kube = connect()
        try:
            return await work(kube)
        finally:
            await kube.close()

    try:
        return asyncio.run(connected())
    except (NoCluster, errors.KubeError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(_UNREACHABLE) from error
