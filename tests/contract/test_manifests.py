"""What a cluster would be given: complete, understood, and bound by the security rules."""

import copy
import re
from typing import Any

import pytest
import yaml

from knative.local.api.schemas import check
from knative.serving import policy
from tests.support import manifests
from tests.support.kube_api import KubeApi
from tests.support.manifests import CLUSTER, OVERLAYS, Object, faults, overlay, pods, rendered

COMPONENTS = ("kafka-broker", "rabbitmq-broker", "aws-sqs", "external-secrets", "workload-identity")
SECRET = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD)(_ID)?$")
FLAGS = {
    "nodeSelector": "kubernetes.podspec-nodeselector",
    "tolerations": "kubernetes.podspec-tolerations",
    "runtimeClassName": "kubernetes.podspec-runtimeclassname",
    "topologySpreadConstraints": "kubernetes.podspec-topologyspreadconstraints",
    "affinity": "kubernetes.podspec-affinity",
    "securityContext": "kubernetes.podspec-securitycontext",
    "initContainers": "kubernetes.podspec-init-containers",
}


@pytest.fixture(scope="module")
def with_every_component(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Object]]:
    """The cpu overlay with each optional component, rendered from a kustomization beside it."""
    found = {}
    for component in COMPONENTS:
        folder = tmp_path_factory.mktemp(component)
        up = "../" * len(folder.parts[1:])
        knative = up + str(manifests.ROOT / "knative").lstrip("/")
        kustomization = {
            "resources": [f"{knative}/overlays/cpu"],
            "components": [f"{knative}/components/{component}"],
            "transformers": [f"{knative}/components/namespace"],
        }
        (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
        found[component] = rendered(str(folder))
    return found


@pytest.mark.parametrize("name", OVERLAYS)
def test_every_object_of_an_overlay_is_valid_strictly(name: str) -> None:
    wrong = {f"{o['kind']}/{o['metadata']['name']}": faults(o) for o in overlay(name)}
    assert {key: value for key, value in wrong.items() if value} == {}


def test_every_component_renders_and_is_valid_strictly(
    with_every_component: dict[str, list[Object]],
) -> None:
    for component, objects in with_every_component.items():
        wrong = {f"{o['kind']}/{o['metadata']['name']}": faults(o) for o in objects}
        assert {key: value for key, value in wrong.items() if value} == {}, component


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


def test_the_vault_fills_every_key_that_a_pod_reads(
    with_every_component: dict[str, list[Object]],
) -> None:
    filled = {
        (o["spec"]["target"]["name"], item["secretKey"])
        for o in with_every_component["external-secrets"]
        if o["kind"] == "ExternalSecret"
        for item in o["spec"]["data"]
    }
    read = _keys_read(overlay("production"))
    assert {"openai", "s3-events", "api-keys"} <= {secret for secret, _ in read}
    assert read <= filled


def test_the_schemas_refuse_what_is_misspelt() -> None:
    served = (o for o in overlay("cpu") if o["kind"] == "Service")
    broken = copy.deepcopy(next(served))
    broken["spec"]["template"]["spec"]["containers"][0]["resurces"] = {}
    assert any("resurces" in fault for fault in faults(broken))
    denied = next(o for o in overlay("cpu") if o["kind"] == "NetworkPolicy")
    assert faults({**denied, "spec": {**denied["spec"], "polcyTypes": []}})


def test_the_local_platform_agrees_with_the_schemas() -> None:
    for found in overlay("local"):
        findings = check(copy.deepcopy(found))
        assert (findings.unknown, findings.wrong) == ([], []), found["metadata"]["name"]


@pytest.mark.parametrize("name", OVERLAYS)
def test_every_pod_meets_the_security_rules(name: str) -> None:
    found = list(pods(overlay(name)))
    assert len(found) == 9
    for owner, pod in found:
        assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys(), owner
        assert pod["serviceAccountName"], owner
        assert all("hostPath" not in volume for volume in pod.get("volumes", [])), owner
        for container in pod["containers"]:
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


def _switches(objects: list[Object]) -> set[str]:
    """Knative's switches that the Pods of Services need."""
    needed = set()
    for found in (o for o in objects if o["apiVersion"].startswith("serving.knative.dev/")):
        pod = found["spec"].get("template", {}).get("spec", {})
        needed |= {flag for field, flag in FLAGS.items() if field in pod}
        needed |= _of_volumes(pod)
        if "fieldRef" in str(pod):
            needed.add("kubernetes.podspec-fieldref")
    return needed


def _of_volumes(pod: Object) -> set[str]:
    claims = [v["persistentVolumeClaim"] for v in pod.get("volumes", []) if _claim(v)]
    needed = {"kubernetes.podspec-persistent-volume-claim"} if claims else set()
    if any(not claim.get("readOnly") for claim in claims):
        needed.add("kubernetes.podspec-persistent-volume-write")
    return needed


def _claim(volume: Object) -> bool:
    return "persistentVolumeClaim" in volume


@pytest.mark.parametrize("name", CLUSTER)
def test_an_overlay_turns_on_exactly_the_switches_that_it_needs(name: str) -> None:
    features = next(
        o["data"]
        for o in overlay(name)
        if o["metadata"].get("namespace") == "knative-serving"
        and o["metadata"]["name"] == "config-features"
    )
    assert set(features) - {"secure-pod-defaults"} == _switches(overlay(name))


def _policies(name: str) -> dict[str, Object]:
    return {o["metadata"]["name"]: o["spec"] for o in overlay(name) if o["kind"] == "NetworkPolicy"}


@pytest.mark.parametrize("name", CLUSTER)
def test_everything_is_denied_but_for_the_listed_paths(name: str) -> None:
    found = _policies(name)
    denied = found.pop("default-deny")
    assert denied == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    for policy_name, spec in found.items():
        for rule in [*spec.get("ingress", []), *spec.get("egress", [])]:
            assert rule["ports"], policy_name
            assert rule.get("from") or rule.get("to"), policy_name


@pytest.mark.parametrize("name", CLUSTER)
def test_a_path_out_is_given_to_functions_that_exist_and_no_other(name: str) -> None:
    services = {
        o["metadata"]["name"]
        for o in overlay(name)
        if o["apiVersion"] == "serving.knative.dev/v1" and o["kind"] == "Service"
    }
    outside = {}
    for policy_name, spec in _policies(name).items():
        rules: list[Any] = spec["podSelector"].get("matchExpressions", [])
        chosen = {value for rule in rules for value in rule.get("values", [])}
        assert chosen <= services, policy_name
        if any("ipBlock" in to for rule in spec.get("egress", []) for to in rule.get("to", [])):
            outside[policy_name] = chosen
    assert outside == {
        "functions-to-s3": {"model-sync", "embed-rebuild"},
        "source-to-sqs": set(),
        "api-server": {"rollout", "model-sync"},
    }


@pytest.mark.parametrize("name", OVERLAYS)
def test_only_what_faces_the_world_has_a_public_address(name: str) -> None:
    public = {
        o["metadata"]["name"]
        for o in overlay(name)
        if o["apiVersion"] == "serving.knative.dev/v1"
        and o["kind"] == "Service"
        and "networking.knative.dev/visibility" not in o["metadata"]["labels"]
    }
    assert public == {"inference", "s3-events"}


@pytest.mark.parametrize("name", OVERLAYS)
def test_traffic_is_never_in_a_manifest_and_every_policy_can_be_read(name: str) -> None:
    for found in overlay(name):
        assert "traffic" not in found.get("spec", {}), found["metadata"]["name"]
        text = found["metadata"].get("annotations", {}).get(policy.ANNOTATION)
        if text is not None:
            policy.parse(text)


def test_a_budget_stands_only_where_two_replicas_always_run() -> None:
    objects = overlay("production")
    held = {
        o["metadata"]["name"]
        for o in objects
        if int(_annotations(o).get("autoscaling.knative.dev/min-scale", "0")) > 1
    }
    assert {o["metadata"]["name"] for o in objects if o["kind"] == "PodDisruptionBudget"} == held


def _annotations(found: Object) -> dict[str, str]:
    template = found.get("spec", {}).get("template", {})
    kept: dict[str, str] = template.get("metadata", {}).get("annotations", {})
    return kept


def test_the_local_platform_takes_the_local_overlay_in_a_dry_run(kube: KubeApi) -> None:
    said = kube.kubectl(
        "apply",
        "--server-side",
        "--dry-run=server",
        "-f",
        "-",
        stdin=manifests.text("knative/overlays/local"),
    )
    assert said.count("(server dry run)") == len(overlay("local"))
