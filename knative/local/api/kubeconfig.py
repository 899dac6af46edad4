"""Kubeconfig files: how clients, and the processes of the platform, find and enter the API.

The token is made once for a data directory and kept, readable by its owner alone, so a kubeconfig
stays good when the platform starts again.
"""

import base64
import json
import os
import secrets
from datetime import UTC, datetime
from pathlib import Path

from knative.local.api.tls import certificate

NAMESPACE = "marketresearch"


def load_token(data: Path) -> str:
    """Return the data directory's bearer token; make it the first time."""
    path = data / "token"
    if not path.exists():
        _write(path, secrets.token_urlsafe(32))
    return path.read_text(encoding="ascii")


def write_kubeconfig(data: Path, api_port: int, token: str) -> Path:
    """Write the person's kubeconfig."""
    authority = certificate(data, datetime.now(UTC))[0].read_bytes()
    cluster = {
        "server": f"https://127.0.0.1:{api_port}",
        "certificate-authority-data": base64.b64encode(authority).decode(),
    }
    context = {"cluster": "local", "user": "local", "namespace": NAMESPACE}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "local",
        "clusters": [{"name": "local", "cluster": cluster}],
        "users": [{"name": "local", "user": {"token": token}}],
        "contexts": [{"name": "local", "context": context}],
    }
    path = data / "kubeconfig"
    _write(path, json.dumps(config, indent=2))
    return path


def of_namespace(persons: Path, namespace: str) -> Path:
    """Return the kubeconfig of a namespace's processes: their own namespace is its default one."""
    config = json.loads(persons.read_text())
    (entry,) = config["contexts"]
    if entry["context"]["namespace"] == namespace:
        return persons
    entry["context"]["namespace"] = namespace
    path = persons.parent / "run" / f"kubeconfig-{namespace}"
    _write(path, json.dumps(config, indent=2))
    return path


def _write(path: Path, text: str) -> None:
    """Replace a private file in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    temporary.replace(path)
