"""Annotations and config-autoscaler → a policy, in Knative's names and with its defaults."""

from typing import Any

import pytest

from knative.local.autoscaler_config import progress_deadline, scaling
from knative.serving.autoscale import Policy


def revision(limit: int = 0, **annotations: str) -> Any:
    own = {f"autoscaling.knative.dev/{k.replace('_', '-')}": v for k, v in annotations.items()}
    return {"metadata": {"annotations": own}, "spec": {"containerConcurrency": limit}}


def test_nothing_set_is_knatives_defaults() -> None:
    assert scaling(revision(), {}).policy == Policy(target=70)


@pytest.mark.parametrize(
    ("annotations", "limit", "target"),
    [
        ({"target": "10"}, 0, 7),
        ({}, 10, 7),
        ({"target": "50"}, 10, 7),
        ({"target": "5"}, 10, 3.5),
        ({"target": "10", "target_utilization_percentage": "100"}, 0, 10),
        ({"metric": "rps"}, 10, 140),
    ],
)
def test_the_target_is_the_share_of_what_one_replica_may_have(
    annotations: dict[str, str], limit: int, target: float
) -> None:
    assert scaling(revision(limit, **annotations), {}).policy.target == pytest.approx(target)


def test_a_revisions_annotations_win_over_the_config_map() -> None:
    config = {"stable-window": "20s", "scale-to-zero-pod-retention-period": "1m30s"}
    policy = scaling(revision(window="6s", min_scale="2", panic_threshold_percentage="300"), config)
    assert policy.policy.stable_window == 6
    assert policy.policy.pod_retention == 90
    assert policy.policy.min_scale == 2
    assert policy.policy.panic_threshold == 3


def test_without_scale_to_zero_one_replica_stays() -> None:
    assert scaling(revision(), {"enable-scale-to-zero": "false"}).policy.min_scale == 1


def test_what_cannot_be_read_counts_as_not_set() -> None:
    config = {"stable-window": "soon", "max-scale-down-rate": "0", "max-scale-up-rate": "x"}
    policy = scaling(revision(target="many", window="1"), config).policy
    assert policy == Policy(target=70, max_scale_down_rate=1)


def test_a_progress_deadline_has_its_default() -> None:
    assert progress_deadline(revision()) == 600
