"""The policy of a Service's rollouts: JSON in an annotation; nonsense is refused by field name.

Every field has a default, so `{}` is a policy: it only says "roll this Service out by judgement".
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from knative.serving.gpus import FROM_NODES
from knative.serving.traffic import WHOLE

ANNOTATION = "rollout.marketresearch.ai/policy"
_ON_NEW = ("supersede", "queue")
_STRATEGIES = ("surge", "switch")
_ENDINGS = ("rollback", "promote")


class PolicyInvalid(ValueError):
    """The annotation cannot be used; the message begins with the field's name."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How a candidate of one Service is judged.

    steps: percents that the candidate gets, rising, the last 100 (promotion).
    gates: the percents of `steps` after which a person has to say `resume`; rollback stays armed.
    step_interval_seconds: the least time at a step.
    min_samples: requests that each side needs before a step is Successful.
    max_error_ratio: the candidate's error rate may be this many times the stable one's.
    max_error_rate: the most the candidate's error rate may be, whatever stable's is (0 to 1).
    latency_quantile: which quantile is compared (0 to 1).
    max_latency_ratio, latency_slack_ms: candidate's quantile ≤ ratio * stable's + slack.
    max_latency_ms: the most the candidate's quantile may be; 0 means no such limit.
    min_golden: the least F1 on the golden set.
    golden_margin: how far below stable's F1 the candidate's may be.
    min_agreement: the least F1 between the answers of both, on the golden set and in shadow; 0 for no
        limit, because a better model disagrees.
    max_golden_latency_ratio: p95 on the golden set ≤ ratio * stable's + latency_slack_ms; 0 for no
        limit.
    min_parity: the least share of decisions in which the prepared form equals its checkpoint.
    shadow_requests: how many remembered live requests stable replays against the candidate before the
        canary, 0 for none; the function has to remember some (NER_SHADOW_SHARE).
    false_rollback_rate: the chance, over a whole rollout, that a candidate as good as stable is
        rolled back by one of the sequential tests.
    start_deadline_seconds: how long a candidate may take until it is Ready and warm.
    max_inconclusive_seconds: how long a step may stay Inconclusive past its interval.
    on_inconclusive: what then happens, `rollback` or `promote` (go on to the next step).
    warm_window_seconds: how long the old Revision is kept warm after a promotion.
    strategy: `surge` runs both at once; `switch` stops the old one, starts the new one, and returns
        to the old one when the new one is not good in time. There is no canary then.
    gpus: how many GPUs both may hold together, 0 for no limit, `nodes` for what the nodes have less
        what others of the namespace hold; where it does not suffice for both, the strategy is `switch`.
    switch_deadline_seconds: how long callers may have to wait for the new one in a switch.
    after: Services of the namespace whose rollouts, when they run, come first.
    on_new: a newer template while a rollout runs: `supersede` it, or `queue` behind it.
    """

    steps: tuple[int, ...] = (5, 25, 50, 100)
    gates: tuple[int, ...] = ()
    step_interval_seconds: float = 30.0
    min_samples: int = 50
    max_error_ratio: float = 1.0
    max_error_rate: float = 0.5
    latency_quantile: float = 0.95
    max_latency_ratio: float = 1.5
    latency_slack_ms: float = 100.0
    max_latency_ms: float = 0.0
    min_golden: float = 0.5
    golden_margin: float = 0.02
    min_agreement: float = 0.0
    max_golden_latency_ratio: float = 4.0
    min_parity: float = 0.99
    shadow_requests: int = 0
    false_rollback_rate: float = 0.01
    start_deadline_seconds: float = 600.0
    max_inconclusive_seconds: float = 600.0
    on_inconclusive: str = "rollback"
    warm_window_seconds: float = 600.0
    strategy: str = "surge"
    gpus: int | str = 0
    switch_deadline_seconds: float = 120.0
    after: tuple[str, ...] = ()
    on_new: str = "supersede"


_NAMES = {field.name for field in fields(Policy)}
_Check = tuple[Callable[[Any], bool], str]


def _number(least: float, most: float, *, open_ends: bool = False) -> _Check:
    def fits(value: Any) -> bool:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        return least < value < most if open_ends else least <= value <= most

    ends = "between" if open_ends else "from"
    return fits, f"a number {ends} {least:g} {'and' if open_ends else 'to'} {most:g}"


def _one_of(choices: tuple[str, ...]) -> _Check:
    return lambda value: value in choices, f"one of {', '.join(choices)}"


def _percents(value: Any) -> bool:
    whole = isinstance(value, list) and all(type(step) is int for step in value)
    return whole and bool(value == sorted(set(value)))


def _rising(value: Any) -> bool:
    return _percents(value) and bool(value) and value[0] > 0 and bool(value[-1] == WHOLE)


def _ratio(value: Any) -> bool:
    return not isinstance(value, bool) and (value == 0 or _number(1, 1000)[0](value))


def _names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) and name for name in value)


_DAY, _MOST_SHADOW = 86_400.0, 64
_CHECKS: Mapping[str, _Check] = {
    "steps": (_rising, "a rising list of whole percents above 0 that ends with 100"),
    "gates": (_percents, "a rising list of percents that are steps below 100"),
    "step_interval_seconds": _number(0, _DAY),
    "min_samples": (lambda value: type(value) is int and value > 0, "a whole number above 0"),
    "max_error_ratio": _number(1, 1000),
    "max_error_rate": _number(0, 1, open_ends=True),
    "latency_quantile": _number(0, 1, open_ends=True),
    "max_latency_ratio": _number(1, 1000),
    "latency_slack_ms": _number(0, 600_000),
    "max_latency_ms": _number(0, 600_000),
    "min_golden": _number(0, 1),
    "golden_margin": _number(0, 1),
    "min_agreement": _number(0, 1),
    "max_golden_latency_ratio": (_ratio, "0 for no limit, or a number from 1 to 1000"),
    "min_parity": _number(0, 1),
    "shadow_requests": (
        lambda value: type(value) is int and 0 <= value <= _MOST_SHADOW,
        f"a whole number from 0 to {_MOST_SHADOW}",
    ),
    "false_rollback_rate": _number(0, 0.5, open_ends=True),
    "start_deadline_seconds": _number(1, _DAY),
    "max_inconclusive_seconds": _number(0, _DAY),
    "on_inconclusive": _one_of(_ENDINGS),
    "warm_window_seconds": _number(0, 7 * _DAY),
    "strategy": _one_of(_STRATEGIES),
    "gpus": (
        lambda value: value == FROM_NODES or (type(value) is int and value >= 0),
        f"a whole number, 0 for no limit, or {FROM_NODES}",
    ),
    "switch_deadline_seconds": _number(1, _DAY),
    "after": (_names, "a list of names of Services"),
    "on_new": _one_of(_ON_NEW),
}


def parse(text: str) -> Policy:
    """Read the annotation; raises PolicyInvalid with the field's name."""
    try:
        raw = json.loads(text)
    except ValueError as error:
        raise PolicyInvalid(f"policy is not JSON: {error}") from error
    if not isinstance(raw, dict):
        raise PolicyInvalid("policy must be a JSON object")
    for name, value in raw.items():
        _check(name, value)
    lists = {name: tuple(value) for name, value in raw.items() if isinstance(value, list)}
    policy = Policy(**{**raw, **lists})
    strange = sorted(set(policy.gates) - set(policy.steps[:-1]))
    if strange:
        raise PolicyInvalid(f"gates: {strange[0]} is no step below 100; steps are {policy.steps}")
    return policy


def _check(name: str, value: Any) -> None:
    if name not in _NAMES:
        raise PolicyInvalid(f"{name}: no such field; known are {', '.join(sorted(_NAMES))}")
    fits, wanted = _CHECKS[name]
    if not fits(value):
        raise PolicyInvalid(f"{name}: must be {wanted}, not {json.dumps(value)[:80]}")
