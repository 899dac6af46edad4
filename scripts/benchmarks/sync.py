"""Fetching a model from a range server on loopback, hashing on, beside other tools; and its successor.

Ours is compared with the fastest of the others twice: when it hashes, too, and when it does not.
Sizes in MB by `--sizes 430 2000`, `--rounds 5`, medians. boto3 is this environment's; the others' is made once and
kept in the temporary folder, or given by `--peers PYTHON`, of which those take part that it can import.
Each has a process of its own, and no one flushes to disk; a release (the last table) is flushed.
The server is nginx: no Python there.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import numpy as np
from safetensors.numpy import save

from functions.model_sync.transfer import Transfer
from functions.registry.cache import ModelCache
from functions.registry.paths import MANIFEST
from functions.registry.publish import describe
from functions.registry.store import ModelStore, connect
from knative.local.processes import server_port
from scripts.benchmarks import environments, sync_one
from scripts.benchmarks.harness import ROOT, CannotMeasure, Options, Report

BUCKET = "bench"
SHARDS = 10
MEGABYTE = 10**6
HASH_ALONE = "sha256 of the cached file"
PAUSE = 3
"""Seconds before each turn, so that all find the machine alike: what was free was taken from it."""
MEMORY_GOAL, SUCCESSOR_GOAL = 150, 0.15
_CONFIG = """
daemon off; pid {root}/pid; error_log {root}/errors; worker_processes 2;
events {{ worker_connections 256; }}
http {{
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000;
  client_body_temp_path {root}/t1; proxy_temp_path {root}/t2; fastcgi_temp_path {root}/t3;
  uwsgi_temp_path {root}/t4; scgi_temp_path {root}/t5;
  server {{ listen 127.0.0.1:{port}; root {root}/www; }}
}}
"""


@dataclass(frozen=True, slots=True)
class Server:
    """nginx over the folder `www`."""

    root: Path
    endpoint: str

    @property
    def models(self) -> Path:
        """The bucket's releases."""
        return self.root / "www" / BUCKET / "models"


def run(report: Report, options: Options) -> None:
    """Measure every tool in turn, several times, and the successor of a release."""
    parser = argparse.ArgumentParser(prog="./scripts/bench sync")
    parser.add_argument("--sizes", type=int, nargs="+", default=[430, 2000])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peers")
    chosen = parser.parse_args(options.rest)
    peers = chosen.peers or str(environments.python("sync", sync_one.PACKAGES))
    with TemporaryDirectory() as scratch, nginx(Path(scratch)) as server:
        for size in chosen.sizes:
            _beside_others(report, server, size, _rounds(peers, chosen.rounds))
            _successor(report, server, size, chosen.rounds)
            shutil.rmtree(server.models)


@contextmanager
def nginx(root: Path) -> Iterator[Server]:
    """Run a server of our own on a free port."""
    binary = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if not binary:
        raise CannotMeasure("nginx is missing: apt-get install nginx-light, or brew install nginx")
    server = Server(root, f"http://127.0.0.1:{(port := server_port())}")
    server.models.mkdir(parents=True)
    os.chmod(root, 0o755)  # noqa: PTH101,S103 - its workers are another user's
    (root / "conf").write_text(_CONFIG.format(root=root, port=port))
    command = [binary, "-c", str(root / "conf"), "-e", str(root / "errors")]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        _wait(server, process)
        yield server
    finally:
        process.terminate()
        process.wait()


