"""Servers on all cores but the last, which the clients have: neither takes the other's time.

Left alone, the scheduler puts them where it likes, and a virtual machine's cores may take longer to
wake each other than a proxy takes for a request.
"""

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager


def shared_out() -> tuple[tuple[int, ...], int]:
    """Return the servers' cores and the clients'; on a single core they share it."""
    *servers, clients = sorted(os.sched_getaffinity(0))
    return tuple(servers) or (clients,), clients


@contextmanager
def bound(cores: Collection[int]) -> Iterator[None]:
    """Keep this process, and whatever it starts meanwhile, on these cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
