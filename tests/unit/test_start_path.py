"""What a function imports to start is all that it needs to start: heavy libraries wait for their use.

Each is imported in a process of its own, as its Pod does; a module that is not allowed there is named.
"""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EVERYWHERE = frozenset(
    (
        "torch",
        "transformers",
        "sentence_transformers",
        "onnx",
        "chromadb",
        "openai",
        "pypdf",
        "moto",
    )
) | frozenset(("kubernetes", "functions_framework", "typer", "sqlalchemy", "pandas", "envoy"))
WITHOUT_S3 = frozenset(("boto3", "botocore"))
WITHOUT_A_MODEL = frozenset(("numpy", "tokenizers", "onnxruntime"))
FORBIDDEN = {
    "inference": EVERYWHERE | WITHOUT_S3 | {"onnxruntime"},
    "ner": EVERYWHERE | WITHOUT_S3 | {"onnxruntime"},
    "embed_rebuild": EVERYWHERE | {"onnxruntime"},
    "model_sync": EVERYWHERE | WITHOUT_A_MODEL,
    "rollout": EVERYWHERE | WITHOUT_S3 | WITHOUT_A_MODEL,
    "warmer": EVERYWHERE | WITHOUT_S3 | WITHOUT_A_MODEL,
    "s3_events": EVERYWHERE | WITHOUT_S3 | WITHOUT_A_MODEL,
    "event_log": EVERYWHERE | WITHOUT_S3 | WITHOUT_A_MODEL,
}
FUNCTIONS = sorted(path.parent.name for path in (ROOT / "functions").glob("*/main.py"))


def imported(module: str) -> set[str]:
    """Return the top-level names of all modules that importing `module` loads."""
    code = f"import sys, {module}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_every_function_has_its_list() -> None:
    assert set(FORBIDDEN) == set(FUNCTIONS)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_nothing_heavy_is_imported_on_the_way_to_a_start(name: str) -> None:
    assert imported(f"functions.{name}.app") & FORBIDDEN[name] == set()


def test_the_server_itself_imports_nothing_heavy() -> None:
    assert imported("functions.runtime.__main__") & (EVERYWHERE | WITHOUT_S3 | WITHOUT_A_MODEL) == (
        set()
    )
