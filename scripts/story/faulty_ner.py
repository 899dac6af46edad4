"""The demo's fault switch: `ner` as it is, except that a release with the label fails under load.

A release whose manifest carries the label `demo.marketresearch.ai/fails-under-load` answers 500 to
every second request of users, and to every second that arrives while another is in work. Who asks
one after another at the candidate's own address is answered well: so the golden set passes, and
only a canary under live traffic can find it.
"""

import functools
import os
from collections.abc import Awaitable, Callable
from dataclasses import replace
from itertools import count
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from functions.ner.app import function as ner
from functions.registry.cache import ModelCache
from functions.runtime.errors import ApiError

LABEL = "demo.marketresearch.ai/fails-under-load"
CANDIDATES = "candidate-"
"""How the address begins at which a rollout asks; users ask at the Service's."""
Endpoint = Callable[[Request], Awaitable[Response]]


@functools.cache
def switched_on() -> bool:
    """Whether the release that this Revision serves carries the label."""
    cache = ModelCache(Path(os.environ["MODEL_CACHE_DIR"]))
    return LABEL in cache.release(os.environ["MODEL_DIGEST"]).manifest.labels


def failing(endpoint: Endpoint) -> Endpoint:
    """Return `endpoint` with the fault in front of it."""
    in_work, loaded = 0, count()

    async def answer(request: Request) -> Response:
        nonlocal in_work
        in_work += 1
        try:
            user = not request.headers.get("host", "").startswith(CANDIDATES)
            if (user or in_work > 1) and switched_on() and next(loaded) % 2 == 0:
                raise ApiError("the demo's fault switch is on")
            return await endpoint(request)
        finally:
            in_work -= 1

    return answer


def _with_fault(route: BaseRoute) -> BaseRoute:
    if isinstance(route, Route) and route.path == "/v1/entities":
        return Route(route.path, failing(route.endpoint), methods=list(route.methods or ()))
    return route


function = replace(ner, routes=[_with_fault(route) for route in ner.routes])
