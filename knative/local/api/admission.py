"""The one table of what is filled in and refused on a write, by kind.

Both are pure: a default changes the new object in place, a check raises BadRequest to refuse it.
What it may know of the cluster is in `Settings`, the two ConfigMaps that Knative too reads them from.
"""

import base64
from collections.abc import Callable, Mapping
from typing import Any

from knative.local.api.namespaces import terminating
from knative.local.errors import BadRequest, Conflict, NotFound
from knative.local.eventing import rules as eventing
from knative.local.kinds import BY_KIND
from knative.local.serving import rules
from knative.local.serving.rules import Settings
from knative.local.store import Object, Store

Default = Callable[[Object, Object | None], None]  # new, old
Check = Callable[[Object, Object | None, Settings], None]


def admit(store: Store, obj: Object, old: Object | None) -> Object:
    """Return the object with defaults, or raise why it is refused."""
    fill(obj, old)
    if refuse := CHECKS.get(obj["kind"]):
        refuse(obj, old, _settings(store))
    return obj


def fill(obj: Object, old: Object | None) -> None:
    """Fill in what the object leaves open, in place."""
    if BY_KIND[obj["kind"]].custom:
        obj.setdefault("spec", {})  # rules look inside
    if default := DEFAULTS.get(obj["kind"]):
        default(obj, old)


def check_delete(obj: Object) -> None:
    """Refuse to delete what the platform itself needs."""
    if obj["kind"] == "Namespace" and obj["metadata"]["name"] in PROTECTED:
        raise Conflict(f"namespace {obj['metadata']['name']!r} belongs to the platform")


PROTECTED = ("default", "knative-eventing", "knative-serving")


def _settings(store: Store) -> Settings:
    return Settings(
        features=_config(store, "config-features"), autoscaler=_config(store, "config-autoscaler")
    )


def _config(store: Store, name: str) -> Mapping[str, str]:
    try:
        data: dict[str, str] = store.get("ConfigMap", "knative-serving", name).get("data") or {}
    except NotFound:
        return {}
    return data


def _namespace(obj: Object, _old: Object | None) -> None:
    obj["status"] = {"phase": "Terminating" if terminating(obj) else "Active"}


def _claim(obj: Object, _old: Object | None) -> None:
    """Bind at once: a claim is a directory, and making one cannot wait for anything."""
    spec = obj.setdefault("spec", {})
    spec.setdefault("volumeName", obj["metadata"]["name"])
    capacity: Any = (spec.get("resources") or {}).get("requests") or {}
    modes = spec.get("accessModes") or ["ReadWriteOnce"]
    obj["status"] = {"phase": "Bound", "accessModes": modes, "capacity": capacity}


def _secret(obj: Object, old: Object | None) -> None:
    obj.setdefault("type", (old or {}).get("type", "Opaque"))
    texts = obj.pop("stringData", None) or {}
    encoded = {k: base64.b64encode(v.encode()).decode() for k, v in texts.items()}
    if encoded:
        obj["data"] = {**(obj.get("data") or {}), **encoded}


def _check_secret(obj: Object, _old: Object | None, _settings: Settings) -> None:
    for key, value in (obj.get("data") or {}).items():
        try:
            base64.b64decode(value, validate=True)
        except ValueError as error:
            raise BadRequest(f"data[{key}] is not base64: {error}") from error


DEFAULTS: Mapping[str, Default] = {
    "Namespace": _namespace,
    "PersistentVolumeClaim": _claim,
    "Secret": _secret,
    "Service": rules.default_service,
    "Configuration": rules.default_configuration,
    "Route": rules.default_route,
}
CHECKS: Mapping[str, Check] = {
    "Broker": eventing.check_broker,
    "Trigger": eventing.check_trigger,
    "PingSource": eventing.check_ping,
    "Secret": _check_secret,
    "Service": rules.check_service,
    "Configuration": rules.check_configuration,
    "Revision": rules.check_revision,
    "Route": rules.check_route,
}
