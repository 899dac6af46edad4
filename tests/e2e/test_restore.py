"""Everything but the bucket is lost: an empty machine gets it back, and answers as it did before."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from functions.model_sync.transfer import verify
from functions.registry.cache import ModelCache
from scripts.laptop.process import ROOT, Running, platform
from scripts.laptop.provision import NAMESPACE, QUESTION, Contents, ask, provision
from tests.support.subscriber import eventually

OVERLAY = Contents(overlay=ROOT / "knative/overlays/demo")


def command(running: Running, *words: str) -> Any:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    env = {"MARKETRESEARCH_DATA": str(running.data), "PATH": path}
    options = ("-n", NAMESPACE, "--json")
    done = subprocess.run(
        [*words, *options], env=env, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def bucket_alone(data: Path, into: Path) -> None:
    """What a bucket of its own would have survived: objects, and settings of bucket and queue."""
    (into / "s3").mkdir(parents=True)
    shutil.copytree(data / "s3/objects", into / "s3/objects", copy_function=os.link)
    shutil.copy(data / "s3/settings.json", into / "s3/settings.json")


def wipe(running: Running) -> None:
    for volume in ("models", "index"):
        for path in (running.data / "volumes" / volume).iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()


async def test_backup_wipe_restore_and_the_same_question_has_the_same_answer(
    laptop: Running, tmp_path: Path
) -> None:
    index, models = ("scripts/marketresearch", "index"), ("scripts/marketresearch", "models")
    command(laptop, *index, "rebuild")
    backed_up = command(laptop, *index, "backup")["backed_up"]
    before = ask(laptop.gateway_port, QUESTION).json()
    assert before["index"]["generation"] in backed_up
    bucket_alone(laptop.data, tmp_path / "data")

    with platform(tmp_path / "data", 0, os.environ) as empty:
        provision(empty, OVERLAY, print)
        begun = time.monotonic()
        restored = command(empty, "scripts/restore", "--timeout", "150")
        await eventually(lambda: ask(empty.gateway_port, QUESTION).status_code == 200, 60)
        seconds = time.monotonic() - begun
        print(f"it answers {seconds:.1f} s after it was asked to")  # noqa: T201 - no rule, but told
        after = ask(empty.gateway_port, QUESTION).json()
        served = command(empty, *models, "list")

        wipe(empty)  # and now the volumes only: what serves goes on serving
        again = command(empty, "scripts/restore", "--timeout", "150")
        assert command(empty, *models, "list") == served
        releases = ModelCache(empty.data / "volumes/models").releases()
        assert releases
        assert [verify(release) for release in releases] == [[] for _ in releases]

    assert restored["ok"]
    assert again["ok"]
    assert again["index"] == restored["index"]
    assert {one["generation"] for one in restored["index"]} <= set(backed_up)
    assert after["index"] == before["index"]
    for part in ("answer", "citations"):
        assert after[part] == before[part]
