"""Patches, selectors, tables, protobuf: pure parts of the API."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from starlette.requests import Request

from knative.local.api import patches, protobuf
from knative.local.api.reading import renderer
from knative.local.api.selectors import field_selector, label_selector
from knative.local.api.table import age, table
from knative.local.errors import BadRequest, Invalid, UnsupportedMediaType
from knative.local.kinds import BY_KIND
from knative.local.store import timestamp

NOW = datetime(2026, 1, 2, tzinfo=UTC)

RFC_7386 = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    (["a", "b"], ["c", "d"], ["c", "d"]),
]


@pytest.mark.parametrize(("target", "patch", "result"), RFC_7386)
def test_merge_patch_does_what_rfc_7386_says(target: Any, patch: Any, result: Any) -> None:
    assert patches.merge_patch(target, patch) == result


def test_json_patch_that_does_not_apply_is_invalid_and_one_that_is_none_is_bad() -> None:
    with pytest.raises(Invalid):
        patches.json_patch({}, [{"op": "remove", "path": "/a"}])
    with pytest.raises(Invalid):
        patches.json_patch({"a": 1}, [{"op": "test", "path": "/a", "value": 2}])
    with pytest.raises(BadRequest):
        patches.json_patch({}, [{"op": "fly", "path": "/a"}])
    with pytest.raises(BadRequest):
        patches.json_patch({}, {"op": "add"})


def test_strategic_patches_are_for_kubernetes_own_kinds_and_known_directives() -> None:
    how = "application/strategic-merge-patch+json"
    config_map = {"kind": "ConfigMap", "data": {"a": "1"}}
    patch = {"data": {"b": "2"}, "$setElementOrder/x": ["y"]}
    changed = patches.patched(BY_KIND["ConfigMap"], config_map, patch, how)
    assert changed["data"] == {"a": "1", "b": "2"}
    with pytest.raises(BadRequest, match=r"\$patch"):
        patches.patched(BY_KIND["ConfigMap"], config_map, {"data": {"$patch": "replace"}}, how)
    with pytest.raises(UnsupportedMediaType):
        patches.patched(BY_KIND["Service"], {"kind": "Service"}, {}, how)


LABELS = {"app": "ner", "tier": "gpu"}


@pytest.mark.parametrize(
    ("selector", "matches"),
    [
        ("", True),
        ("app=ner", True),
        ("app==ner,tier=gpu", True),
        ("app!=ner", False),
        ("other!=x", True),
        ("app in (ner, inference)", True),
        ("app notin (ner)", False),
        ("app notin (x),tier", True),
        ("!app", False),
        ("!other", True),
        ("app in (x),tier", False),
    ],
)
def test_label_selectors(selector: str, *, matches: bool) -> None:
    assert label_selector(selector)({"metadata": {"labels": LABELS}}) is matches


def test_malformed_selectors_are_refused() -> None:
    for text in ("a in x,", "=b", "a=b=c(", "a b"):
        with pytest.raises(BadRequest):
            label_selector(text)({"metadata": {}})


def test_field_selectors_read_any_path() -> None:
    pod = {"metadata": {"name": "p"}, "status": {"phase": "Running"}}
    assert field_selector("metadata.name=p,status.phase!=Failed")(pod)
    assert not field_selector("spec.nodeName=x")(pod)


@pytest.mark.parametrize(
    ("then", "text"),
    [
        ("2026-01-01T23:59:30Z", "30s"),
        ("2026-01-01T23:50:00Z", "10m"),
        ("2026-01-01T20:00:00Z", "4h"),
        ("2025-12-20T00:00:00Z", "13d"),
        (None, "<unknown>"),
    ],
)
def test_age_is_one_unit(then: str | None, text: str) -> None:
    assert age(then, NOW) == text


def test_table_columns_reach_into_the_object() -> None:
    revision = {
        "metadata": {"name": "r", "labels": {"serving.knative.dev/configuration": "c"}},
        "status": {"conditions": [{"type": "Ready", "status": "True"}], "actualReplicas": 0},
    }
    row = table(BY_KIND["Revision"], [revision], {}, NOW)["rows"][0]
    assert row["cells"] == ["r", "c", "", "True", "", 0, ""]
    config_map = {"metadata": {"name": "c"}, "data": {"a": "1"}}
    assert table(BY_KIND["ConfigMap"], [config_map], {}, NOW)["rows"][0]["cells"][1] == 1


def test_what_an_object_does_not_say_prints_as_nothing() -> None:
    event = {"metadata": {"name": "e"}, "involvedObject": {"kind": 5}}
    cells = table(BY_KIND["Event"], [event], {}, NOW)["rows"][0]["cells"]
    assert cells == ["e", "<unknown>", "", "", "", ""]


def test_the_age_in_a_watch_is_that_of_the_moment() -> None:
    times = iter((NOW, NOW + timedelta(hours=1)))
    request = Request(
        {
            "type": "http",
            "query_string": b"",
            "headers": [(b"accept", b"application/json;as=Table;v=v1")],
        }
    )
    row = renderer(BY_KIND["ConfigMap"], request, lambda: next(times))
    meta = {"name": "c", "resourceVersion": "1", "creationTimestamp": timestamp(NOW)}
    ages = [row({"metadata": meta})["rows"][0]["cells"][-1] for _ in range(2)]
    assert ages == ["0s", "60m"]


def test_protobuf_of_unknown_kinds_and_broken_bytes_are_refused() -> None:
    for raw in (b"", b"k8s\0", b"k8s\0\xff\xff", b"k8s\0\x0a\x08\x0a\x02v1\x12\x02Xy", b"{}"):
        with pytest.raises(BadRequest):
            protobuf.decode(raw)
