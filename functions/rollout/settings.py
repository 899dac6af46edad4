"""Settings of the rollout function: the environment, read once."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_TICK, _SLOW_TICK = "*/2 * * * * *", "*/20 * * * * *"
_WARM_SECONDS, _GOLDEN_BATCH = 20.0, 16


@dataclass(frozen=True, slots=True)
class Settings:
    """What the environment says.

    broker_url: BROKER_URL, where events go; required.
    request_metrics_url: REQUEST_METRICS_URL, Prometheus text of Knative's request metrics; without
        it and without PROMETHEUS_URL there are no samples, and every canary stays Inconclusive.
    prometheus_url: PROMETHEUS_URL, a Prometheus server that scrapes Knative; it comes first.
    model_cache: MODEL_CACHE_DIR, the model cache with the golden sets, default /models.
    tick: ROLLOUT_TICK_SCHEDULE, six-field cron of the ticks in a rollout, default every 2 s.
    slow_tick: ROLLOUT_SLOW_TICK_SCHEDULE, the same in a warm window, default every 20 s.
    warm_seconds: ROLLOUT_WARM_SECONDS, how long one look waits for a candidate, default 20.
    golden_batch: ROLLOUT_GOLDEN_BATCH, texts of the golden set in one request, default 16.
    """

    broker_url: str
    request_metrics_url: str = ""
    model_cache: Path = Path("/models")
    tick: str = _TICK
    slow_tick: str = _SLOW_TICK
    warm_seconds: float = _WARM_SECONDS
    golden_batch: int = _GOLDEN_BATCH
    prometheus_url: str = ""

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "Settings":
        """Read them; raises ValueError with the variable's name."""
        if not environ.get("BROKER_URL"):
            raise ValueError("BROKER_URL is not set: rollout does not know where events go")
        return cls(
            broker_url=environ["BROKER_URL"],
            request_metrics_url=environ.get("REQUEST_METRICS_URL", ""),
            model_cache=Path(environ.get("MODEL_CACHE_DIR", "/models")),
            tick=environ.get("ROLLOUT_TICK_SCHEDULE", _TICK),
            slow_tick=environ.get("ROLLOUT_SLOW_TICK_SCHEDULE", _SLOW_TICK),
            warm_seconds=_number(environ, "ROLLOUT_WARM_SECONDS", _WARM_SECONDS),
            golden_batch=int(_number(environ, "ROLLOUT_GOLDEN_BATCH", _GOLDEN_BATCH)),
            prometheus_url=environ.get("PROMETHEUS_URL", ""),
        )


def _number(environ: Mapping[str, str], name: str, default: float) -> float:
    try:
        value = float(environ.get(name, default))
    except ValueError:
        value = 0.0
    if value <= 0:
        raise ValueError(f"{name} must be a number above 0")
    return value
