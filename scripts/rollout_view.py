"""How a rollout looks to a person: weights as bars, the last verdict's numbers, the time that is left.

The rule: everything shown follows from the Service's two annotations and `now`; nothing is asked of
anybody else, so that watching costs one read a second. Pure.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from knative.serving import policy
from knative.serving.objects import Object
from knative.serving.policy import Policy, PolicyInvalid
from knative.serving.state import State
from knative.serving.table import Phase
from knative.serving.traffic import WHOLE

_BAR = 40
_HISTORY = 5
_COLOURS = {Phase.SUCCEEDED: "green", Phase.FAILED: "red", Phase.ROLLING_BACK: "red"}


def summary(service: Object, known: State) -> dict[str, Any]:
    """Return what programs get."""
    return {
        "service": service["metadata"]["name"],
        "phase": known.phase.value,
        "active": known.active,
        "held": known.held,
        "stable": known.stable,
        "candidate": known.candidate,
        "previous": known.previous,
        "weights": dict(known.weights or {}),
        "digest": known.digest,
        "refused": list(known.refused),
        "why": known.reason,
    }


def line(said: Mapping[str, Any]) -> str:
    """Say it in one line."""
    weights = ", ".join(f"{name} {percent} %" for name, percent in said["weights"].items())
    held = f" (held: {said['held']})" if said["held"] else ""
    return f"{said['service']}: {said['phase']}{held}  [{weights}]  {said['why']}"


def left(known: State, rules: Policy, now: float) -> str:
    """Say what the rollout waits for, and how long at the most."""
    if known.held:
        return f"waits for `resume` ({known.held}); rollback stays armed"
    if known.phase is Phase.SUCCEEDED and known.previous:
        return f"{known.previous} stays warm for {_clock(known.previous_until - now)}"
    if not known.active:
        return ""
    if known.phase is not Phase.CANARY:
        return f"at most {_clock(known.started + rules.start_deadline_seconds - now)} left"
    step = known.since + rules.step_interval_seconds - now
    patience = max(step, 0) + rules.max_inconclusive_seconds + min(step, 0)
    at_least = f"{_clock(step)} at this step, then " if step > 0 else ""
    return f"{at_least}a verdict within {_clock(patience)}, or {rules.on_inconclusive}"


def screen(service: Object, known: State, now: float) -> RenderableType:
    """Draw everything."""
    colour = _COLOURS.get(known.phase, "yellow")
    head = Text.assemble(
        (service["metadata"]["name"], "bold"), "  ", (known.phase.value, f"bold {colour}")
    )
    parts: list[RenderableType] = [
        head,
        _bars(known),
        Text(f"verdict  {known.reason}"),
        Text(_left(service, known, now)),
    ]
    return Group(*parts, Text(), *_past(known))


def _left(service: Object, known: State, now: float) -> str:
    text = (service["metadata"].get("annotations") or {}).get(policy.ANNOTATION, "{}")
    try:
        return f"time     {left(known, policy.parse(text), now)}"
    except PolicyInvalid as problem:
        return f"policy   {problem}"


def _bars(known: State) -> Table:
    table = Table.grid(padding=(0, 1))
    roles = ("stable", "candidate", "previous")
    for name, role in {getattr(known, role): role for role in reversed(roles)}.items():
        if name:
            percent = (known.weights or {}).get(name, 0)
            table.add_row(role, name, ProgressBar(WHOLE, percent, _BAR), f"{percent:>3} %")
    return table


def _past(known: State) -> Iterator[Text]:
    for _at, phase, weight, why in known.history[-_HISTORY:]:
        yield Text(f"{phase:<12} {weight:>3} %  {why}", style="dim")


def _clock(seconds: float) -> str:
    whole = max(0, round(seconds))
    return f"{whole // 60}:{whole % 60:02} min"
