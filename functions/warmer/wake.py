"""Wake: call until it is ready and a real inference has worked, or it is no longer there."""

import asyncio
import logging

import httpx

from functions.runtime.metrics import counter
from functions.warmer.plan import Call

_LOG = logging.getLogger(__name__)
_WOKEN = counter("warmups_total", "Wake-up calls by how they ended", ("target", "result"))
_PAUSE_SECONDS = 0.25
_GONE = 404


async def wake(http: httpx.AsyncClient, call: Call) -> str:
    """Return `awake`, or `gone` when nobody answers there any more; raises TimeoutError."""
    while True:
        result = await _once(http, call)
        if result:
            _WOKEN.labels(target=call.service, result=result).inc()
            return result
        await asyncio.sleep(_PAUSE_SECONDS)


async def _once(http: httpx.AsyncClient, call: Call) -> str:
    """Return how it ended; empty when it has to be tried again."""
    try:
        response = await http.get(f"{call.address}/health/ready")
        if response.is_success and call.body is not None:
            response = await http.post(call.address + call.path, json=dict(call.body))
    except httpx.HTTPError as error:
        _LOG.info("%s does not answer yet: %r", call.address, error)
        return ""
    if response.status_code == _GONE:
        return "gone"
    return "awake" if response.is_success else ""
