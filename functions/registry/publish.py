"""From a folder to a published release: checked first, the manifest last.

Until the manifest is there a release does not exist, so an upload may stop anywhere and be started
again: files that are there with the right bytes are not sent twice. A version is for ever: the same
version with other files is refused, of two uploads at once the slower one too. In a versioned bucket
the manifest names the version of each object, so that nobody can put another in its place.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from functions.registry.download import WORKERS
from functions.registry.errors import (
    ManifestInvalid,
    ObjectMissing,
    ObjectReplaced,
    Refused,
    StoreUnavailable,
)
from functions.registry.manifest import FileEntry, Manifest, build, parse, parse_release
from functions.registry.paths import MANIFEST
from functions.registry.store import ModelStore

RELEASE = "release.json"
DOCUMENTS = "documents/"
"""Where a removal is of interest: the Trigger of embed-rebuild names the same prefix."""
_WEIGHTS = (".safetensors", ".onnx")
_TOKENIZERS = {"tokenizer.json", "vocab.txt", "sentencepiece.bpe.model", "spiece.model"}
_NEEDS_LABELS = {"token-classification"}
_NEEDS_GOLDEN = {"token-classification"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What publishing did: `sent` bytes went out; a version that was there already sends none."""

    manifest: Manifest
    uri: str
    sent: int
    existed: bool


Progress = Callable[[int], None]


def describe(folder: Path, now: datetime, *, allow_pickles: bool = False) -> Manifest:
    """Check a release folder and make its manifest; Refused says what is wrong with it."""
    head = _head(folder)
    files = [_entry(folder, path) for path in sorted(_paths(folder))]
    draft = build(head, files, now.astimezone(UTC).isoformat(timespec="seconds"))
    # Read back by the reader's own rules: what is published can be taken in.
    manifest = parse(draft.to_bytes(), allow_pickles=allow_pickles)
    _check_parts(folder, manifest)
    return manifest


def publish(folder: Path, bucket: str, client: Any) -> Outcome:
    """Check a release folder and publish it to `bucket` through a boto3 S3 client."""
    return upload(folder, ModelStore(client, bucket), describe(folder, datetime.now(UTC)))


def upload(
    folder: Path, store: ModelStore, manifest: Manifest, progress: Progress = lambda _: None
) -> Outcome:
    """Upload a described folder; `progress` gets bytes as they go out, from several threads.

    A version that is published with these files is completed, should one of them be lost.
    """
    published = _published(store, manifest)
    pinned, sent = _send(folder, store, published or manifest, progress)
    if published is None or sent:
        _finish(store, pinned, again=published is not None)
    return Outcome(pinned, store.uri(manifest.folder), sent, existed=published is not None)


def _send(
    folder: Path, store: ModelStore, manifest: Manifest, progress: Progress
) -> tuple[Manifest, int]:
    """Send what is missing; return the manifest with the version of every object, and the bytes."""

    def send(entry: FileEntry) -> tuple[FileEntry, int]:
        if stored := store.stored(manifest.folder, entry):
            progress(entry.size)
            return stored, 0
        plain = replace(entry, version_id=None)
        store.upload(manifest.folder, plain, folder / entry.path, progress)
        if stored := store.stored(manifest.folder, plain):
            return stored, entry.size
        raise Refused(f"{entry.path} was replaced by another upload of this version", "interleaved")

    with ThreadPoolExecutor(WORKERS) as pool:
        done = list(pool.map(send, manifest.files))
    files = tuple(entry for entry, _ in done)
    return replace(manifest, files=files), sum(size for _, size in done)


def _finish(store: ModelStore, manifest: Manifest, *, again: bool) -> None:
    try:
        store.finish(manifest, again=again)
    except ObjectReplaced as error:
        if _published(store, manifest) is None:
            raise StoreUnavailable(f"{manifest.folder} was removed meanwhile") from error


def configure_bucket(s3: Any, sqs: Any, bucket: str, queue: str) -> str:
    """Make bucket and queue if they are missing, versioned and connected; return the queue's URL.

    Doing it again changes nothing. Other notifications of the bucket are kept.
    """
    _ensure_bucket(s3, bucket)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    url: str = sqs.create_queue(QueueName=queue)["QueueUrl"]
    names = {"QueueUrl": url, "AttributeNames": ["QueueArn"]}
    arn = sqs.get_queue_attributes(**names)["Attributes"]["QueueArn"]
    policy = json.dumps(_policy(bucket, arn))
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    current = s3.get_bucket_notification_configuration(Bucket=bucket)
    current.pop("ResponseMetadata", None)
    queues = current.get("QueueConfigurations", [])
    merged = _subscribed(queues, arn)
    if merged != queues:
        wanted = current | {"QueueConfigurations": merged}
        s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=wanted)
    return url


