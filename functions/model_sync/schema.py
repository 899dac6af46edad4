"""Reading the announcement: which release of which bucket an S3 event speaks of. Pure."""

import re
from dataclasses import dataclass

from eventing.cloudevent import CloudEvent
from eventing.events import OBJECT_CREATED_PREFIX
from functions.registry.paths import MANIFEST
from functions.runtime.errors import BadRequest

_MANIFEST_KEY = re.compile(rf"models/(?P<folder>[^/]+)/{re.escape(MANIFEST)}")
_SOURCE_PARTS = 3


@dataclass(frozen=True, slots=True)
class Announcement:
    """A manifest was put at `models/<folder>/`; `requested` when a person named this version."""

    bucket: str
    folder: str
    requested: bool

    @property
    def uri(self) -> str:
        """The release's address."""
        return f"s3://{self.bucket}/models/{self.folder}"


def read(event: CloudEvent) -> Announcement | None:
    """Read the event; None when it is of no release's manifest. BadRequest when it is malformed."""
    if not event.type.startswith(OBJECT_CREATED_PREFIX):
        return None
    if not event.subject:
        raise BadRequest("the event has no subject: it should be the key of the object")
    match = _MANIFEST_KEY.fullmatch(event.subject)
    if not match:
        return None
    requested = event.extensions.get("requested", "") == "true"
    return Announcement(_bucket(event.source), match["folder"], requested)


def _bucket(source: str) -> str:
    # <eventSource>.<awsRegion>.<bucket>: only the bucket's name may hold dots itself.
    parts = source.split(".", _SOURCE_PARTS - 1)
    if len(parts) != _SOURCE_PARTS or not parts[-1]:
        raise BadRequest(f"the event's source {source[:80]!r} does not name a bucket")
    return parts[-1]
