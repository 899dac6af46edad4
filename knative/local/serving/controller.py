"""The loop that reconciles what changed. A failing object is tried again later, alone."""

import logging
from datetime import UTC, datetime

from knative.local.changes import Change
from knative.local.serving.reconcile import Reconciler
from knative.local.serving.revisions import CONFIGURATION
from knative.local.serving.traffic import Urls
from knative.local.store import Object, Store

KINDS = ("Service", "Configuration", "Revision", "Route")
RESYNC_SECONDS = 300.0  # garbage collection needs the clock, not a change

Key = tuple[str, str]  # namespace, name: Service, Configuration and Route share their name

log = logging.getLogger(__name__)


async def control(store: Store, urls: Urls) -> None:
    """Reconcile everything, then whatever changes, until cancelled."""
    with store.subscribe(KINDS, store.revision()) as subscription:
        due = _everything(store)
        while True:
            reconcile(store, urls, due)
            change = await subscription.next(RESYNC_SECONDS)
            due = _due(store, change) if change else _everything(store)
            while subscription.waiting() and (change := await subscription.next()):
                due |= _due(store, change)


def reconcile(store: Store, urls: Urls, due: set[Key]) -> None:
    """Reconcile the named objects, in an order in which one pass usually settles them."""
    reconciler = Reconciler(store, urls, datetime.now(UTC))
    for namespace, name in sorted(due):
        try:
            reconciler.service(namespace, name)
            reconciler.configuration(namespace, name)
            reconciler.route(namespace, name)
            reconciler.housekeeping(namespace, name)
            reconciler.service(namespace, name)
        except Exception:  # one broken object must not stop the others; the resync tries it again
            log.exception("cannot reconcile %s/%s", namespace, name)


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
    routes = store.list("Route", namespace)
    return {(namespace, name)} | {_key(route) for route in routes if _names(route) & names}


def _names(route: Object) -> set[str]:
    """Return the Revisions and Configurations that a Route names."""
    targets = route["spec"]["traffic"]
    return {t[f] for t in targets for f in ("revisionName", "configurationName") if f in t}


def _key(obj: Object) -> Key:
    return obj["metadata"]["namespace"], obj["metadata"]["name"]
