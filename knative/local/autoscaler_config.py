"""From annotations and the ConfigMap `config-autoscaler` to a Policy, with Knative's names. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from knative.local.serving.faults import parse_duration
from knative.local.store import Object
from knative.serving.autoscale import Policy

PREFIX = "autoscaling.knative.dev/"


@dataclass(frozen=True, slots=True)
class Scaling:
    """A Revision's policy, and which load its samples measure."""

    policy: Policy
    by_rate: bool  # requests a second instead of concurrency


@dataclass(frozen=True, slots=True)
class _Values:
    """One Revision's annotations before the ConfigMap; what cannot be read counts as not set."""

    own: Mapping[str, str]
    config: Mapping[str, str]

    def number(self, name: str, default: float, general: str = "") -> float:
        """Return a number; `general` is the ConfigMap's name for it where that differs."""
        for text in (self.own.get(name, ""), self.config.get(general or name, "")):
            try:
                return float(text)
            except ValueError:
                continue
        return default

    def duration(self, name: str, default: float, general: str = "") -> float:
        """Return a duration in seconds."""
        for text in (self.own.get(name, ""), self.config.get(general or name, "")):
            if (seconds := parse_duration(text)) is not None:
                return seconds
        return default


def scaling(revision: Object, config: Mapping[str, str]) -> Scaling:
    """Read the settings of one Revision; annotations win over the ConfigMap."""
    values = _Values(_own(revision), config)
    by_rate = values.own.get("metric") == "rps"
    least = 0 if config.get("enable-scale-to-zero", "true") == "true" else 1
    policy = Policy(
        target=_target(revision, values, by_rate=by_rate),
        stable_window=max(6.0, values.duration("window", 60, "stable-window")),
        panic_window_percentage=values.number("panic-window-percentage", 10),
        panic_threshold=values.number("panic-threshold-percentage", 200) / 100,
        max_scale_up_rate=max(1.0, values.number("max-scale-up-rate", 1000)),
        max_scale_down_rate=max(1.0, values.number("max-scale-down-rate", 2)),
        initial_scale=int(values.number("initial-scale", 1)),
        min_scale=max(int(values.number("min-scale", 0)), least),
        max_scale=int(values.number("max-scale", 0)),
        activation_scale=int(values.number("activation-scale", 1)),
        scale_down_delay=values.duration("scale-down-delay", 0),
        pod_retention=values.duration("scale-to-zero-pod-retention-period", 0),
    )
    return Scaling(policy, by_rate)


def progress_deadline(revision: Object) -> float:
    """Return how long a start may take before it has failed."""
    annotations = revision["metadata"].get("annotations") or {}
    return _Values(annotations, {}).duration("serving.knative.dev/progress-deadline", 600)


def _own(revision: Object) -> dict[str, str]:
    annotations = revision["metadata"].get("annotations") or {}
    return {k.removeprefix(PREFIX): str(v) for k, v in annotations.items() if k.startswith(PREFIX)}


def _target(revision: Object, values: _Values, *, by_rate: bool) -> float:
    hard = float(revision["spec"].get("containerConcurrency") or 0)
    if by_rate:
        total = values.number("target", 200, "requests-per-second-target-default")
    elif hard:
        total = min(hard, values.number("target", hard, "-"))
    else:
        total = values.number("target", 100, "container-concurrency-target-default")
    share = "container-concurrency-target-percentage"
    return max(0.01, total * values.number("target-utilization-percentage", 70, share) / 100)
