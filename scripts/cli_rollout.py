"""`marketresearch rollout`: see and steer rollouts, on the local platform or wherever KUBECONFIG leads.

The exit codes are those of `CODES`, which the help prints.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
import yaml
from rich.console import Console
from rich.live import Live

from functions.rollout.reading import Reading
from knative.serving import errors, policy, state
from knative.serving.client import REVISIONS, SERVICES, KubeClient
from knative.serving.inputs import due
from knative.serving.kubeconfig import NoCluster
from knative.serving.objects import Object, model_of, template_of
from knative.serving.observation import COMMAND
from knative.serving.table import Phase
from scripts import cluster
from scripts import rollout_view as view

CODES = (
    "Exit codes: 0 fine (for `watch`: Succeeded), 1 the rollout ended otherwise or the command does not "
    "apply, 2 wrong use, 3 the platform cannot be reached or refuses, 4 `watch` gave up before the end."
)
app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="See and steer rollouts.", epilog=CODES
)
T = TypeVar("T")
Service = Annotated[str, typer.Argument(help="The Knative Service, for example ner")]
Namespace = Annotated[
    str | None, typer.Option("--namespace", "-n", help="default: the kubeconfig's")
]
Json = Annotated[bool, typer.Option("--json", help="machine-readable output")]
_POLL_SECONDS = 1.0
_UNREACHABLE = 3
_UNFINISHED = 4
_WRITTEN = {"rollback": "abort"}
"""What the rollout is told, where its word is another."""


@app.command()
def status(service: Service, namespace: Namespace = None, *, json_: Json = False) -> None:
    """Print where the rollout is."""
    found = _run(namespace, lambda kube: kube.get(SERVICES, service))
    _show(view.summary(found, _known(found)), json_=json_)


@app.command()
def history(service: Service, namespace: Namespace = None, *, json_: Json = False) -> None:
    """Print every write of traffic that is remembered, oldest first."""
    found = _known(_run(namespace, lambda kube: kube.get(SERVICES, service)))
    if json_:
        typer.echo(json.dumps([list(line) for line in found.history]))
        return
    for at, phase, weight, why in found.history:
        when = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")
        typer.echo(f"{when}  {phase:<12} {weight:>3} %  {why}")


@app.command()
def watch(
    service: Service,
    namespace: Namespace = None,
    *,
    model: Annotated[str, typer.Option(help="Wait for this release, for example ner-v1.1.0")] = "",
    seconds: Annotated[float, typer.Option(help="Give up after so long")] = 3600.0,
    json_: Json = False,
) -> None:
    """Follow the rollout until it ends: live on a terminal, else a line a change.

    One that is about to begin counts as begun, and with --model nothing else counts: right after a
    push the Service does not know of it yet.
    """
    raise typer.Exit(
        _run(namespace, lambda kube: _follow(kube, service, (model, seconds), json_=json_))
    )


@app.command()
def promote(service: Service, namespace: Namespace = None, *, json_: Json = False) -> None:
    """Give the candidate everything now, without waiting for samples."""
    _tell(namespace, service, "promote", json_=json_)


@app.command()
def pause(service: Service, namespace: Namespace = None, *, json_: Json = False) -> None:
    """Stay at the present weight until `resume`; a failing candidate is still rolled back."""
    _tell(namespace, service, "pause", json_=json_)


@app.command()
def resume(service: Service, namespace: Namespace = None, *, json_: Json = False) -> None:
    """Go on after `pause`, or open the gate that the rollout waits at."""
    _tell(namespace, service, "resume", json_=json_)


@app.command()
def rollback(service: Service, namespace: Namespace = None, *, json_: Json = False) -> None:
    """Go back: from the running candidate, or from a promotion whose old Revision is still warm."""
    _tell(namespace, service, "rollback", json_=json_)


@app.command()
def abort(service: Service, namespace: Namespace = None, *, json_: Json = False) -> None:
    """Do what `rollback` does."""
    rollback(service, namespace, json_=json_)


@app.command()
def retry(
    service: Service,
    namespace: Namespace = None,
    *,
    insist: Annotated[bool, typer.Option("--insist", help="Also a model that was refused")] = False,
    json_: Json = False,
) -> None:
    """Try the candidate that was rolled back once more; a refused model only with --insist."""
    candidate = _run(namespace, lambda kube: _retry(kube, service, insist=insist))
    _asked(service, "retry", candidate, json_=json_)


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="Manifests, YAML or JSON; - is standard input")],
) -> None:
    """Validate the rollout policies in manifests; exit 1 names each field that makes no sense."""
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
        objects = [item for item in yaml.safe_load_all(text) if isinstance(item, dict)]
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        typer.echo(f"error: {file}: {why}", err=True)
        raise typer.Exit(2) from error
    problems = [problem for item in objects for problem in _problems(item)]
    for problem in problems:
        typer.echo(problem, err=True)
    count = sum(_policy(item) is not None for item in objects)
    typer.echo(f"{file}: {count - len(problems)} of {count} policies make sense")
    raise typer.Exit(int(bool(problems)))


def _problems(item: Object) -> list[str]:
    text = _policy(item)
    try:
        if text is not None:
            policy.parse(str(text))
    except policy.PolicyInvalid as problem:
        return [f"{item.get('kind')}/{(item.get('metadata') or {}).get('name')}: {problem}"]
    return []


def _policy(item: Object) -> Any:
    return ((item.get("metadata") or {}).get("annotations") or {}).get(policy.ANNOTATION)


def connect(namespace: str | None) -> KubeClient:
    """Open the client that every command works with."""
    return KubeClient(cluster.choose(os.environ, namespace))


async def _follow(kube: KubeClient, service: str, until: tuple[str, float], *, json_: bool) -> int:
    model, seconds = until
    deadline, last = time.monotonic() + seconds, ""
    console = Console()
    live = Live(console=console) if console.is_terminal and not json_ else None
    with live or nullcontext():
        while time.monotonic() < deadline:
            found = await kube.get(SERVICES, service)
            known = _known(found)
            said = view.summary(found, known)
            if live:
                live.update(view.screen(found, known, time.time()), refresh=True)
            elif last != json.dumps(said):
                last = json.dumps(said)
                _show(said, json_=json_)
            if not known.active and await _over(kube, service, model):
                return int(known.phase != Phase.SUCCEEDED)
            await asyncio.sleep(_POLL_SECONDS)
    typer.echo(f"{service}: not over after {seconds:g} s", err=True)
    return _UNFINISHED


async def _over(kube: KubeClient, service: str, model: str) -> bool:
    """Whether nothing is about to begin, and what has ended was about `model` where one is named."""
    now = await Reading.of(kube, service)
    if now.state is None or due(now.seen, now.state):
        return False
    names = (now.state.candidate, now.state.stable)
    found = [now.revisions[name] for name in names if name and name in now.revisions]
    return not model or model in {model_of(one)[0].rsplit("/", 1)[-1] for one in found}


def _tell(namespace: str | None, service: str, verb: str, *, json_: bool) -> None:
    candidate = _run(namespace, lambda kube: _command(kube, service, verb))
    _asked(service, verb, candidate, json_=json_)


def _asked(service: str, verb: str, candidate: str, *, json_: bool) -> None:
    said = {"service": service, "asked": verb, "candidate": candidate}
    typer.echo(json.dumps(said) if json_ else f"{verb} {candidate}: asked for")


async def _command(kube: KubeClient, service: str, verb: str) -> str:
    """Write what a person wants of the candidate, and return its name."""
    found = await kube.get(SERVICES, service)
    known = _known(found)
    undoable = verb == "rollback" and known.previous is not None
    if not known.candidate or not (known.active or undoable):
        typer.echo(f"{service} has no rollout to {verb}: it is {known.phase.value}", err=True)
        raise typer.Exit(1)
    meta = {
        "resourceVersion": found["metadata"]["resourceVersion"],
        "annotations": {COMMAND: f"{_WRITTEN.get(verb, verb)} {known.candidate}"},
    }
    await kube.patch(SERVICES, service, {"metadata": meta})
    return known.candidate


async def _retry(kube: KubeClient, service: str, *, insist: bool) -> str:
    found = await kube.get(SERVICES, service)
    known = _known(found)
    if known.phase is not Phase.FAILED or not known.candidate:
        typer.echo(f"{service} has nothing to retry: it is {known.phase.value}", err=True)
        raise typer.Exit(1)
    if known.digest in known.refused and not insist:
        typer.echo(f"{known.digest} was refused: {known.reason}; --insist tries it", err=True)
        raise typer.Exit(1)
    after = deepcopy(found)
    after["spec"]["template"] = template_of(await kube.get(REVISIONS, known.candidate))
    forgiven = known.forgiving(known.digest or "")
    after["metadata"]["annotations"][state.ANNOTATION] = state.dump(forgiven)
    await kube.update(SERVICES, after)
    return known.candidate


def _known(service: Object) -> state.State:
    found = state.of(service)
    if found:
        return found
    name, annotations = service["metadata"]["name"], service["metadata"].get("annotations") or {}
    why = "no rollout yet" if policy.ANNOTATION in annotations else "no rollout policy"
    typer.echo(f"{name} has {why}", err=True)
    raise typer.Exit(1)


def _show(summary: dict[str, Any], *, json_: bool) -> None:
    if json_:
        typer.echo(json.dumps(summary))
        return
    typer.echo(view.line(summary))


def _run(namespace: str | None, work: Callable[[KubeClient], Awaitable[T]]) -> T:
    async def connected() -> T:
        kube = connect(namespace)
        try:
            return await work(kube)
        finally:
            await kube.close()

    try:
        return asyncio.run(connected())
    except (NoCluster, errors.KubeError) as error:
        typer.echo(f"error: {cluster.explain(error)}", err=True)
        raise typer.Exit(_UNREACHABLE) from error
