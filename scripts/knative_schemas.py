"""Bring knative/local/api/schemas.json up to date with Knative's own CRD files.

    python -m scripts.knative_schemas CRD.yaml…

The kinds that these files define are replaced, the others (core/v1, rbac: they have no CRD) stay.
Descriptions are left out: the file is for checking fields, and for `kubectl explain` to show names
and types.
"""

import json
import sys
from pathlib import Path
from typing import Any

import yaml

TARGET = Path(__file__).parents[1] / "knative/local/api/schemas.json"


def bare(schema: Any) -> Any:
    """Drop every description text."""
    if isinstance(schema, dict):
        described = isinstance(schema.get("description"), str)
        return {k: bare(v) for k, v in schema.items() if not (described and k == "description")}
    return [bare(v) for v in schema] if isinstance(schema, list) else schema


def of(path: str) -> dict[str, Any]:
    """Return the v1 schema of every CustomResourceDefinition in a file, by kind."""
    found = {}
    for crd in filter(None, yaml.safe_load_all(Path(path).read_text(encoding="utf-8"))):
        for version in crd["spec"]["versions"]:
            if version["name"] == "v1":
                found[crd["spec"]["names"]["kind"]] = bare(version["schema"]["openAPIV3Schema"])
    return found


if __name__ == "__main__":
    schemas = json.loads(TARGET.read_text(encoding="utf-8"))
    for file in sys.argv[1:]:
        schemas |= of(file)
    lines = [f"{json.dumps(k)}: {json.dumps(v)}" for k, v in sorted(schemas.items())]
    TARGET.write_text("{" + ",\n".join(lines) + "}\n", encoding="utf-8")
