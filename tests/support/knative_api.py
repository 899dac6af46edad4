"""An in-memory Knative: what the API server answers, refuses and suffers; what it then does is `serving`'s.

It can be asked over HTTP (`transport`) or directly (`client`), which costs a tenth: whole lives of
Services are played against it. Every write of traffic is held against what a rollout has promised.
"""

import itertools
import json
import pickle
import re
from collections.abc import Callable, Mapping
from typing import Any

import httpx

from knative.serving import errors
from knative.serving.client import KubeClient
from knative.serving.kubeconfig import Cluster
from tests.support.knative_serving import NAMESPACE, Object, Serving

_PATH = re.compile(r"^/(?:api/v1|apis/[^/]+/v1)/(?:namespaces/[^/]+/)?(\w+)(?:/([^/]+))?$")
Answer = tuple[int, Any]


class Killed(BaseException):
    """The process is gone; nothing of ours may catch this."""


class FakeKnative:
    """Objects by kind and name. The faults: killed before or after a call, a conflict at some calls,
    everything down, somebody else (`at_call`) just before a call."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.objects: dict[str, dict[str, Object]] = {}
        self.clock = clock
        self.serving = Serving(self)
        self.versions = itertools.count(1)
        self.kill_at: tuple[int, bool] | None = None
        self.conflict_at: set[int] = set()
        self.at_call: dict[int, Callable[[], None]] = {}
        self.calls = 0
        self.down = False
        self.forbidden: set[str] = set()
        self.traffic_writes: list[list[Object]] = []
        self._verbs: Mapping[str, Callable[[str, str, Object], Answer]] = {
            "GET": self._get,
            "POST": self._post,
            "PUT": self._put,
            "PATCH": self._patch,
            "DELETE": self._delete,
        }

    def client(self) -> KubeClient:
        return _Direct(self)

    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self._handle)

    def serve(self, method: str, path: str, body: Object) -> Answer:
        """Answer one call; for a read, the body is the query."""
        self.calls += 1
        if self.kill_at == (self.calls, False):
            raise Killed
        self.at_call.pop(self.calls, lambda: None)()
        answer = self._answer(method, path, body)
        if self.kill_at == (self.calls, True):
            raise Killed
        return answer

    def kind(self, plural: str) -> dict[str, Object]:
        return self.objects.setdefault(plural, {})

    def service(self, name: str = "ner") -> Object:
        return self.kind("services")[name]

    def revision(self, name: str) -> Object:
        return self.kind("revisions")[name]

    def ready(self, name: str | None) -> bool:
        return self.serving.ready(name)

    def weights(self, name: str = "ner") -> dict[str, int]:
        total: dict[str, int] = {}
        for target in self.service(name)["status"].get("traffic", []):
            if target.get("percent"):
                key = target["revisionName"]
                total[key] = total.get(key, 0) + target["percent"]
        return total

    def apply(self, name: str, change: Callable[[Object], None]) -> None:
        """A person edits the Service."""
        edited = copied(self.kind("services").get(name) or _empty(name))
        change(edited)
        self.store("services", edited)

    def store(self, plural: str, body: Object) -> Object:
        body = copied(body)
        name, meta = body["metadata"]["name"], body["metadata"]
        old = self.kind(plural).get(name)
        meta["resourceVersion"] = str(next(self.versions))
        meta.setdefault("uid", f"uid-{name}")
        meta.setdefault("namespace", NAMESPACE)
        if old and "status" in old:
            body["status"] = old["status"]
        self.kind(plural)[name] = body
        self.serving.stored(plural, body, old)
        return body

    def _handle(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content) if request.content else dict(request.url.params)
        code, content = self.serve(request.method, request.url.path, body)
        return httpx.Response(code, json=content)

    def _answer(self, method: str, path: str, body: Object) -> Answer:
        match = _PATH.match(path)
        assert match, path
        if self.down:
            return _status(503, "ServiceUnavailable", "gone for a minute")
        if match[1] in self.forbidden:
            return _status(403, "Forbidden", match[1])
        if method != "GET" and self.calls in self.conflict_at:
            return _status(409, "Conflict", "somebody was faster")
        return self._verbs[method](match[1], match[2] or "", body)

    def _get(self, plural: str, name: str, query: Object) -> Answer:
        if name:
            found = self.kind(plural).get(name)
            return (200, found) if found else _status(404, "NotFound", name)
        key, _, value = query.get("labelSelector", "").partition("=")
        items = [
            item
            for item in self.kind(plural).values()
            if not key or item["metadata"].get("labels", {}).get(key) == value
        ]
        return 200, {"items": items}

    def _post(self, plural: str, _name: str, body: Object) -> Answer:
        if body["metadata"]["name"] in self.kind(plural):
            return _status(409, "AlreadyExists", "exists")
        return 201, self.store(plural, body)

    def _put(self, plural: str, name: str, body: Object) -> Answer:
        found = self.kind(plural).get(name)
        if not found:
            return _status(404, "NotFound", name)
        assert body["metadata"].get("resourceVersion"), "every write is conditional"
        if body["metadata"]["resourceVersion"] != found["metadata"]["resourceVersion"]:
            return _status(409, "Conflict", "the object has been modified")
        if plural == "services" and body["spec"].get("traffic") != found["spec"].get("traffic"):
            self._check(name, body["spec"]["traffic"])
        return 200, self.store(plural, body)

    def _check(self, name: str, traffic: list[Object]) -> None:
        """What every write of ours must keep to: nothing that is not Ready gets more than it has."""
        self.traffic_writes.append(traffic)
        assert sum(target["percent"] for target in traffic) == 100
        assert not any(target.get("latestRevision") for target in traffic)
        had = self.weights(name)
        assert all(
            t["percent"] <= had.get(t["revisionName"], 0) or self.ready(t["revisionName"])
            for t in traffic
        )

    def _patch(self, plural: str, name: str, body: Object) -> Answer:
        merged = copied(self.kind(plural)[name])
        _merge(merged, body)
        return self._put(plural, name, merged)

    def _delete(self, plural: str, name: str, _body: Object) -> Answer:
        found = self.kind(plural).pop(name, None)
        if found is None:
            return _status(404, "NotFound", name)
        self.serving.deleted(plural, found)
        return 200, {}


class _Direct(KubeClient):
    """The client without the wire between."""

    def __init__(self, api: FakeKnative) -> None:
        super().__init__(Cluster("http://api", NAMESPACE), httpx.MockTransport(lambda _: None))
        self._api = api

    async def _read(self, path: str, query: Mapping[str, str]) -> Object:
        return self._serve("GET", path, dict(query))

    async def _write(self, method: str, path: str, body: Object | None) -> Object:
        return self._serve(method, path, body or {})

    def _serve(self, method: str, path: str, body: Object) -> Object:
        code, content = self._api.serve(method, path, body)
        if code >= 400:
            raise errors.of_status(content)
        return copied(content)


def copied(content: Any) -> Any:
    """What `copy.deepcopy` does, several times as fast."""
    return pickle.loads(pickle.dumps(content, pickle.HIGHEST_PROTOCOL))  # noqa: S301 - our own bytes


def _empty(name: str) -> Object:
    return {"metadata": {"name": name, "annotations": {}}, "spec": {"template": {"spec": {}}}}


def _merge(into: Object, patch: Object) -> None:
    for key, value in patch.items():
        if value is None:
            into.pop(key, None)
        elif isinstance(value, dict):
            _merge(into.setdefault(key, {}), value)
        else:
            into[key] = value


def _status(code: int, reason: str, message: str) -> Answer:
    return code, {"code": code, "reason": reason, "message": message}
