"""Rollouts in a row under load on the local platform, a third of them bad in different ways.

`--count N`, 12 unless said otherwise. Callers ask 50 times a second all the while. Each candidate is
a changed environment of one Service, judged by the rollout function itself over Broker, Trigger and
PingSource. At the end a promotion is rolled back within its warm window.
"""

import argparse
import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import cycle
from typing import Any

from knative.serving import policy
from knative.serving import state as states
from knative.serving.client import SERVICES, Resource
from knative.serving.observation import COMMAND
from knative.serving.state import State
from knative.serving.table import Phase
from scripts.benchmarks.harness import Options, Report
from scripts.benchmarks.laptop import NAMESPACE, Laptop, laptop, service
from scripts.story.load import Tally, traffic

COUNT, PER_SECOND, BAD_EVERY = 12, 50.0, 3
BAD = ("errors", "slow", "crash", "mute")
SUBJECT, ROLLOUT = "subject", "rollout"
BROKER = f"http://broker-ingress.knative-eventing.svc.cluster.local/{NAMESPACE}/default"
METRICS = "http://request-metrics.knative-serving.svc.cluster.local/metrics"
POLICY = {
    "steps": [10, 50, 100],
    "step_interval_seconds": 2,
    "min_samples": 20,
    "start_deadline_seconds": 12,
    "max_inconclusive_seconds": 30,
    "warm_window_seconds": 20,
}
PATIENCE = 120.0
MOST_SECONDS_BACK = 1.0
_EVENTING = {"group": "eventing.knative.dev", "version": "v1"}
BROKERS = Resource(**_EVENTING, plural="brokers", kind="Broker")
TRIGGERS = Resource(**_EVENTING, plural="triggers", kind="Trigger")
API_SERVER_SOURCES = Resource("sources.knative.dev", "v1", "apiserversources", "ApiServerSource")


@dataclass(frozen=True, slots=True)
class Ended:
    """One rollout: what the candidate was, how it ended, and how long it took."""

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
            seconds=sum(one.seconds for one in those) / len(those),
            last_reason=those[-1].state.reason,
        )
    own = {one.state.candidate or "" for one in ended if one.mode in BAD}
    strange = tally.failed - sum(tally.failed_by[name] for name in own)
    report.row(requests=tally.requests, failed=tally.failed, slowest_seconds=tally.slowest)
    report.equal("right verdicts", sum(one.right for one in ended), count)
    report.equal("not terminal", sum(one.state.active for one in ended), 0)
    report.equal("failed requests that were not a bad candidate's own", strange, 0)
    report.at_most(
        "from rollback to the last answer of the candidate", back, MOST_SECONDS_BACK, "s"
    )


async def _measure(count: int) -> tuple[list[Ended], Tally, float]:
    async with _stage() as local:
        async with traffic(lambda: local.get(SUBJECT), PER_SECOND) as tally:
            bad = cycle(BAD)
            ended = []
            for number in range(1, count + 1):
                mode = next(bad) if number % BAD_EVERY == 0 else "good"
                ended.append(await _roll(local, mode, number))
        await _roll(local, "good", count + 1)
        return ended, tally, await _back(local)


@asynccontextmanager
async def _stage() -> AsyncIterator[Laptop]:
    """Put up the Service, the rollout function and what wakes it."""
    async with laptop() as local:
        for resource, name, spec in (
            (BROKERS, "default", {}),
            (TRIGGERS, ROLLOUT, {"broker": "default", "subscriber": _ref(ROLLOUT), **_FILTERS}),
            (API_SERVER_SOURCES, "services", _SOURCE),
        ):
            kind = {"apiVersion": resource.api_version, "kind": resource.kind}
            await local.kube.create(resource, {**kind, "metadata": {"name": name}, "spec": spec})
        await local.kube.create(SERVICES, _rollout(str(local.running.data)))
        await local.until(lambda: local.ready(ROLLOUT), f"{ROLLOUT} is ready")
        await local.create(_subject("good", 0))
        await local.until(lambda: _ended(local, None), "the Service is adopted")
        yield local


async def _roll(local: Laptop, mode: str, number: int) -> Ended:
    before, began = (await _state(local)), time.monotonic()
    template = _subject(mode, number)["spec"]["template"]
    await local.kube.patch(SERVICES, SUBJECT, {"spec": {"template": template}})
    await local.until(lambda: _ended(local, before), f"rollout {number} ({mode}) ends", PATIENCE)
    state = await _state(local)
    assert state is not None  # noqa: S101 - it has ended
    return Ended(mode, state, time.monotonic() - began)


async def _back(local: Laptop) -> float:
    """Roll a promotion back; return the seconds until the candidate answered last."""
    state = await _state(local)
    assert state is not None  # noqa: S101 - it was promoted
    words = {"metadata": {"annotations": {COMMAND: f"abort {state.candidate}"}}}
    last = began = time.monotonic()
    await local.kube.patch(SERVICES, SUBJECT, words)
    while time.monotonic() < began + 5 * MOST_SECONDS_BACK:
        answer = await local.get(SUBJECT)
        if answer.headers.get("x-revision") == state.candidate:
            last = time.monotonic()
    return last - began


async def _state(local: Laptop) -> State | None:
    return states.of(await local.kube.get(SERVICES, SUBJECT))


async def _ended(local: Laptop, before: State | None) -> bool:
    """Whether a rollout other than `before` has come to its end."""
    now = await _state(local)
    if now is None or now.active:
        return False
    return before is None or now.started > before.started


def _subject(mode: str, number: int) -> dict[str, Any]:
    command = ("python", "-m", "scripts.benchmarks.fake_model")
    env = {"MODE": mode, "NUMBER": str(number)}
    made = service(SUBJECT, command, env=env, min_scale="1")
    made["metadata"]["annotations"] = {policy.ANNOTATION: json.dumps(POLICY)}
    return made


def _rollout(cache: str) -> dict[str, Any]:
    env = {
        "BROKER_URL": BROKER,
        "REQUEST_METRICS_URL": METRICS,
        "MODEL_CACHE_DIR": cache,
        "ROLLOUT_TICK_SCHEDULE": "* * * * * *",
        "ROLLOUT_WARM_SECONDS": "2",
    }
    command = ("python", "-m", "functions.runtime", "functions.rollout.app:function")
    made = service(ROLLOUT, command, concurrency=1, env=env, min_scale="1", max_scale="1")
    container = made["spec"]["template"]["spec"]["containers"][0]
    container["readinessProbe"] = {"httpGet": {"path": "/health/ready"}}
    return made


def _ref(name: str) -> dict[str, Any]:
    return {"ref": {"apiVersion": SERVICES.api_version, "kind": SERVICES.kind, "name": name}}


_FILTERS: dict[str, Any] = {
    "filters": [
        {
            "any": [
                {"exact": {"type": "dev.knative.sources.ping"}},
                {
                    "all": [
                        {"exact": {"type": "dev.knative.apiserver.ref.update"}},
                        {"exact": {"name": SUBJECT}},
                    ]
                },
            ]
        }
    ]
}
_SOURCE: dict[str, Any] = {
    "mode": "Reference",
    "resources": [{"apiVersion": SERVICES.api_version, "kind": SERVICES.kind}],
    "sink": {"ref": {"apiVersion": BROKERS.api_version, "kind": BROKERS.kind, "name": "default"}},
}
