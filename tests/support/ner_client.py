"""ner in this process, loaded, behind an HTTP client."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx

from functions.ner.app import function
from functions.runtime.app import build_app
from functions.runtime.lifecycle import Lifecycle


@asynccontextmanager
async def running(**environ: str) -> AsyncIterator[httpx.AsyncClient]:
    """Load ner from `environ`; ready, or failed with a reason, when this is entered."""
    app = build_app(function, environ)
    lifecycle: Lifecycle[Any] = app.state.lifecycle
    async with AsyncExitStack() as stack:
        lifecycle.start()
        stack.push_async_callback(lifecycle.close)
        await lifecycle.settled()
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        yield await stack.enter_async_context(
            httpx.AsyncClient(transport=transport, base_url="http://ner")
        )
