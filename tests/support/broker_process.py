"""A Broker in a process of its own, to be killed: `python -m tests.support.broker_process`.

Arguments: the queue's file, the port to listen on, and the subscribers' address. Events of type
`ask` go to ADDRESS/ask, whatever is replied to ADDRESS/reply.
"""

import asyncio
import socket
import sys
from pathlib import Path

import httpx
import uvicorn

from eventing.broker import Broker, Route
from eventing.delivery import Policy
from eventing.durable import Queue
from eventing.filters import compile_trigger
from eventing.ingress import build_app

NAME = ("ns", "default")


async def main(file: Path, port: int, subscribers: str) -> None:
    policy = Policy(retry=1000, backoff="linear", delay=0.0)
    routes = [
        Route(
            type_,
            NAME,
            compile_trigger({"filters": [{"exact": {"type": type_}}]}),
            f"{subscribers}/{type_}",
            policy,
        )
        for type_ in ("ask", "reply")
    ]
    async with httpx.AsyncClient(trust_env=False) as client:
        broker = Broker(Queue(file), client)
        await broker.configure([NAME], routes)
        config = uvicorn.Config(build_app(broker), lifespan="off", log_level="warning")
        with socket.create_server(("127.0.0.1", port)) as listener:
            await uvicorn.Server(config).serve(sockets=[listener])


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
