"""Every Pod that a cluster would be given is bound by the security rules, and may do the least."""

import re

import pytest

from tests.support import manifests
from tests.support.manifests import (
    CLUSTER,
    COMPONENTS,
    OVERLAYS,
    Object,
    overlay,
    pods,
    rendered,
    with_component,
)

LOG_READER = "DaemonSet/fluent-bit"
SECRET = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD)(_ID)?$")


@pytest.mark.parametrize("name", OVERLAYS)
def test_every_pod_meets_the_security_rules(name: str) -> None:
    found = list(pods(overlay(name)))
    assert len(found) == 9
    for owner, pod in found:
        _meets_the_rules(owner, pod)


def test_every_pod_of_a_component_meets_the_security_rules() -> None:
    for component, objects in ((name, with_component(name)) for name in COMPONENTS):
        for owner, pod in pods(objects):
            _meets_the_rules(f"{component}: {owner}", pod)


def test_every_pod_beside_the_overlays_meets_the_security_rules() -> None:
    for folder in manifests.BESIDE:
        for owner, pod in pods(rendered(folder)):
            if owner != LOG_READER:
                _meets_the_rules(f"{folder}: {owner}", pod)


def test_the_log_reader_alone_sees_its_node_and_may_do_nothing_there_but_read() -> None:
    found = dict(pods(rendered("knative/observability/fluent-bit")))
    container = found[LOG_READER]["containers"][0]
    security = container["securityContext"]
    assert security["readOnlyRootFilesystem"] is True
    assert security["allowPrivilegeEscalation"] is False
    assert security["capabilities"] == {"drop": ["ALL"], "add": ["DAC_READ_SEARCH"]}
    writable = [m["name"] for m in container["volumeMounts"] if not m.get("readOnly")]
    assert sorted(writable) == ["config", "state"]


def _meets_the_rules(owner: str, pod: Object) -> None:
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys(), owner
    assert pod["serviceAccountName"], owner
    assert all("hostPath" not in volume for volume in pod.get("volumes", [])), owner
    for container in [*pod["containers"], *pod.get("initContainers", [])]:
        _restricted(owner, container)


def _restricted(owner: str, container: Object) -> None:
    security = container["securityContext"]
    assert security["runAsNonRoot"] is True, owner
    assert security["readOnlyRootFilesystem"] is True, owner
    assert security["allowPrivilegeEscalation"] is False, owner
    assert security["capabilities"] == {"drop": ["ALL"]}, owner
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}, owner
    assert not security.get("privileged"), owner
    for side in ("requests", "limits"):
        assert {"cpu", "memory"} <= container["resources"][side].keys(), owner
    for entry in container.get("env", []):
        literal = SECRET.search(entry["name"]) and "value" in entry
        assert not literal, f"{owner}: {entry['name']} is written into the manifest"


@pytest.mark.parametrize("name", OVERLAYS)
def test_every_function_has_an_identity_of_its_own(name: str) -> None:
    used = [pod["serviceAccountName"] for _, pod in pods(overlay(name))]
    assert len(used) == len(set(used))
    known = {o["metadata"]["name"]: o for o in overlay(name) if o["kind"] == "ServiceAccount"}
    assert set(used) <= known.keys()
    bound = {
        subject["name"]
        for o in overlay(name)
        if o["kind"] == "RoleBinding"
        for subject in o["subjects"]
    }
    for account in set(used) - bound:
        assert known[account]["automountServiceAccountToken"] is False, account


@pytest.mark.parametrize("name", OVERLAYS)
def test_only_rollout_writes_services_and_only_named_ones(name: str) -> None:
    for role in (o for o in overlay(name) if o["kind"] == "Role"):
        for rule in role["rules"]:
            writes = {"create", "update", "patch", "delete", "*"} & set(rule["verbs"])
            if "services" in rule["resources"] and writes:
                assert role["metadata"]["name"] == "rollout"
                assert set(rule["resourceNames"]) == {"ner", "inference"}
            assert "*" not in [*rule["verbs"], *rule["resources"]]
            assert "secrets" not in rule["resources"]


@pytest.mark.parametrize("name", CLUSTER)
def test_role_bindings_name_their_namespace(name: str) -> None:
    for binding in (o for o in overlay(name) if o["kind"] == "RoleBinding"):
        assert [s["namespace"] for s in binding["subjects"]] == ["marketresearch"]


def _keys_read(objects: list[Object]) -> set[tuple[str, str]]:
    """(Secret, key) for every key of a Secret that a Pod names."""
    found = set()
    for _, pod in pods(objects):
        for entry in pod["containers"][0].get("env", []):
            if reference := entry.get("valueFrom", {}).get("secretKeyRef"):
                found.add((reference["name"], reference["key"]))
        for secret in (v["secret"] for v in pod.get("volumes", []) if "secret" in v):
            found |= {(secret["secretName"], item["key"]) for item in secret["items"]}
    return found


def test_the_vault_fills_every_key_that_a_pod_reads() -> None:
    filled = {
        (o["spec"]["target"]["name"], item["secretKey"])
        for o in with_component("external-secrets")
        if o["kind"] == "ExternalSecret"
        for item in o["spec"]["data"]
    }
    read = _keys_read(overlay("production"))
    assert {"openai", "s3-events", "api-keys"} <= {secret for secret, _ in read}
    assert read <= filled
