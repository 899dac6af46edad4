"""kubectl as the package carries it, against one kubeconfig."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

BINARY = Path(sys.executable).parent / "kubectl"


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
    manager = "--field-manager=laptop"
    kubectl(kubeconfig, "apply", "--server-side", manager, "-f", "-", stdin=text)


def apply_folder(kubeconfig: Path, overlay: Path) -> None:
    """Apply a kustomize overlay server-side: fields that a rollout owns stay the rollout's."""
    manager = "--field-manager=laptop"
    kubectl(kubeconfig, "apply", "--server-side", manager, "-k", str(overlay))
