"""What the store's errors mean to us: gone for good, or worth another try."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
)

from functions.registry.errors import ManifestInvalid, ObjectMissing, Refused, StoreUnavailable
from functions.registry.manifest import FileEntry
from functions.registry.store import MAX_MANIFEST, ModelStore


class Client:
    """A boto3 client that answers one way."""

    def __init__(self, answer: Exception | Mapping[str, Any]) -> None:
        self.answer = answer

    def get_object(self, **_: Any) -> Mapping[str, Any]:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    head_object = get_object


class Body(io.BytesIO):
    """An answer's body."""


class Short(Client):
    """It says that four bytes come, and sends one."""

    def get_object(self, Range: str, **_: Any) -> Mapping[str, Any]:  # noqa: N803 - boto3's name
        start, end = map(int, Range.removeprefix("bytes=").split("-"))
        return {"Body": Body(b"a"[:start]), "ContentLength": end - start + 1}


def refusal(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code}}, "GetObject")


@pytest.mark.parametrize("code", ["NoSuchKey", "NoSuchVersion", "404"])
def test_an_object_that_is_not_there_is_missing(code: str) -> None:
    with pytest.raises(ObjectMissing, match="ner-v1"):
        ModelStore(Client(refusal(code)), "b").manifest("ner-v1.0.0")


@pytest.mark.parametrize(
    "fault",
    [
        *map(refusal, ["SlowDown", "AccessDenied", "ExpiredToken", "NoSuchBucket", "403", "500"]),
        *map(refusal, ["RequestTimeTooSkewed", "PreconditionFailed", "InternalError"]),
        EndpointConnectionError(endpoint_url="http://s3"),
        ConnectionClosedError(endpoint_url="http://s3"),
        ReadTimeoutError(endpoint_url="http://s3"),
        NoCredentialsError(),
    ],
    ids=str,
)
def test_everything_else_is_worth_another_try(fault: Exception) -> None:
    with pytest.raises(StoreUnavailable):
        ModelStore(Client(fault), "b").manifest("ner-v1.0.0")


def test_a_manifest_is_read_up_to_a_limit() -> None:
    client = Client({"Body": Body(b"[" * (MAX_MANIFEST + 10))})
    with pytest.raises(ManifestInvalid, match="larger"):
        ModelStore(client, "b").manifest("ner-v1.0.0")


def test_a_part_that_was_cut_short_is_no_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("functions.registry.download.FIRST_PAUSE", 0)
    client = Short({"ContentLength": 4, "ETag": "e"})
    entry = FileEntry("config.json", 4, "0" * 64)
    with pytest.raises(StoreUnavailable, match="did not come"):
        ModelStore(client, "b").fetch("ner-v1.0.0", entry, tmp_path / "f", tmp_path / "n")


def test_a_size_that_differs_is_refused_before_anything_is_fetched(tmp_path: Path) -> None:
    client = Client({"ContentLength": 5, "ETag": "e"})
    entry = FileEntry("config.json", 4, "0" * 64)
    with pytest.raises(Refused, match="5 bytes, not 4"):
        ModelStore(client, "b").fetch("ner-v1.0.0", entry, tmp_path / "f", tmp_path / "n")
    assert list(tmp_path.iterdir()) == []
