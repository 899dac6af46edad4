"""A function that starts in an instant and is bad as told: `python -m scripts.benchmarks.fake_model`.

MODE: `errors` fails every third request, `slow` takes 400 ms for it, `worse` finds no entity,
`crash` ends at once, `mute` never listens; anything else is good. Plain sockets, because a hundred
of them are started.
"""

import asyncio
import json
import os
import re
import sys
from itertools import count

MODE = os.environ.get("MODE", "good")
REVISION = os.environ.get("K_REVISION", "")
SLOW_SECONDS, FAIL_EVERY = 0.4, 3
TEXT, ENTITY = "Acme", {"start": 0, "end": 4, "label": "ORG"}
_LENGTH = re.compile(r"content-length: *(\d+)", re.IGNORECASE)
_requests = count(1)


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer the requests of one connection."""
    try:
        while head := (await reader.readuntil(b"\r\n\r\n")).decode():
            length = _LENGTH.search(head)
            body = await reader.readexactly(int(length[1])) if length else b""
            writer.write(await respond(head.split(maxsplit=2)[1], body))
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def respond(path: str, body: bytes) -> bytes:
    """Return one answer; probes and the model itself are never in trouble, callers may be."""
    status, content = "200 OK", b""
    if path == "/v1/entities":
        content = entities(len(json.loads(body)["texts"]))
    elif not path.startswith("/health"):
        await asyncio.sleep(SLOW_SECONDS if MODE == "slow" else 0.001)
        if MODE == "errors" and next(_requests) % FAIL_EVERY == 0:
            status = "500 Internal Server Error"
    head = f"HTTP/1.1 {status}\r\nx-revision: {REVISION}\r\ncontent-length: {len(content)}\r\n\r\n"
    return head.encode() + content


def entities(texts: int) -> bytes:
    """Say which entities are in each text."""
    found = [] if MODE == "worse" else [ENTITY]
    return json.dumps({"results": [{"entities": found}] * texts}).encode()


async def main() -> None:
    """Serve on $PORT until told to end."""
    if MODE == "crash":
        sys.exit("cannot load the model")
    if MODE == "mute":
        await asyncio.Event().wait()
    server = await asyncio.start_server(serve, "127.0.0.1", int(os.environ["PORT"]), backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
