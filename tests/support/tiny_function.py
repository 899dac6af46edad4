"""A function for the gateway's tests, plain sockets so that it starts at once.

`/slow` takes SECONDS, `/crash` ends the process before an answer, `/headers` shows what arrived,
anything else answers with the Revision and the pid. MODE: `exit` ends at once, `deaf` ignores
SIGTERM, `polite` answers what is at work before it ends, `mute` never listens, `late` listens after
SECONDS.
"""

import asyncio
import json
import os
import signal
import sys

MODE = os.environ.get("MODE", "")
SECONDS = float(os.environ.get("SECONDS", "1"))
IDENTITY = f"{os.environ.get('K_REVISION', '')} {os.getpid()}"
running = 0


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    global running  # noqa: PLW0603 - how many run at once is what a test asks
    try:
        while head := (await reader.readuntil(b"\r\n\r\n")).decode():
            request, *lines = head.strip().split("\r\n")
            headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in lines)}
            await reader.readexactly(int(headers.get("content-length", 0)))
            running += 1
            body = await respond(request.split()[1], headers)
            running -= 1
            head = f"HTTP/1.1 200 OK\r\ncontent-length: {len(body)}\r\n\r\n"
            writer.write(head.encode() + body)
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def respond(path: str, headers: dict[str, str]) -> bytes:
    if path == "/crash":
        os._exit(3)
    if path == "/headers":
        return json.dumps(headers).encode()
    at_once = running
    if path == "/slow":
        await asyncio.sleep(SECONDS)
    return f"{IDENTITY} {at_once}".encode()


async def leave() -> None:
    while running:
        await asyncio.sleep(0.02)
    await asyncio.sleep(0.05)
    os._exit(0)


async def main() -> None:
    sys.stdout.write(f"starting {MODE}\n")
    sys.stdout.flush()
    if MODE == "exit":
        sys.exit("cannot find the model")
    if MODE == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if MODE == "polite":
        asyncio.get_running_loop().add_signal_handler(
            signal.SIGTERM, lambda: asyncio.create_task(leave())
        )
    if MODE == "late":
        await asyncio.sleep(SECONDS)
    if MODE == "mute":
        await asyncio.Event().wait()
    server = await asyncio.start_server(answer, "127.0.0.1", int(os.environ["PORT"]), backlog=4096)
    await server.serve_forever()


asyncio.run(main())
