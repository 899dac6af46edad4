"""What Knative Serving does about what is written: Revisions, Routes, Pods on few GPUs, and what is let go.

The rule: as in Knative, a Route keeps its whole previous routing while any target of the new one
cannot be routed to, and Revisions that nothing refers to are garbage in the end.
"""

import copy
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.support.knative_api import FakeKnative

Object = dict[str, Any]
NAMESPACE = "marketresearch"
SERVICE = "serving.knative.dev/service"
REVISION = "serving.knative.dev/revision"
_MIN_SCALE = "autoscaling.knative.dev/min-scale"


class Serving:
    """`broken`: values of a template's environment whose Revisions fail; those with one of `hanging`
    are neither Ready nor not. `gpus`: how many Pods fit; a Revision that has none waits until another's is deleted. `kept`: Revisions that stay
    though nothing refers to them."""

    def __init__(self, api: "FakeKnative") -> None:
        self._api = api
        self.broken: set[str] = set()
        self.hanging: set[str] = set()
        self.gpus: int | None = None
        self.kept = 20

    def stored(self, plural: str, body: Object, old: Object | None) -> None:
        if plural == "services":
            self._reconcile(body, old)
        if plural == "revisions":
            _scale(body)

    def deleted(self, plural: str, found: Object) -> None:
        if plural == "pods":
            self._evicted(found["metadata"]["labels"][REVISION])

    def ready(self, name: str | None) -> bool:
        found = self._api.kind("revisions").get(name or "")
        return bool(found) and found["status"]["conditions"][0]["status"] == "True"

    def turn(self, name: str, *, ready: bool) -> None:
        """A Revision's Pods begin to crash, or recover."""
        revision = self._api.revision(name)
        condition = {"type": "Ready", "status": str(ready), "reason": "Turned"}
        revision["status"]["conditions"] = [condition]
        for service in self._api.kind("services").values():
            self._route(service)

    def _reconcile(self, service: Object, old: Object | None) -> None:
        meta, status = service["metadata"], service.setdefault("status", {})
        same = bool(old and old["spec"] == service["spec"])
        meta["generation"] = meta.get("generation", 0) + (not same)
        status["observedGeneration"] = meta["generation"]
        if old is None or old["spec"]["template"] != service["spec"]["template"]:
            self._make_revision(service)
        service["spec"].setdefault("traffic", [{"latestRevision": True, "percent": 100}])
        self._route(service)
        self._collect(service)

    def _make_revision(self, service: Object) -> None:
        status, template = service["status"], service["spec"]["template"]
        number = int((status.get("latestCreatedRevisionName") or "-00000").rsplit("-", 1)[1]) + 1
        name = f"{service['metadata']['name']}-{number:05d}"
        status_of = self._status(template)
        good = status_of == "True"
        condition = {"type": "Ready", "status": status_of, "reason": "Tested"}
        meta = template.get("metadata", {})
        notes = {**meta.get("annotations", {}), "serving.knative.dev/creator": "a"}
        self._api.store(
            "revisions",
            {
                "metadata": {
                    "name": name,
                    "labels": {**meta.get("labels", {}), SERVICE: service["metadata"]["name"]},
                    "annotations": notes,
                    "creationTimestamp": f"2026-01-01T{number // 3600:02d}:{number // 60 % 60:02d}:{number % 60:02d}Z",
                },
                "spec": copy.deepcopy(template["spec"]),
                "status": {"conditions": [condition], "actualReplicas": int(good)},
            },
        )
        status["latestCreatedRevisionName"] = name
        if self.gpus is not None:
            condition["status"] = "Unknown"
            self._api.revision(name)["status"]["conditions"] = [condition]
            good = self._schedule(name) and good
        if good:
            status["latestReadyRevisionName"] = name

    def _status(self, template: Object) -> str:
        values = set(_values(template))
        if values & self.hanging:
            return "Unknown"
        return str(not values & self.broken)

    def _schedule(self, name: str) -> bool:
        """Give the Revision's Pod a GPU when one is free; without one it is neither Ready nor not."""
        revision, pods = self._api.revision(name), self._api.kind("pods")
        fits = len(pods) < (self.gpus or 0)
        broken = bool(self.broken & set(_values({"spec": revision["spec"]})))
        if fits:
            service = revision["metadata"]["labels"][SERVICE]
            meta = {"name": f"{name}-pod", "labels": {REVISION: name, SERVICE: service}}
            pods[f"{name}-pod"] = {"metadata": meta, "spec": revision["spec"]}
        ready = fits and not broken
        if ready or revision["status"]["conditions"][0]["status"] != "True":
            revision["status"]["conditions"][0]["status"] = "True" if ready else "Unknown"
        revision["status"]["actualReplicas"] = int(ready)
        return ready

    def _evicted(self, name: str) -> None:
        """The next in the queue gets the GPU; whose Pod was deleted is now last in it."""
        self._api.revision(name)["status"]["actualReplicas"] = 0
        others = [other for other in self._api.kind("revisions") if other != name]
        for other in [*others, name]:
            if f"{other}-pod" not in self._api.kind("pods"):
                self._schedule(other)

    def _route(self, service: Object) -> None:
        if "traffic" not in service.get("spec", {}):
            return
        latest = service["status"].get("latestReadyRevisionName")
        targets = [
            {**target, "revisionName": target.get("revisionName") or latest}
            for target in service["spec"]["traffic"]
        ]
        known = {t["revisionName"] for t in service["status"].get("traffic", [])}
        if all(self.ready(t["revisionName"]) or t["revisionName"] in known for t in targets):
            service["status"]["traffic"] = targets

    def _collect(self, service: Object) -> None:
        """Delete the oldest Revisions that are neither routed to nor the newest."""
        status, revisions = service["status"], self._api.kind("revisions")
        routed = (*status.get("traffic", []), *service["spec"]["traffic"])
        used = {target.get("revisionName") for target in routed}
        used |= {status.get(f"latest{which}RevisionName") for which in ("Created", "Ready")}
        mine = [
            name
            for name, revision in revisions.items()
            if revision["metadata"]["labels"][SERVICE] == service["metadata"]["name"]
        ]
        for name in [name for name in mine if name not in used][: -self.kept]:
            del revisions[name]


def _scale(revision: Object) -> None:
    scale = int(revision["metadata"]["annotations"].get(_MIN_SCALE, 0))
    status = revision["status"]
    status["actualReplicas"] = max(status["actualReplicas"], scale)


def _values(template: Object) -> Iterator[str]:
    for entry in template["spec"]["containers"][0].get("env", []):
        yield entry["value"]
