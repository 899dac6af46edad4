"""ner as the fork server makes it: the same answers, one model open for all of them."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from knative.local.forks import SWITCH, Forks
from knative.local.pods_env import ROOT
from knative.local.processes import Process, Spawn, server_port
from tests.support.data_plane import until
from tests.support.ner_cache import tiny_cache

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks are for Linux")
WORDS = (sys.executable, "-m", "functions.runtime", "functions.ner.app:function")


async def replica(
    forks: Forks, tmp_path: Path, name: str, model: dict[str, str]
) -> tuple[Process, int]:
    port = server_port()
    own = {"PORT": str(port), "METRICS_PORT": str(server_port()), "HOSTNAME": name}
    env = {"PATH": os.environ["PATH"], "BIND_ADDRESS": "127.0.0.1", **own, **model}
    pod = {"metadata": {"uid": name, "annotations": {SWITCH: "true"}}}
    with (tmp_path / "logs" / name).open("ab") as out:
        process = await forks.start(pod, Spawn(name, WORDS, env, ROOT), out)
    async with asyncio.timeout(60):
        while not await ready(port):
            await asyncio.sleep(0.01)
    forks.was_ready(pod)
    return process, port


async def ready(port: int) -> bool:
    try:
        async with httpx.AsyncClient(trust_env=False) as http:
            return (await http.get(f"http://127.0.0.1:{port}/health/ready")).is_success
    except httpx.TransportError:
        return False


async def entities(port: int) -> Any:
    async with httpx.AsyncClient(trust_env=False) as http:
        url = f"http://127.0.0.1:{port}/v1/entities"
        return (await http.post(url, json={"texts": ["Anna met Bosch in Rome."]})).json()


async def test_forked_replicas_answer_alike_have_a_start_of_their_own_and_share_memory(
    tmp_path: Path,
) -> None:
    (tmp_path / "logs").mkdir()
    cache, digest = tiny_cache(tmp_path / "ner")
    model = {"MODEL_CACHE_DIR": str(cache), "MODEL_DIGEST": digest}
    forks = Forks(tmp_path)
    plain, first = await replica(forks, tmp_path, "plain", model)
    await until(lambda: bool(forks._servers) or bool(forks.starts["refused"]))
    forked, second = await replica(forks, tmp_path, "forked", model)
    try:
        assert forks.starts == {"plain": 1, "forked": 1}
        assert await entities(first) == await entities(second)
        started = (psutil.Process(one.pid).create_time() for one in (plain, forked))
        assert next(started) < next(started)
        assert '"cold_start"' in (tmp_path / "logs" / "forked").read_text()
        own = psutil.Process(forked.pid).memory_full_info()
        assert own.uss < psutil.Process(plain.pid).memory_full_info().uss
    finally:
        await plain.stop(5)
        assert await forked.stop(5) == -15  # it drained, and ended by the signal
        await forks.close()
