"""How far a start is, and about how long is left: each step by what it typically takes, at our pace."""

import time
from collections.abc import Callable

TYPICAL = (0.5, 3.0, 5.0, 8.0, 3.0, 6.0, 1.0, 3.0)
"""Seconds of the steps of a first start on two cores, in order; a later start is faster."""
WIDTH = 24


def steps(clock: Callable[[], float] = time.monotonic) -> Callable[[str], None]:
    """Return a function that prints the step which begins, with a bar and the time left."""
    started, begun = clock(), 0

    def say(step: str) -> None:
        nonlocal begun
        elapsed = clock() - started
        print(f"[{elapsed:5.1f} s] {line(begun, elapsed)}  {step}", flush=True)
        begun += 1

    return say


def line(begun: int, elapsed: float) -> str:
    """Return the bar and the rest for the step after `begun` others that took `elapsed` seconds."""
    done, rest = sum(TYPICAL[:begun]), sum(TYPICAL[begun:])
    pace = elapsed / done if done else 1.0
    filled = round(WIDTH * done / (done + rest))
    return f"{'█' * filled:░<{WIDTH}} {f'{rest * pace:3.0f} s left' if rest else '  done'}"
