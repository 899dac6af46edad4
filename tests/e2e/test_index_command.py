"""`marketresearch index` against a whole platform: it wakes embed-rebuild and says what it says."""

import json
import os
import subprocess
import sys
from pathlib import Path

from scripts.laptop.process import ROOT, Running
from scripts.laptop.provision import NAMESPACE


def index(running: Running, *words: str) -> subprocess.CompletedProcess[str]:
    bin_folder = Path(sys.executable).parent
    env = {"MARKETRESEARCH_DATA": str(running.data), "PATH": f"{bin_folder}:{os.environ['PATH']}"}
    command = ["scripts/marketresearch", "index", *words, "-n", NAMESPACE]
    done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    return done


def test_status_rebuild_and_a_refused_rollback(laptop: Running) -> None:
    built = index(laptop, "rebuild", "--json")
    assert built.returncode == 0, built.stderr
    shown = index(laptop, "status", "--json")
    found = json.loads(shown.stdout)
    (current,) = [one for one in found["kept"] if one["current"]]
    assert current["documents"] >= 40
    assert f"* {current['generation']}" in index(laptop, "status").stdout
    again = index(laptop, "rebuild")
    assert "nothing changed" in again.stdout
    refused = index(laptop, "rollback", "no-such-generation")
    assert refused.returncode == 1
    assert "404" in refused.stderr
    assert "not kept" in refused.stderr
