"""kubectl's everyday verbs on Knative's kinds, with no special flag."""

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts.laptop.process import ROOT
from tests.support.knative_target import Target

Object = dict[str, Any]
COLUMNS = ["NAME", "URL", "LATESTCREATED", "LATESTREADY", "READY", "REASON"]


def replaced(knative: Target, obj: Object) -> subprocess.CompletedProcess[str]:
    """Write a whole object as `kubectl edit` does: with the resourceVersion that was read."""
    return knative.run("replace", "-f", "-", stdin=json.dumps(obj))


def test_get_describe_and_logs_show_a_service(knative: Target, name: str) -> None:
    knative.started(knative.service(name))
    header, row = knative.kubectl("get", "ksvc", name).splitlines()
    assert header.split() == COLUMNS
    assert row.split()[0] == name
    assert row.split()[4] == "True"
    described = knative.kubectl("describe", "ksvc", name)
    assert f'Created Configuration "{name}"' in described
    selector = f"serving.knative.dev/service={name}"
    knative.eventually(
        lambda: "asked /" in knative.kubectl("logs", "-l", selector, "-c", "user-container")
    )


def test_an_edit_of_what_another_has_changed_is_a_conflict_and_a_fresh_one_is_taken(
    knative: Target, name: str
) -> None:
    knative.started(knative.service(name))
    mine = knative.get("ksvc", name)
    knative.kubectl("annotate", "ksvc", name, "by=another")
    mine["spec"]["template"]["spec"]["timeoutSeconds"] = 10
    stale = replaced(knative, mine)
    assert stale.returncode
    assert "the object has been modified; please apply your changes to the latest" in stale.stderr

    def taken() -> bool:
        fresh = knative.get("ksvc", name)
        fresh["spec"]["template"]["spec"]["timeoutSeconds"] = 10
        return replaced(knative, fresh).returncode == 0

    knative.eventually(taken)
    assert knative.get("ksvc", name)["spec"]["template"]["spec"]["timeoutSeconds"] == 10


def test_server_side_apply_keeps_to_its_own_fields_and_tells_of_another_s(
    knative: Target, name: str
) -> None:
    service = knative.service(name)
    service["spec"]["template"]["spec"]["timeoutSeconds"] = 30
    manifest = yaml.safe_dump(service)
    apply = ("apply", "--server-side", "-f", "-")
    knative.kubectl(*apply, stdin=manifest)
    knative.wait(f"ksvc/{name}")
    pin = [{"revisionName": f"{name}-00001", "percent": 100}]
    knative.patch(name, {"spec": {"traffic": pin}})
    knative.kubectl(*apply, stdin=manifest)
    assert [t["revisionName"] for t in knative.get("ksvc", name)["spec"]["traffic"]] == [
        f"{name}-00001"
    ]
    knative.patch(name, {"spec": {"template": {"spec": {"timeoutSeconds": 40}}}})
    refusal = knative.refused(*apply, stdin=manifest)
    assert "conflict with" in refusal
    assert ".spec.template.spec.timeoutSeconds" in refusal
    knative.kubectl(*apply, "--force-conflicts", stdin=manifest)
    assert knative.get("ksvc", name)["spec"]["template"]["spec"]["timeoutSeconds"] == 30


def test_applying_the_same_again_makes_no_new_generation(knative: Target, name: str) -> None:
    service = knative.service(name)
    knative.started(service)
    knative.apply(service)
    assert knative.get("ksvc", name)["metadata"]["generation"] == 1


def test_wait_for_all_services_sees_the_last_one_become_ready(knative: Target, name: str) -> None:
    slow = knative.template(START_SECONDS="1")
    knative.apply(knative.service(name, template=slow))
    label = f"for={name}"
    knative.kubectl("label", "ksvc", name, label)
    knative.kubectl("wait", "--for=condition=Ready", "ksvc", "--all", "--timeout=60s")
    assert knative.condition("ksvc", name)["status"] == "True"


@pytest.fixture
def overlay(knative: Target, tmp_path: Path) -> Path:
    """The laptop's overlay, each function replaced by the suite's own, which needs no model."""
    container = knative.template()["spec"]["containers"][0]
    path = "/spec/template/spec/containers/0"
    patch = [
        {"op": "replace", "path": f"{path}/command", "value": container["command"]},
        {"op": "add", "path": f"{path}/args", "value": []},
        {"op": "replace", "path": f"{path}/image", "value": container["image"]},
        {"op": "remove", "path": f"{path}/readinessProbe"},
    ]
    (tmp_path / "overlay").symlink_to(ROOT / "knative")
    kustomization = {
        "resources": ["overlay/overlays/local"],
        "patches": [
            {
                "target": {"kind": "Service", "group": "serving.knative.dev"},
                "patch": yaml.safe_dump(patch),
            }
        ],
    }
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    return tmp_path


def generations(system: Target) -> dict[str, int]:
    """Return how often each Service was changed."""
    found = [service["metadata"] for service in system.get("ksvc")["items"]]
    return {meta["name"]: meta["generation"] for meta in found}


def test_the_laptop_s_overlay_is_applied_gets_ready_can_be_applied_again_and_is_deleted(
    knative: Target, overlay: Path, request: pytest.FixtureRequest
) -> None:
    if request.config.getoption("--platform") != "local":
        pytest.skip("the overlay is the laptop's: its namespace and storage are not a cluster's")
    system = replace(knative, namespace="marketresearch")  # its own
    system.kubectl("apply", "-k", str(overlay))
    wait = ("wait", "--for=condition=Ready", "--all", "--timeout=60s")
    system.kubectl(*wait, "ksvc")
    system.kubectl(*wait, "trigger")
    before = generations(system)
    assert {"ner", "inference", "rollout"} <= before.keys()
    system.kubectl("apply", "-k", str(overlay))
    assert generations(system) == before
    system.kubectl("delete", "-k", str(overlay))
    assert generations(system) == {}
