"""From annotations and the ConfigMap `config-autoscaler` to a Policy, with Knative's names. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from knative.local.store import Object
from knative.serving.autoscale import Policy

PREFIX = "autoscaling.knative.dev/"
UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True, slots=True)
class Scaling:
    """A Revision's policy, and which load its samples measure."""

    policy: Policy
    by_rate: bool  # requests a second instead of concurrency


def seconds(text: str) -> float:
    """Read a Go duration such as `1m30s`."""
    parts = re.findall(r"([0-9.]+)(ms|s|m|h)", text)
    return sum(float(number) * UNITS[unit] for number, unit in parts)


def scaling(revision: Object, config: Mapping[str, str]) -> Scaling:
    """Read the settings of one Revision; annotations win over the ConfigMap."""
    own = _own(revision)
    by_rate = own.get("metric") == "rps"
    zero = config.get("enable-scale-to-zero", "true") == "true"
    policy = Policy(
        target=_target(revision, own, config, by_rate=by_rate),
        stable_window=seconds(own.get("window") or config.get("stable-window", "60s")),
        panic_window_percentage=_number(own, config, "panic-window-percentage", 10.0),
        panic_threshold=_panic_threshold(own, config),
        max_scale_up_rate=float(config.get("max-scale-up-rate", 1000)),
        max_scale_down_rate=float(config.get("max-scale-down-rate", 2)),
        initial_scale=int(_number(own, config, "initial-scale", 1)),
        min_scale=max(int(_number(own, config, "min-scale", 0)), 0 if zero else 1),
        max_scale=int(_number(own, config, "max-scale", 0)),
        activation_scale=int(_number(own, config, "activation-scale", 1)),
        scale_down_delay=seconds(_text(own, config, "scale-down-delay", "0s")),
        pod_retention=seconds(_text(own, config, "scale-to-zero-pod-retention-period", "0s")),
    )
    return Scaling(policy, by_rate)


def progress_deadline(revision: Object) -> float:
    """Return how long a start may take before it has failed."""
    annotations = revision["metadata"].get("annotations") or {}
    return seconds(annotations.get("serving.knative.dev/progress-deadline", "600s"))


def _own(revision: Object) -> dict[str, str]:
    annotations = revision["metadata"].get("annotations") or {}
    return {k.removeprefix(PREFIX): str(v) for k, v in annotations.items() if k.startswith(PREFIX)}


def _text(own: Mapping[str, str], config: Mapping[str, str], name: str, default: str) -> str:
    return own.get(name) or config.get(name) or default


def _number(own: Mapping[str, str], config: Mapping[str, str], name: str, default: float) -> float:
    return float(_text(own, config, name, str(default)))


def _panic_threshold(own: Mapping[str, str], config: Mapping[str, str]) -> float:
    general = config.get("panic-threshold-percentage", "200")
    return float(own.get("panic-threshold-percentage", general)) / 100


def _target(
    revision: Object, own: Mapping[str, str], config: Mapping[str, str], *, by_rate: bool
) -> float:
    hard = float(revision["spec"].get("containerConcurrency") or 0)
    if by_rate:
        total = float(own.get("target") or config.get("requests-per-second-target-default") or 200)
    else:
        general = float(config.get("container-concurrency-target-default", 100))
        total = float(own.get("target") or hard or general)
        total = min(total, hard) if hard else total
    general = float(config.get("container-concurrency-target-percentage", 70))
    percentage = float(own.get("target-utilization-percentage", general))
    return max(0.01, total * percentage / 100)
