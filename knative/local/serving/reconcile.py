"""Bring Configurations, Revisions, Routes and Services to what was asked; level-triggered.

Each function reads the store as it is now and writes what differs, so it may run at any time, any
number of times, and be cut off between any two lines.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from knative.local.carried import VISIBILITY, WAITING
from knative.local.conditions import Truth, get_condition, owner_reference, set_condition
from knative.local.events import record_event
from knative.local.serving import gradual, revisions
from knative.local.serving.faults import parse_duration
from knative.local.serving.status import is_owned, mark_ready, summarise
from knative.local.serving.traffic import Blocked, Urls, assign, readiness
from knative.local.store import NotFound, Object, Store, timestamp

SERVICE = revisions.SERVICE
Carries = Callable[[Object], bool]  # whether nobody has to say yet that new traffic is carried
_COPIED = (
    "client.knative.dev/",
    "serving.knative.dev/creator",
    "serving.knative.dev/lastModifier",
    gradual.ANNOTATION,
)


def everything_is_carried(_route: Object) -> bool:
    """Answer where there is no data plane."""
    return True


@dataclass(frozen=True, slots=True)
class Reconciler:
    """The store, how addresses are made, what time it is, and whether there is a data plane."""

    store: Store
    urls: Urls
    now: datetime
    carries: Carries = everything_is_carried

    def service(self, namespace: str, name: str) -> None:
        """Keep a Service's Configuration and Route, and tell their state."""
        service = self._get("Service", namespace, name)
        if service is None:
            return
        template = {"template": service["spec"]["template"]}
        traffic = [
            target if target.get("revisionName") else {**target, "configurationName": name}
            for target in service["spec"]["traffic"]
        ]
        configuration = self._child(service, "Configuration", template)
        route = self._child(service, "Route", {"traffic": traffic})
        status = summarise(service, configuration, route, self.now)
        self.store.update_status("Service", namespace, name, status)

    def configuration(self, namespace: str, name: str) -> None:
        """Keep a Revision for the present template, and tell the latest ones."""
        configuration = self._get("Configuration", namespace, name)
        if configuration is None:
            return
        created = self._revision(configuration)
        known = self._revisions_of(namespace, name)
        status = dict(configuration.get("status") or {})
        status["observedGeneration"] = configuration["metadata"]["generation"]
        status["latestCreatedRevisionName"] = created["metadata"]["name"]
        ready = revisions.latest_ready(known, status.pop("latestReadyRevisionName", None))
        if ready:
            status["latestReadyRevisionName"] = ready
        self._judge(status, created)
        self.store.update_status("Configuration", namespace, name, status)

    def route(self, namespace: str, name: str) -> float | None:
        """Route to what was asked when all of it may be routed to; else keep what there is.

        Returns when to come back for the next step of a gradual rollout, in Unix time.
        """
        route = self._get("Route", namespace, name)
        if route is None:
            return None
        wanted = route["spec"]["traffic"]
        source = next((t["configurationName"] for t in wanted if t.get("configurationName")), name)
        known = self._known(namespace, source, wanted)
        configuration = self._get("Configuration", namespace, source)
        targets = assign(wanted, configuration, known, source)
        status = dict(route.get("status") or {})
        status["observedGeneration"] = route["metadata"]["generation"]
        status |= self._addresses(route)
        verdict, due = Blocked("True", "", ""), None
        if isinstance(targets, Blocked):
            verdict = targets
        else:
            due = self._assign(route, status, targets, known)
        rolling, waiting = due is not None, not self._carried(route, status)
        self._route_conditions(status, verdict, rolling=rolling, waiting=waiting)
        self.store.update_status("Route", namespace, name, status)
        return due

    def _known(self, namespace: str, source: str, wanted: list[Object]) -> dict[str, Object]:
        """Return the Revisions of a Configuration, and what else a Route names."""
        known = {r["metadata"]["name"]: r for r in self._revisions_of(namespace, source)}
        for other in {t["revisionName"] for t in wanted if t.get("revisionName")} - known.keys():
            if revision := self._get("Revision", namespace, other):
                known[other] = revision
        return known

    def _carried(self, route: Object, status: Object) -> bool:
        """Say whether the data plane has this routing; what it had once it keeps."""
        before = route.get("status") or {}
        had = (get_condition(before, "IngressReady") or {}).get("status") == "True"
        if had and all(before.get(field) == status.get(field) for field in ("url", "traffic")):
            return True
        return "traffic" not in status or self.carries({**route, "status": status})

    def _assign(
        self, route: Object, status: Object, targets: list[Object], known: Mapping[str, Object]
    ) -> float | None:
        """Write the traffic into a Route's status, as far as its gradual rollout allows."""
        latest = [t for t in targets if t["latestRevision"] and t["percent"]]
        before = gradual.read(status, known)
        status.pop("annotations", None)
        due = None
        if latest:
            text = (route["metadata"].get("annotations") or {}).get(gradual.ANNOTATION, "")
            goal = latest[0]["revisionName"], sum(t["percent"] for t in latest)
            seconds, now = parse_duration(text) or 0.0, self.now.timestamp()
            state = gradual.advance(before, goal, seconds, now)
            targets, due = gradual.spread(targets, state), state.next
            status |= gradual.memory(state)
        status["traffic"] = [self._with_url(route, target) for target in targets]
        return due

    def housekeeping(self, namespace: str, name: str) -> None:
        """Mark which Revisions of a Configuration are routed to, and collect old unused ones."""
        configuration = self._get("Configuration", namespace, name)
        if configuration is None:
            return
        routed = self._routed(namespace, name)
        status = configuration.get("status") or {}
        latest = {status.get("latestCreatedRevisionName"), status.get("latestReadyRevisionName")}
        known = self._revisions_of(namespace, name)
        for revision in known:
            marked = revisions.routing_state(revision, routed, timestamp(self.now))
            if marked:
                self.store.update(marked)
        needed = {*routed, *(n for n in latest if n)}
        for old in revisions.outlived(known, needed, self.now):
            self.store.delete("Revision", namespace, old)

    def _get(self, kind: str, namespace: str, name: str) -> Object | None:
        try:
            return self.store.get(kind, namespace, name)
        except NotFound:
            return None

    def _revisions_of(self, namespace: str, configuration: str) -> list[Object]:
        labels = {revisions.CONFIGURATION: configuration}
        return self.store.list("Revision", namespace, labels)

    def _routed(self, namespace: str, configuration: str) -> set[str]:
        """Return the Configuration's Revisions that any Route sends to now, or was asked to."""
        return {
            target["revisionName"]
            for route in self.store.list("Route", namespace, saying=f'"{configuration}-')
            for part in (route["spec"], route.get("status") or {})
            for target in part.get("traffic") or []
            if target.get("revisionName")
        }

    def _child(self, service: Object, kind: str, spec: Object) -> Object:
        """Create or bring up to date the Configuration or Route of a Service."""
        meta = service["metadata"]
        labels = {**(meta.get("labels") or {}), SERVICE: meta["name"]}
        labels["serving.knative.dev/serviceUID"] = meta["uid"]
        notes = meta.get("annotations") or {}
        wanted = {
            "labels": labels,
            "annotations": {k: v for k, v in notes.items() if k.startswith(_COPIED)},
        }
        child = self._get(kind, meta["namespace"], meta["name"])
        if child is not None:
            changed = {**child, "spec": spec, "metadata": {**child["metadata"], **wanted}}
            return self.store.update(changed) if is_owned(child, service) else child
        born = {"name": meta["name"], "namespace": meta["namespace"]}
        born["ownerReferences"] = [owner_reference(service)]
        head = {"apiVersion": service["apiVersion"], "kind": kind}
        return self._create(service, {**head, "metadata": {**born, **wanted}, "spec": spec})

    def _revision(self, configuration: Object) -> Object:
        namespace, name = (
            configuration["metadata"]["namespace"],
            revisions.revision_name(configuration),
        )
        found = self._get("Revision", namespace, name)
        return found or self._create(configuration, revisions.make(configuration))

    def _create(self, owner: Object, obj: Object) -> Object:
        made = self.store.create(obj)
        words = f'Created {obj["kind"]} "{obj["metadata"]["name"]}"'
        record_event(self.store, owner, "Created", words, "Normal", self.now)
        return made

    def _judge(self, status: Object, revision: Object) -> None:
        """Say whether the Configuration's newest Revision is ready."""
        ready = readiness(revision)
        reason = message = ""
        if ready == "False":
            condition = get_condition(revision["status"], "Ready") or {}
            name, why = revision["metadata"]["name"], condition.get("message", "")
            reason = "RevisionFailed"
            message = f'Revision "{name}" failed with message: {why}.'
        set_condition(status, "Ready", ready, reason, message, now=self.now)

    def _route_conditions(
        self, status: Object, verdict: Blocked, *, rolling: bool, waiting: bool
    ) -> None:
        now = self.now
        set_condition(
            status, "AllTrafficAssigned", verdict.value, verdict.reason, verdict.message, now=now
        )
        tls = ("TLSNotEnabled", "autoTLS is not enabled")
        set_condition(status, "CertificateProvisioned", "True", *tls, now=now)
        there = status.get("traffic") and not (rolling or waiting)
        routed: Truth = "True" if there else "Unknown"
        why = WAITING if waiting else gradual.IN_PROGRESS if rolling else ("", "")
        set_condition(status, "IngressReady", routed, *why, now=now)
        mark_ready(status, ("AllTrafficAssigned", "IngressReady"), now)

    def _addresses(self, route: Object) -> Object:
        meta = route["metadata"]
        inside = self.urls.internal(meta["namespace"], meta["name"])
        return {"url": self._url(route), "address": {"url": inside}}

    def _with_url(self, route: Object, target: Object) -> Object:
        return {**target, "url": self._url(route, target["tag"])} if "tag" in target else target

    def _url(self, route: Object, tag: str = "") -> str:
        meta = route["metadata"]
        private = (meta.get("labels") or {}).get(VISIBILITY) == "cluster-local"
        make = self.urls.internal if private else self.urls.external
        return make(meta["namespace"], meta["name"], tag)
