"""A Pod's volumes as folders: claims are kept, everything else goes with the Pod.

A Secret or ConfigMap that is mounted is one file a key, each replaced at once when the object
changes, as a kubelet does it: so what reads its file again is reconfigured without a restart.
"""

import base64
from collections.abc import Mapping
from pathlib import Path

from knative.local.errors import NotFound
from knative.local.store import Object, Store

FILES = (("secret", "Secret", "secretName"), ("configMap", "ConfigMap", "name"))
"""Volumes made of an object: field, kind, and where the object's name stands."""


class ConfigError(Exception):
    """The Pod asks for something that is not there; the message says what."""


def pod_folder(data: Path, pod: Object) -> Path:
    """Return where the files of one Pod are; they go with it, and not with the next of its name."""
    return data / "run" / "pods" / str(pod["metadata"]["uid"])


def mounts(pod: Object, container: Object, store: Store, data: Path) -> dict[str, str]:
    """Make the container's folders; return the real path of each `mountPath`."""
    volumes = {volume["name"]: volume for volume in pod["spec"].get("volumes", [])}
    real = {}
    for mount in container.get("volumeMounts", []):
        if mount["name"] not in volumes:
            raise ConfigError(f'volume "{mount["name"]}" is mounted but not declared')
        folder = _folder(pod, volumes[mount["name"]], store, data) / mount.get("subPath", "")
        real[mount["mountPath"].rstrip("/")] = str(folder)
    return real


def refresh(pod: Object, changed: Object, store: Store, data: Path) -> None:
    """Write the files of a Pod's volumes again that are made of `changed`."""
    if pod["metadata"]["namespace"] != changed["metadata"].get("namespace"):
        return
    for volume in pod["spec"].get("volumes", []):
        for field, kind, name in FILES:
            is_it = (kind, volume.get(field, {}).get(name)) == (
                changed["kind"],
                changed["metadata"]["name"],
            )
            folder = pod_folder(data, pod) / volume["name"]
            if is_it and folder.is_dir():
                _write(folder, _content(pod, store, kind, volume[field]))


def values(pod: Object, store: Store, kind: str, ref: Object) -> dict[str, bytes]:
    """Return what is in the Secret or ConfigMap of the Pod's namespace that `ref` names."""
    name = ref.get("name") or ref.get("secretName", "")
    try:
        found = store.get(kind, pod["metadata"]["namespace"], name)
    except NotFound:
        if ref.get("optional"):
            return {}
        raise ConfigError(f'{kind.lower()} "{name}" not found') from None
    if kind == "ConfigMap":
        return {k: v.encode() for k, v in (found.get("data") or {}).items()}
    plain = {k: v.encode() for k, v in (found.get("stringData") or {}).items()}
    return {k: base64.b64decode(v) for k, v in (found.get("data") or {}).items()} | plain


def _folder(pod: Object, volume: Object, store: Store, data: Path) -> Path:
    if claim := volume.get("persistentVolumeClaim"):
        folder = data / "volumes" / str(claim["claimName"])
        folder.mkdir(parents=True, exist_ok=True)
        return folder
    folder = pod_folder(data, pod) / str(volume["name"])
    folder.mkdir(parents=True, exist_ok=True)
    for field, kind, _ in FILES:
        if field in volume:
            _write(folder, _content(pod, store, kind, volume[field]))
            return folder
    if "emptyDir" in volume:
        return folder
    raise ConfigError(f'volume "{volume["name"]}" is of a kind that is not supported')


def _content(pod: Object, store: Store, kind: str, source: Object) -> dict[str, bytes]:
    """Return file name → content; `items` choose keys and name their files."""
    found = values(pod, store, kind, source)
    items = source.get("items")
    if not items:
        return found
    missing = [item["key"] for item in items if item["key"] not in found]
    if missing and not source.get("optional"):
        raise ConfigError(f"references non-existent {kind.lower()} key: {missing[0]}")
    return {item["path"]: found[item["key"]] for item in items if item["key"] in found}


def _write(folder: Path, content: Mapping[str, bytes]) -> None:
    for name, text in content.items():
        new = folder / f"..{name}"
        new.touch(mode=0o600)
        new.write_bytes(text)
        new.rename(folder / name)  # whoever reads sees the old one or the new one
    for old in folder.iterdir():
        if old.name not in content:
            old.unlink()
