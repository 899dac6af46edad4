"""`kill -9` of the whole platform in the middle of a rollout: started again, it finishes it."""

import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import psutil
import pytest

from knative.serving.table import Phase
from scripts.laptop.process import ROOT, Running, platform
from scripts.laptop.provision import Contents, provision, wait_until_answering
from scripts.story.load import traffic
from scripts.story.rollouts import SENTENCE
from scripts.story.world import World, push_model, world

pytestmark = pytest.mark.timeout(600)
STORY = Contents(overlay=ROOT / "knative/overlays/demo")


def phase_is(here: World, *wanted: Phase) -> Callable[[], Awaitable[bool]]:
    async def holds() -> bool:
        state = await here.rollout("ner")
        return state is not None and state.phase in wanted and "ner" in (state.candidate or "")

    return holds


async def under_traffic_until(running: Running, push: Path | None, *phases: Phase) -> World:
    async with world(running) as here:
        async with traffic(lambda: here.entities(SENTENCE), rate=20):
            if push:
                await push_model(running, push)
            await here.until(phase_is(here, *phases), f"{phases}", 120)
        return here


async def test_a_rollout_interrupted_by_kill_9_is_finished_after_a_restart(
    trained_models: Path, tmp_path: Path
) -> None:
    with platform(tmp_path, 0) as running:
        provision(running, STORY, print)
        wait_until_answering(running, STORY, print)
        await under_traffic_until(running, trained_models / "ner-v1.1.0", Phase.CANARY)
        children = psutil.Process(running.process.pid).children(recursive=True)
        os.kill(running.process.pid, signal.SIGKILL)
        running.process.wait()
        gone, alive = psutil.wait_procs(children, timeout=15)
        assert not alive, [process.cmdline() for process in alive]
        assert gone
    with platform(tmp_path, 0) as running:
        await under_traffic_until(running, None, Phase.SUCCEEDED, Phase.FAILED)
        async with world(running) as here:
            state = await here.rollout("ner")
            assert state is not None
            assert state.phase is Phase.SUCCEEDED, state.reason
            answer = (await here.entities(SENTENCE)).json()
            assert answer["model"] == "ner-v1.1.0"
