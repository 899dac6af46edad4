"""An object's bytes come off the wire into one buffer of ours, large enough that a disk likes them.

urllib3 makes a new object for every read, and small writes cost the kernel more for each byte than
large ones do. So the bytes are read past it, by the plain HTTP answer beneath, wherever there is one;
the connection, its proxies, its certificates and its pool stay botocore's. A cut may cost the piece
that was under way, so who asks again asks for less (download.py).
"""

from collections.abc import Callable, Iterator
from http.client import HTTPException, HTTPResponse
from typing import Any

from botocore.exceptions import BotoCoreError

from functions.registry.errors import Cut

Read = Callable[[memoryview], int]


def stream(body: Any, size: int, piece: int) -> Iterator[memoryview]:
    """Yield up to `size` bytes of botocore's `body`, at most `piece` at once, less when it ends early.

    A piece is good until the next one is asked for. Raises Cut or botocore's errors, after what came.
    """
    answer = plain(body)
    read = body.readinto if answer is None else _told(answer)
    buffer, left = memoryview(bytearray(min(piece, size))), size
    while left:
        came, fault = _fill(read, buffer[:left])
        if came:
            left -= came
            yield buffer[:came]
        if fault:
            raise fault
        if left and came < len(buffer):
            return  # it ended early; the caller knows what that means
    if answer is not None:
        body._raw_stream.release_conn()  # noqa: SLF001 - urllib3 did not see that all was read


def plain(body: Any) -> HTTPResponse | None:
    """Return the HTTP answer beneath botocore's and urllib3's, None where they keep it elsewhere."""
    answer = getattr(getattr(body, "_raw_stream", None), "_fp", None)
    return answer if isinstance(answer, HTTPResponse) else None


def _told(answer: HTTPResponse) -> Read:
    def read(into: memoryview) -> int:
        try:
            return answer.readinto(into)
        except (OSError, HTTPException) as error:
            raise Cut(f"the wire was cut: {error}") from error

    return read


def _fill(read: Read, buffer: memoryview) -> tuple[int, Exception | None]:
    """Return how many bytes came into `buffer`, and why no more, if that is a fault."""
    at = 0
    try:
        while at < len(buffer) and (count := read(buffer[at:])):
            at += count
    except (Cut, BotoCoreError) as error:
        return at, error
    return at, None
