"""What a function imports to start is all that it needs to start: heavy libraries wait for their use.

Each is imported in a process of its own, as its Pod does; a module that is not allowed there is named.
The budget counts modules: seconds would measure the machine.
"""

import json
import os
import socket
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from functions.runtime import lean

ROOT = Path(__file__).resolve().parents[2]
EVERYWHERE = frozenset(
    (
        "torch",
        "transformers",
        "sentence_transformers",
        "onnx",
        "onnxruntime",
        "openvino",
        "chromadb",
        "openai",
        "pypdf",
        "moto",
        "opentelemetry",
        "prometheus_client",
        "rich",
        "websockets",
    )
) | frozenset(("kubernetes", "functions_framework", "typer", "sqlalchemy", "pandas", "envoy"))
WITHOUT_S3 = frozenset(("boto3", "botocore"))
WITHOUT_A_MODEL = frozenset(("numpy", "tokenizers"))
WITHOUT_CALLS = frozenset(("httpx", "cloudevents"))
FORBIDDEN = {
    "inference": EVERYWHERE | WITHOUT_S3 | {"cloudevents"},
    "ner": EVERYWHERE | WITHOUT_S3 | WITHOUT_CALLS,
    "embed_rebuild": EVERYWHERE,
    "model_sync": EVERYWHERE | WITHOUT_A_MODEL,
    "rollout": EVERYWHERE | WITHOUT_S3 | WITHOUT_A_MODEL,
    "warmer": EVERYWHERE | WITHOUT_S3 | WITHOUT_A_MODEL,
    "s3_events": EVERYWHERE | WITHOUT_S3 | WITHOUT_A_MODEL,
    "event_log": EVERYWHERE | WITHOUT_S3 | WITHOUT_A_MODEL | {"httpx"},
    "notify": EVERYWHERE | WITHOUT_S3 | WITHOUT_A_MODEL,
}
BUDGET = {"ner": 410, "inference": 480}
"""Modules, the interpreter's own included; those of other functions wait for nobody."""
FUNCTIONS = sorted(path.parent.name for path in (ROOT / "functions").glob("*/main.py"))


@cache
def imported(module: str) -> frozenset[str]:
    """Return the names of all modules that the server and then `module` load."""
    code = (
        f"import sys, json, functions.runtime.__main__, {module};"
        "print(json.dumps([name for name, module in sys.modules.items() if module]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return frozenset(json.loads(done.stdout))


def libraries(module: str) -> set[str]:
    return {name.partition(".")[0] for name in imported(module)}


def test_every_function_has_its_list() -> None:
    assert set(FORBIDDEN) == set(FUNCTIONS)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_nothing_heavy_is_imported_on_the_way_to_a_start(name: str) -> None:
    assert libraries(f"functions.{name}.app") & FORBIDDEN[name] == set()


@pytest.mark.parametrize("name", BUDGET)
def test_what_people_wait_for_stays_within_its_budget_of_modules(name: str) -> None:
    assert len(imported(f"functions.{name}.app")) <= BUDGET[name]


@pytest.mark.parametrize("name", ["ner", "inference"])
def test_what_is_begun_ahead_needs_no_server(name: str) -> None:
    code = f"import sys, functions.{name}.early; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)
    assert {"numpy", "starlette", "asyncio", "httpx"} & set(done.stdout.decode().split()) == set()


def test_the_server_itself_imports_nothing_heavy() -> None:
    heavy = EVERYWHERE | WITHOUT_S3 | WITHOUT_A_MODEL | WITHOUT_CALLS
    assert libraries("functions.runtime.__main__") & heavy == set()


def test_a_function_has_one_thread_before_it_serves_and_its_runtime_reports_to_nobody() -> None:
    code = (
        "import os, functions.runtime.__main__, functions.runtime.backends_onnx;"
        "print(len(os.listdir('/proc/self/task')), os.environ['ORT_DISABLE_TELEMETRY'])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)
    assert done.stdout.split() == [b"1", b"1"]


def test_garbage_is_looked_for_again_once_a_function_serves() -> None:
    code = (
        "import gc, sys, types, functions.runtime.__main__ as program; gc.disable();"
        "run = lambda: print(gc.isenabled());"
        "program.Server = lambda config: types.SimpleNamespace(run=run, started=True);"
        "sys.argv[1:] = ['functions.ner.app:function']; program.main()"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)
    assert done.stdout.split() == [b"True"]


def test_a_server_that_does_not_start_is_a_failure() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        environ = {**os.environ, "PORT": str(taken.getsockname()[1]), "METRICS_PORT": "0"}
        command = [sys.executable, "-m", "functions.runtime", "functions.event_log.app:function"]
        done = subprocess.run(
            command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False
        )
    assert done.returncode == 3
    assert "address already in use" in done.stdout + done.stderr


def test_what_stood_in_for_an_import_is_the_real_one_afterwards() -> None:
    code = (
        "import functions.runtime.__main__; from functions.runtime import lean; lean.numpy();"
        "import configparser, logging.config, numpy.typing;"
        "configparser.RawConfigParser().read_string('[a]');"
        "logging.config.dictConfig({'version': 1});"
        "print(numpy.typing.NDArray[numpy.int64])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)
    assert b"numpy.ndarray" in done.stdout


def test_what_is_there_already_stays() -> None:
    import configparser  # noqa: PLC0415 - the module itself is what is looked at

    with lean.briefly("configparser", "RawConfigParser"):
        assert sys.modules["configparser"] is configparser
    assert sys.modules["configparser"] is configparser
