"""A file comes in parts, several at once, over a wire that may be cut, and is hashed as it comes.

A part that is cut goes on from its last byte; only a wire that brings nothing, again and again, is
given up. The hash follows the bytes in their order, over what is on the disk: parts that an earlier
run left count like any other, and nothing is read twice. It is the one piece of work that cannot be
shared, so who fetches steps back for it, and no more parts are under way than it can follow: else it
would be left with work for one core when the others are done.
"""

import hashlib
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from queue import SimpleQueue

from functions.registry.errors import Cut
from functions.registry.ranges import Journal, Range

WORKERS = 4
ATTEMPTS = 5
FIRST_PAUSE = 0.05
"""Seconds before a part is asked for again; doubled with each try that brought nothing."""
PIECE = 4 << 20
"""Bytes in memory at once, of each part and of the hash. A kernel keeps a file that is written so in
large pages: both a quarter of a mebibyte and sixteen at once were measured slower."""
STEP_BACK = 10
"""By how much nicer a thread that fetches is than the one that hashes."""

Ask = Callable[[Range], Iterator[bytes | memoryview]]
"""Ask the store for a range; the pieces come as they arrive, and Cut ends them early."""
Arrivals = SimpleQueue[Range | BaseException]
"""The pieces of one part that are on the disk, in their order, and what ended it early."""


def download(ask: Ask, journal: Journal, parts: Sequence[Range]) -> str:
    """Bring the parts that are missing; return the sha256 of the whole file, as hex digits."""
    largest = max((part.size for part in parts), default=0)
    digest, buffer = hashlib.sha256(), memoryview(bytearray(min(PIECE, largest)))
    given_up = threading.Event()

    def start(part: Range) -> Arrivals:
        arrivals = Arrivals()
        pool.submit(_tell, _bring(ask, journal, part), arrivals, given_up)
        return arrivals

    with journal.opened(), ThreadPoolExecutor(WORKERS, initializer=_step_back) as pool:
        try:
            for piece in in_order(start, parts):
                for content in journal.read(piece, buffer):
                    digest.update(content)
        except BaseException:
            given_up.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return digest.hexdigest()


def in_order(start: Callable[[Range], Arrivals], parts: Sequence[Range]) -> Iterator[Range]:
    """Yield the pieces of each part as they arrive; when its last was taken, another part begins."""
    under_way: deque[Arrivals] = deque()
    for number, part in enumerate(parts):
        under_way.extend(map(start, parts[number + len(under_way) : number + WORKERS]))
        arrivals, at = under_way.popleft(), part.start
        while at < part.end:
            piece = arrivals.get()
            if isinstance(piece, BaseException):
                raise piece
            at = piece.end
            yield piece


def _tell(pieces: Iterable[Range], arrivals: Arrivals, given_up: threading.Event) -> None:
    try:
        for piece in pieces:
            arrivals.put(piece)
            if given_up.is_set():
                return  # another part failed: there is no use in going on with this one
    except BaseException as error:  # noqa: BLE001 - raised again by who waits for the part
        arrivals.put(error)


def _bring(ask: Ask, journal: Journal, part: Range) -> Iterator[Range]:
    if part.start in journal.done:
        yield part
        return
    at, attempts = part.start, 0
    while at < part.end:
        try:
            # A cut may lose what was on its way: after each that brought nothing, a quarter is asked.
            for content in ask(Range(at, max(1, (part.end - at) >> (2 * attempts)))):
                journal.write(at, content)
                piece = Range(at, len(content))
                at, attempts = piece.end, 0
                yield piece
        except Cut:
            attempts += 1
            if attempts == ATTEMPTS:
                raise
            time.sleep(FIRST_PAUSE * 2**attempts)
    journal.finish(part)


def _step_back() -> None:
    if sys.platform == "linux":  # where each thread has a niceness of its own
        with suppress(OSError):  # a sandbox may not know it; nobody could fetch if this failed
            os.nice(STEP_BACK)
