"""What a cluster would be given: complete, understood, and bound by the security rules."""

import copy
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from knative.local.api.schemas import check
from knative.serving import policy
from scripts import push_model, train_ner
from scripts.training.recipes import recipe
from tests.support import manifests
from tests.support.kube_api import KubeApi
from tests.support.manifests import CLUSTER, OVERLAYS, Object, faults, overlay, pods, rendered

COMPONENTS = sorted(
    path.parent.name
    for path in manifests.ROOT.glob("knative/components/*/kustomization.yaml")
    if path.parent.name not in ("cluster", "network-policies", "telemetry", "namespace")
)
"""Those that an overlay may add; the others are in every overlay of a cluster."""
LOG_READER = "DaemonSet/fluent-bit"
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


SENDERS = ("rollout", "s3-events")
"""Functions that post to the Broker themselves."""


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


@pytest.mark.parametrize("folder", manifests.BESIDE)
def test_what_stands_beside_the_overlays_renders_and_is_valid_strictly(folder: str) -> None:
    wrong = {f"{o['kind']}/{o['metadata']['name']}": faults(o) for o in rendered(folder)}
    assert {key: value for key, value in wrong.items() if value} == {}


@pytest.mark.parametrize("file", sorted(manifests.ROOT.glob("knative/gitops/*.yaml")))
def test_the_gitops_examples_are_valid_strictly(file: Path) -> None:
    for found in yaml.safe_load_all(file.read_text()):
        assert faults(found) == [], file.name


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
        _meets_the_rules(owner, pod)


def test_every_pod_of_a_component_meets_the_security_rules(
    with_every_component: dict[str, list[Object]],
) -> None:
    for component, objects in with_every_component.items():
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


def test_whoever_sends_to_the_broker_is_named_in_its_policy_and_shows_a_token(
    with_every_component: dict[str, list[Object]],
) -> None:
    objects = with_every_component["eventing-oidc"]
    policy_ = next(o["spec"] for o in objects if o["kind"] == "EventPolicy")
    assert [to["ref"]["kind"] for to in policy_["to"]] == ["Broker"]
    known = [
        one["sub"].removeprefix("system:serviceaccount:marketresearch:") for one in policy_["from"]
    ]
    to_the_broker = [f"{o['metadata']['name']}-" for o in objects if _sends(o)]
    assert len(to_the_broker) >= 8
    for name in to_the_broker:
        assert any(one.endswith("*") and one.startswith(name) for one in known), name
    assert set(SENDERS) <= set(known)
    audiences = {}
    for owner, pod in pods(objects):
        for volume in pod.get("volumes", []):
            for source in volume.get("projected", {}).get("sources", []):
                audiences[owner] = source["serviceAccountToken"]["audience"]
    expected = "eventing.knative.dev/broker/marketresearch/default"
    assert audiences == {f"Service/{name}": expected for name in SENDERS}


def _sends(found: Object) -> bool:
    """Whether it is a source of the Broker's, or a Trigger, whose subscriber may reply."""
    sink = found.get("spec", {}).get("sink", {}).get("ref", {})
    return found["kind"] == "Trigger" or sink.get("kind") == "Broker"


def test_inference_has_a_way_to_the_outside_only_with_the_component_for_it(
    with_every_component: dict[str, list[Object]],
) -> None:
    (found,) = (
        o["spec"]
        for o in with_every_component["openai-egress"]
        if o["metadata"]["name"] == "inference-to-openai"
    )
    assert found["podSelector"] == {"matchLabels": {"serving.knative.dev/service": "inference"}}
    (block,) = (to["ipBlock"] for rule in found["egress"] for to in rule["to"])
    assert {"10.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"} <= set(
        block["except"]
    )


def test_training_has_its_gpus_and_ends_in_a_push() -> None:
    ((_, pod),) = pods(rendered("knative/training"))
    (container,) = pod["containers"]
    limits = container["resources"]["limits"]
    assert (limits["cpu"], limits["memory"]) == ("8", "32Gi")
    assert 1 <= int(limits["nvidia.com/gpu"]) <= 4
    assert container["command"] == ["sh", "-ec"]
    values = {entry["name"]: entry["value"] for entry in container["env"]} | {"BUCKET": "b"}
    text = re.sub(r"\$(\w+)", lambda found: values[found[1]], container["args"][0])
    train, push = (shlex.split(line) for line in text.strip().splitlines())
    assert train[:3] == ["python", "-m", "scripts.train_ner"]
    asked = train_ner.parse(train[3:])
    assert push[:3] == ["python", "-m", "scripts.push_model_to_s3"]
    made = asked.out / recipe(asked.version, asked.steps, asked.batch).name
    assert push_model.parser().parse_args(push[3:]).model_path == str(made)


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
