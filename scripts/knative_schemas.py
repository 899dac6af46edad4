"""Bring knative/local/kinds.json up to date with Knative's own CRD files.

    python -m scripts.knative_schemas CRD.yaml…

The kinds that these files define are replaced, the others (Kubernetes' own have no CRD) stay.
Descriptions are left out: the file is for names, checks and columns. The columns' JSONPaths are
written in JMESPath, which a library reads.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

import yaml

TARGET = Path(__file__).parents[1] / "knative/local/kinds.json"


def bare(schema: Any) -> Any:
    """Drop every description text."""
    if isinstance(schema, dict):
        described = isinstance(schema.get("description"), str)
        return {k: bare(v) for k, v in schema.items() if not (described and k == "description")}
    return [bare(v) for v in schema] if isinstance(schema, list) else schema


def of(path: str) -> dict[str, Any]:
    """Return the v1 of every CustomResourceDefinition in a file, by kind."""
    found = {}
    for crd in filter(None, yaml.safe_load_all(Path(path).read_text(encoding="utf-8"))):
        for version in crd["spec"]["versions"]:
            if version["name"] == "v1":
                found[crd["spec"]["names"]["kind"]] = _kind(crd["spec"], version)
    return found


def _kind(spec: Any, version: Any) -> Any:
    names = spec["names"]
    return {
        "group": spec["group"],
        "version": version["name"],
        "plural": names["plural"],
        "short_names": names.get("shortNames", []),
        "categories": names.get("categories", []),
        "namespaced": spec["scope"] == "Namespaced",
        "has_status": "status" in version.get("subresources", {}),
        "columns": [_column(column) for column in version.get("additionalPrinterColumns", ())],
        "schema": bare(version["schema"]["openAPIV3Schema"]),
    }


def _column(column: Any) -> Any:
    path = jmespath(column["jsonPath"])
    return {"name": column["name"], "path": path, "type": column["type"]} | (
        {"priority": column["priority"]} if column.get("priority") else {}
    )


def jmespath(path: str) -> str:
    r"""Return a printer column's JSONPath (`.a['b\.c'].d[?(@.type=="X")].e`) as JMESPath."""
    path = re.sub(r"""\[\?\(@\.type==['"](\w+)['"]\)\]\.(\w+)$""", r"[?type=='\1'].\2 | [0]", path)
    path = re.sub(r"\['(.+?)'\]", r".\1", path)
    steps = re.split(r"(?<!\\)\.", path.lstrip("."))
    return ".".join(json.dumps(s.replace("\\.", ".")) if "\\." in s else s for s in steps)


def written(kinds: dict[str, Any]) -> str:
    """Return the file's text: a line for each kind, and a line for each thing said of it."""
    texts = []
    for name, kind in kinds.items():
        said = ",\n".join(f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in kind.items())
        texts.append(f"{json.dumps(name)}: {{\n{said}\n}}")
    return "{" + ",\n".join(texts) + "}\n"


if __name__ == "__main__":
    kinds = json.loads(TARGET.read_text(encoding="utf-8"))
    for file in sys.argv[1:]:
        kinds |= of(file)
    TARGET.write_text(written(kinds), encoding="utf-8")
