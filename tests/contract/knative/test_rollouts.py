"""Rollouts by our own function on the platform: promoted, rolled back, and left to a person.

The function runs as its manifest says, with the Role that it has there, in the run's own namespace.
Without a source of samples (`--samples`), no test rests on one.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from knative.serving import policy
from knative.serving import state as states
from knative.serving.state import State
from knative.serving.table import Phase
from scripts.laptop.process import ROOT
from tests.support.knative_target import Target

Object = dict[str, Any]
BROKER = "rollouts"
INGRESS = "http://broker-ingress.knative-eventing.svc.cluster.local"
QUICK: Object = {"steps": [20, 100], "step_interval_seconds": 2, "min_samples": 5}
WARM = {"min-scale": "1"}


def manifests(path: str, *names: str) -> list[Object]:
    """Read the objects of these names from a manifest of ours."""
    found = yaml.safe_load_all((ROOT / path).read_text())
    return [item for item in found if item["metadata"]["name"] in names]


def rights(target: Target) -> list[Object]:
    """Return the accounts, and their Roles over any Service: a test's has another name."""
    found = manifests("knative/base/access.yaml", "rollout", "service-watcher")
    for rule in (rule for item in found for rule in item.get("rules", [])):
        rule.pop("resourceNames", None)
    for subject in (subject for item in found for subject in item.get("subjects", [])):
        subject["namespace"] = target.namespace
    return found


