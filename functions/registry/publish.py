"""From a folder to a published release: checked first, the manifest last.

Until the manifest is there a release does not exist, so an upload may stop anywhere and be started
again: files that are there with the right bytes are not sent twice. A version is for ever: the same
version with other files is refused, of two uploads at once the slower one too. In a versioned bucket
the manifest names the version of each object, so that nobody can put another in its place.
"""

import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from functions.registry import golden
from functions.registry.download import WORKERS
from functions.registry.errors import (
    ManifestInvalid,
    ObjectMissing,
    ObjectReplaced,
    Refused,
    StoreUnavailable,
)
from functions.registry.folders import entry_of
from functions.registry.manifest import FileEntry, Manifest, build, parse, parse_release
from functions.registry.paths import MANIFEST
from functions.registry.store import ModelStore

RELEASE = "release.json"
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
    files = [entry_of(folder, path) for path in sorted(_paths(folder))]
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
    """List the files of a release; what is hidden (`.git`, `.DS_Store`) is not of it."""
    found = []
    for path in folder.rglob("*"):
        if any(part.startswith(".") for part in path.relative_to(folder).parts):
            continue
        if path.is_symlink():
            raise Refused(f"{path} is a link: a release holds plain files", "link")
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name not in {RELEASE, MANIFEST}:
            found.append(name)
    return found


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
    for path in paths:
        if path.endswith(".safetensors"):
            _check_whole(folder / path)
    if manifest.golden and manifest.task in _NEEDS_GOLDEN:
        examples = golden.parse((folder / manifest.golden).read_bytes())
        golden.check_labels(examples, labels.values())


def _check_whole(weights: Path) -> None:
    """Refuse a safetensors file whose header does not account for every byte: half a copy, say."""
    from safetensors import SafetensorError, safe_open  # noqa: PLC0415 - readers of a bucket do without

    try:
        with safe_open(weights, "numpy"):
            pass
    except SafetensorError as error:
        raise Refused(f"{weights} is not whole: {error}", "incomplete") from error


def _labels(folder: Path) -> Mapping[str, str]:
    try:
        config = json.loads((folder / "config.json").read_text())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise Refused(f"{folder / 'config.json'} is not JSON", "incomplete") from error
    labels = config.get("id2label", {}) if isinstance(config, dict) else {}
    return labels if isinstance(labels, dict) else {}
