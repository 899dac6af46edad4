"""The eventing part of the platform: the Broker with its door, and the controllers around it."""

import asyncio
from contextlib import AsyncExitStack
from functools import partial

from eventing.broker import Broker
from eventing.durable import Queue
from eventing.ingress import build_app
from knative.local.asgi import serve
from knative.local.eventing import bindings, brokers, containers, pings
from knative.local.eventing.apiserver import ApiServer
from knative.local.eventing.control import keep_sources
from knative.local.eventing.sinks import gateway_client
from knative.local.instance import Platform


async def run(platform: Platform) -> None:
    """Serve the Brokers and run all controllers until cancelled."""
    store = platform.store
    async with AsyncExitStack() as stack:
        client = gateway_client(platform.gateway_port)
        stack.push_async_callback(client.aclose)
        queue = await asyncio.to_thread(Queue, platform.data / "eventing.db")
        broker = Broker(queue, client)
        stack.push_async_callback(broker.aclose)
        group = await stack.enter_async_context(asyncio.TaskGroup())
        api = f"https://127.0.0.1:{platform.api_port}"
        group.create_task(serve(build_app(broker), platform.ingress_port))
        group.create_task(brokers.control(store, broker))
        pods = partial(containers.judge, store)
        for sources in (
            keep_sources(store, "PingSource", partial(pings.judge, client)),
            keep_sources(store, "ContainerSource", pods, "Pod"),
            keep_sources(store, "SinkBinding", partial(bindings.judge, store)),
            keep_sources(store, "ApiServerSource", ApiServer(store, client, api).judge),
        ):
            group.create_task(sources)
