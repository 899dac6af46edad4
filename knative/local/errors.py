"""Every refusal of the local Kubernetes API, each knowing its HTTP status and Kubernetes reason.

ApiFailure
├── BadRequest 400        the request makes no sense, or validation refused the object
├── Unauthorized 401
├── Forbidden 403         not here, not now
├── NotFound 404
├── MethodNotAllowed 405
├── AlreadyExists 409
├── Conflict 409          somebody else wrote first, or owns a field
├── Expired 410           the watch or list starts before what is remembered
├── RequestEntityTooLarge 413
├── UnsupportedMediaType 415
├── Invalid 422           the patch does not apply
└── InternalError 500
"""

from collections.abc import Mapping
from typing import Any, ClassVar


class ApiFailure(Exception):
    """What a Kubernetes `Status` says: code, message and details; the class's name is the reason."""

    code: ClassVar[int]

    def __init__(self, message: str, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.details = details

    def status(self) -> dict[str, Any]:
        """Return the `Status` object that a client reads."""
        body: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": type(self).__name__,
            "code": self.code,
        }
        if self.details:
            body["details"] = dict(self.details)
        return body


class BadRequest(ApiFailure):
    """The request makes no sense, or validation refused the object."""

    code = 400


class Unauthorized(ApiFailure):
    """No bearer token, or a wrong one."""

    code = 401


class Forbidden(ApiFailure):
    """What is asked for is right, but not here or not now."""

    code = 403


class NotFound(ApiFailure):
    """No such object, or no such resource type."""

    code = 404


class MethodNotAllowed(ApiFailure):
    """The path exists; the verb does not."""

    code = 405


class AlreadyExists(ApiFailure):
    """Create of a name that is taken."""

    code = 409


class Conflict(ApiFailure):
    """A stale resourceVersion, or a field that another manager owns."""

    code = 409


class Expired(ApiFailure):
    """The wanted resourceVersion is older than the remembered history: list again."""

    code = 410


class RequestEntityTooLarge(ApiFailure):
    """The body is over the limit."""

    code = 413


class UnsupportedMediaType(ApiFailure):
    """A content type that no verb of this path understands."""

    code = 415


class Invalid(ApiFailure):
    """Well-formed, but it does not apply to this object."""

    code = 422


class InternalError(ApiFailure):
    """Not the client's fault."""

    code = 500
