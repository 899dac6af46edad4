"""moto's S3 and SQS server, with its contents on disk: `python -m … FOLDER PORT`.

moto keeps everything in memory. Here a write is answered only after its outcome is on disk, and
everything is loaded back before the server listens: buckets, every version of every object,
notification settings, queues and what waits in them. Uploads in parts that were never completed
are lost in a restart, and so are receipt handles: their entries are delivered again.
"""

# ruff: noqa: SLF001 - moto offers no other way to what it holds

import io
import json
import logging
import os
import shutil
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from moto.core import DEFAULT_ACCOUNT_ID as ACCOUNT
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from moto.s3.models import FakeDeleteMarker, FakeKey, NotificationConfiguration, s3_backends
from moto.s3.notifications import S3NotificationEvent, send_event
from moto.sqs.models import sqs_backends
from werkzeug.serving import make_server

_QUEUE_SETTINGS = ("VisibilityTimeout", "MessageRetentionPeriod", "Policy", "RedrivePolicy")
Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
_KEY_FIELDS = ("checksum_value", "checksum_algorithm", "checksum_type", "checksum_parts")


class Persistent:
    """A WSGI layer around moto that keeps `folder` equal to what moto holds."""

    def __init__(self, folder: Path) -> None:
        self._objects = folder / "objects"
        self._settings = folder / "settings.json"
        self._app: Wsgi = DomainDispatcherApplication(create_backend_app)
        self._s3 = _telling(s3_backends[ACCOUNT]["aws"])
        self._saving = threading.Lock()
        self._objects.mkdir(parents=True, exist_ok=True)

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Answer a request; a write only once it is saved.

        Writes to S3 come one after another: what moto is still putting together must not be saved.
        """
        if environ["REQUEST_METHOD"] in {"GET", "HEAD"}:
            return self._app(environ, start_response)
        if "HTTP_X_AMZ_TARGET" in environ:  # SQS, which may wait long for a message
            answer = self._app(environ, start_response)
            with self._saving:
                self._save_settings()
            return answer
        _receive(environ)
        with self._saving:
            answer = self._app(environ, start_response)
            self._save_settings()  # first: an object is nothing without its bucket
            self._save_objects()
        return answer

    def _save_settings(self) -> None:
        _replace(self._settings, json.dumps(self._describe()))

    def load(self) -> None:
        """Bring moto's memory to what the folder holds, and drop what a crash left behind."""
        if self._settings.exists():
            self._restore(json.loads(self._settings.read_text()))
        notes = sorted(self._objects.glob("*.json"))
        for note in notes:
            self._load(note.stem, json.loads(note.read_text()))
        known = {note.stem for note in notes}
        for path in self._objects.iterdir():
            if path.stem not in known or path.suffix == ".partial":
                path.unlink()

    def _versions(self) -> Iterator[tuple[str, Any]]:
        for bucket in list(self._s3.buckets.values()):
            for name in list(bucket.keys):
                for version in list(bucket.keys.getlist(name, [])):
                    yield bucket.name, version

    def _save_objects(self) -> None:
        alive = set()
        for bucket, version in self._versions():
            if not hasattr(version, "saved_as"):
                self._save(bucket, version)
            alive.add(version.saved_as)
        for note in self._objects.glob("*.json"):
            if note.stem not in alive:
                note.unlink()
                note.with_suffix(".data").unlink(missing_ok=True)

    def _save(self, bucket: str, version: Any) -> None:
        # Names sort by age, so that versions are loaded in the order they were made.
        name = f"{time.time_ns():020d}-{uuid.uuid4().hex}"
        note = {"bucket": bucket, "key": version.name, "version": version.version_id}
        note["modified"] = version.last_modified.isoformat()
        if isinstance(version, FakeKey):
            note |= {"etag": version.etag.strip('"'), "versioned": version._is_versioned}
            note |= {"metadata": dict(version.metadata)}
            note |= {field: getattr(version, field) for field in _KEY_FIELDS}
            path = self._objects / f"{name}.data"
            with version.lock, path.open("xb") as file:
                version._value_buffer.seek(0)
                shutil.copyfileobj(version._value_buffer, file, 1 << 20)
                file.flush()
                os.fsync(file.fileno())
            _read_from(version, path)
        _replace(self._objects / f"{name}.json", json.dumps(note))
        version.saved_as = name

    def _load(self, saved_as: str, note: dict[str, Any]) -> None:
        name, bucket = note["key"], self._s3.buckets[note["bucket"]]
        version: Any
        if "etag" in note:
            version = FakeKey(
                name, b"", ACCOUNT, bucket.region_name, etag=note["etag"],
                is_versioned=note["versioned"], version_id=note["version"], bucket_name=bucket.name,
            )  # fmt: skip
            version.set_metadata(note["metadata"])
            for field in _KEY_FIELDS:
                setattr(version, field, note[field])
            _read_from(version, self._objects / f"{saved_as}.data")
        else:
            version = FakeDeleteMarker(SimpleNamespace(name=name))
            version._version_id = note["version"]
        version.saved_as, version.last_modified = saved_as, datetime.fromisoformat(note["modified"])
        bucket.keys.setlist(name, [*bucket.keys.getlist(name, []), version])

    def _describe(self) -> dict[str, Any]:
        queues = [queue for region in sqs_backends[ACCOUNT].values() for queue in _queues(region)]
        return {"buckets": list(map(_bucket, self._s3.buckets.values())), "queues": queues}

    def _restore(self, settings: dict[str, Any]) -> None:
        # A queue whose failures go to another queue needs that one first.
        for queue in sorted(settings["queues"], key=lambda item: "RedrivePolicy" in item["with"]):
            backend = sqs_backends[ACCOUNT][queue["region"]]
            backend.create_queue(queue["name"], **queue["with"])
            for body in queue["waiting"]:
                backend.send_message(queue["name"], body)
        for note in settings["buckets"]:
            bucket = self._s3.create_bucket(note["name"], note["region"])
            bucket.versioning_status = note["versioning"]
            bucket.creation_date = datetime.fromisoformat(note["created"])
            if note["notify"]:
                bucket.notification_configuration = NotificationConfiguration(queue=note["notify"])


