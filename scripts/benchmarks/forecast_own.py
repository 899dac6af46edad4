"""A trace of one's own: a file with the Unix time of an arrival on each line."""

from pathlib import Path

from scripts.benchmarks.forecast_ours import MONDAY
from scripts.benchmarks.forecast_traces import DAY, WEEK, Trace
from scripts.benchmarks.harness import CannotMeasure

LEAST = 8 * DAY  # two of them teach; the hour of the week comes round once


def read(file: Path) -> Trace:
    """Read it, in any order; raises CannotMeasure when it is no such file, or too short."""
    try:
        times = sorted(float(line) for line in file.read_text().split())
    except (OSError, ValueError) as error:
        raise CannotMeasure(f"{file} has something else than Unix times: {error}") from error
    if not times or times[-1] - times[0] < LEAST:
        raise CannotMeasure(f"{file}: a forecast wants {LEAST / DAY:g} days of arrivals at least")
    begin = (times[0] - MONDAY) // WEEK * WEEK + MONDAY
    arrivals = tuple(at - begin for at in times)
    return Trace(file.name, arrivals, lambda _at: 0.0, 0.0, end=arrivals[-1] + 60)
