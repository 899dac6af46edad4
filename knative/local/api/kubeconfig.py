"""Kubeconfig files: how clients, and the processes of the platform, find and enter the API.

The token is made once for a data directory and kept, readable by its owner alone, so a kubeconfig
stays good when the platform starts again.
"""

import base64
import json
import secrets
from pathlib import Path

from knative.local.api.tls import certificate, write_private

NAMESPACE = "marketresearch"


def load_token(data: Path) -> str:
    """Return the data directory's bearer token; make it the first time."""
    path = data / "token"
    if not path.exists():
        write_private(path, secrets.token_urlsafe(32).encode())
    return path.read_text(encoding="ascii")


def write_kubeconfig(data: Path, api_port: int, token: str) -> Path:
    """Write the person's kubeconfig."""
    authority = certificate(data)[0].read_bytes()
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
    write_private(path, json.dumps(config, indent=2).encode())
    return path


def of_namespace(persons: Path, namespace: str) -> Path:
    """Return the kubeconfig of a namespace's processes: their own namespace is its default one."""
    config = json.loads(persons.read_text())
    (entry,) = config["contexts"]
    if entry["context"]["namespace"] == namespace:
        return persons
    entry["context"]["namespace"] = namespace
    path = persons.parent / "run" / f"kubeconfig-{namespace}"
    write_private(path, json.dumps(config, indent=2).encode())
    return path
