"""What an error of the store means: the object is not there, or trying again may help, and why.

Nobody's credentials, clock or bucket are the fault of a release, so all of these pass; each has a
code of its own, so that whoever hears of it knows what to repair.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from boto3.exceptions import Boto3Error
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    IncompleteReadError,
    NoCredentialsError,
    ReadTimeoutError,
    ResponseStreamingError,
)

from functions.registry.errors import Cut, ObjectMissing, ObjectReplaced, StoreUnavailable

GONE = frozenset({"NoSuchKey", "NoSuchVersion", "404", "NotFound"})
_CHANGED = frozenset({"PreconditionFailed", "412"})
_CUT = (ConnectionClosedError, IncompleteReadError, ReadTimeoutError, ResponseStreamingError)
_CODES = {
    # S3 answers so for an object that is not there, too, when listing is not allowed.
    "AccessDenied": "access_denied",
    "AllAccessDisabled": "access_denied",
    "403": "access_denied",
    "InvalidAccessKeyId": "access_denied",
    "SignatureDoesNotMatch": "access_denied",
    "ExpiredToken": "credentials_expired",
    "TokenRefreshRequired": "credentials_expired",
    "RequestTimeTooSkewed": "clock_skew",
    "NoSuchBucket": "bucket_missing",
    "SlowDown": "store_busy",
    "503": "store_busy",
}


@contextmanager
def told(key: str) -> Iterator[None]:
    """Turn boto3's errors into the registry's."""
    try:
        yield
    except ClientError as error:
        raise _of_answer(key, str(error.response.get("Error", {}).get("Code"))) from error
    except NoCredentialsError as error:
        raise StoreUnavailable(f"{key}: {error}", "access_denied") from error
    except (Cut, *_CUT) as error:
        raise Cut(f"{key}: {error}") from error
    except (BotoCoreError, Boto3Error) as error:
        raise StoreUnavailable(f"{key}: {error}") from error


def _of_answer(key: str, code: str) -> ObjectMissing | StoreUnavailable:
    if code in GONE:
        return ObjectMissing(f"{key} is not in the bucket")
    if code in _CHANGED:
        return ObjectReplaced(f"{key} was replaced while it was read", "object_replaced")
    return StoreUnavailable(
        f"{key}: the store answered {code}", _CODES.get(code, "store_unavailable")
    )