def _telling(s3: Any) -> Any:
    """Let a delete in a versioned bucket be told as S3 tells it; moto says nothing then."""
    mark = s3._set_delete_marker

    def told(bucket_name: str, key_name: str) -> Any:
        marker = mark(bucket_name, key_name)
        if isinstance(marker.key, FakeKey):
            event = S3NotificationEvent.OBJECT_REMOVED_DELETE_MARKER_CREATED_EVENT
            send_event(ACCOUNT, event, s3.get_bucket(bucket_name), marker.key)
        return marker

    s3._set_delete_marker = told
    return s3


def _receive(environ: dict[str, Any]) -> None:
    """Take the body in first: a slow sender keeps nobody waiting but itself."""
    if length := environ.get("CONTENT_LENGTH"):
        environ["wsgi.input"] = io.BytesIO(environ["wsgi.input"].read(int(length)))


def _bucket(bucket: Any) -> dict[str, Any]:
    configuration = bucket.notification_configuration
    return {
        "name": bucket.name,
        "region": bucket.region_name,
        "created": bucket.creation_date.isoformat(),
        "versioning": bucket.versioning_status,
        "notify": [
            {"Id": item.id, "Queue": item.arn, "Event": item.events, "Filter": item.filters}
            for item in (configuration.queue if configuration else [])
        ],
    }


def _queues(backend: Any) -> Iterator[dict[str, Any]]:
    for queue in list(backend.queues.values()):
        settings = {name: queue.attributes.get(name) for name in _QUEUE_SETTINGS}
        yield {
            "name": queue.name,
            "region": queue.region,
            "with": {name: value for name, value in settings.items() if value is not None},
            "waiting": [message.body for message in list(queue._messages)],
        }


def _read_from(key: Any, path: Path) -> None:
    """Let moto read an object's bytes from our file instead of its own buffer."""
    size = path.stat().st_size
    with key.lock:
        key._value_buffer.close()
        key._value_buffer = path.open("rb")
        key.contentsize = size


def _replace(path: Path, text: str) -> None:
    if path.exists() and path.read_text() == text:
        return
    partial = path.with_suffix(".partial")
    with partial.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def main(folder: str, port: str) -> None:
    """Load, listen, serve until killed."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    app = Persistent(Path(folder))
    app.load()
    make_server(
        "127.0.0.1", int(port), app, threaded=True, request_handler=MotoRequestHandler
    ).serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
