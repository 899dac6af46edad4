"""The transition table of a rollout: every phase, every input, every effect, and nothing else.

What is not in the table does not happen: an input without a row leaves the phase as it is. The
diagram in the README is rendered from here, and a test keeps the two equal. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Phase(StrEnum):
    """Where a rollout is; the last three are terminal."""

    PENDING = "Pending"
    DRAINING = "Draining"
    WARMING = "Warming"
    EVALUATING = "Evaluating"
    CANARY = "Canary"
    PROMOTING = "Promoting"
    ROLLING_BACK = "RollingBack"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    SUPERSEDED = "Superseded"


TERMINAL = frozenset({Phase.SUCCEEDED, Phase.FAILED, Phase.SUPERSEDED})
ACTIVE = tuple(phase for phase in Phase if phase not in TERMINAL)


class Input(StrEnum):
    """What was observed; the value is how the diagram says it."""

    CHANGED = "template changed"
    CROWDED = "no room for both"
    READY = "candidate is Ready"
    BROKEN = "candidate cannot start"
    OVERDUE = "out of time"
    WARM = "a real inference answered"
    PASSED = "golden set passed"
    FIRST = "passed, nothing is stable yet"
    REFUSED = "golden set failed"
    MEASURED = "samples are back"
    SUCCESSFUL = "verdict Successful"
    LAST = "no step is left"
    FAILING = "verdict Failed"
    CAPACITY = "replicas for all traffic"
    ROUTED = "the Route has it"
    TAKEN = "a person set traffic"
    OUTDATED = "a newer template"
    PROMOTE = "person: promote"
    ABORT = "person: abort"
    PAUSE = "person: pause"
    RESUME = "person: resume"
    GATED = "passed, at a gate"
    EXPIRED = "warm window over"


class Effect(StrEnum):
    """What is written together with the new phase, in the same conditional update."""

    BEGIN = "pin stable"
    DRAIN = "stop stable's Pods"
    TAG = "tag candidate at 0 %"
    NOTE = "record"
    STEP = "next weight"
    BASELINE = "record baseline"
    SHIFT = "all to candidate"
    KEEP = "keep previous warm"
    RESTORE = "all to stable, template back"
    REFUSE = "remember refusal"
    DROP = "all to stable"
    LET_GO = "leave traffic alone"
    RELEASE = "untag previous"
    HOLD = "hold, rollback armed"
    GO_ON = "go on"


@dataclass(frozen=True, slots=True)
class Transition:
    """The next phase, and what is written with it."""

    phase: Phase
    effect: Effect


def _rows() -> dict[tuple[Phase, Input], Transition]:
    rows = {
        (Phase.PENDING, Input.READY): Transition(Phase.WARMING, Effect.TAG),
        (Phase.PENDING, Input.CROWDED): Transition(Phase.DRAINING, Effect.DRAIN),
        (Phase.DRAINING, Input.READY): Transition(Phase.WARMING, Effect.TAG),
        (Phase.WARMING, Input.WARM): Transition(Phase.EVALUATING, Effect.NOTE),
        (Phase.EVALUATING, Input.PASSED): Transition(Phase.CANARY, Effect.STEP),
        (Phase.EVALUATING, Input.FIRST): Transition(Phase.PROMOTING, Effect.SHIFT),
        (Phase.EVALUATING, Input.LAST): Transition(Phase.PROMOTING, Effect.NOTE),
        (Phase.EVALUATING, Input.REFUSED): Transition(Phase.ROLLING_BACK, Effect.RESTORE),
        (Phase.CANARY, Input.MEASURED): Transition(Phase.CANARY, Effect.BASELINE),
        (Phase.CANARY, Input.SUCCESSFUL): Transition(Phase.CANARY, Effect.STEP),
        (Phase.CANARY, Input.LAST): Transition(Phase.PROMOTING, Effect.NOTE),
        (Phase.CANARY, Input.GATED): Transition(Phase.CANARY, Effect.HOLD),
        (Phase.CANARY, Input.FAILING): Transition(Phase.ROLLING_BACK, Effect.RESTORE),
        (Phase.PROMOTING, Input.CAPACITY): Transition(Phase.PROMOTING, Effect.SHIFT),
        (Phase.PROMOTING, Input.ROUTED): Transition(Phase.SUCCEEDED, Effect.KEEP),
        (Phase.ROLLING_BACK, Input.ROUTED): Transition(Phase.FAILED, Effect.REFUSE),
        (Phase.ROLLING_BACK, Input.OVERDUE): Transition(Phase.FAILED, Effect.REFUSE),
        (Phase.ROLLING_BACK, Input.TAKEN): Transition(Phase.SUPERSEDED, Effect.LET_GO),
        (Phase.SUCCEEDED, Input.EXPIRED): Transition(Phase.SUCCEEDED, Effect.RELEASE),
        (Phase.SUCCEEDED, Input.ABORT): Transition(Phase.ROLLING_BACK, Effect.RESTORE),
    }
    for phase in (Phase.EVALUATING, Phase.CANARY):
        rows[phase, Input.PROMOTE] = Transition(Phase.PROMOTING, Effect.NOTE)
    for phase in (Phase.WARMING, Phase.EVALUATING, Phase.CANARY):
        rows[phase, Input.PAUSE] = Transition(phase, Effect.HOLD)
        rows[phase, Input.RESUME] = Transition(phase, Effect.GO_ON)
    for phase in ACTIVE[:-1]:
        for bad in (Input.BROKEN, Input.OVERDUE, Input.ABORT):
            rows[phase, bad] = Transition(Phase.ROLLING_BACK, Effect.RESTORE)
        rows[phase, Input.OUTDATED] = Transition(Phase.SUPERSEDED, Effect.DROP)
        rows[phase, Input.TAKEN] = Transition(Phase.SUPERSEDED, Effect.LET_GO)
    for phase in sorted(TERMINAL):
        rows[phase, Input.CHANGED] = Transition(Phase.PENDING, Effect.BEGIN)
    return rows


TABLE: Mapping[tuple[Phase, Input], Transition] = _rows()


def mermaid() -> str:
    """Render the table as a Mermaid state diagram; rows between the same phases share an arrow."""
    arrows: dict[tuple[Phase, Phase], list[str]] = {}
    for (phase, cause), transition in TABLE.items():
        arrows.setdefault((phase, transition.phase), []).append(
            f"{cause.value} / {transition.effect.value}"
        )
    lines = [f"    {a} --> {b}: {'<br>'.join(labels)}" for (a, b), labels in arrows.items()]
    return "\n".join(["stateDiagram-v2", "    [*] --> Succeeded: adopted", *lines])
