"""What plain functions-framework calls: it hands each request on to the function's own app."""

import os
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request

from functions.runtime import metrics
from functions.runtime.app import build_app
from functions.runtime.function import Function
from functions.runtime.lifecycle import Lifecycle


def target(function: Function[Any]) -> Callable[[Request], Awaitable[Starlette]]:
    """Return the target; Starlette awaits any ASGI app as a response.

    functions-framework has no lifespan, so the first request starts the loading and waits for it.
    """
    made: list[Starlette] = []

    async def main(request: Request) -> Starlette:
        if not made:
            made.append(build_app(function, os.environ))
        lifecycle: Lifecycle[Any] = made[0].state.lifecycle
        lifecycle.start()
        if not request.url.path.startswith("/health"):
            await lifecycle.settled()
            metrics.serve()
        return made[0]

    return main