def _subscribed(queues: list[dict[str, Any]], arn: str) -> list[dict[str, Any]]:
    """Return `queues` with what the queue `arn` is to be told; what it is told already stays.

    A removed document changes the index; nothing waits for the removal of anything else.
    """
    rule = {"FilterRules": [{"Name": "prefix", "Value": DOCUMENTS}]}
    wanted = (
        {"Id": "marketresearch", "QueueArn": arn, "Events": ["s3:ObjectCreated:*"]},
        {
            "Id": "marketresearch-removed",
            "QueueArn": arn,
            "Events": ["s3:ObjectRemoved:*"],
            "Filter": {"Key": rule},
        },
    )
    told = {event for item in queues if item["QueueArn"] == arn for event in item["Events"]}
    return [*queues, *(item for item in wanted if not told & set(item["Events"]))]


def _ensure_bucket(s3: Any, bucket: str) -> None:
    names = {item["Name"] for item in s3.list_buckets()["Buckets"]}
    if bucket in names:
        return
    region = s3.meta.region_name
    # S3 refuses its oldest region as a constraint.
    where = {} if region == "us-east-1" else {"LocationConstraint": region}
    s3.create_bucket(Bucket=bucket, **({"CreateBucketConfiguration": where} if where else {}))


def _policy(bucket: str, arn: str) -> Mapping[str, Any]:
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "s3.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": arn,
                "Condition": {"ArnEquals": {"aws:SourceArn": f"arn:aws:s3:::{bucket}"}},
            }
        ],
    }


def _published(store: ModelStore, manifest: Manifest) -> Manifest | None:
    try:
        published = store.manifest(manifest.folder, allow_pickles=True)
    except ObjectMissing:
        return None
    if published.digest != manifest.digest:
        reason = f"{manifest.folder} is published with other files ({published.digest}): a version"
        raise Refused(f"{reason} is for ever, publish these as a new one", "version_exists")
    return published


def _head(folder: Path) -> Mapping[str, Any]:
    try:
        head = parse_release((folder / RELEASE).read_bytes())
    except FileNotFoundError:
        raise Refused(f"{folder} has no {RELEASE}", "incomplete") from None
    expected = f"{head['name']}-v{head['version']}"
    if folder.resolve().name != expected:
        raise ManifestInvalid(f"{folder} should be named {expected}, as its {RELEASE} says")
    return head


def _paths(folder: Path) -> list[str]:
    found = []
    for path in folder.rglob("*"):
        if path.is_symlink():
            raise Refused(f"{path} is a link: a release holds plain files", "link")
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name not in {RELEASE, MANIFEST}:
            found.append(name)
    return found


def _entry(folder: Path, path: str) -> FileEntry:
    with (folder / path).open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return FileEntry(path, file.tell(), sha256)


def _check_parts(folder: Path, manifest: Manifest) -> None:
    paths = {entry.path for entry in manifest.files}
    labels = _labels(folder)
    wanted = {
        "config.json": "config.json" in paths,
        "a tokenizer (tokenizer.json)": bool(paths & _TOKENIZERS),
        "weights (.safetensors or .onnx)": any(path.endswith(_WEIGHTS) for path in paths),
        "labels (id2label in config.json)": bool(labels) or manifest.task not in _NEEDS_LABELS,
        "a golden set (golden in release.json)": bool(manifest.golden)
        or manifest.task not in _NEEDS_GOLDEN,
    }
    if missing := [part for part, present in wanted.items() if not present]:
        raise Refused(f"{folder} lacks {', '.join(missing)}", "incomplete")


def _labels(folder: Path) -> Mapping[str, str]:
    try:
        config = json.loads((folder / "config.json").read_text())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise Refused(f"{folder / 'config.json'} is not JSON", "incomplete") from error
    labels = config.get("id2label", {}) if isinstance(config, dict) else {}
    return labels if isinstance(labels, dict) else {}
