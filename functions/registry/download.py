"""A file comes in parts, several at once, over a wire that may be cut, and is hashed as it comes.

A part that is cut goes on from its last byte; only a wire that brings nothing, again and again, is
given up. The hash follows the parts in their order, over what is on the disk: parts that an earlier
run left count like any other, and nothing is read twice. No more parts are under way than the hash
can follow: else it would be left with work for one core when the others are done.
"""

import hashlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from functions.registry.errors import Cut
from functions.registry.ranges import Journal, Range

WORKERS = 4
ATTEMPTS = 5
FIRST_PAUSE = 0.05
"""Seconds before a part is asked for again; doubled with each try that brought nothing."""
PIECE = 4 << 20
"""Bytes in memory at once, of each part and of the hash. A kernel keeps a file that is written so in
large pages: both a quarter of a mebibyte and sixteen at once were measured slower."""

Ask = Callable[[Range], Iterator[bytes | memoryview]]
"""Ask the store for a range; the pieces come as they arrive, and Cut ends them early."""


class _GivenUp(Exception):
    """Another part failed: there is no use in going on with this one."""


def download(ask: Ask, journal: Journal, parts: Sequence[Range]) -> str:
    """Bring the parts that are missing; return the sha256 of the whole file, as hex digits."""
    largest = max((part.size for part in parts), default=0)
    digest, buffer = hashlib.sha256(), memoryview(bytearray(min(PIECE, largest)))
    failed = threading.Event()

    def arrive(part: Range) -> None:
        if part.start not in journal.done:
            _bring(ask, journal, part, failed)

    with journal.opened(), ThreadPoolExecutor(WORKERS) as pool:
        try:
            for part in in_order(lambda part: pool.submit(arrive, part), parts):
                for piece in journal.read(part, buffer):
                    digest.update(piece)
        except BaseException:
            failed.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return digest.hexdigest()


def in_order(start: Callable[[Range], Future[None]], parts: Sequence[Range]) -> Iterator[Range]:
    """Yield each part once it is there; whoever takes it lets another one begin."""
    under_way: deque[Future[None]] = deque()
    for number, part in enumerate(parts):
        under_way.extend(map(start, parts[number + len(under_way) : number + WORKERS]))
        under_way.popleft().result()
        yield part


def _bring(ask: Ask, journal: Journal, part: Range, failed: threading.Event) -> None:
    at, attempts = part.start, 0
    while at < part.end:
        try:
            # A cut may lose what was on its way: after each that brought nothing, a quarter is asked.
            for piece in ask(Range(at, max(1, (part.end - at) >> (2 * attempts)))):
                journal.write(at, piece)
                at, attempts = at + len(piece), 0
                if failed.is_set():
                    raise _GivenUp
        except Cut:
            attempts += 1
            if attempts == ATTEMPTS:
                raise
            time.sleep(FIRST_PAUSE * 2**attempts)
    journal.finish(part)
