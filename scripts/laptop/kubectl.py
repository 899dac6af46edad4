"""kubectl as the package carries it, against one kubeconfig."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

BINARY = Path(sys.executable).parent / "kubectl"
MANAGER = "--field-manager=laptop"


class KubectlError(Exception):
    """kubectl refused; the message is its own."""


def kubectl(kubeconfig: Path, *arguments: str, stdin: str | None = None) -> str:
    """Run kubectl and return what it printed."""
    command = [str(BINARY), "--kubeconfig", str(kubeconfig), *arguments]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
    if done.returncode:
        raise KubectlError(done.stderr.strip() or done.stdout.strip())
    return done.stdout


def get(kubeconfig: Path, *what: str) -> dict[str, Any]:
    """Return `kubectl get … -o json` in the system's namespace."""
    found: dict[str, Any] = json.loads(
        kubectl(kubeconfig, "-n", "marketresearch", "get", *what, "-o", "json")
    )
    return found


def apply(kubeconfig: Path, objects: Sequence[dict[str, Any]]) -> None:
    """Apply `objects` server-side, as this program."""
    text = "\n---\n".join(json.dumps(each) for each in objects)
    kubectl(kubeconfig, "apply", "--server-side", MANAGER, "-f", "-", stdin=text)


def render(overlay: Path) -> str:
    """Return what an overlay comes to, as YAML."""
    command = [str(BINARY), "kustomize", str(overlay)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def apply_once(kubeconfig: Path, manifests: str, stamp: Path) -> None:
    """Apply `manifests` server-side, unless `stamp` says that these very ones were applied before.

    So a person's own changes outlive a restart; fields that a rollout owns stay the rollout's.
    """
    digest = hashlib.sha256(manifests.encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == digest:
        return
    kubectl(kubeconfig, "apply", "--server-side", MANAGER, "-f", "-", stdin=manifests)
    stamp.write_text(digest)
