"""Announce: what the state's outbox holds becomes CloudEvents and core/v1 Events.

An event's id and name follow from its content, so delivering again after a kill adds nothing: the
Broker's subscribers see the same id, the API server says AlreadyExists.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import httpx

from eventing import sender
from eventing.cloudevent import CloudEvent, to_http, wrap
from eventing.events import PAYLOADS, RolloutRolledBack, RolloutSuperseded
from knative.serving import errors
from knative.serving.client import EVENTS, SERVICES, KubeClient
from knative.serving.objects import Object

_WARNINGS = frozenset({RolloutRolledBack.type, RolloutSuperseded.type})
_COMPONENT = "rollout"
_LIMIT = 1000


class Announcer:
    """Tells the Broker and the API server what a rollout did."""

    def __init__(self, kube: KubeClient, http: httpx.AsyncClient, broker_url: str) -> None:
        self._kube = kube
        self._http = http
        self._broker_url = broker_url

    async def announce(
        self, service: Object, kind: str, payload: Mapping[str, Any], trace: str
    ) -> None:
        """Deliver one event of the outbox; raises httpx.HTTPError or KubeError."""
        event = _event(service, kind, payload, trace)
        said = type(PAYLOADS[kind](**payload)).__name__
        words = payload.get("evidence") or payload.get("candidate_url") or ""
        text = f"{payload['candidate']}: {payload.get('phase', '')} {words}".replace(":  ", ": ")
        severity = "Warning" if kind in _WARNINGS else "Normal"
        await self.record(service, severity, said, text, event.id)
        headers, body = to_http(event)
        shown = {**headers, **sender.shown()}
        response = await self._http.post(self._broker_url, headers=shown, content=body)
        response.raise_for_status()

    async def record(
        self, service: Object, severity: str, reason: str, message: str, key: str = ""
    ) -> None:
        """Create a core/v1 Event on the Service; the same one is created once."""
        meta = service["metadata"]
        text = key or f"{meta['uid']} {reason} {message}"
        name = f"{meta['name']}.{hashlib.sha256(text.encode()).hexdigest()[:16]}"
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        event = {
            "apiVersion": EVENTS.api_version,
            "kind": EVENTS.kind,
            "metadata": {"name": name, "namespace": meta["namespace"]},
            "involvedObject": _reference(service),
            "reason": reason,
            "message": message[:_LIMIT],
            "type": severity,
            "source": {"component": _COMPONENT},
            "reportingComponent": _COMPONENT,
            "reportingInstance": _COMPONENT,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
        try:
            await self._kube.create(EVENTS, event)
        except errors.AlreadyExists:
            return


def _event(service: Object, kind: str, payload: Mapping[str, Any], trace: str) -> CloudEvent:
    meta = service["metadata"]
    path = f"{SERVICES.prefix}/namespaces/{meta['namespace']}/services/{meta['name']}"
    event = wrap(PAYLOADS[kind](**payload), source=path, subject=meta["name"])
    return replace(event, extensions={"traceparent": trace}) if trace else event


def _reference(service: Object) -> dict[str, str]:
    meta = service["metadata"]
    return {
        "apiVersion": SERVICES.api_version,
        "kind": SERVICES.kind,
        "name": meta["name"],
        "namespace": meta["namespace"],
        "uid": meta.get("uid", ""),
    }
