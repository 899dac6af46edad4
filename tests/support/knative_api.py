"""An in-memory Knative behind the client's transport: conflicts, Revisions, Routes, and a kill switch."""

import copy
import itertools
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import httpx

Object = dict[str, Any]
NAMESPACE = "marketresearch"
_PATH = re.compile(r"^/(?:api/v1|apis/[^/]+/v1)/namespaces/[^/]+/(\w+)(?:/([^/]+))?$")
_REQUIRED = {"services": "Service", "revisions": "Revision", "pingsources": "PingSource"}


class Killed(BaseException):
    """The process is gone; nothing of ours may catch this."""


class FakeKnative:
    """Objects by kind and name; `broken` names template values whose Revisions never get Ready."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.objects: dict[str, dict[str, Object]] = {}
        self.clock = clock
        self.versions = itertools.count(1)
        self.broken: set[str] = set()
        self.kill_at: tuple[int, bool] | None = None
        self.conflict_at: set[int] = set()
        self.calls = 0
        self.down = False
        self.traffic_writes: list[list[Object]] = []
        self.gpus: int | None = None
        """How many Pods fit; a Revision that has none waits until another's is deleted."""

    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self.handle)

    def handle(self, request: httpx.Request) -> httpx.Response:
        self.calls += 1
        if self.kill_at == (self.calls, False):
            raise Killed
        if self.down:
            return _status(503, "ServiceUnavailable", "gone for a minute")
        response = self._answer(request)
        if self.kill_at == (self.calls, True):
            raise Killed
        return response

    def kind(self, plural: str) -> dict[str, Object]:
        return self.objects.setdefault(plural, {})

    def service(self, name: str = "ner") -> Object:
        return self.kind("services")[name]

    def revision(self, name: str) -> Object:
        return self.kind("revisions")[name]

    def apply(self, name: str, change: Callable[[Object], None]) -> None:
        """A person edits the Service."""
        edited = copy.deepcopy(self.kind("services").get(name) or _empty(name))
        change(edited)
        self._store("services", edited)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        match = _PATH.match(request.url.path)
        assert match, request.url.path
        plural, name = match.groups()
        body = json.loads(request.content) if request.content else {}
        if request.method != "GET" and self.calls in self.conflict_at:
            return _status(409, "Conflict", "somebody was faster")
        verbs = {"GET": self._get, "POST": self._post, "PUT": self._put, "PATCH": self._patch}
        if request.method == "DELETE":
            found = self.kind(plural).pop(name, None)
            if found and plural == "pods":
                self._evicted(found["metadata"]["labels"]["serving.knative.dev/revision"])
            return _status(404, "NotFound", name) if found is None else httpx.Response(200, json={})
        return verbs[request.method](plural, name, body or dict(request.url.params))

    def _get(self, plural: str, name: str | None, query: Object) -> httpx.Response:
        if name:
            found = self.kind(plural).get(name)
            return httpx.Response(200, json=found) if found else _status(404, "NotFound", name)
        key, _, value = query.get("labelSelector", "").partition("=")
        items = [
            item
            for item in self.kind(plural).values()
            if not key or item["metadata"].get("labels", {}).get(key) == value
        ]
        return httpx.Response(200, json={"items": items})

    def _post(self, plural: str, _name: str | None, body: Object) -> httpx.Response:
        if body["metadata"]["name"] in self.kind(plural):
            return _status(409, "AlreadyExists", "exists")
        return httpx.Response(201, json=self._store(plural, body))

    def _put(self, plural: str, name: str | None, body: Object) -> httpx.Response:
        found = self.kind(plural).get(name or "")
        if not found:
            return _status(404, "NotFound", str(name))
        assert body["metadata"].get("resourceVersion"), "every write is conditional"
        if body["metadata"]["resourceVersion"] != found["metadata"]["resourceVersion"]:
            return _status(409, "Conflict", "the object has been modified")
        if plural == "services" and body["spec"].get("traffic") != found["spec"].get("traffic"):
            self._check(body["spec"]["traffic"])
        return httpx.Response(200, json=self._store(plural, body))

    def _check(self, traffic: list[Object]) -> None:
        """What every write of ours must keep to."""
        self.traffic_writes.append(traffic)
        assert sum(target["percent"] for target in traffic) == 100
        assert not any(target.get("latestRevision") for target in traffic)
        assert all(self.ready(t["revisionName"]) for t in traffic if t["percent"])

    def _patch(self, plural: str, name: str | None, body: Object) -> httpx.Response:
        merged = copy.deepcopy(self.kind(plural)[name or ""])
        _merge(merged, body)
        return self._put(plural, name, merged)

    def _store(self, plural: str, body: Object) -> Object:
        body = copy.deepcopy(body)
        old = self.kind(plural).get(body["metadata"]["name"])
        body["metadata"]["resourceVersion"] = str(next(self.versions))
        body["metadata"].setdefault("uid", f"uid-{body['metadata']['name']}")
        body["metadata"].setdefault("namespace", NAMESPACE)
        if old and "status" in old:
            body["status"] = old["status"]
        self.kind(plural)[body["metadata"]["name"]] = body
        if plural == "services":
            self._reconcile(body, old)
        if plural == "revisions":
            _scale(body)
        return body

    def _reconcile(self, service: Object, old: Object | None) -> None:
        meta, status = service["metadata"], service.setdefault("status", {})
        meta["generation"] = meta.get("generation", 0) + (
            0 if old and old["spec"] == service["spec"] else 1
        )
        status["observedGeneration"] = meta["generation"]
        if old is None or old["spec"]["template"] != service["spec"]["template"]:
            self._make_revision(service)
        service["spec"].setdefault("traffic", [{"latestRevision": True, "percent": 100}])
        self._route(service)

    def _make_revision(self, service: Object) -> None:
        status, template = service["status"], service["spec"]["template"]
        number = int((status.get("latestCreatedRevisionName") or "-00000").rsplit("-", 1)[1]) + 1
        name = f"{service['metadata']['name']}-{number:05d}"
        good = not self.broken & set(_values(template))
        condition = {"type": "Ready", "status": "True" if good else "False", "reason": "Tested"}
        meta = template.get("metadata", {})
        labels = {"serving.knative.dev/service": service["metadata"]["name"]}
        self._store(
            "revisions",
            {
                "metadata": {
                    "name": name,
                    "labels": {**meta.get("labels", {}), **labels},
                    "annotations": {
                        **meta.get("annotations", {}),
                        "serving.knative.dev/creator": "a",
                    },
                    "creationTimestamp": f"2026-01-01T00:00:{number:02d}Z",
                },
                "spec": copy.deepcopy(template["spec"]),
                "status": {"conditions": [condition], "actualReplicas": int(good)},
            },
        )
        if self.gpus is not None:
            condition["status"] = "Unknown"
            self.revision(name)["status"]["conditions"] = [condition]
        status["latestCreatedRevisionName"] = name
        if self.gpus is not None:
            good = self._schedule(name) and good
        if good:
            status["latestReadyRevisionName"] = name

    def _schedule(self, name: str) -> bool:
        """Give the Revision's Pod a GPU when one is free; without one it is neither Ready nor not."""
        revision = self.revision(name)
        fits = len(self.kind("pods")) < (self.gpus or 0)
        broken = bool(self.broken & set(_values({"spec": revision["spec"]})))
        if fits:
            labels = {"serving.knative.dev/revision": name}
            self.kind("pods")[f"{name}-pod"] = {
                "metadata": {"name": f"{name}-pod", "labels": labels}
            }
        ready = fits and not broken
        if ready or revision["status"]["conditions"][0]["status"] != "True":
            revision["status"]["conditions"][0]["status"] = "True" if ready else "Unknown"
        revision["status"]["actualReplicas"] = int(ready)
        return ready

    def _evicted(self, name: str) -> None:
        """The next in the queue gets the GPU; whose Pod was deleted is now last in it."""
        self.revision(name)["status"]["actualReplicas"] = 0
        others = [other for other in self.kind("revisions") if other != name]
        for other in [*others, name]:
            if f"{other}-pod" not in self.kind("pods"):
                self._schedule(other)

    def _route(self, service: Object) -> None:
        """The whole previous routing stays unless every target can be routed to."""
        latest = service["status"].get("latestReadyRevisionName")
        targets = [
            {**target, "revisionName": target.get("revisionName") or latest}
            for target in service["spec"]["traffic"]
        ]
        if all(self.ready(target["revisionName"]) for target in targets):
            service["status"]["traffic"] = targets

    def ready(self, name: str | None) -> bool:
        found = self.kind("revisions").get(name or "")
        return bool(found) and found["status"]["conditions"][0]["status"] == "True"

    def weights(self, name: str = "ner") -> dict[str, int]:
        total: dict[str, int] = {}
        for target in self.service(name)["status"].get("traffic", []):
            if target.get("percent"):
                key = target["revisionName"]
                total[key] = total.get(key, 0) + target["percent"]
        return total


def _scale(revision: Object) -> None:
    scale = int(revision["metadata"]["annotations"].get("autoscaling.knative.dev/min-scale", 0))
    status = revision["status"]
    status["actualReplicas"] = max(status["actualReplicas"], scale)


def _empty(name: str) -> Object:
    return {"metadata": {"name": name, "annotations": {}}, "spec": {"template": {"spec": {}}}}


def _values(template: Object) -> Iterator[str]:
    for entry in template["spec"]["containers"][0].get("env", []):
        yield entry["value"]


def _merge(into: Object, patch: Object) -> None:
    for key, value in patch.items():
        if value is None:
            into.pop(key, None)
        elif isinstance(value, dict):
            _merge(into.setdefault(key, {}), value)
        else:
            into[key] = value


def _status(code: int, reason: str, message: str) -> httpx.Response:
    return httpx.Response(code, json={"code": code, "reason": reason, "message": message})
