"""Holds requests until a replica is ready, without seeing their bodies.

Envoy asks here before it sends a request on (an `ext_authz` check). Yes, with the address, is said
at once when a replica is ready; otherwise the Revision is woken and the check waits. The queue of
a Revision is bounded, a caller that went away leaves it, and a start that failed empties it.
"""

import asyncio
import itertools
from collections import defaultdict
from collections.abc import Callable

from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from knative.local.dataplane.clusters import Key

QUEUE_LIMIT = 10_000  # per Revision, as in Knative
RETRY_SECONDS = "1"
REFUSED = 429  # what Envoy is told; its caller sees 503 with the same words


class Refused(Exception):
    """A request that cannot be answered now, in words."""


class Activator:
    """An ASGI app that answers Envoy's checks."""

    def __init__(
        self,
        ready_ports: Callable[[Key], list[int]],
        wake: Callable[[Key], None],
        limit: int = QUEUE_LIMIT,
    ) -> None:
        self._ready_ports = ready_ports
        self._wake = wake
        self._limit = limit
        self._turn = itertools.count()
        self._waiting: defaultdict[Key, set[asyncio.Future[int]]] = defaultdict(set)

    def waiting(self, revision: Key) -> int:
        """Return how many requests wait for a replica."""
        return len(self._waiting.get(revision, ()))

    def held(self) -> list[Key]:
        """List the Revisions that requests wait for."""
        return [key for key, queue in self._waiting.items() if queue]

    def release(self, revision: Key) -> None:
        """Let go those that wait, if there is a replica now; they are spread over all of them."""
        ports = self._ready_ports(revision)
        if not ports:
            return
        for future in self._waiting.pop(revision, ()):
            if not future.done():
                future.set_result(ports[next(self._turn) % len(ports)])

    def refuse(self, revision: Key, message: str) -> None:
        """Send away those that wait: the start has failed."""
        for future in self._waiting.pop(revision, ()):
            if not future.done():
                future.set_exception(Refused(message))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one check."""
        headers = dict(scope["headers"])
        key = tuple(
            headers.get(f"knative-serving-{part}".encode(), b"").decode()
            for part in ("namespace", "revision")
        )
        answer: Response
        try:
            port = await self._admit((key[0], key[1]), receive)
            answer = Response(headers={"x-envoy-original-dst-host": f"127.0.0.1:{port}"})
        except Refused as refusal:
            answer = PlainTextResponse(str(refusal), REFUSED, {"retry-after": RETRY_SECONDS})
        except asyncio.CancelledError:
            if asyncio.current_task().cancelling():  # type: ignore[union-attr] # we run in a task
                raise
            return  # to nobody
        await answer(scope, receive, send)

    async def _admit(self, revision: Key, receive: Receive) -> int:
        ports = self._ready_ports(revision)
        if ports:
            return ports[next(self._turn) % len(ports)]
        queue = self._waiting[revision]
        if len(queue) >= self._limit:
            raise Refused(f"{len(queue)} requests wait for {revision[1]} already")
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        queue.add(future)
        gone = asyncio.create_task(_disconnected(receive))
        gone.add_done_callback(lambda _: future.cancel())
        self._wake(revision)
        try:
            return await future
        finally:
            queue.discard(future)
            gone.cancel()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
