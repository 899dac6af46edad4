"""A start says how far it is and about how long is left."""

import pytest

from scripts.laptop.progress import TYPICAL, line, steps


def test_the_bar_grows_to_its_end_and_the_rest_shrinks_to_done() -> None:
    bars = [line(begun, sum(TYPICAL[:begun])) for begun in range(len(TYPICAL) + 1)]
    filled = [bar.count("█") for bar in bars]
    assert filled == sorted(filled)
    assert (filled[0], bars[-1].count("░")) == (0, 0)
    assert bars[0].endswith(f"{sum(TYPICAL):3.0f} s left")
    assert bars[-1].endswith("done")


def test_a_machine_that_takes_twice_as_long_is_told_twice_the_rest() -> None:
    done, rest = sum(TYPICAL[:4]), sum(TYPICAL[4:])
    assert line(4, 2 * done).endswith(f"{2 * rest:3.0f} s left")


def test_every_step_is_said_with_the_seconds_since_the_start(
    capsys: pytest.CaptureFixture[str],
) -> None:
    times = iter((10.0, 10.5, 14.0))
    say = steps(clock=lambda: next(times))
    say("bucket")
    say("manifests")
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("[  0.5 s]")
    assert first.endswith("bucket")
    assert second.startswith("[  4.0 s]")
