"""Is a process ready? Asked often until the first yes, seldom after it, and never assumed.

A Pod without a probe is ready once it runs. An HTTP probe is asked on PORT whatever port it names,
for there is only one. Several refusals in a row (failureThreshold) make it unready again.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import suppress

import httpx

from knative.local.store import Object

FIRST, SLOWEST = 0.01, 0.025  # seconds between questions until the first yes; Knative's pace
_NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""A probe speaks plain HTTP; loading the system's certificates for each costs tens of milliseconds."""


class Probe:
    """One readinessProbe of one process."""

    def __init__(self, spec: Object | None, port: int) -> None:
        self._always = spec is None
        self._spec = spec or {}
        self._port = port
        self._timeout = self._spec.get("timeoutSeconds") or 1

    async def results(self) -> AsyncIterator[bool]:
        """Yield the state: True once it is ready, then every change, without end."""
        await asyncio.sleep(self._spec.get("initialDelaySeconds", 0))
        while True:
            await self._until_ready()
            yield True
            await self._until_failed()
            yield False

    async def _until_ready(self) -> None:
        pause = FIRST
        while not await self._ask():
            await asyncio.sleep(pause)
            pause = min(SLOWEST, pause * 1.2)

    async def _until_failed(self) -> None:
        refused, threshold = 0, self._spec.get("failureThreshold") or 3
        while refused < threshold:
            await asyncio.sleep(self._spec.get("periodSeconds") or 10)
            refused = 0 if await self._ask() else refused + 1

    async def _ask(self) -> bool:
        if self._always:
            return True
        try:
            async with asyncio.timeout(self._timeout):
                if http := self._spec.get("httpGet"):
                    return await self._http(http)
                return await self._tcp()
        except (OSError, TimeoutError, httpx.HTTPError):
            return False

    async def _tcp(self) -> bool:
        _, writer = await asyncio.open_connection("127.0.0.1", self._port)
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
        return True

    async def _http(self, spec: Object) -> bool:
        headers = {h["name"]: h["value"] for h in spec.get("httpHeaders", [])}
        url = f"http://127.0.0.1:{self._port}{spec.get('path') or '/'}"
        async with httpx.AsyncClient(trust_env=False, verify=_NO_CERTIFICATES) as client:
            answer = await client.get(url, headers={"user-agent": "kube-probe/local", **headers})
        return answer.status_code < httpx.codes.BAD_REQUEST