def _wait(server: Server, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and process.poll() is None:
        try:
            httpx.get(server.endpoint, trust_env=False)
        except httpx.TransportError:
            time.sleep(0.02)
        else:
            return
    raise CannotMeasure(f"nginx did not start: {(server.root / 'errors').read_text()[-500:]}")


def _rounds(peers: str, count: int) -> list[list[tuple[str, str]]]:
    """Return each round's tools with their Pythons; every round another one begins."""
    own = {"ours", "boto3"}
    tools = [(name, sys.executable if name in own else peers) for name in sync_one.TOOLS]
    return [tools[turn % len(tools) :] + tools[: turn % len(tools)] for turn in range(count)]


def _beside_others(
    report: Report, server: Server, size: int, rounds: Sequence[Sequence[tuple[str, str]]]
) -> None:
    file = server.models / "one-v1.0.0" / "model.safetensors"
    file.parent.mkdir(parents=True)
    _random_file(file, size * MEGABYTE)
    found: dict[str, list[dict[str, float]]] = {name: [] for name in sync_one.TOOLS}
    for name, python in chain.from_iterable(rounds):
        found[name].extend(_one(server, name, python))
    for name in filter(found.get, found):
        _row(report, name, size, found[name])
    alone = [{"hashed": sync_one.hashing(file), "memory": 0} for _ in range(3)]
    _row(report, HASH_ALONE, size, alone)
    for theirs in ("hashed", "fetched"):
        _beside_fastest(report, size, found, theirs)
    memory = max(item["memory"] for item in found["ours"]) / MEGABYTE
    report.at_most(f"{size} MB: memory over the base", memory, MEMORY_GOAL, "MB")


def _one(server: Server, name: str, python: str) -> list[dict[str, float]]:
    target = server.root / "target"
    key = "models/one-v1.0.0/model.safetensors"
    command = [python, "-m", sync_one.__name__, name, server.endpoint, BUCKET, key, str(target)]
    environ = {**os.environ, **sync_one.KEYS}
    time.sleep(PAUSE)
    done = subprocess.run(
        command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False
    )
    if done.returncode == sync_one.UNAVAILABLE:
        return []
    if done.returncode:
        raise CannotMeasure(f"{name}: {done.stderr[-500:]}")
    return [json.loads(done.stdout)]


def _row(report: Report, name: str, size: int, rounds: list[dict[str, float]]) -> None:
    report.row(
        tool=name,
        size_MB=size,
        MB_per_second_hashed=size / _middle(rounds, "hashed"),
        MB_per_second_unhashed=None
        if name in {"ours", HASH_ALONE}
        else size / _middle(rounds, "fetched"),
        memory_MB=max(item["memory"] for item in rounds) / MEGABYTE,
    )


def _beside_fastest(
    report: Report, size: int, found: Mapping[str, list[dict[str, float]]], theirs: str
) -> None:
    others = {name: _middle(items, theirs) for name, items in found.items() if items}
    ours = _middle(found["ours"], "hashed")
    if len(others) > 1:
        name = min(others.keys() - {"ours"}, key=lambda name: others[name])
        goal = f"{size} MB: ours, hashed / fastest, {'un' * (theirs != 'hashed')}hashed ({name})"
        report.at_least(goal, others[name] / ours, 1)


def _middle(rounds: list[dict[str, float]], what: str) -> float:
    return statistics.median(item[what] for item in rounds)


def _successor(report: Report, server: Server, size: int, rounds: int) -> None:
    """Sync a release of ten shards, then one that has nine of them."""
    _release(server, "1.0.0", size)
    _release(server, "1.1.0", size, shared=server.models / "ner-v1.0.0")
    store = ModelStore(connect("s3", sync_one.KEYS | {"AWS_ENDPOINT_URL": server.endpoint}), BUCKET)
    firsts, seconds = [], []
    for number in range(rounds):
        cache = ModelCache(server.root / f"cache{number}")
        firsts.append(_timed(store, cache, "ner-v1.0.0"))
        seconds.append(_timed(store, cache, "ner-v1.1.0"))
        shutil.rmtree(cache.root)
    first, second = statistics.median(firsts), statistics.median(seconds)
    ratio = second / first
    whole = {"first_sync_s": first, "second_sync_s": second, "ratio": ratio}
    report.row(release_MB=size, shared="90 %", **whole)
    report.at_most(f"{size} MB: a successor that shares 90 %", ratio, SUCCESSOR_GOAL, "of the time")


def _timed(store: ModelStore, cache: ModelCache, folder: str) -> float:
    """Return the seconds of one sync; the same one comes before it, unmeasured, as with one file."""
    manifest = store.manifest(folder)
    time.sleep(PAUSE)
    unmeasured = Transfer(store, cache).run(manifest)
    shutil.rmtree(unmeasured.path)
    cache.record_path(manifest.name, manifest.version).unlink()
    started = time.monotonic()
    Transfer(store, cache).run(manifest)
    return time.monotonic() - started


def _release(server: Server, version: str, size: int, shared: Path | None = None) -> None:
    folder = server.models / f"ner-v{version}"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"id2label": {"0": "O"}}))
    (folder / "tokenizer.json").write_text("{}")
    (folder / "golden.jsonl").write_text('{"text": "a", "entities": []}\n')
    for number in range(SHARDS):
        name = f"model-{number}.safetensors"
        if shared and number:
            (folder / name).hardlink_to(shared / name)
        else:
            content = np.frombuffer(os.urandom(size * MEGABYTE // SHARDS), np.uint8)
            (folder / name).write_bytes(save({"weights": content}))
    head: dict[str, Any] = {"schema": 1, "name": "ner", "version": version, "framework": "none"}
    head |= {"task": "token-classification", "service": "ner", "golden": "golden.jsonl"}
    (folder / "release.json").write_text(json.dumps(head))
    (folder / MANIFEST).write_bytes(describe(folder, datetime.now(UTC)).to_bytes())


def _random_file(path: Path, size: int) -> None:
    with path.open("wb") as file:
        for start in range(0, size, MEGABYTE):
            file.write(os.urandom(min(MEGABYTE, size - start)))
