"""Everything that can go wrong with a release, in one tree.

RegistryError
├── Refused                 the release itself is not acceptable; trying again changes nothing
│   └── ManifestInvalid     its manifest breaks a rule
├── ReleaseMissing          the cache holds no such release
├── ObjectMissing           the bucket holds no such object
├── Busy                    another process is at work on the same release
└── StoreUnavailable        a passing fault of the store; trying again may help
    ├── Cut                 the wire was cut; what came so far is good
    └── ObjectReplaced      the object is not the one that was asked for any more
"""

from typing import ClassVar


class RegistryError(Exception):
    """An error with a stable `code`; the message is one sentence for a person."""

    code: ClassVar[str] = "registry"


class Refused(RegistryError):
    """The release is not acceptable, for a reason with a code of its own."""

    def __init__(self, reason: str, code: str) -> None:
        super().__init__(reason)
        self.reason_code = code


class ManifestInvalid(Refused):
    """The manifest breaks a rule."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, "invalid_manifest")


class ReleaseMissing(RegistryError):
    """The cache holds no such release."""

    code = "release_missing"


class ObjectMissing(RegistryError):
    """The bucket holds no such object."""

    code = "object_missing"


class Busy(RegistryError):
    """Another process is at work on the same release."""

    code = "busy"


class StoreUnavailable(RegistryError):
    """The store did not answer as it should; trying again may help. `reason_code` says how."""

    code = "store_unavailable"

    def __init__(self, reason: str, code: str = "store_unavailable") -> None:
        super().__init__(reason)
        self.reason_code = code


class Cut(StoreUnavailable):
    """The wire was cut."""


class ObjectReplaced(StoreUnavailable):
    """Somebody put another object in its place while it was being read."""
