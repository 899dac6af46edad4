"""Policy: defaults for what is left out; nonsense is refused with the field's name."""

import json

import pytest

from knative.serving.policy import Policy, PolicyInvalid, parse


def test_an_empty_object_is_the_default_policy() -> None:
    assert parse("{}") == Policy()


def test_what_is_given_replaces_the_default() -> None:
    policy = parse('{"steps": [10, 100], "on_new": "queue", "max_error_ratio": 2}')
    assert (policy.steps, policy.on_new, policy.max_error_ratio) == ((10, 100), "queue", 2)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("steps", []),
        ("steps", [50, 5, 100]),
        ("steps", [5, 5, 100]),
        ("steps", [5, 50]),
        ("steps", [0, 100]),
        ("steps", [True, 100]),
        ("steps", [2.5, 100]),
        ("steps", "100"),
        ("gates", [7]),
        ("gates", [100]),
        ("gates", [25, 5]),
        ("gates", 25),
        ("step_interval_seconds", -1),
        ("min_samples", 0),
        ("min_samples", 1.5),
        ("max_error_ratio", 0.5),
        ("max_error_rate", 0),
        ("latency_quantile", 1),
        ("max_latency_ratio", True),
        ("golden_margin", -0.1),
        ("min_golden", "high"),
        ("false_rollback_rate", 0),
        ("on_inconclusive", "wait"),
        ("on_new", None),
        ("latency_metric", "p95"),
    ],
)
def test_nonsense_is_refused_and_the_field_is_named(field: str, value: object) -> None:
    with pytest.raises(PolicyInvalid, match=f"^{field}: "):
        parse(json.dumps({field: value}))


@pytest.mark.parametrize("text", ["", "steps: [5]", "[]", "null", '{"steps": [NaN, 100]}'])
def test_what_is_not_a_json_object_of_finite_numbers_is_refused(text: str) -> None:
    with pytest.raises(PolicyInvalid):
        parse(text)


def test_not_a_number_is_no_number() -> None:
    with pytest.raises(PolicyInvalid, match=r"^golden_margin: "):
        parse('{"golden_margin": NaN}')
