"""JSON Web Tokens of an OpenID provider: signature, issuer, audience and expiry, all required.

The provider's public keys are a file or a URL; they are read again after `FRESH_SECONDS`, and sooner
when a token names a key that is not among them, but not more often than `PAUSE_SECONDS`.
"""

import asyncio
import json
import time
from dataclasses import dataclass
from pathlib import Path

import httpx
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, KeySetSerialization

ALGORITHMS = ["RS256", "PS256", "ES256", "EdDSA"]
"""Public-key signatures only: with a shared secret whoever checks could also sign."""
FRESH_SECONDS, PAUSE_SECONDS = 300.0, 10.0
_FETCH_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Provider:
    """`jwks`: path or https URL of the public keys; tokens must be by `issuer`, for `audience`."""

    jwks: str
    issuer: str
    audience: str


class Tokens:
    """Checks tokens of one provider."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._keys: KeySet | None = None
        self._read_at = 0.0
        self._reading = asyncio.Lock()
        self._rules = jwt.JWTClaimsRegistry(
            iss={"essential": True, "value": provider.issuer},
            aud={"essential": True, "value": provider.audience},
            exp={"essential": True},
            sub={"essential": True},
        )

    async def owner(self, token: str) -> str | None:
        """Return the token's subject; None for a token that is not valid here and now."""
        for oldest in (FRESH_SECONDS, PAUSE_SECONDS):
            keys = await self._fresh(oldest)
            if keys is None:
                return None
            try:
                found = jwt.decode(token, keys, algorithms=ALGORITHMS)
                self._rules.validate(found.claims)
            except (JoseError, ValueError):
                continue
            return f"sub:{found.claims['sub']}"
        return None

    async def _fresh(self, oldest: float) -> KeySet | None:
        async with self._reading:
            now = time.monotonic()
            if self._keys is None or now - self._read_at > oldest:
                self._read_at = now
                self._keys = await self._read() or self._keys
            return self._keys

    async def _read(self) -> KeySet | None:
        try:
            document: KeySetSerialization = json.loads(await self._text())
            return KeySet.import_key_set(document)
        except (OSError, httpx.HTTPError, JoseError, ValueError, KeyError):
            return None

    async def _text(self) -> str:
        if not self._provider.jwks.startswith(("https://", "http://")):
            return await asyncio.to_thread(Path(self._provider.jwks).read_text)
        async with httpx.AsyncClient(timeout=_FETCH_SECONDS) as http:
            answer = await http.get(self._provider.jwks)
            answer.raise_for_status()
            return answer.text
