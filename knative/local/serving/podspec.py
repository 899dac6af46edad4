"""The pod part of a Revision: defaults, limits, and the fields that need a feature flag; pure."""

import re
from collections.abc import Mapping
from typing import Any

from knative.local.serving.faults import Faults, between

Object = dict[str, Any]

TIMEOUT, MAX_TIMEOUT = 300, 600
CONCURRENCY, MAX_CONCURRENCY = "containerConcurrency", 1000
PROBES = ("readinessProbe", "livenessProbe", "startupProbe")
UNASKED = {"exec", "grpc"}
RESERVED_ENV = ("K_CONFIGURATION", "K_REVISION", "K_SERVICE", "PORT")
RESERVED_PORTS = (8012, 8013, 8022, 9090, 9091)
FLAGGED = {
    "affinity": "kubernetes.podspec-affinity",
    "initContainers": "kubernetes.podspec-init-containers",
    "nodeSelector": "kubernetes.podspec-nodeselector",
    "runtimeClassName": "kubernetes.podspec-runtimeclassname",
    "tolerations": "kubernetes.podspec-tolerations",
}
_VOLUMES = {
    "persistentVolumeClaim": "kubernetes.podspec-persistent-volume-claim",
    "hostPath": "kubernetes.podspec-volumes-hostpath",
}
FIELD_REFS = "kubernetes.podspec-fieldref"
_PORT_NAMES = ("", "http1", "h2c", "user-port")
_IMAGE = re.compile(
    r"[a-z0-9]+(?:[._/:-]+[a-z0-9]+)*(?::[A-Za-z0-9_][\w.-]{0,127})?(?:@sha256:[0-9a-f]{64})?"
)


def default(spec: Object) -> None:
    """Fill in what Knative fills in, in place."""
    spec.setdefault(CONCURRENCY, 0)
    spec.setdefault("timeoutSeconds", TIMEOUT)
    spec.setdefault("enableServiceLinks", False)
    containers = spec.get("containers") or []
    for i, container in enumerate(containers):
        if not container.get("name"):
            container["name"] = "user-container" if len(containers) == 1 else f"user-container-{i}"
        container.setdefault("resources", {})
        probe = container.setdefault("readinessProbe", {})
        if not probe.keys() & {"httpGet", "tcpSocket", "exec", "grpc"}:
            probe["tcpSocket"] = {"port": 0}
        probe.setdefault("successThreshold", 1)


def check(spec: Object, features: Mapping[str, str], faults: Faults) -> None:
    """Add what Knative refuses about a pod spec."""
    _limits(spec, faults)
    for name, flag in FLAGGED.items():
        if spec.get(name) and _is_off(features, flag):
            faults.add("must not set the field(s)", name)
    for i, volume in enumerate(spec.get("volumes") or []):
        _volume(volume, features, faults.at(f"volumes[{i}]"))
    _containers(spec, features, faults)


def _is_off(features: Mapping[str, str], flag: str) -> bool:
    return features.get(flag, "disabled") == "disabled"


def _limits(spec: Object, faults: Faults) -> None:
    between(faults, spec["timeoutSeconds"], (0, MAX_TIMEOUT), "timeoutSeconds")
    between(faults, spec[CONCURRENCY], (0, MAX_CONCURRENCY), CONCURRENCY)
    for name in ("responseStartTimeoutSeconds", "idleTimeoutSeconds"):
        if name in spec:
            between(faults, spec[name], (0, spec["timeoutSeconds"]), name)
    if spec.get("idleTimeoutSeconds") and spec[CONCURRENCY]:
        faults.add(
            f"is not kept by this platform together with {CONCURRENCY}", "idleTimeoutSeconds"
        )


def _containers(spec: Object, features: Mapping[str, str], faults: Faults) -> None:
    containers = spec.get("containers") or []
    volumes = {volume["name"] for volume in spec.get("volumes") or []}
    if not containers:
        faults.add("missing field(s)", "containers")
    for i, container in enumerate(containers):
        if i:
            faults.add("a second container is not run by this platform", f"containers[{i}]")
        inner = faults.at(f"containers[{i}]")
        _image(container.get("image") or "", inner)
        _probes(container, inner)
        _env(container, features, inner)
        _ports(container, inner)
        _mounts(container, volumes, inner)
    ports = [port for c in containers for port in c.get("ports") or []]
    if len(ports) > 1:
        faults.add("more than one container port is set", "containers[*].ports")


def _env(container: Object, features: Mapping[str, str], faults: Faults) -> None:
    refused = {"fieldRef", "resourceFieldRef"} if _is_off(features, FIELD_REFS) else set()
    for i, entry in enumerate(container.get("env") or []):
        if entry["name"] in RESERVED_ENV:
            faults.add(f'"{entry["name"]}" is a reserved environment variable', f"env[{i}].name")
        for name in refused & entry.get("valueFrom", {}).keys():
            faults.add("must not set the field(s)", f"env[{i}].valueFrom.{name}")


def _ports(container: Object, faults: Faults) -> None:
    for port in container.get("ports") or []:
        number = port.get("containerPort", 0)
        if number in RESERVED_PORTS:
            faults.add(f"invalid value: {number} is a reserved port", "ports.containerPort")
        between(faults, number, (0, 65535), "ports.containerPort")
        if port.get("name", "") not in _PORT_NAMES:
            faults.add(
                f"Port name {port['name']} is not allowed",
                "ports.name",
                details="Name must be empty, or one of: 'h2c', 'http1'",
            )


def _probes(container: Object, faults: Faults) -> None:
    for name in PROBES:
        for how in UNASKED & (container.get(name) or {}).keys():
            words = "is not asked by this platform, only httpGet and tcpSocket are"
            faults.add(words, f"{name}.{how}")


def _image(image: str, faults: Faults) -> None:
    if not image:
        faults.add("missing field(s)", "image")
    elif not _IMAGE.fullmatch(image):
        details = f'image: "{image}", error: could not parse reference: {image}'
        faults.add("Failed to parse image reference", "image", details=details)


def _volume(volume: Object, features: Mapping[str, str], faults: Faults) -> None:
    for name, flag in _VOLUMES.items():
        if name in volume and _is_off(features, flag):
            faults.add(f"{_disabled(name, volume)}: must not set the field(s)", name)


def _disabled(name: str, volume: Object) -> str:
    if name == "hostPath":
        return f"HostPath volume support is disabled, but found HostPath volume {volume['name']}"
    claim = (volume[name] or {}).get("claimName", "")
    return f"Persistent volume claim support is disabled, but found persistent volume claim {claim}"


def _mounts(container: Object, volumes: set[str], faults: Faults) -> None:
    for i, mount in enumerate(container.get("volumeMounts") or []):
        if mount.get("name") not in volumes:
            faults.add("volumeMount has no matching volume", f"volumeMounts[{i}].name")
