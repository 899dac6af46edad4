"""What a cluster would be given: complete, understood, and with nothing that is not its own."""

import copy
import re
import shlex
from pathlib import Path

import pytest
import yaml

from knative.local.api.schemas import check
from knative.serving import policy
from scripts import push_model, train_ner
from scripts.training.recipes import recipe
from tests.support import manifests
from tests.support.kube_api import KubeApi
from tests.support.manifests import (
    CLUSTER,
    COMPONENTS,
    OVERLAYS,
    Object,
    faults,
    overlay,
    pods,
    rendered,
    with_component,
)

FLAGS = {
    "nodeSelector": "kubernetes.podspec-nodeselector",
    "tolerations": "kubernetes.podspec-tolerations",
    "runtimeClassName": "kubernetes.podspec-runtimeclassname",
    "topologySpreadConstraints": "kubernetes.podspec-topologyspreadconstraints",
    "affinity": "kubernetes.podspec-affinity",
    "securityContext": "kubernetes.podspec-securitycontext",
    "initContainers": "kubernetes.podspec-init-containers",
}


@pytest.mark.parametrize("name", OVERLAYS)
def test_every_object_of_an_overlay_is_valid_strictly(name: str) -> None:
    wrong = {f"{o['kind']}/{o['metadata']['name']}": faults(o) for o in overlay(name)}
    assert {key: value for key, value in wrong.items() if value} == {}


def test_every_component_renders_and_is_valid_strictly() -> None:
    for component, objects in ((name, with_component(name)) for name in COMPONENTS):
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
