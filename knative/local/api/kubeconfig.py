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


def kubeconfig_path(data: Path, namespace: str = "") -> Path:
    """Return where a kubeconfig lies: the person's, or that of the processes of a namespace."""
    return data / "run" / f"kubeconfig-{namespace}" if namespace else data / "kubeconfig"


def write_kubeconfig(data: Path, api_port: int, token: str, namespace: str = "") -> Path:
    """Write a kubeconfig: the person's, or one whose default namespace is a process's own."""
    authority = certificate(data, datetime.now(UTC))[0].read_bytes()
    cluster = {
        "server": f"https://127.0.0.1:{api_port}",
        "certificate-authority-data": base64.b64encode(authority).decode(),
    }
    context = {"cluster": "local", "user": "local", "namespace": namespace or NAMESPACE}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "local",
        "clusters": [{"name": "local", "cluster": cluster}],
        "users": [{"name": "local", "user": {"token": token}}],
        "contexts": [{"name": "local", "context": context}],
    }
    path = kubeconfig_path(data, namespace)
    _write(path, json.dumps(config, indent=2))
    return path


def _write(path: Path, text: str) -> None:
    """Replace a private file in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    temporary.replace(path)
