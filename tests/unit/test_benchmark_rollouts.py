"""The benchmark of rollouts in a row: its model is bad as told, and only right endings are right."""

import asyncio
import os
import sys
from collections import Counter

import httpx
import pytest

from knative.local.processes import server_port
from knative.serving import policy
from knative.serving.state import State
from knative.serving.table import Phase
from scripts.benchmarks.rollouts import BAD, Ended, _subject


@pytest.mark.parametrize(("mode", "failed"), [("good", 0), ("errors", 3)])
async def test_the_fake_model_fails_as_it_was_told(mode: str, failed: int) -> None:
    port = server_port()
    environ = {**os.environ, "PORT": str(port), "MODE": mode, "K_REVISION": "a-1"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "scripts.benchmarks.fake_model", env=environ
    )
    url = f"http://127.0.0.1:{port}"
    async with httpx.AsyncClient(base_url=url, trust_env=False) as http, asyncio.timeout(20):
        while not await answers(http):
            await asyncio.sleep(0.02)
        seen = Counter([(await http.get("/")).status_code for _ in range(9)])
        assert (await http.get("/")).headers["x-revision"] == "a-1"
    process.terminate()
    await process.wait()
    assert seen[500] == failed


async def answers(http: httpx.AsyncClient) -> bool:
    try:
        return (await http.get("/health/ready")).is_success
    except httpx.TransportError:
        return False


@pytest.mark.parametrize("mode", ["good", *BAD])
@pytest.mark.parametrize("phase", [Phase.SUCCEEDED, Phase.FAILED, Phase.SUPERSEDED])
def test_right_is_a_good_one_promoted_and_a_bad_one_rolled_back(mode: str, phase: Phase) -> None:
    wanted = Phase.SUCCEEDED if mode == "good" else Phase.FAILED
    assert Ended(mode, State(phase, "t"), 1.0).right is (phase is wanted)


def test_its_policy_is_one_and_each_candidate_is_another_template() -> None:
    assert policy.parse(_subject("good", 1)["metadata"]["annotations"][policy.ANNOTATION])
    assert _subject("good", 1)["spec"]["template"] != _subject("good", 2)["spec"]["template"]
