"""Bring tests/support/manifest_schemas.json up to date: what a manifest may say, kind by kind.

    pip download --no-deps kubernetes-validate && unzip kubernetes_validate-*.whl
    python -m scripts.manifest_schemas kubernetes_validate/kubernetes-json-schema/v1.37.0-local-strict CRD.yaml…

The first argument is a folder of Kubernetes' own schemas, the rest are Knative's CRD files. Only the
kinds that the manifests use are kept, with what they refer to, and no description. ApiServerSource
comes from the local platform's own file. Kinds of other operators are in operator_schemas.yaml, by
hand.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from scripts.knative_schemas import bare

ROOT = Path(__file__).parents[1]
TARGET = ROOT / "tests/support/manifest_schemas.json"
LOCAL = ROOT / "knative/local/kinds.json"
CORE = (
    *("namespace-v1", "configmap-v1", "secret-v1", "serviceaccount-v1", "persistentvolumeclaim-v1"),
    *("role-rbac-v1", "rolebinding-rbac-v1", "networkpolicy-networking-v1"),
    *("poddisruptionbudget-policy-v1", "job-batch-v1", "cronjob-batch-v1", "daemonset-apps-v1"),
    *("clusterrole-rbac-v1", "clusterrolebinding-rbac-v1", "deployment-apps-v1", "service-v1"),
)
_REFERENCE = re.compile(r'#/\$defs/([^"]+)"')


def core(folder: Path) -> Iterator[tuple[str, Any]]:
    """Yield (apiVersion/Kind, schema) of Kubernetes' own kinds."""
    for name in CORE:
        schema = bare(json.loads((folder / f"{name}.json").read_text()))
        said = schema["properties"]
        yield f"{said['apiVersion']['enum'][0]}/{said['kind']['enum'][0]}", schema


def definitions(folder: Path, kinds: dict[str, Any]) -> dict[str, Any]:
    """Return what `kinds` refer to, directly or through others."""
    known, found = json.loads((folder / "_definitions.json").read_text())["$defs"], {}
    wanted = set(_REFERENCE.findall(json.dumps(kinds)))
    while wanted:
        name = wanted.pop()
        found[name] = bare(known[name])
        wanted |= set(_REFERENCE.findall(json.dumps(found[name]))) - set(found)
    return found


def custom(path: str) -> Iterator[tuple[str, Any]]:
    """Yield (apiVersion/Kind, schema) of every version of a CustomResourceDefinition."""
    for crd in filter(None, yaml.safe_load_all(Path(path).read_text(encoding="utf-8"))):
        spec = crd["spec"]
        for version in spec["versions"]:
            schema = bare(version["schema"]["openAPIV3Schema"])
            yield f"{spec['group']}/{version['name']}/{spec['names']['kind']}", whole(schema)


def whole(schema: Any) -> Any:
    """Add to a custom kind's schema what every kind has."""
    after = closed(schema)
    after["properties"] |= {"apiVersion": {}, "kind": {}, "metadata": {}}
    return after


def closed(schema: Any) -> Any:
    """Refuse fields that an OpenAPI schema does not name, as `fieldValidation=Strict` does."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    after = {key: closed(value) for key, value in schema.items()}
    if schema.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"]}
    named = isinstance(schema.get("properties"), dict) and schema.get("type") == "object"
    if named and "additionalProperties" not in schema:
        after["additionalProperties"] = bool(schema.get("x-kubernetes-preserve-unknown-fields"))
    return after


def main(folder: Path, crds: list[str]) -> None:
    """Write the file."""
    kinds = dict(core(folder))
    kept = definitions(folder, kinds)
    kinds |= {name: schema for path in crds for name, schema in custom(path)}
    adapter = json.loads(LOCAL.read_text(encoding="utf-8"))["ApiServerSource"]["schema"]
    kinds["sources.knative.dev/v1/ApiServerSource"] = whole(adapter)
    text = json.dumps({"kinds": kinds, "$defs": kept}, sort_keys=True, separators=(",", ":"))
    text = text.replace("/api/_definitions.json#/", "#/")
    TARGET.write_text(text.replace('},"', '},\n"') + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
