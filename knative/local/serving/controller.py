"""The loop that reconciles what changed. A failing object is tried again later, alone."""

import asyncio
import logging
import time
from datetime import UTC, datetime
from math import inf

from knative.local.changes import Change
from knative.local.serving.reconcile import Carries, Reconciler, everything_is_carried
from knative.local.serving.revisions import CONFIGURATION
from knative.local.serving.traffic import Urls
from knative.local.store import Object, Store

KINDS = ("Service", "Configuration", "Revision", "Route")
RESYNC_SECONDS = 3600.0  # garbage collection needs the clock, not a change
RETRY_SECONDS = 30.0

Key = tuple[str, str]  # namespace, name: Service, Configuration and Route share their name

log = logging.getLogger(__name__)


async def control(store: Store, urls: Urls, carries: Carries = everything_is_carried) -> None:
    """Reconcile everything, then whatever changes or whose time has come, until cancelled."""
    later: dict[Key, float] = {}  # when to come back
    with store.subscribe(KINDS, store.revision()) as subscription:
        due = _everything(store)
        while True:
            for key in sorted(due):
                later.pop(key, None)
                again = reconcile(store, urls, key, carries)
                if again is not None:
                    later[key] = again
                await asyncio.sleep(0)  # a thousand Services must not hold up everybody else
            pause = min(later.values(), default=inf) - time.time()
            change = await subscription.next(min(max(pause, 0.0), RESYNC_SECONDS))
            due = {key for key, when in later.items() if when <= time.time()}
            if change is None and not due:
                due = _everything(store)
            while change:
                due |= _due(store, change)
                change = await subscription.next() if subscription.waiting() else None


def reconcile(
    store: Store, urls: Urls, key: Key, carries: Carries = everything_is_carried
) -> float | None:
    """Reconcile one name, in an order in which one pass usually settles it.

    Returns when to come back if nothing changes before, in Unix time.
    """
    reconciler = Reconciler(store, urls, datetime.now(UTC), carries)
    try:
        reconciler.service(*key)
        reconciler.configuration(*key)
        again = reconciler.route(*key)
        reconciler.housekeeping(*key)
        reconciler.service(*key)
    except Exception:  # one broken object must not stop the others
        log.exception("cannot reconcile %s/%s", *key)
        return time.time() + RETRY_SECONDS
    return again


def _everything(store: Store) -> set[Key]:
    return {_key(obj) for kind in KINDS if kind != "Revision" for obj in store.list(kind)}


def _due(store: Store, change: Change) -> set[Key]:
    """Return whom a change concerns: the owner by name, and every Route that names it."""
    obj = change.object()
    namespace, name = _key(obj)
    names = {name}
    if change.kind == "Revision":
        owner = (obj["metadata"].get("labels") or {}).get(CONFIGURATION, "")
        names, name = {name, owner}, owner
    routes = [r for n in names for r in store.list("Route", namespace, saying=f'"{n}"')]
    return {(namespace, name)} | {_key(route) for route in routes if _names(route) & names}


def _names(route: Object) -> set[str]:
    """Return the Revisions and Configurations that a Route names."""
    targets = route["spec"]["traffic"]
    return {t[f] for t in targets for f in ("revisionName", "configurationName") if f in t}


def _key(obj: Object) -> Key:
    return obj["metadata"]["namespace"], obj["metadata"]["name"]
