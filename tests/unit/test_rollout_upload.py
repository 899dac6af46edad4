"""A synced model and a Service's template: when it is written, and when not."""

import json
from typing import Any

import pytest

from functions.rollout.upload import plan
from knative.serving import policy, state
from knative.serving.objects import model_of
from knative.serving.table import Phase
from tests.support.rollout_world import synced

NEW, OLD = "sha256:" + "a" * 64, "sha256:" + "b" * 64


def service(digest: str = "", uri: str = "", known: state.State | None = None) -> dict[str, Any]:
    annotations = {policy.ANNOTATION: "{}"}
    if known:
        annotations[state.ANNOTATION] = state.dump(known)
    model = {"rollout.marketresearch.ai/digest": digest, "rollout.marketresearch.ai/uri": uri}
    return {
        "metadata": {"name": "ner", "namespace": "n", "annotations": annotations},
        "spec": {
            "template": {
                "metadata": {"annotations": {"keep": "me", **model}},
                "spec": {"containers": [{"image": "i"}]},
            }
        },
        "status": {"latestReadyRevisionName": "ner-00001"},
    }


def test_a_new_digest_is_written_and_everything_else_stays() -> None:
    before = service()
    after = plan(before, synced(NEW, "1.1.0"), "trace", 1.0).service
    assert after
    assert model_of(after["spec"]["template"]) == ("s3://b/models/ner-v1.1.0", NEW)
    assert after["spec"]["template"]["metadata"]["annotations"]["keep"] == "me"
    assert after["spec"]["template"]["spec"] == before["spec"]["template"]["spec"]
    assert model_of(before["spec"]["template"]) == ("", "")


@pytest.mark.parametrize(
    ("before", "version", "why"),
    [
        (service(NEW, "s3://b/models/ner-v1.1.0"), "1.1.0", "in the template already"),
        (service(OLD, "s3://b/models/ner-v1.10.0"), "1.9.0", "1.10.0 is newer"),
        (service(known=state.State(Phase.FAILED, "t", refused=(NEW,))), "1.1.0", "was refused"),
    ],
)
def test_the_same_an_older_or_a_refused_model_changes_nothing(
    before: dict[str, Any], version: str, why: str
) -> None:
    planned = plan(before, synced(NEW, version), "", 1.0)
    assert planned.service is None
    assert why in planned.why


@pytest.mark.parametrize(
    "before",
    [
        service(OLD, "s3://b/models/ner-v1.10.0"),
        service(known=state.State(Phase.FAILED, "t", refused=(NEW,))),
    ],
)
def test_who_insists_gets_an_older_or_a_refused_model(before: dict[str, Any]) -> None:
    after = plan(before, synced(NEW, "1.1.0", requested=True), "", 1.0).service
    assert after
    known = state.of(after)
    assert known is None or NEW not in known.refused


def test_a_service_that_was_never_ready_begins_from_nothing() -> None:
    before = service()
    before["status"] = {}
    after = plan(before, synced(NEW, "1.0.0"), "trace", 7.0).service
    assert after
    known = state.of(after)
    assert known
    assert (known.phase, known.stable, known.trace) == (Phase.PENDING, None, "trace")


def test_a_service_without_a_policy_gets_the_model_and_no_state() -> None:
    before = service()
    before["metadata"]["annotations"] = {}
    after = plan(before, synced(NEW, "1.0.0"), "", 7.0).service
    assert after
    assert json.dumps(after["metadata"]["annotations"]) == "{}"
