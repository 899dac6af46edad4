"""The kinds that the platform serves, one row each; what is not in this table is a 404.

A row also says which columns `kubectl get` prints: those of Knative's own CustomResourceDefinitions
and of Kubernetes. A column is a name and a path into the object; `…[Type]` picks a condition,
`#` counts, and a name with `@` is computed (table.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SERVING = "serving.knative.dev"
EVENTING = "eventing.knative.dev"
SOURCES = "sources.knative.dev"
RBAC = "rbac.authorization.k8s.io"

Columns = tuple[tuple[str, str], ...]

AGE: Columns = (("Age", "@age"),)
READY: Columns = (("Ready", "status.conditions[Ready].status"),)
REASON: Columns = (("Reason", "status.conditions[Ready].reason"),)
SINK: Columns = (("Sink", "status.sinkUri"),)
REVISION: Columns = (
    ("Config Name", "metadata.labels[serving.knative.dev/configuration]"),
    ("Generation", "metadata.labels[serving.knative.dev/configurationGeneration]"),
)
LATEST: Columns = (
    ("LatestCreated", "status.latestCreatedRevisionName"),
    ("LatestReady", "status.latestReadyRevisionName"),
)
SCALE: Columns = (
    ("Actual Replicas", "status.actualReplicas"),
    ("Desired Replicas", "status.desiredReplicas"),
)
POD: Columns = (
    ("Ready", "@pod"),
    ("Status", "status.phase"),
    ("Restarts", "status.containerStatuses[0].restartCount"),
)
EVENT: Columns = (
    ("Last Seen", "@seen"),
    ("Type", "type"),
    ("Reason", "reason"),
    ("Object", "@object"),
    ("Message", "message"),
)
PVC: Columns = (("Status", "status.phase"), ("Volume", "spec.volumeName"))
ROLE: Columns = (("Role", "roleRef.name"),)


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind: its names in URLs and on the command line, its scope, its printed columns."""

    kind: str
    group: str
    version: str
    plural: str
    short_names: tuple[str, ...] = ()
    columns: Columns = AGE
    namespaced: bool = True
    has_status: bool = False
    categories: tuple[str, ...] = ()

    @property
    def singular(self) -> str:
        """Return the name that `kubectl get` accepts besides the plural."""
        return self.kind.lower()

    @property
    def api_version(self) -> str:
        """Return `v1` or `group/version`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def resource(self) -> str:
        """Return `plural.group`, as error messages name it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural


def _knative(kind: str, group: str, plural: str, short: tuple[str, ...], columns: Columns) -> Kind:
    return Kind(kind, group, "v1", plural, short, columns, True, True, ("all", "knative"))


def _core(kind: str, plural: str, short: tuple[str, ...], columns: Columns = AGE) -> Kind:
    return Kind(kind, "", "v1", plural, short, columns, has_status=kind in _CORE_WITH_STATUS)


_CORE_WITH_STATUS = {"Pod", "PersistentVolumeClaim"}
_DATA: Columns = (("Data", "data#"),)

KINDS: tuple[Kind, ...] = (
    Kind(
        "Namespace",
        "",
        "v1",
        "namespaces",
        ("ns",),
        (("Status", "status.phase"), *AGE),
        False,
        True,
    ),
    _core("Secret", "secrets", (), (("Type", "type"), *_DATA, *AGE)),
    _core("ConfigMap", "configmaps", ("cm",), (*_DATA, *AGE)),
    _core("PersistentVolumeClaim", "persistentvolumeclaims", ("pvc",), (*PVC, *AGE)),
    _core("Pod", "pods", ("po",), (*POD, *AGE)),
    _core("Event", "events", ("ev",), EVENT),
    _core("ServiceAccount", "serviceaccounts", ("sa",)),
    Kind("Role", RBAC, "v1", "roles"),
    Kind("RoleBinding", RBAC, "v1", "rolebindings", (), (*ROLE, *AGE)),
    _knative(
        "Service",
        SERVING,
        "services",
        ("kservice", "ksvc"),
        (("URL", "status.url"), *LATEST, *READY, *REASON),
    ),
    _knative(
        "Configuration", SERVING, "configurations", ("config", "cfg"), (*LATEST, *READY, *REASON)
    ),
    _knative("Revision", SERVING, "revisions", ("rev",), (*REVISION, *READY, *REASON, *SCALE)),
    _knative("Route", SERVING, "routes", ("rt",), (("URL", "status.url"), *READY, *REASON)),
    _knative(
        "Broker", EVENTING, "brokers", (), (("URL", "status.address.url"), *AGE, *READY, *REASON)
    ),
    _knative(
        "Trigger",
        EVENTING,
        "triggers",
        (),
        (
            ("Broker", "spec.broker"),
            ("Subscriber_URI", "status.subscriberUri"),
            *AGE,
            *READY,
            *REASON,
        ),
    ),
    _knative(
        "PingSource",
        SOURCES,
        "pingsources",
        (),
        (*SINK, ("Schedule", "spec.schedule"), *AGE, *READY, *REASON),
    ),
    _knative("ContainerSource", SOURCES, "containersources", (), (*SINK, *AGE, *READY, *REASON)),
    _knative("SinkBinding", SOURCES, "sinkbindings", (), (*SINK, *AGE, *READY, *REASON)),
    _knative("ApiServerSource", SOURCES, "apiserversources", (), (*SINK, *AGE, *READY, *REASON)),
)

BY_KIND: Mapping[str, Kind] = {k.kind: k for k in KINDS}
BY_PATH: Mapping[tuple[str, str, str], Kind] = {(k.group, k.version, k.plural): k for k in KINDS}

# Namespaces that are always there, as a cluster with Knative and this project has them.
NAMESPACES = ("default", "knative-eventing", "knative-serving", "marketresearch")


def groups() -> dict[str, str]:
    """Return each API group but the core one, with its version."""
    return {k.group: k.version for k in KINDS if k.group}


def resource(kind: str) -> str:
    """Return `services.serving.knative.dev` for `Service`: the name used in messages."""
    return BY_KIND[kind].resource


def details(kind: str, name: str) -> dict[str, Any]:
    """Return the `details` of a Status about one object."""
    row = BY_KIND[kind]
    return {"name": name, "group": row.group, "kind": row.plural}
