"""Every error a caller can meet, and its HTTP status, in one tree.

ApiError
├── BadRequest 400          malformed input
├── Unauthorized 401        no or wrong credentials
├── Forbidden 403
├── NotFound 404
├── MethodNotAllowed 405
├── TooSlow 408             the body did not arrive in time
├── Conflict 409            for an event: "in progress, deliver again"
├── TooLarge 413
├── UnsupportedMediaType 415
├── Invalid 422             well-formed, but not acceptable
├── QueueFull 429           with Retry-After
├── TooManyHeaders 431
├── Unavailable 503         warming, no model, a passing fault; with Retry-After
└── DeadlineExceeded 504
"""

from typing import ClassVar


class ApiError(Exception):
    """An error with a status and a stable `code`; `message` is one sentence for the caller."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"

    def __init__(self, message: str, *, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after = retry_after


class BadRequest(ApiError):
    """The request cannot be read."""

    status = 400
    code = "bad_request"


class Unauthorized(ApiError):
    """No credentials, or wrong ones."""

    status = 401
    code = "unauthorized"


class Forbidden(ApiError):
    """The credentials do not allow this."""

    status = 403
    code = "forbidden"


class NotFound(ApiError):
    """No such path or object."""

    status = 404
    code = "not_found"


class MethodNotAllowed(ApiError):
    """The path exists, this method on it does not."""

    status = 405
    code = "method_not_allowed"


class TooSlow(ApiError):
    """The body did not arrive in time."""

    status = 408
    code = "too_slow"


class TooManyHeaders(ApiError):
    """More header lines than anybody needs."""

    status = 431
    code = "too_many_headers"


class Conflict(ApiError):
    """The same work is in progress; for an event this asks for redelivery."""

    status = 409
    code = "conflict"


class TooLarge(ApiError):
    """The body is over the limit."""

    status = 413
    code = "too_large"


class UnsupportedMediaType(ApiError):
    """The body is of a kind that this path does not read."""

    status = 415
    code = "unsupported_media_type"


class Invalid(ApiError):
    """The request can be read, but a value in it is not acceptable."""

    status = 422
    code = "invalid"


class QueueFull(ApiError):
    """Too much work is waiting already."""

    status = 429
    code = "queue_full"

    def __init__(self, message: str, *, retry_after: int | None = 1) -> None:
        super().__init__(message, retry_after=retry_after)


class Unavailable(ApiError):
    """Not able to answer now, worth trying again."""

    status = 503
    code = "unavailable"

    def __init__(self, message: str, *, retry_after: int | None = 1) -> None:
        super().__init__(message, retry_after=retry_after)


class DeadlineExceeded(ApiError):
    """The answer would come too late."""

    status = 504
    code = "deadline_exceeded"
