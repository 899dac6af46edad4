"""A function that streams, for the gateway's tests: an ASGI app on uvicorn, started by its path.

`/events` sends one server-sent event at once and the next only when `/go` was asked. `/echo` hands
back each piece of the body as it comes. `/silent` never answers, `/gone` says how many callers of it
went away, `/begin` answers a first byte at once and the last after SECONDS. A websocket is echoed.
`/sick` makes every later probe of `/health` fail.
"""

import asyncio
import os
from collections.abc import AsyncIterator

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

SECONDS = float(os.environ.get("SECONDS", "2"))
go = asyncio.Event()
health = {"status": 200}
gone = {"callers": 0}


async def who(_: Request) -> Response:
    return PlainTextResponse(str(os.getpid()))


async def events(_: Request) -> Response:
    async def stream() -> AsyncIterator[str]:
        yield "data: first\n\n"
        await go.wait()
        yield "data: second\n\n"

    return StreamingResponse(stream(), media_type="text/event-stream")


async def on(_: Request) -> Response:
    go.set()
    return PlainTextResponse("on")


async def echo(_: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    more = True
    while more:
        piece = await receive()
        more = piece.get("more_body", False)
        body = piece.get("body", b"")
        await send({"type": "http.response.body", "body": body, "more_body": more})


async def silent(request: Request) -> Response:
    while not await request.is_disconnected():
        await asyncio.sleep(0.01)
    gone["callers"] += 1
    return Response()


async def how_many_are_gone(_: Request) -> Response:
    return PlainTextResponse(str(gone["callers"]))


async def begin(_: Request) -> Response:
    async def stream() -> AsyncIterator[str]:
        yield "begun"
        await asyncio.sleep(SECONDS)
        yield " ended"

    return StreamingResponse(stream())


async def healthy(_: Request) -> Response:
    return Response(status_code=health["status"])


async def sick(_: Request) -> Response:
    health["status"] = 500
    return PlainTextResponse(str(os.getpid()))


async def websocket(socket: WebSocket) -> None:
    await socket.accept()
    async for text in socket.iter_text():
        await socket.send_text(f"{text} {text}")


APP = Starlette(
    routes=[
        Route("/", who),
        Route("/events", events),
        Route("/go", on),
        Mount("/echo", app=echo),
        Route("/silent", silent),
        Route("/gone", how_many_are_gone),
        Route("/begin", begin),
        Route("/health", healthy),
        Route("/sick", sick),
        WebSocketRoute("/socket", websocket),
    ]
)

if __name__ == "__main__":
    uvicorn.run(APP, host="127.0.0.1", port=int(os.environ["PORT"]), log_level="warning")
