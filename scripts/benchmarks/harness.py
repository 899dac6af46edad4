"""What every benchmark shares: rows, goals, the machine they were measured on, and how they look.

The rule: a benchmark states its rows as it finds them and ends with its goals; figures are rounded
only for people. Nothing heavy is imported before a benchmark is chosen.
"""

import ast
import importlib
import json
import os
import pkgutil
import platform
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import groupby
from pathlib import Path
from types import ModuleType

import psutil
from rich.console import Console
from rich.table import Table

Value = str | float | bool | None
Row = Mapping[str, Value]
HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]


class CannotMeasure(Exception):
    """Something that a benchmark needs is missing; the message says what to do, in one line."""


@dataclass(frozen=True, slots=True)
class Options:
    """What a person chose; `rest` is what only the benchmark itself understands."""

    seconds: float | None = None
    seed: int = 1
    rest: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Goal:
    """Something that should hold, and whether it did."""

    name: str
    value: Value
    goal: str
    ok: bool


@dataclass(slots=True)
class Report:
    """What one benchmark found."""

    name: str
    rows: list[Row] = field(default_factory=list)
    goals: list[Goal] = field(default_factory=list)

    def row(self, **values: Value) -> None:
        """Add a row; rows with the same columns one after another become one table."""
        self.rows.append(values)

    def at_most(self, name: str, value: float, limit: float, unit: str = "") -> None:
        """Set the goal that `value` is no more than `limit`."""
        self.goals.append(Goal(name, value, f"≤ {limit:g} {unit}".strip(), value <= limit))

    def at_least(self, name: str, value: float, limit: float, unit: str = "") -> None:
        """Set the goal that `value` is no less than `limit`."""
        self.goals.append(Goal(name, value, f"≥ {limit:g} {unit}".strip(), value >= limit))

    def equal(self, name: str, value: Value, wanted: Value) -> None:
        """Set the goal that `value` is exactly what was `wanted`."""
        self.goals.append(Goal(name, value, f"= {wanted}", value == wanted))

    def show(self, console: Console) -> None:
        """Print the tables, the machine, and last the goals."""
        for columns, rows in groupby(self.rows, key=tuple):
            console.print(_table(columns, rows))
        facts = ", ".join(f"{value}" for value in machine().values())
        console.print(f"[dim]{facts}; commit {commit()}[/dim]")
        for goal in self.goals:
            mark = "[green]✓[/green]" if goal.ok else "[red]✗[/red]"
            console.print(f"{mark} {goal.name}: {_text(goal.value)} (goal {goal.goal})")

    def write(self, file: Path) -> None:
        """Write everything as JSON."""
        goals = [asdict(goal) for goal in self.goals]
        found = {"machine": machine(), "commit": commit(), "rows": self.rows, "goals": goals}
        file.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n")


def found(package: Path = HERE) -> dict[str, str]:
    """Return the benchmarks' names and what each measures, importing none of them."""
    names = sorted(module.name for module in pkgutil.iter_modules([str(package)]))
    trees = {name: ast.parse((package / f"{name}.py").read_text()) for name in names}
    return {
        name: (ast.get_docstring(tree) or "").partition("\n")[0]
        for name, tree in trees.items()
        if any(isinstance(part, ast.FunctionDef) and part.name == "run" for part in tree.body)
    }


def measure(report: Report, options: Options) -> None:
    """Run the benchmark that `report` is named after."""
    module: ModuleType = importlib.import_module(f"scripts.benchmarks.{report.name}")
    module.run(report, options)


def machine() -> dict[str, str]:
    """Say what the figures were measured on."""
    return {
        "cpu": _cpu(),
        "cores": f"{len(os.sched_getaffinity(0))} cores",
        "memory": f"{psutil.virtual_memory().total / (1 << 30):.0f} GiB",
        "system": platform.platform(terse=True),
        "python": f"Python {platform.python_version()}",
    }


def commit() -> str:
    """Name the commit that was measured; a `+` says that files differ from it."""
    git = partial(subprocess.run, cwd=ROOT, capture_output=True, text=True, check=False)
    try:
        name = git(["git", "rev-parse", "--short", "HEAD"]).stdout.strip()
        changed = git(["git", "status", "--porcelain", "--untracked-files=no"]).stdout
    except FileNotFoundError:
        return "unknown"
    return f"{name or 'unknown'}{'+' if changed else ''}"


def _cpu() -> str:
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text().splitlines() if facts.exists() else []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.processor() or platform.machine())


def _table(columns: Iterable[str], rows: Iterable[Row]) -> Table:
    table = Table()
    for column in columns:
        table.add_column(column.replace("_", " "))
    for row in rows:
        table.add_row(*_texts(row))
    return table


def _texts(row: Row) -> Iterator[str]:
    return (_text(value) for value in row.values())


def _text(value: Value) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "-"}[value]
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"  # noqa: PLR2004 - four digits
    return str(value)
