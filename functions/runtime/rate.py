"""A bucket of tokens for each caller: so many requests a minute, a few of them at once. Pure."""

from collections import OrderedDict

MOST_CALLERS = 10_000
"""Callers that are remembered; who was away longest is forgotten, which means a full bucket."""
_MINUTE = 60.0


class Buckets:
    """`per_minute` requests each; `burst` of them may come at once."""

    def __init__(self, per_minute: float, burst: float) -> None:
        self._rate, self._burst = per_minute / _MINUTE, burst
        self._callers: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, caller: str, now: float) -> float:
        """Take one token; return 0, or the seconds until there is one."""
        tokens, then = self._callers.pop(caller, (self._burst, now))
        tokens = min(self._burst, tokens + max(0.0, now - then) * self._rate)
        wait = 0.0 if tokens >= 1 else (1 - tokens) / self._rate
        self._callers[caller] = (tokens if wait else tokens - 1, now)
        if len(self._callers) > MOST_CALLERS:
            self._callers.popitem(last=False)
        return wait
