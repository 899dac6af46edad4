"""The manifests as a cluster gets them: rendered by kustomize, checked against schemas."""

import functools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import yaml

Object = dict[str, Any]
ROOT = Path(__file__).parents[2]
KUBECTL = Path(sys.executable).with_name("kubectl")
OVERLAYS = sorted(path.parent.name for path in ROOT.glob("knative/overlays/*/kustomization.yaml"))
COMPONENTS = sorted(
    path.parent.name
    for path in ROOT.glob("knative/components/*/kustomization.yaml")
    if path.parent.name not in ("cluster", "network-policies", "telemetry", "namespace")
)
"""Those that an overlay may add; the others are in every overlay of a cluster."""
BESIDE = sorted(
    str(path.parent.relative_to(ROOT))
    for path in ROOT.glob("knative/**/kustomization.yaml")
    if "kind: Kustomization" in path.read_text()
    and not {"overlays", "components"} & set(path.parts)
)
"""What is applied by itself, and the base."""
CLUSTER = [name for name in OVERLAYS if name not in ("local", "demo")]


@functools.cache
def text(folder: str) -> str:
    """What `kubectl kustomize` makes of a folder, relative to the repository."""
    command = [KUBECTL, "kustomize", str(ROOT / folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def rendered(folder: str) -> list[Object]:
    return [found for found in yaml.safe_load_all(text(folder)) if found]


def overlay(name: str) -> list[Object]:
    return rendered(f"knative/overlays/{name}")


@functools.cache
def _with_component_text(name: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        knative = os.path.relpath(ROOT / "knative", Path(folder).resolve())
        kustomization = {
            "resources": [f"{knative}/overlays/cpu"],
            "components": [f"{knative}/components/{name}"],
            "transformers": [f"{knative}/components/namespace"],
        }
        (Path(folder) / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
        return text(folder)


def with_component(name: str) -> list[Object]:
    """The cpu overlay with an optional component, rendered from a kustomization beside it."""
    return [found for found in yaml.safe_load_all(_with_component_text(name)) if found]


@functools.cache
def _schemas() -> dict[str, Any]:
    known: dict[str, Any] = json.loads((ROOT / "tests/support/manifest_schemas.json").read_text())
    own = yaml.safe_load((ROOT / "tests/support/operator_schemas.yaml").read_text())
    return {"kinds": known["kinds"] | own, "$defs": known["$defs"]}


def faults(found: Object) -> list[str]:
    """What the object's schema says against it; an unknown kind is a fault too."""
    schemas = _schemas()
    kind = f"{found['apiVersion']}/{found['kind']}"
    if kind not in schemas["kinds"]:
        return [f"{kind} has no schema"]
    schema = {**schemas["kinds"][kind], "$defs": schemas["$defs"]}
    schema.pop("$id", None)
    validator = jsonschema.Draft202012Validator(schema)
    return [f"{fault.json_path}: {fault.message[:200]}" for fault in validator.iter_errors(found)]


def pods(objects: list[Object]) -> Iterator[tuple[str, Object]]:
    """Every Pod template, by the name of what makes it."""
    for found in objects:
        spec = found.get("spec", {})
        template = spec.get("jobTemplate", {}).get("spec", spec).get("template", {})
        if "containers" in template.get("spec", {}):
            yield f"{found['kind']}/{found['metadata']['name']}", template["spec"]
