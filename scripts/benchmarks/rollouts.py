"""Rollouts in a row under load on the local platform, a third of them bad in different ways.

`--count N`, 12 unless said otherwise. Callers ask 50 times a second all the while. Each candidate is
a changed template of one Service with a model of its own, judged by the rollout function itself over
Broker, Trigger and PingSource. At the end a promotion is rolled back within its warm window.
"""

import argparse
import asyncio
import sys
import time
from dataclasses import dataclass
from itertools import cycle

from knative.serving.client import SERVICES
from knative.serving.observation import COMMAND
from knative.serving.state import State
from knative.serving.table import Phase
from scripts.benchmarks.harness import CannotMeasure, Options, Report
from scripts.benchmarks.rollout_stage import SUBJECT, Stage, stage
from scripts.story.load import Tally, traffic

COUNT, PER_SECOND, BAD_EVERY = 12, 50.0, 3
BAD = ("errors", "worse", "slow", "crash", "mute")
PATIENCE = 120.0
MOST_SECONDS_BACK = 1.0


@dataclass(frozen=True, slots=True)
class Ended:
    """One rollout: what the candidate was, how it stood at last, and how long it took."""

    mode: str
    state: State
    seconds: float

    @property
    def right(self) -> bool:
        """Whether the good one was promoted, or the bad one rolled back."""
        return self.state.phase is (Phase.FAILED if self.mode in BAD else Phase.SUCCEEDED)


def run(report: Report, options: Options) -> None:
    """Run them and count."""
    parser = argparse.ArgumentParser(prog="./scripts/bench rollouts")
    parser.add_argument("--count", type=int, default=COUNT, help="how many rollouts")
    count = parser.parse_args(options.rest).count
    ended, tally, back = asyncio.run(_measure(count))
    for mode in dict.fromkeys(one.mode for one in ended):
        those = [one for one in ended if one.mode == mode]
        report.row(
            candidate=mode,
            rollouts=len(those),
            right=sum(one.right for one in those),
            failed_requests=sum(tally.failed_by[one.state.candidate or ""] for one in those),
            mean_seconds=sum(one.seconds for one in those) / len(those),
            last_reason=those[-1].state.reason,
        )
    report.row(requests=tally.requests, failed=tally.failed, slowest_seconds=tally.slowest)
    report.equal("right verdicts", sum(one.right for one in ended), count)
    report.equal("not terminal", sum(one.state.active for one in ended), 0)
    strange = _strange(tally, ended)
    report.equal("failed requests that were not a bad candidate's own", strange, 0)
    report.at_most(
        "from rollback to the last answer of the candidate", back, MOST_SECONDS_BACK, "s"
    )


def _strange(tally: Tally, ended: list[Ended]) -> int:
    own = {one.state.candidate or "" for one in ended if one.mode in BAD}
    return tally.failed - sum(tally.failed_by[name] for name in own)


async def _measure(count: int) -> tuple[list[Ended], Tally, float]:
    async with stage() as here:
        async with traffic(lambda: here.local.get(SUBJECT), PER_SECOND) as tally:
            bad = cycle(BAD)
            ended = []
            for number in range(1, count + 1):
                mode = next(bad) if number % BAD_EVERY == 0 else "good"
                ended.append(await _roll(here, mode, number))
                _say(ended[-1], number, tally)
        await _roll(here, "good", count + 1)
        return ended, tally, await _back(here)


async def _roll(here: Stage, mode: str, number: int) -> Ended:
    """Run one to its end; one that does not come to it within the patience is a finding too."""
    before, began = await here.state(), time.monotonic()
    await here.change(mode, number)
    try:
        await here.local.until(lambda: here.ended(before), f"rollout {number} ends", PATIENCE)
    except CannotMeasure as late:
        print(f"{mode}: {late}", file=sys.stderr)
    state = await here.state()
    assert state is not None  # noqa: S101 - it was adopted
    return Ended(mode, state, time.monotonic() - began)


def _say(one: Ended, number: int, tally: Tally) -> None:
    """Tell who waits for an hour how far it is, and at once when something is not right."""
    mark = "" if one.right else f"  WRONG: {one.state.reason}"
    text = f"{number} {one.mode}: {one.state.phase.value} in {one.seconds:.1f} s, "
    print(f"{text}{tally.failed} of {tally.requests} failed{mark}", file=sys.stderr, flush=True)


async def _back(here: Stage) -> float:
    """Roll a promotion back; return the seconds until the candidate answered last."""
    state = await here.state()
    assert state is not None  # noqa: S101 - it was promoted
    words = {"metadata": {"annotations": {COMMAND: f"abort {state.candidate}"}}}
    last = began = time.monotonic()
    await here.local.kube.patch(SERVICES, SUBJECT, words)
    while time.monotonic() < began + 5 * MOST_SECONDS_BACK:
        answer = await here.local.get(SUBJECT)
        if answer.headers.get("x-revision") == state.candidate:
            last = time.monotonic()
    return last - began
