"""Settings of the warmer: the environment, read once."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

_CHAINS = '{"inference": ["ner"]}'


@dataclass(frozen=True, slots=True)
class Settings:
    """What the environment says.

    namespace: NAMESPACE, of the Services, default marketresearch.
    chains: WARMER_CHAINS, JSON: which Services a Service calls to answer; woken with it, at once.
    seconds: WARMER_SECONDS, how long one event may take, default 60.
    request_metrics_url: REQUEST_METRICS_URL, Knative's request metrics, for the forecast; empty
        (the default) means that there is none.
    """

    namespace: str
    chains: Mapping[str, tuple[str, ...]]
    seconds: float
    request_metrics_url: str = ""

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "Settings":
        """Read them; raises ValueError with the variable's name."""
        try:
            raw = json.loads(environ.get("WARMER_CHAINS", _CHAINS))
            chains = {str(name): tuple(map(str, needs)) for name, needs in raw.items()}
        except (ValueError, AttributeError, TypeError) as error:
            raise ValueError(f"WARMER_CHAINS is not an object of lists: {error}") from error
        seconds = float(environ.get("WARMER_SECONDS", "60"))
        if seconds <= 0:
            raise ValueError("WARMER_SECONDS must be above 0")
        metrics = environ.get("REQUEST_METRICS_URL", "")
        return cls(environ.get("NAMESPACE", "marketresearch"), chains, seconds, metrics)
