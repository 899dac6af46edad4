"""The function that does nothing: `python -m scripts.benchmarks.trivial` on $PORT.

It says who answered and when its socket began to listen (the machine's monotonic clock), so that a
caller can tell the platform's time from the process's own. `?seconds=S` answers after S seconds.
"""

import asyncio
import os
import socket
import time
from urllib.parse import parse_qs

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route


def main() -> None:
    """Serve until told to end; what is at work then is answered first."""
    who = {"pid": os.getpid(), "revision": os.environ.get("K_REVISION", ""), "listening": 0.0}

    async def answer(request: Request) -> JSONResponse:
        query = parse_qs(request.url.query)
        await asyncio.sleep(float(query.get("seconds", ["0"])[0]))
        return JSONResponse(who)

    app = Starlette(routes=[Route("/", answer, methods=["GET", "POST"])])
    config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off")
    config.load()
    with socket.create_server(("127.0.0.1", int(os.environ["PORT"])), backlog=4096) as listener:
        who["listening"] = time.monotonic()
        asyncio.run(uvicorn.Server(config).serve(sockets=[listener]))


if __name__ == "__main__":
    main()
