"""Who may ask: an API key or a provider's token, and how often. Off unless a setting turns it on.

`AUTH_KEYS_FILE`: API keys (see `keys`). `AUTH_JWKS`, `AUTH_ISSUER`, `AUTH_AUDIENCE`: tokens (see
`tokens`). `AUTH_REQUESTS_PER_MINUTE`: of each caller, at this replica; 0, the default, is no limit.
Both are shown as `Authorization: Bearer …`; a key also as `x-api-key`. Probes need neither. Nothing
that was shown is ever logged, repeated in an answer, or passed on.
"""

import logging
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from functions.runtime.errors import ApiError, QueueFull, Unauthorized
from functions.runtime.keys import Keys
from functions.runtime.rate import Buckets

log = logging.getLogger(__name__)
Check = Callable[[str], Awaitable[str | None]]
Refuse = Callable[[Scope, ApiError], ASGIApp]
BURST_SHARE = 0.1
"""The part of a minute's requests that may come at once."""


class RateLimited(QueueFull):
    """A caller asks more often than it may."""

    code = "rate_limited"


@dataclass(frozen=True, slots=True)
class Gate:
    """The ways in, and how often one may come."""

    checks: tuple[Check, ...]
    buckets: Buckets | None

    async def admit(self, headers: Mapping[str, str], now: float) -> str:
        """Return the caller's name; Unauthorized or RateLimited."""
        shown = _shown(headers)
        if not shown:
            raise Unauthorized("show an API key or a token as Authorization: Bearer")
        for check in self.checks:
            caller = await check(shown)
            if caller is not None:
                self._count(caller, now)
                return caller
        raise Unauthorized("the key or token is not valid")

    def _count(self, caller: str, now: float) -> None:
        wait = self.buckets.take(caller, now) if self.buckets else 0.0
        if wait:
            raise RateLimited("too many requests with this key", retry_after=math.ceil(wait))


def gate(environ: Mapping[str, str]) -> Gate | None:
    """Build what the environment asks for; None where nothing is to be shown."""
    checks: list[Check] = []
    if path := environ.get("AUTH_KEYS_FILE"):
        checks.append(_by_key(Keys(Path(path))))
    if jwks := environ.get("AUTH_JWKS"):
        checks.append(_by_token(jwks, environ))
    if not checks:
        return None
    per_minute = float(environ.get("AUTH_REQUESTS_PER_MINUTE", "0"))
    buckets = Buckets(per_minute, max(1.0, per_minute * BURST_SHARE)) if per_minute else None
    return Gate(tuple(checks), buckets)


def _by_key(keys: Keys) -> Check:
    async def check(shown: str) -> str | None:
        return keys.owner(shown)

    return check


def _by_token(jwks: str, environ: Mapping[str, str]) -> Check:
    from functions.runtime.tokens import Provider, Tokens  # noqa: PLC0415 - only where it is used

    return Tokens(Provider(jwks, environ["AUTH_ISSUER"], environ["AUTH_AUDIENCE"])).owner


def _shown(headers: Mapping[str, str]) -> str:
    scheme, _, rest = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip()
    return headers.get("x-api-key", "").strip()


class Authenticate:
    """ASGI middleware around everything but probes; `refuse` makes an error's answer."""

    def __init__(self, app: ASGIApp, gate: Gate, refuse: Refuse) -> None:
        self.app, self._gate, self._refuse = app, gate, refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a known caller pass."""
        if scope["type"] != "http" or scope["path"].startswith("/health"):
            await self.app(scope, receive, send)
            return
        try:
            caller = await self._gate.admit(Headers(scope=scope), time.monotonic())
        except ApiError as error:
            log.warning("refused: %s", error.message)
            await self._refuse(scope, error)(scope, receive, send)
            return
        log.debug("admitted %s", caller)
        await self.app(scope, receive, send)
