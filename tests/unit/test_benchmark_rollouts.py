"""The benchmark of rollouts in a row: its model is bad as told, and only right endings are right."""

import asyncio
import os
import sys
from collections import Counter
from pathlib import Path

import httpx
import pytest

from functions.registry.cache import ModelCache
from functions.rollout import golden
from functions.rollout.golden import Endpoint
from knative.local.processes import server_port
from knative.serving import policy
from knative.serving.objects import DIGEST
from knative.serving.state import State
from knative.serving.table import Phase
from scripts.benchmarks.rollout_stage import GOLDEN, release, subject
from scripts.benchmarks.rollouts import BAD, Ended, _strange
from scripts.story.load import Tally


@pytest.mark.parametrize(
    ("mode", "failed", "f1"), [("good", 0, 1), ("errors", 3, 1), ("worse", 0, 0)]
)
async def test_the_fake_model_is_bad_as_it_was_told(
    tmp_path: Path, mode: str, failed: int, f1: float
) -> None:
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
        path = ModelCache(tmp_path).entry_path(release(ModelCache(tmp_path), 1).digest)
        examples = golden.read(path / GOLDEN)
        said = await golden.ask(Endpoint(http, url, 16), examples)
        assert golden.f1([example.entities for example in examples], said.entities) == f1
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


def test_its_policy_is_one_and_each_candidate_is_a_release_of_its_own(tmp_path: Path) -> None:
    models = [release(ModelCache(tmp_path), number) for number in (1, 2)]
    services = [subject("good", model) for model in models]
    assert policy.parse(services[0]["metadata"]["annotations"][policy.ANNOTATION])
    digests = {s["spec"]["template"]["metadata"]["annotations"][DIGEST] for s in services}
    assert len(digests) == 2
    assert {ModelCache(tmp_path).release(digest).digest for digest in digests} == digests


def test_a_request_that_a_good_candidate_or_nobody_failed_is_strange() -> None:
    tally = Tally()
    for revision in ("bad-1", "bad-1", "good-1", "gateway"):
        tally.count(500, revision, "")
    ended = [
        Ended("errors", State(Phase.FAILED, "t", candidate="bad-1"), 1.0),
        Ended("good", State(Phase.SUCCEEDED, "t", candidate="good-1"), 1.0),
    ]
    assert _strange(tally, ended) == 2
