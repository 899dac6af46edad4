"""A Route is ready when Envoy has said that it carries its traffic, not before.

A Route whose traffic is new says that it waits; the data plane takes that back when it carries it.
"""

from contextlib import suppress
from datetime import datetime

from knative.local.conditions import get_condition, set_condition
from knative.local.errors import NotFound
from knative.local.store import Object, Store

VISIBILITY = "networking.knative.dev/visibility"
WAITING = "Uninitialized", "Waiting for load balancer to be ready"

Key = tuple[str, str]


def routing(route: Object) -> object:
    """Pick what the data plane reads of a Route."""
    visibility = (route["metadata"].get("labels") or {}).get(VISIBILITY)
    return visibility, (route.get("status") or {}).get("traffic")


def waits(route: Object) -> bool:
    """Say whether a Route waits for the data plane's word."""
    condition = get_condition(route.get("status") or {}, "IngressReady") or {}
    return condition.get("reason") == WAITING[0]


def let_go(store: Store, key: Key, taken: object, now: datetime) -> None:
    """Say on a Route that its traffic is carried, unless it has asked for another since."""
    with suppress(NotFound):
        route = store.get("Route", *key)
        if routing(route) == taken:
            set_condition(route["status"], "IngressReady", "True", now=now)
            store.update_status("Route", *key, route["status"])
