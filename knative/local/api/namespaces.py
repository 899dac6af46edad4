"""A Namespace ends in two steps, as in Kubernetes: first it is Terminating, then it goes with its contents.

So a client that deletes a whole manifest, the Namespace first, still finds the rest. The second
step comes once nobody has deleted anything in it for a moment; nothing new gets in meanwhile.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

from knative.local.errors import Forbidden, NotFound
from knative.local.kinds import KINDS, Kind
from knative.local.store import Object, Store, timestamp

QUIET_SECONDS = 1.0


def terminating(namespace: Mapping[str, Any]) -> bool:
    """Say whether a Namespace is on its way out."""
    return "deletionTimestamp" in namespace["metadata"]


def terminate(store: Store, namespace: Object, now: datetime) -> None:
    """Take the first step; again is nothing new."""
    meta = {"deletionTimestamp": timestamp(now), **namespace["metadata"]}
    store.update({**namespace, "metadata": meta, "status": {"phase": "Terminating"}})


def check_open(store: Store, kind: Kind, namespace: str, name: str) -> None:
    """Refuse a new object where there is no Namespace, or one that ends."""
    if terminating(store.get("Namespace", "", namespace)):
        raise Forbidden(
            f'{kind.resource} "{name}" is forbidden: unable to create new content in namespace '
            f"{namespace} because it is being terminated",
            kind.details(name),
        )


async def run(store: Store) -> None:
    """Take the second step for every Namespace, until cancelled."""
    async with asyncio.TaskGroup() as group:
        async for event in store.watch("Namespace"):
            if event.type != "DELETED" and terminating(event.object):
                group.create_task(_end(store, event.object["metadata"]["name"]))


async def _end(store: Store, name: str) -> None:
    before, now = None, _contents(store, name)
    while now != before:
        await asyncio.sleep(QUIET_SECONDS)
        before, now = now, _contents(store, name)
    with suppress(NotFound):  # a second write to it has brought a second of us
        store.delete("Namespace", "", name)


def _contents(store: Store, name: str) -> int:
    return sum(len(store.list(kind.kind, name)) for kind in KINDS if kind.namespaced)
