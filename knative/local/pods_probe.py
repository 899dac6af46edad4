"""Is a process ready, and does it live? Asked often until the first yes, seldom after it.

A Pod without a probe is ready once it runs. An HTTP probe is asked on PORT whatever port it names,
for there is only one. Several refusals in a row (failureThreshold) make it unready again, or, of a
livenessProbe, are its end. Nobody asks for either before a startupProbe has had its yes.
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


async def death(container: Object, port: int) -> str:
    """Wait until a process no longer counts as alive; return why. Without a probe it always does."""
    startup, liveness = container.get("startupProbe"), container.get("livenessProbe")
    if startup and not await Probe(startup, port).passed():
        return "Startup probe failed"
    if not liveness:
        await asyncio.get_running_loop().create_future()
    await Probe(liveness, port).failed()
    return "Liveness probe failed"


class Probe:
    """One probe of one process."""

    def __init__(self, spec: Object | None, port: int) -> None:
        self._always = spec is None
        self._spec = spec or {}
        self._port = port
        self._timeout = self._spec.get("timeoutSeconds") or 1
        self._period = self._spec.get("periodSeconds") or 10

    async def passed(self) -> bool:
        """Wait for the first yes; False when too many questions had none."""
        await self._begin()
        limit = self._period * (self._spec.get("failureThreshold") or 3)
        try:
            async with asyncio.timeout(limit):
                await self._until_ready()
        except TimeoutError:
            return False
        return True

    async def failed(self) -> None:
        """Wait until too many questions in a row were refused."""
        await self._begin()
        await self._until_failed()

    async def results(self) -> AsyncIterator[bool]:
        """Yield the state: True once it is ready, then every change, without end."""
        await self._begin()
        while True:
            await self._until_ready()
            yield True
            await self._until_failed()
            yield False

    async def _begin(self) -> None:
        await asyncio.sleep(self._spec.get("initialDelaySeconds", 0))

    async def _until_ready(self) -> None:
        pause = FIRST
        while not await self._ask():
            await asyncio.sleep(pause)
            pause = min(SLOWEST, pause * 1.2)

    async def _until_failed(self) -> None:
        refused, threshold = 0, self._spec.get("failureThreshold") or 3
        while refused < threshold:
            await asyncio.sleep(self._period)
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
