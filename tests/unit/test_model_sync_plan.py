"""model-sync's pure decisions: which bucket and release, what course, what plan, what is in use."""

from typing import Any

import pytest

from eventing.cloudevent import CloudEvent
from functions.model_sync.in_use import named_digests
from functions.model_sync.plan import Course, course, plan
from functions.model_sync.schema import read
from functions.registry.manifest import FileEntry, Manifest
from functions.registry.retention import Known
from functions.registry.version import Version
from functions.runtime.errors import BadRequest
from knative.serving.objects import DIGEST
from tests.support.releases import manifest_of


def manifest(version: str = "1.0.0", files: str = "ab") -> Manifest:
    return manifest_of(version, [FileEntry(name, 10, name * 64) for name in files])


def known(*versions: str, name: str = "ner") -> list[Known]:
    return [Known(name, Version.parse(version), version) for version in versions]


def event(**changes: Any) -> CloudEvent:
    attributes = {
        "id": "1",
        "source": "aws:s3.eu-west-1.my.dotted.bucket",
        "type": "com.amazonaws.s3.ObjectCreated:CompleteMultipartUpload",
        "subject": "models/ner-v1.0.0/model_config.json",
    }
    return CloudEvent(**(attributes | changes))


def test_the_bucket_is_what_follows_the_region() -> None:
    found = read(event())
    assert found is not None
    assert (found.bucket, found.folder, found.requested) == (
        "my.dotted.bucket",
        "ner-v1.0.0",
        False,
    )
    minio = read(event(source="minio:s3..uploads", extensions={"requested": "true"}))
    assert minio is not None
    assert (minio.bucket, minio.requested) == ("uploads", True)


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "com.amazonaws.s3.ObjectRemoved:Delete"},
        {"subject": "models/ner-v1.0.0/config.json"},
        {"subject": "models/ner-v1.0.0/onnx/model_config.json"},
        {"subject": "models/model_config.json"},
        {"subject": "documents/models/ner-v1.0.0/model_config.json"},
    ],
)
def test_what_is_no_release_manifest_is_of_no_interest(changes: dict[str, str]) -> None:
    assert read(event(**changes)) is None


@pytest.mark.parametrize("changes", [{"subject": None}, {"source": "s3"}, {"source": "a.b."}])
def test_an_event_that_says_too_little_is_malformed(changes: dict[str, Any]) -> None:
    with pytest.raises(BadRequest):
        read(event(**changes))


@pytest.mark.parametrize(
    ("arriving", "there", "expected"),
    [
        ("1.0.0", [], Course.ANNOUNCE),
        ("1.0.0", ["1.0.0"], Course.ANNOUNCE),
        ("1.10.0", ["1.9.0", "1.8.0"], Course.ANNOUNCE),
        ("1.9.0", ["1.10.0"], Course.QUIET),
        ("1.0.0-rc.1", ["1.0.0"], Course.QUIET),
        ("1.0.0", ["1.1.0", "1.2.0"], Course.QUIET),
        ("1.0.0", ["1.1.0", "1.2.0", "1.3.0"], Course.IGNORE),
    ],
)
def test_only_the_newest_version_is_announced(
    arriving: str, there: list[str], expected: Course
) -> None:
    found = known(*there) + known("9.0.0", name="other")
    assert course(manifest(arriving), found, requested=False) is expected
    assert course(manifest(arriving), found, requested=True) is Course.ANNOUNCE


def test_a_plan_links_what_is_held_and_fetches_the_rest() -> None:
    work = plan(manifest(files="abc"), {"b" * 64: "/cache/b"})
    assert [(entry.path, source) for entry, source in work.link] == [("b", "/cache/b")]
    assert [entry.path for entry in work.fetch] == ["a", "c"]
    assert work.room == 20


def serves(digest: str, **metadata: str) -> dict[str, Any]:
    """A template, or a Revision, of a model."""
    return {"metadata": {"annotations": {DIGEST: digest}, **metadata}, "spec": {}}


def test_digests_of_routed_and_tagged_revisions_and_of_templates_are_in_use() -> None:
    service = {
        "spec": {
            "template": serves("next"),
            "traffic": [{"revisionName": "ner-2", "percent": 100}],
        },
        "status": {"traffic": [{"revisionName": "ner-1", "percent": 0, "tag": "previous"}]},
    }
    revisions = [serves(f"d{number}", name=f"ner-{number}") for number in range(4)]
    bare = {"spec": {"template": {"spec": {"containers": [{}]}}}}
    assert named_digests([service, bare], revisions) == {"next", "d1", "d2"}


def test_a_digest_in_a_containers_environment_is_in_use() -> None:
    digest = "sha256:" + "c" * 64
    env = [{"name": "ANSWERER_DIGEST", "value": digest}, {"name": "OTHER", "value": "sha256:no"}]
    template = {"spec": {"containers": [{"env": [*env, {"name": "KEY", "valueFrom": {}}]}]}}
    assert named_digests([{"spec": {"template": template}}], []) == {digest}
