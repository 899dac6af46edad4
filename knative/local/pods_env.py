"""What a Pod's process is started with: its command line, environment and files.

There is no mount namespace, so a volume's `mountPath` inside values and arguments is replaced by
the real folder. `command` and `args` run from the project's root; an `image` is recorded, not run.
Anything that cannot be honoured is refused with its name, as Kubernetes does (ConfigError).
"""

import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from knative.local.api.kubeconfig import of_namespace
from knative.local.pods_volumes import ConfigError, mounts, values
from knative.local.store import Object, Store

ROOT = Path(__file__).parents[2]
# A container sees only what it is given; these few make a laptop's process work at all.
INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "SSL_CERT_FILE", "https_proxy")
_REFERENCE = re.compile(r"\$\(([A-Za-z_][A-Za-z0-9_]*)\)")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all Pods share: the data folder, the gateway's port, the kubeconfig."""

    data: Path
    gateway_port: int
    kubeconfig: Path


@dataclass(frozen=True, slots=True)
class Command:
    """A resolved command line and environment."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: Path


def resolve(pod: Object, store: Store, around: Surroundings, ports: Mapping[str, int]) -> Command:
    """Resolve the first container of a Pod; writes the files of its volumes."""
    container = pod["spec"]["containers"][0]
    real = mounts(pod, container, store, around.data)
    env = {k: os.environ[k] for k in INHERITED if k in os.environ}
    env |= {"PYTHONUNBUFFERED": "1", "HOSTNAME": pod["metadata"]["name"]}
    env |= {name: str(port) for name, port in ports.items()}
    declared = {**_env_from(pod, container, store), **dict(_env(pod, container, store, env))}
    env |= {name: _relocate(value, real) for name, value in declared.items()}
    env = _network(around, env) | {"KUBECONFIG": str(_kubeconfig(pod, around))} | env
    words = [*container.get("command", []), *container.get("args", [])]
    if not container.get("command"):
        name = container.get("name", "")
        raise ConfigError(f'container "{name}" has no command: images are not run here')
    words = [_relocate(_expand(word, env), real) for word in words]
    if words[0] in ("python", "python3"):
        words[0] = sys.executable
    cwd = Path(_relocate(container.get("workingDir", ""), real) or ROOT)
    return Command(tuple(words), env, cwd if cwd.is_dir() else ROOT)


def _network(around: Surroundings, env: Mapping[str, str]) -> dict[str, str]:
    # Cluster addresses resolve nowhere on a laptop: the gateway is the proxy that knows them.
    proxy = f"http://127.0.0.1:{around.gateway_port}"
    outside = urlsplit(env.get("AWS_ENDPOINT_URL", "")).hostname
    direct = ",".join(filter(None, ("127.0.0.1", "localhost", outside)))
    return {
        "BIND_ADDRESS": "127.0.0.1",  # a laptop's functions are not for its neighbours
        "HTTP_PROXY": proxy,
        "http_proxy": proxy,
        "NO_PROXY": direct,
        "no_proxy": direct,
    }


def _kubeconfig(pod: Object, around: Surroundings) -> Path:
    """Return what a service account is in a cluster: a way to the API, and the Pod's namespace."""
    if not around.kubeconfig.exists():  # Pods without an API server
        return around.kubeconfig
    return of_namespace(around.kubeconfig, pod["metadata"]["namespace"])


def _env_from(pod: Object, container: Object, store: Store) -> dict[str, str]:
    found: dict[str, str] = {}
    for source in container.get("envFrom", []):
        for field, kind in (("secretRef", "Secret"), ("configMapRef", "ConfigMap")):
            if field in source:
                prefix = source.get("prefix", "")
                given = values(pod, store, kind, source[field])
                found |= {prefix + k: v.decode() for k, v in given.items()}
    return found


def _env(
    pod: Object, container: Object, store: Store, known: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    seen = dict(known)
    for entry in container.get("env", []):
        value = _value(pod, entry, store)
        if value is not None:
            seen[entry["name"]] = _expand(value, seen)
            yield entry["name"], seen[entry["name"]]


def _value(pod: Object, entry: Object, store: Store) -> str | None:
    source = entry.get("valueFrom")
    if not source:
        return str(entry.get("value", ""))
    if "fieldRef" in source:
        return _field(pod, source["fieldRef"]["fieldPath"])
    for field, kind in (("secretKeyRef", "Secret"), ("configMapKeyRef", "ConfigMap")):
        if ref := source.get(field):
            value = values(pod, store, kind, ref).get(ref["key"])
            if value is None and not ref.get("optional"):
                raise ConfigError(f'couldn\'t find key {ref["key"]} in {kind} "{ref["name"]}"')
            return None if value is None else value.decode()
    raise ConfigError(f"env {entry['name']}: valueFrom {', '.join(source)} is not supported")


def _field(pod: Object, path: str) -> str:
    found: Any = {**pod, "status": {"podIP": "127.0.0.1", "hostIP": "127.0.0.1"}}
    match = re.fullmatch(r"metadata\.(labels|annotations)\['(.+)'\]", path)
    for part in ("metadata", *match.groups()) if match else path.split("."):
        found = found.get(part, {}) if isinstance(found, dict) else {}
    return found if isinstance(found, str) else ""


def _relocate(value: str, real: Mapping[str, str]) -> str:
    for path in sorted(real, key=len, reverse=True):
        replaced = re.sub(rf"(?<![\w.-]){re.escape(path)}(?![\w.-])", lambda _: real[path], value)  # noqa: B023 - used at once
        if replaced != value:
            return replaced
    return value


def _expand(value: str, env: Mapping[str, str]) -> str:
    return _REFERENCE.sub(lambda m: env.get(m[1], m[0]), value)
