"""A rebuild of the index against its encoder alone, against one with 1 % changed, and a usual loop.

20,000 chunks of short notes, or `--chunks N`, go through moto's S3, our rebuild and Chroma. The loop
(embed_loop.py) runs on a tenth of them, and embeds no sentences, which ours does for its citations.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import boto3

from functions.embed_rebuild import content
from functions.embed_rebuild.corpus import Bucket
from functions.embed_rebuild.documents import parse
from functions.embed_rebuild.rebuild import rebuild
from functions.index.chunks import Chunk, chunks
from functions.index.embedder import Embedder, open_embedder
from functions.index.store import IndexStore
from functions.registry.publish import describe
from knative.local.processes import server_port
from scripts import make_embedder
from scripts.benchmarks import embed_corpus, embed_loop
from scripts.benchmarks.harness import ROOT, CannotMeasure, Options, Report

CHUNKS = 20_000
CHANGED = 0.01
SAMPLE = 0.1
"""The share of all texts that the encoder alone runs over before the rebuild, and again after it."""
LOOP = 0.1
RELEASE = ROOT / "models" / "embedder-v1.0.0"
NAME = "bench"
KEYS = {"aws_access_key_id": "x", "aws_secret_access_key": "x", "region_name": "us-east-1"}
PATIENCE = 30.0
Objects = Sequence[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class Bench:
    """An S3 client, an empty store, and an embedder that runs as fast as it ever will."""

    s3: Any
    store: IndexStore
    embedder: Embedder

    def put(self, objects: Objects) -> None:
        """Upload."""
        for key, body in objects:
            self.s3.put_object(Bucket=NAME, Key=key, Body=body)

    def rebuild(self) -> tuple[float, int]:
        """Rebuild; return the seconds, and how many chunks were embedded."""
        bucket, begun = Bucket(NAME, "documents/", self.s3), time.monotonic()
        report = rebuild(self.store, bucket, self.embedder, datetime.now(UTC))
        return time.monotonic() - begun, 0 if report is None else report.embedded

    def alone(self, texts: Sequence[str]) -> float:
        """Return the tokens a second of the encoder alone: one call, batches sorted by length."""
        begun = time.monotonic()
        self.embedder.embed(texts)
        seconds = time.monotonic() - begun
        return self.tokens(texts) / seconds

    def tokens(self, texts: Sequence[str]) -> int:
        """Count the tokens that the encoder sees."""
        return sum(map(len, self.embedder.tokenizer.encode_batch(list(texts))))


def run(report: Report, options: Options) -> None:
    """Rebuild everything, 1 %, and nothing; then let the loop do it."""
    parser = argparse.ArgumentParser(prog="./scripts/bench embed")
    parser.add_argument("--chunks", type=int, default=CHUNKS)
    count: int = parser.parse_args(options.rest).chunks
    with TemporaryDirectory() as scratch, _s3(Path(scratch)) as s3:
        bench = Bench(s3, IndexStore(Path(scratch) / "index"), _embedder())
        known = _ours(report, bench, count, options.seed)
        texts = [chunk.embedded_text for chunk in known[: round(LOOP * len(known))]]
        _loop(report, Path(scratch), texts, bench.tokens(texts) / len(texts))


def _ours(report: Report, bench: Bench, count: int, seed: int) -> list[Chunk]:
    objects = list(embed_corpus.objects(count, seed))
    bench.put(objects)
    known = [chunk for key, body in objects for one in parse(key, body)[0] for chunk in chunks(one)]
    texts = list(dict.fromkeys(content.texts(known)))
    before = bench.alone(_sample(texts, seed))
    whole, embedded = bench.rebuild()
    after = bench.alone(_sample(texts, seed + 1))
    per_chunk = bench.tokens(texts) / len(known)
    alone = (before + after) / 2
    for name, rate in (("encoder alone, before", before), ("encoder alone, after", after)):
        part = SAMPLE * len(known)
        _row(report, name, (part, part), part * per_chunk / rate, per_chunk)
    _row(report, "ours: everything", (count, embedded), whole, per_chunk)
    bench.put(embed_corpus.changed(count, seed, CHANGED))
    little, changed = bench.rebuild()
    _row(report, "ours: 1 % changed", (count, changed), little)
    _row(report, "ours: nothing changed", (count, 0), bench.rebuild()[0])
    made = bench.store.manifest(bench.embedder.digest)
    report.at_least("everything, to the encoder alone", per_chunk * embedded / whole / alone, 0.9)
    report.at_most("1 % changed, to everything", little / whole, 0.03)
    report.at_least("recall@10 after both", made.recall if made else 0.0, 0.95)
    return known


def _loop(report: Report, scratch: Path, texts: Sequence[str], per_chunk: float) -> None:
    (scratch / "texts.json").write_text(json.dumps(texts))
    arguments = [str(RELEASE), str(scratch / "texts.json"), str(scratch / "loop")]
    command = [sys.executable, "-W", "ignore", "-m", embed_loop.__name__, *arguments]
    environ = {**os.environ, "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise CannotMeasure(f"the loop does not run here: {done.stderr[-500:]}")
    first, again = json.loads(done.stdout.splitlines()[-1])
    count = len(texts)
    _row(report, "loop: everything", (count, count), first, per_chunk)
    _row(report, "loop: 1 % changed", (count, count), again, per_chunk)


def _row(
    report: Report,
    what: str,
    chunks: tuple[float, float],
    seconds: float,
    per_chunk: float | None = None,
) -> None:
    """Add a row: `chunks` of the corpus, and of them embedded; a chunk has `per_chunk` tokens."""
    report.row(
        what=what,
        chunks=float(chunks[0]),
        embedded=float(chunks[1]),
        seconds=seconds,
        chunks_s=chunks[0] / seconds,
        tokens_s=None if per_chunk is None else chunks[1] * per_chunk / seconds,
    )


def _sample(texts: Sequence[str], seed: int) -> list[str]:
    return Random(seed).sample(texts, max(1, round(SAMPLE * len(texts))))  # noqa: S311 - a choice of texts


def _embedder() -> Embedder:
    if not (RELEASE / "release.json").exists():
        make_embedder.make(RELEASE)
    manifest = describe(RELEASE, datetime.now(UTC))
    embedder = open_embedder(RELEASE, manifest.digest, str(manifest.version))
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and not getattr(embedder.encoder, "settled", True):
        embedder.embed(["The quick form goes first; what is measured comes after it."] * 8)
    return embedder


@contextmanager
def _s3(scratch: Path) -> Iterator[Any]:
    """Run moto's server, and make the bucket."""
    port = server_port()
    command = [sys.executable, "-m", "knative.local.s3_server", str(scratch / "s3"), str(port)]
    process = subprocess.Popen(command, cwd=ROOT)
    try:
        s3 = boto3.client("s3", endpoint_url=f"http://127.0.0.1:{port}", **KEYS)
        _made(s3, process)
        yield s3
    finally:
        process.terminate()
        process.wait()


def _made(s3: Any, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        try:
            s3.create_bucket(Bucket=NAME)
        except Exception:  # noqa: BLE001 - botocore makes its errors as it goes; it is asked again
            time.sleep(0.05)
        else:
            return
    raise CannotMeasure("moto's S3 server did not start")
