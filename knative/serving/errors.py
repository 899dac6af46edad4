"""Every error of the Kubernetes API that a caller tells apart.

KubeError
├── NotFound 404
├── Conflict 409            somebody wrote first: read again
│   └── AlreadyExists 409
├── Gone 410                a watch from too old a version: list again
├── Refused 400, 403, 422   the object is not acceptable, or we may not
├── TooManyRequests 429
└── Unreachable             no answer
"""

from collections.abc import Mapping
from typing import Any

import httpx


class KubeError(Exception):
    """An answer that is not a success; `reason` is Kubernetes' own word for it."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(f"{reason or status}: {message}")
        self.status = status
        self.reason = reason
        self.message = message


class NotFound(KubeError):
    """No such object."""


class Conflict(KubeError):
    """The object has changed since it was read."""


class AlreadyExists(Conflict):
    """An object of this name is there."""


class Gone(KubeError):
    """The version asked for is no longer kept."""


class Refused(KubeError):
    """The API server will not have it."""


class TooManyRequests(KubeError):
    """Slow down."""


class Unreachable(KubeError):
    """The API server did not answer."""


_BY_STATUS: Mapping[int, type[KubeError]] = {
    400: Refused,
    403: Refused,
    404: NotFound,
    409: Conflict,
    410: Gone,
    422: Refused,
    429: TooManyRequests,
}


def of(response: httpx.Response) -> KubeError:
    """Make the error of an answer, whose body should be a `Status`."""
    try:
        status = response.json()
    except ValueError:
        status = None
    if not isinstance(status, dict):
        status = {"message": response.text[:200]}
    return of_status({"code": response.status_code, **status})


def of_status(status: Mapping[str, Any]) -> KubeError:
    """Make the error of a `Status` object."""
    code, reason = int(status.get("code") or 500), str(status.get("reason") or "")
    kind = AlreadyExists if reason == "AlreadyExists" else _BY_STATUS.get(code, KubeError)
    return kind(code, reason, str(status.get("message") or ""))
