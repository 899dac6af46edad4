"""Servers on all cores but the last, which the clients have: neither takes the other's time.

Left alone, the scheduler puts them where it likes, and a virtual machine's cores may take longer to
wake each other than a proxy takes for a request.
"""

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager


def shared_out(wanted: int | None = None) -> tuple[tuple[int, ...], int]:
    """Return the servers' cores and the clients'; on a single core they share it.

    With `wanted`, servers get so many, as far as there are any; on all of them clients share the last.
    """
    every = sorted(os.sched_getaffinity(0))
    servers = every[: wanted or -1] or every
    return tuple(servers), every[-1]


@contextmanager
def bound(cores: Collection[int]) -> Iterator[None]:
    """Keep this process, and whatever it starts meanwhile, on these cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
