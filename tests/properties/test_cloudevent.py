import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventing.cloudevent import CloudEvent, MalformedEvent, from_http, to_http, unwrap, wrap
from eventing.events import ModelSynced

text = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], include_characters='+%/ "é🦊'), min_size=1
)
json_data = st.recursive(
    st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
names = st.from_regex(r"[a-z0-9]{1,20}", fullmatch=True).filter(
    lambda name: (
        name
        not in {
            "specversion",
            "id",
            "source",
            "type",
            "subject",
            "time",
            "data",
            "database64",
            "datacontenttype",
            "dataschema",
            "extensions",
        }
    )
)
payloads = st.tuples(json_data, st.just("application/json")) | st.tuples(
    st.binary(min_size=1) | st.none(), st.sampled_from([None, "text/plain", "application/pdf"])
)


@st.composite
def events(draw: st.DrawFn) -> CloudEvent:
    data, content_type = draw(payloads)
    return CloudEvent(
        id=draw(text),
        source=draw(text),
        type=draw(text),
        subject=draw(st.none() | text),
        time=draw(st.none() | st.datetimes(timezones=st.just(UTC))),
        data=data,
        datacontenttype=content_type,
        extensions=draw(st.dictionaries(names, text, max_size=4)),
    )


@given(event=events(), structured=st.booleans())
def test_an_event_survives_the_wire_unchanged(*, event: CloudEvent, structured: bool) -> None:
    headers, body = to_http(event, structured=structured)
    assert all(value.isascii() and value.isprintable() for value in headers.values())
    assert from_http(headers, body) == event


@given(
    st.dictionaries(
        st.sampled_from(
            ["ce-id", "ce-source", "ce-type", "ce-specversion", "content-type", "ce-x", "ce-time"]
        ),
        st.sampled_from(["1.0", "0.3", "application/json", "application/cloudevents+json"])
        | st.text(),
    ),
    st.binary() | json_data.map(lambda value: json.dumps(value).encode()),
)
def test_whatever_arrives_is_an_event_or_malformed(headers: dict[str, str], body: bytes) -> None:
    try:
        event = from_http(headers, body)
    except MalformedEvent:
        return
    again = from_http(*to_http(event))
    assert (again.id, again.source, again.type) == (event.id, event.source, event.type)


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "specversion",
                "id",
                "source",
                "type",
                "data",
                "data_base64",
                "time",
                "extensions",
                "datacontenttype",
                "datacontentencoding",
                "schemaurl",
            ]
        ),
        st.sampled_from(["1.0", "0.3", "base64", "aGk=", "text/plain"]) | json_data,
    )
)
def test_a_structured_event_is_read_or_malformed(members: dict[str, object]) -> None:
    body = json.dumps({"specversion": "1.0", "id": "1", "source": "s", "type": "t"} | members)
    try:
        from_http({"content-type": "application/cloudevents+json"}, body.encode())
    except MalformedEvent:
        return


@given(name=st.text(), uri=st.text(), requested=st.booleans())
def test_a_payload_comes_out_as_it_went_in(*, name: str, uri: str, requested: bool) -> None:
    payload = ModelSynced(name, "1.0.0", "sha256:0", uri, "ner", requested)
    assert unwrap(from_http(*to_http(wrap(payload, "model-sync")))) == payload


def test_the_data_of_a_deeply_nested_body_is_malformed_and_no_crash() -> None:
    headers, _ = to_http(CloudEvent("1", "s", "t", data={}))
    with pytest.raises(MalformedEvent):
        from_http(headers, b"[" * 100_000)


def test_times_finer_than_a_microsecond_are_cut() -> None:
    headers, body = to_http(CloudEvent("1", "s", "t"))
    event = from_http(headers | {"ce-time": "2026-01-02T03:04:05.123456789Z"}, body)
    assert event.time == datetime(2026, 1, 2, 3, 4, 5, 123456, tzinfo=UTC)
