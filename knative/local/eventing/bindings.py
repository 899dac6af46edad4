"""SinkBinding: writes `K_SINK` into the template of a Knative Service."""

from contextlib import suppress

from knative.local.errors import Conflict, NotFound
from knative.local.eventing.containers import with_env
from knative.local.eventing.control import Judged, Problem
from knative.local.store import Object, Store


def judge(store: Store, obj: Object, sink: str | None) -> Judged:
    """Keep `K_SINK` in the template of the Knative Service that a SinkBinding names."""
    return Judged({"SubjectBound": None if sink is None else _bind(store, obj, sink)})


def _bind(store: Store, obj: Object, sink: str) -> Problem:
    subject = obj["spec"].get("subject") or {}
    if subject.get("kind") != "Service" or not subject.get("name"):
        return ("SubjectNotSupported", "only a Knative Service, by its name, can be bound here")
    namespace = subject.get("namespace") or obj["metadata"]["namespace"]
    try:
        service = store.get("Service", namespace, subject["name"])
    except NotFound as error:
        return ("SubjectMissing", error.message)
    template = service["spec"]["template"]
    bound = with_env(template["spec"], {"K_SINK": sink})
    if bound != template["spec"]:
        template["spec"] = bound
        with suppress(Conflict):  # somebody else wrote: that change brings us here again
            store.update(service)
    return None
