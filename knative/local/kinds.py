"""The kinds that the platform serves: those of kinds.json, one entry each; the rest is a 404.

An entry is what a CustomResourceDefinition says of a kind: its names in URLs and on the command
line, its scope, its schema and the columns that `kubectl get` prints. Knative's entries are made
from Knative's own files (see README), those of Kubernetes' kinds are written by hand.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

RBAC = "rbac.authorization.k8s.io"

# Namespaces that are always there, as a cluster with Knative and this project has them.
NAMESPACES = ("default", "knative-eventing", "knative-serving", "marketresearch")


@dataclass(frozen=True, slots=True)
class Column:
    """One printed column: `path` is JMESPath into the object, a `date` prints as an age."""

    name: str
    path: str
    type: str
    priority: int = 0  # above 0: only in wide output


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind."""

    kind: str
    group: str
    version: str
    plural: str
    short_names: tuple[str, ...]
    categories: tuple[str, ...]
    columns: tuple[Column, ...]
    schema: Mapping[str, Any]
    namespaced: bool
    has_status: bool

    @property
    def api_version(self) -> str:
        """Return `v1` or `group/version`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def prefix(self) -> str:
        """Return where the API has it: `api/v1` or `apis/group/version`."""
        return f"apis/{self.api_version}" if self.group else f"api/{self.version}"

    @property
    def resource(self) -> str:
        """Return `plural.group`, as error messages name it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def details(self, name: str) -> dict[str, Any]:
        """Return the `details` of a Status about one object."""
        return {"name": name, "group": self.group, "kind": self.plural}

    @property
    def custom(self) -> bool:
        """Say whether it is a custom resource, to which some rules of the API do not apply."""
        return self.group.endswith("knative.dev")


def _kind(name: str, entry: Mapping[str, Any]) -> Kind:
    columns = tuple(Column(**column) for column in entry["columns"])
    names = {key: tuple(entry[key]) for key in ("short_names", "categories")}
    return Kind(**{**entry, **names, "kind": name, "columns": columns})


_ENTRIES = json.loads(files(__package__).joinpath("kinds.json").read_text(encoding="utf-8"))
KINDS = tuple(_kind(name, entry) for name, entry in _ENTRIES.items())
BY_KIND: Mapping[str, Kind] = {k.kind: k for k in KINDS}