def function(target: Target) -> Object:
    """Return the rollout's Service without the model volume, which no test here needs."""
    (service,) = manifests("knative/base/rollout.yaml", "rollout")
    spec = service["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    del spec["volumes"], container["volumeMounts"]
    env = {"BROKER_URL": f"{INGRESS}/{target.namespace}/{BROKER}"}
    if target.samples:
        name, _, url = target.samples.partition("=")
        env[name] = url
    container |= {
        "image": target.functions_image,
        "env": [{"name": name, "value": value} for name, value in env.items()],
        "readinessProbe": {"httpGet": {"path": "/health/ready"}},
    }
    return service


@pytest.fixture(scope="module")
def rollouts(knative: Target) -> Iterator[Target]:
    """The rollout function, and what wakes it, ready."""
    (trigger,) = manifests("eventing/config/triggers.yaml", "rollout")
    trigger["spec"]["broker"] = BROKER
    (source,) = manifests("eventing/config/sources.yaml", "services")
    source["spec"]["sink"]["ref"]["name"] = BROKER
    broker = {"apiVersion": trigger["apiVersion"], "kind": "Broker", "metadata": {"name": BROKER}}
    knative.apply(*rights(knative), broker, function(knative), trigger, source)
    for what in ("ksvc/rollout", f"broker/{BROKER}", "trigger/rollout", "apiserversource/services"):
        knative.wait(what)
    yield knative
    knative.run("delete", "trigger/rollout", "apiserversource/services", "--ignore-not-found")
    knative.run("delete", f"broker/{BROKER}", "ksvc/rollout", "--wait=false")


def deploy(target: Target, name: str, rules: Object, **env: str) -> None:
    """Apply the Service, as a person would: with a policy, and without traffic."""
    rules = {"start_deadline_seconds": target.patience, **rules}
    if not target.samples:
        rules = {**rules, "on_inconclusive": "promote", "max_inconclusive_seconds": 5}
    service = target.service(name, template=target.template(notes=WARM, **env))
    service["metadata"]["annotations"] = {policy.ANNOTATION: json.dumps(rules)}
    target.apply(service)


def adopted(target: Target, name: str, rules: Object) -> None:
    """Deploy the first one, and wait until the rollout has it."""
    deploy(target, name, rules, GREETING="one")
    target.eventually(lambda: state(target, name) is not None)
    target.eventually(lambda: target.ask(name).status_code == 200)


def state(target: Target, name: str) -> State | None:
    return states.of(target.get("ksvc", name))


def asked_until(target: Target, name: str, phase: Phase) -> tuple[State, set[tuple[int, str]]]:
    """Call the Service until its rollout is there; return which Revision answered what."""
    seen: set[tuple[int, str]] = set()

    def there() -> bool:
        for _ in range(10):
            answer = target.ask(name)
            seen.add((answer.status_code, answer.json()["K_REVISION"]))
        found = state(target, name)
        return found is not None and found.phase is phase

    target.eventually(there, 2 * target.patience)
    found = state(target, name)
    assert found is not None
    return found, seen


def test_a_changed_environment_is_promoted_and_no_caller_notices(
    rollouts: Target, name: str
) -> None:
    adopted(rollouts, name, QUICK)
    deploy(rollouts, name, QUICK, GREETING="two")
    asked_until(rollouts, name, Phase.CANARY)
    found, seen = asked_until(rollouts, name, Phase.SUCCEEDED)
    assert {status for status, _ in seen} == {200}
    assert (found.stable, found.previous) == (f"{name}-00002", f"{name}-00001")
    assert rollouts.answers(name, 10) == {f"{name}-00002": 10}
    told = rollouts.get("events")["items"]
    own = [item for item in told if item["involvedObject"]["name"] == name]
    words = {item["reason"]: item["message"] for item in own}
    assert words["RolloutPromoted"].startswith(f"{name}-00002: ")


def test_a_candidate_that_cannot_start_is_rolled_back_with_its_template(
    rollouts: Target, name: str
) -> None:
    adopted(rollouts, name, QUICK)
    deploy(rollouts, name, QUICK, FAIL="it cannot start")
    found, seen = asked_until(rollouts, name, Phase.FAILED)
    assert found.candidate == f"{name}-00002"
    assert seen == {(200, f"{name}-00001")}
    container = rollouts.get("ksvc", name)["spec"]["template"]["spec"]["containers"][0]
    assert container["env"] == [{"name": "GREETING", "value": "one"}]


def test_a_candidate_that_fails_its_callers_is_rolled_back(rollouts: Target, name: str) -> None:
    if not rollouts.samples:
        pytest.skip("needs --samples")
    adopted(rollouts, name, QUICK)
    deploy(rollouts, name, QUICK, GET_STATUS="500")
    found, seen = asked_until(rollouts, name, Phase.FAILED)
    assert "candidate failed" in found.reason
    assert seen == {(200, f"{name}-00001"), (500, f"{name}-00002")}
    assert rollouts.answers(name, 20) == {f"{name}-00001": 20}


def test_traffic_that_a_person_sets_wins_and_the_next_change_starts_clean(
    rollouts: Target, name: str
) -> None:
    slow = {**QUICK, "step_interval_seconds": 600}
    adopted(rollouts, name, slow)
    deploy(rollouts, name, slow, GREETING="two")
    rollouts.eventually(in_canary(rollouts, name))
    hand = [
        {"revisionName": f"{name}-00001", "percent": 60},
        {"revisionName": f"{name}-00002", "percent": 40},
    ]
    rollouts.patch(name, {"spec": {"traffic": hand}})
    rollouts.eventually(lambda: phase(rollouts, name) is Phase.SUPERSEDED)
    split = [(t["revisionName"], t["percent"]) for t in rollouts.traffic(name)]
    assert split == [(f"{name}-00001", 60), (f"{name}-00002", 40)]
    template = rollouts.template(notes=WARM, GREETING="three")
    rollouts.patch(name, {"spec": {"template": template}})
    rollouts.eventually(in_canary(rollouts, name))
    found = state(rollouts, name)
    assert found is not None
    assert (found.stable, found.candidate) == (f"{name}-00001", f"{name}-00003")


def phase(target: Target, name: str) -> Phase | None:
    found = state(target, name)
    return found.phase if found else None


def in_canary(target: Target, name: str) -> Callable[[], bool]:
    return lambda: phase(target, name) is Phase.CANARY
