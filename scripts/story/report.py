"""What the story observed: one Step each, said aloud as it happens, written as JSON at the end."""

import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

Facts = dict[str, Any]


class NotAsItShouldBe(AssertionError):
    """A step saw something else than the story says; the message is what it saw."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step: whether it was as it should be, how long it took, and what was observed."""

    name: str
    ok: bool
    seconds: float
    facts: Facts = field(default_factory=dict)
    problem: str | None = None


class Narrator:
    """Runs the steps, prints them, keeps them."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self._console = Console(highlight=False)
        self._started = time.monotonic()

    def say(self, text: str) -> None:
        """Print one line of the story with the seconds since its start."""
        self._console.print(f"[dim]{time.monotonic() - self._started:6.1f} s[/]  {text}")

    async def tell(self, name: str, step: Callable[[Facts], Awaitable[None]]) -> None:
        """Run `step`; it fills the facts, and what it raises makes the step not ok."""
        self._console.rule(f"[bold]{name}", align="left")
        started, facts, problem = time.monotonic(), Facts(), None
        try:
            await step(facts)
        except Exception as error:  # noqa: BLE001 - the story goes on and says what went wrong
            problem = f"{type(error).__name__}: {error}"
        seconds = round(time.monotonic() - started, 2)
        self.steps.append(Step(name, problem is None, seconds, facts, problem))
        self.say(f"[red]✗ {problem}" if problem else "[green]✓ as it should be")

    @property
    def ok(self) -> bool:
        """True when every step so far was as it should be."""
        return all(step.ok for step in self.steps)

    def write(self, path: Path) -> None:
        """Write the report as JSON."""
        report = {"ok": self.ok, "steps": [asdict(step) for step in self.steps]}
        path.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n")


def expect(fact: object, problem: str) -> None:
    """Raise NotAsItShouldBe with `problem` unless `fact` holds."""
    if not fact:
        raise NotAsItShouldBe(problem)
