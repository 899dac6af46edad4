"""What the images are made of: the small one is enough for every function."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.lock import UNREACHED

ROOT = Path(__file__).parents[2]
CONTAINERFILE = (ROOT / "Containerfile").read_text()
HEAVY = {"torch", "transformers", "sentence-transformers", "onnx", "moto", "pytest"}
TAKEN_IF_THERE = {"brotli", "brotlicffi", "pyopenssl", "sniffio", "trio", "zstandard"}
"""What httpx and botocore import where they find it, and do without otherwise."""
IMPORTS = """
import sys
before = set(sys.modules)
import importlib, json, pathlib
from importlib.metadata import packages_distributions
from prometheus_client import REGISTRY
for path in pathlib.Path("functions").glob("*/app.py"):
    for metric in list(REGISTRY._collector_to_names):  # functions never share a process otherwise
        REGISTRY.unregister(metric)
    importlib.import_module(f"functions.{path.parent.name}.app")
import eventing.source, functions.runtime.__main__, functions.runtime.backends_onnx
tops = {name.partition(".")[0] for name in set(sys.modules) - before}
known = packages_distributions()
print(json.dumps(sorted({d.lower().replace("_", "-").replace(".", "-") for top in tops for d in known.get(top, ())[:1]})))
"""


def pinned(image: str) -> dict[str, str]:
    lines = (ROOT / f"requirements-{image}.lock").read_text().splitlines()
    return dict(line.split("==") for line in lines if not line.startswith("#"))


def test_every_function_imports_from_the_small_image_alone() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", IMPORTS],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    used = set(json.loads(done.stdout.splitlines()[-1]))
    assert used - pinned("cpu").keys() - {"marketresearchai"} - TAKEN_IF_THERE == set()
    assert "starlette" in used


def test_the_small_image_has_no_torch_and_the_larger_ones_have_all_of_the_smaller() -> None:
    cpu, gpu, train = pinned("cpu"), pinned("gpu"), pinned("train")
    assert not HEAVY & cpu.keys()
    assert cpu.items() < gpu.items() < train.items()
    assert {"torch", "transformers"} <= gpu.keys()


@pytest.mark.parametrize("image", ["cpu", "gpu", "train"])
def test_no_image_has_what_no_function_reaches(image: str) -> None:
    assert not set(UNREACHED) & pinned(image).keys()
    assert "pip" not in pinned(image)


@pytest.mark.parametrize("image", ["cpu", "gpu", "train"])
def test_what_is_tested_is_what_is_shipped(image: str) -> None:
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    tested = dict(line.split("==") for line in lines if not line.startswith("#"))
    assert pinned(image).items() <= tested.items()


def test_every_target_runs_as_nobody_without_pip_and_with_compiled_code() -> None:
    stages = re.findall(r"^FROM (\S+) AS (\S+)", CONTAINERFILE, re.MULTILINE)
    assert {name for base, name in stages if base == "run"} == {"cpu", "gpu", "train"}
    assert stages[-1][1] == "cpu"
    run = CONTAINERFILE.partition(" AS run\n")[2].partition("FROM")[0]
    assert "USER 65532:65532" in run
    assert "pip install" not in run
    assert CONTAINERFILE.count("compileall") >= 3
    for source in re.findall(r"^COPY (?!--)(\S+) ", CONTAINERFILE, re.MULTILINE):
        assert (ROOT / source).exists(), source
