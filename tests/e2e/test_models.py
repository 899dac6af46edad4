"""The models commands against a whole platform."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from scripts.laptop.process import ROOT, Running
from scripts.laptop.provision import NAMESPACE


def command(running: Running, *words: str) -> tuple[int, Any]:
    env = {"MARKETRESEARCH_DATA": str(running.data), "PATH": path()}
    done = subprocess.run(words, env=env, cwd=ROOT, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    return done.returncode, json.loads(done.stdout)


def path() -> str:
    return f"{Path(sys.executable).parent}:{os.environ['PATH']}"


def test_sending_the_newest_models_round_again_changes_nothing_that_serves(
    laptop: Running,
) -> None:
    listing = ("scripts/marketresearch", "models", "list", "-n", NAMESPACE, "--json")
    _, before = command(laptop, *listing)
    script = "scripts/redeploy_after_model_upload.sh"
    code, endings = command(laptop, script, NAMESPACE, "--timeout", "120", "--json")
    assert {ending["service"] for ending in endings} == {"ner", "inference"}
    assert code == int(not all(ending["ok"] for ending in endings))
    assert all(ending["ok"] or "refused" in ending["why"] for ending in endings)
    _, after = command(laptop, *listing)
    assert [(r["digest"], r["serving"]) for r in after] == [
        (r["digest"], r["serving"]) for r in before
    ]
    embedder = next(record for record in after if record["name"] == "embedder")
    assert embedder["serving"] == 100


def test_every_release_in_the_cache_is_as_published(laptop: Running) -> None:
    code, found = command(laptop, "scripts/marketresearch", "models", "verify", "--json")
    assert code == 0
    assert {"embedder-v1.0.0", "ner-v1.0.0"} <= set(found["damaged"])


def test_pruning_says_what_it_would_delete_and_never_what_serves(laptop: Running) -> None:
    listing = ("scripts/marketresearch", "models", "list", "-n", NAMESPACE, "--json")
    code, found = command(
        laptop, "scripts/marketresearch", "models", "prune", "-n", NAMESPACE, "--json"
    )
    assert (code, found["deleted"]) == (0, False)
    _, records = command(laptop, *listing)
    serving = {f"{item['name']}-v{item['version']}" for item in records if item["serving"]}
    assert not serving & set(found["releases"])
    assert {"embedder-v1.0.0"} <= serving


def test_a_pinned_version_says_so_until_it_is_let_go(laptop: Running) -> None:
    def pinned() -> set[str]:
        listing = ("scripts/marketresearch", "models", "list", "-n", NAMESPACE, "--json")
        _, records = command(laptop, *listing)
        return {f"{item['name']}-v{item['version']}" for item in records if item["pinned"]}

    for verb, expected in (("pin", {"embedder-v1.0.0"}), ("unpin", set())):
        words = ("scripts/marketresearch", "models", verb, "embedder-v1.0.0", "-n", NAMESPACE)
        code, _ = command(laptop, *words, "--json")
        assert (code, pinned()) == (0, expected)


def test_what_serves_is_named_with_its_revision_and_its_parity(laptop: Running) -> None:
    listing = ("scripts/marketresearch", "models", "list", "-n", NAMESPACE, "--json")
    _, records = command(laptop, *listing)
    embedder = next(record for record in records if record["name"] == "embedder")
    assert any(place.startswith("inference-0000") for place in embedder["places"])
    assert 0 <= embedder["parity"] < 1e-3


def test_a_release_is_loaded_into_another_cache(laptop: Running, tmp_path: Path) -> None:
    load = ("scripts/marketresearch", "models", "load", "--cache", str(tmp_path), "--json")
    folder = laptop.data / "volumes" / "models" / "entries"
    entry = next(folder.iterdir())
    code, found = command(laptop, *load, f"file://{entry}")
    assert (code, found["digest"]) == (0, f"sha256:{entry.name}")
