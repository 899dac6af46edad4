"""`./scripts/bench [NAME] [--json FILE]`: run one benchmark, or list them.

The exit code says whether it could be measured, never what was found: a goal that is missed on this
machine is a fact, not an error.
"""

import argparse
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from scripts.benchmarks import harness
from scripts.benchmarks.harness import CannotMeasure, Options, Report

USAGE_ERROR = 2


def main(arguments: list[str]) -> int:
    """Run what was asked for; return the exit code."""
    parser = argparse.ArgumentParser(prog="./scripts/bench", description=__doc__)
    parser.add_argument("name", nargs="?", help="what to measure; none lists the names")
    parser.add_argument("--json", type=Path, help="also write what was found to this file")
    parser.add_argument("--seconds", type=float, help="how long, where a benchmark has a choice")
    parser.add_argument("--seed", type=int, default=1, help="for what is drawn at random")
    given, rest = parser.parse_known_args(arguments)
    benchmarks = harness.found()
    if given.name is None:
        _list(benchmarks)
        return 0
    if given.name not in benchmarks:
        print(f"no benchmark {given.name!r}; there are: {', '.join(benchmarks)}", file=sys.stderr)
        return USAGE_ERROR
    report = Report(given.name)
    try:
        harness.measure(report, Options(given.seconds, given.seed, tuple(rest)))
    except CannotMeasure as reason:
        print(reason, file=sys.stderr)
        return USAGE_ERROR
    report.show(Console())
    if given.json:
        report.write(given.json)
    return 0


def _list(benchmarks: dict[str, str]) -> None:
    table = Table(title="./scripts/bench NAME [--json FILE]", title_justify="left")
    table.add_column("name", style="bold")
    table.add_column("measures")
    for name, summary in benchmarks.items():
        table.add_row(name, summary)
    Console().print(table)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
