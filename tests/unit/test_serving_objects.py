"""Templates: what counts as a change, and what a Revision was made from."""

import copy
from typing import Any

from knative.serving.objects import (
    HELD,
    MIN_SCALE,
    fingerprint,
    model_of,
    template_of,
    with_model,
)

TEMPLATE: dict[str, Any] = {
    "metadata": {"annotations": {"autoscaling.knative.dev/min-scale": "2", "a": "b"}},
    "spec": {"containers": [{"image": "i", "env": [{"name": "A", "value": "1"}]}]},
}


def made(template: dict[str, Any]) -> dict[str, Any]:
    revision = copy.deepcopy(template)
    revision["metadata"]["labels"] = {"serving.knative.dev/service": "s"}
    revision["metadata"]["annotations"]["serving.knative.dev/creator"] = "me"
    return revision


def test_stamps_of_clients_and_of_knative_are_no_change() -> None:
    stamped = copy.deepcopy(TEMPLATE)
    stamped["metadata"]["annotations"] |= {
        "client.knative.dev/updateTimestamp": "now",
        "serving.knative.dev/lastPinned": "1",
    }
    stamped["spec"]["containers"][0]["resources"] = {}
    assert fingerprint(stamped) == fingerprint(TEMPLATE)


def test_environment_annotations_and_a_progress_deadline_are_changes() -> None:
    other = with_model(TEMPLATE, "s3://b/models/ner-v1.0.0", "sha256:1")
    deadline = copy.deepcopy(TEMPLATE)
    deadline["metadata"]["annotations"]["serving.knative.dev/progress-deadline"] = "9s"
    assert len({fingerprint(item) for item in (TEMPLATE, other, deadline)}) == 3


def test_a_revision_gives_back_the_template_that_it_was_made_from() -> None:
    assert template_of(made(TEMPLATE)) == TEMPLATE


def test_a_min_scale_that_we_raised_is_not_the_templates() -> None:
    held = made(TEMPLATE)
    held["metadata"]["annotations"] |= {HELD: "2", MIN_SCALE: "5"}
    assert template_of(held) == TEMPLATE
    unset = made({"metadata": {"annotations": {}}, "spec": TEMPLATE["spec"]})
    unset["metadata"]["annotations"] |= {HELD: "", MIN_SCALE: "1"}
    assert template_of(unset) == {"metadata": {}, "spec": TEMPLATE["spec"]}


def test_a_model_is_two_annotations_and_nothing_else() -> None:
    first = with_model(TEMPLATE, "u1", "d1")
    second = with_model(first, "u2", "d2")
    assert model_of(second) == ("u2", "d2")
    assert model_of(TEMPLATE) == ("", "")
    assert second["spec"] == TEMPLATE["spec"]
    assert second["metadata"]["annotations"].items() >= {("a", "b")}
