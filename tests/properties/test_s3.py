import json
from typing import Any
from urllib.parse import quote_plus

from hypothesis import given, settings
from hypothesis import strategies as st

from eventing.cloudevent import from_http, to_http
from eventing.s3 import read, read_document
from scripts.benchmarks import notifications
from scripts.benchmarks.harness import Options, Report

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
names = st.sampled_from(
    ["eventSource", "eventName", "eventTime", "awsRegion", "s3", "responseElements", "bucket",
     "object", "key", "name", "Records", "Type", "Message", "source", "detail-type", "detail"]
)  # fmt: skip
likely = st.recursive(
    anything
    | st.sampled_from(["aws:s3", "minio:s3", "ObjectCreated:Put", "aws.s3", "Notification"]),
    lambda inner: st.dictionaries(names, inner, max_size=6) | st.lists(inner, max_size=3),
    max_leaves=25,
)
keys = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1)


@given(st.binary() | st.text())
def test_bytes_of_any_kind_are_read_without_an_exception(body: bytes | str) -> None:
    read(body)


@given(likely)
def test_documents_of_any_shape_are_read_without_an_exception(document: Any) -> None:
    read_document(document)
    read_document({"Records": [document]})


@given(keys, keys)
def test_any_key_that_may_be_a_subject_survives_notification_and_wire(one: str, two: str) -> None:
    records = [
        {
            "eventSource": "aws:s3",
            "awsRegion": "us-east-1",
            "eventName": "ObjectCreated:Put",
            "s3": {"bucket": {"name": "b"}, "object": {"key": quote_plus(key)}},
        }
        for key in (one, two)
    ]
    events = read(json.dumps({"Records": records})).events
    assert [from_http(*to_http(event)).subject for event in events] == [one, two]
    assert (events[0].id == events[1].id) == (one == two)


@settings(max_examples=10)
@given(st.integers(0, 2**32))
def test_broken_notifications_give_events_that_the_wire_carries_or_a_refusal(seed: int) -> None:
    report = Report("notifications")
    notifications.run(report, Options(seed=seed, rest=("--inputs", "300")))
    assert all(goal.ok for goal in report.goals), report.rows
