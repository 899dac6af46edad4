"""Manifests: what is accepted, what is refused, and that the digest is the file list's."""

import json
from typing import Any

import pytest

from functions.registry.errors import ManifestInvalid
from functions.registry.manifest import (
    FileEntry,
    Manifest,
    digest_of,
    parse,
    parse_release,
    split_folder,
)

SHA = "ab" * 32


def document(**changes: Any) -> dict[str, Any]:
    head = {
        "schema": 1,
        "name": "ner",
        "version": "1.1.0",
        "task": "token-classification",
        "framework": "onnx",
        "service": "ner",
        "labels": {},
        "golden": None,
        "metrics": {"f1": 0.9},
        "created_at": "2026-01-01T00:00:00Z",
        "files": [{"path": "config.json", "size": 3, "sha256": SHA}],
    } | changes
    if "digest" not in head:
        head["digest"] = _digest(head)
    return head


def _digest(head: dict[str, Any]) -> str:
    try:
        return digest_of(FileEntry(f["path"], f["size"], f["sha256"]) for f in head["files"])
    except (TypeError, KeyError, AttributeError):
        return "sha256:" + "0" * 64


def entry(path: str, **changes: Any) -> dict[str, Any]:
    return {"path": path, "size": 1, "sha256": SHA} | changes


def test_a_manifest_reads_back_as_it_was_written() -> None:
    manifest = parse(document(golden="config.json"))
    assert parse(manifest.to_bytes()) == manifest
    assert manifest.folder == "ner-v1.1.0"
    assert manifest.size == 3


def test_a_release_may_name_no_service() -> None:
    head = {name: value for name, value in document().items() if name != "service"}
    assert parse(head).service == ""
    assert parse(parse(head).to_bytes()) == parse(head)


def test_the_digest_does_not_depend_on_the_order_of_files() -> None:
    files = [entry("a.json"), entry("b/c.json")]
    assert parse(document(files=files)).digest == parse(document(files=files[::-1])).digest


@pytest.mark.parametrize(
    "path",
    [
        "../x", "a/../b", "/etc/passwd", "a\\b", "", ".", "a//b", "a/", "./a", "a\x00b", "a\nb",
        "C:x", "a.", "a ", "x" * 201, "d/" * 500 + "x", "model_config.json", "MODEL_CONFIG.json",
    ],
)  # fmt: skip
def test_a_path_that_is_not_plainly_inside_the_release_is_refused(path: str) -> None:
    with pytest.raises(ManifestInvalid):
        parse(document(files=[entry(path)]))


@pytest.mark.parametrize(
    "paths",
    [("a", "a"), ("a", "A"), ("é", "e\u0301"), ("straße", "STRASSE"), ("a", "a/b"), ("A/b", "a")],
)
def test_paths_that_clash_on_some_file_system_are_refused(paths: tuple[str, str]) -> None:
    with pytest.raises(ManifestInvalid, match=r"clashes|both a file and the folder"):
        parse(document(files=[entry(path) for path in paths]))


@pytest.mark.parametrize("path", ["pytorch_model.bin", "x/MODEL.PT", "a.pkl", "a.ckpt"])
def test_a_pickle_is_refused_unless_allowed(path: str) -> None:
    raw = document(files=[entry(path)])
    with pytest.raises(ManifestInvalid, match="pickle"):
        parse(raw)
    assert parse(raw, allow_pickles=True).files[0].path == path


@pytest.mark.parametrize(
    "changes",
    [
        {"schema": 2}, {"schema": True}, {"name": "Ner"}, {"name": ""}, {"name": "a/b"},
        {"version": "1.1"}, {"version": 1}, {"version": "1.0.0+b"}, {"task": None}, {"files": []},
        {"files": {}}, {"files": [1]}, {"files": [entry("a", size=-1)]}, {"extra": 1},
        {"files": [entry("a", size=True)]}, {"files": [entry("a", sha256="AB" * 32)]},
        {"files": [entry("a", mode=7)]}, {"digest": "sha256:" + "1" * 64}, {"golden": "no.jsonl"},
        {"labels": []}, {"labels": {"a": 1}}, {"metrics": 1}, {"service": "-x"}, {"created_at": ""}, {"signature": 1},
    ],
)  # fmt: skip
def test_a_field_of_the_wrong_kind_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ManifestInvalid):
        parse(document(**changes))


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_json_object_is_refused(body: bytes) -> None:
    with pytest.raises(ManifestInvalid):
        parse(body)


def test_release_json_is_the_head_alone() -> None:
    head = {k: v for k, v in document().items() if k not in {"files", "digest", "created_at"}}
    assert parse_release(json.dumps(head).encode())["name"] == "ner"
    with pytest.raises(ManifestInvalid, match="unknown field"):
        parse_release(document())


@pytest.mark.parametrize(
    ("folder", "name", "version"),
    [("ner-v1.10.0", "ner", "1.10.0"), ("a-v1-v2.0.0-rc.1", "a-v1", "2.0.0-rc.1")],
)
def test_a_folder_splits_into_name_and_version(folder: str, name: str, version: str) -> None:
    found, parsed = split_folder(folder)
    assert (found, str(parsed)) == (name, version)


@pytest.mark.parametrize("folder", ["ner", "ner-1.0.0", "ner-v1.0", "-v1.0.0", "ner-v1.0.0/x"])
def test_a_folder_that_names_no_version_is_refused(folder: str) -> None:
    with pytest.raises(ManifestInvalid):
        split_folder(folder)


def test_a_manifest_is_a_value() -> None:
    assert isinstance(parse(document()), Manifest)
    assert parse(document()) == parse(document())
