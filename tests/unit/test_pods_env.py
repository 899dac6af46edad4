"""What a Pod's process is started with."""

import base64
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from knative.local.pods_env import Command, Surroundings, resolve
from knative.local.pods_volumes import ConfigError, refresh
from knative.local.store import Store

NS = "ns"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "store.db")
    secret = {"PASSWORD": base64.b64encode(b"s3cret").decode()}
    for kind, name, data in (("Secret", "keys", secret), ("ConfigMap", "conf", {"COLOUR": "red"})):
        meta = {"namespace": NS, "name": name}
        store.create({"apiVersion": "v1", "kind": kind, "metadata": meta, "data": data})
    yield store
    store.close()


def resolved(store: Store, data: Path, container: Any, **spec: Any) -> Command:
    full = {"name": "c", "command": ["python", "-m", "x"], **container}
    meta = {"name": "pod", "namespace": NS, "uid": "u", "labels": {"app": "web"}}
    pod = {"kind": "Pod", "metadata": meta, "spec": {"containers": [full], **spec}}
    return resolve(pod, store, Surroundings(data, 8080, data / "kubeconfig"), {"PORT": 20001})


def test_python_is_the_platforms_own_and_variables_are_put_into_arguments(
    store: Store, tmp_path: Path
) -> None:
    args = ["--port", "$(PORT)", "$(NOPE)"]
    command = resolved(store, tmp_path, {"args": args})
    assert command.argv == (sys.executable, "-m", "x", "--port", "20001", "$(NOPE)")
    assert command.env["PORT"] == "20001"


@pytest.mark.parametrize(
    ("default", "file"), [(NS, "kubeconfig"), ("other", f"run/kubeconfig-{NS}")]
)
def test_a_process_enters_the_api_in_its_pods_own_namespace(
    store: Store, tmp_path: Path, default: str, file: str
) -> None:
    contexts = [{"name": "local", "context": {"cluster": "local", "namespace": default}}]
    config = {"contexts": contexts, "users": [{"name": "local", "user": {"token": "t"}}]}
    (tmp_path / "kubeconfig").write_text(json.dumps(config))
    path = Path(resolved(store, tmp_path, {}).env["KUBECONFIG"])
    assert path == tmp_path / file
    (found,) = json.loads(path.read_text())["contexts"]
    assert found["context"] == {"cluster": "local", "namespace": NS}
    assert path.name == "kubeconfig" or path.stat().st_mode & 0o777 == 0o600


def test_values_come_from_secrets_config_maps_and_fields(store: Store, tmp_path: Path) -> None:
    env = [
        {"name": "A", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "PASSWORD"}}},
        {"name": "B", "valueFrom": {"configMapKeyRef": {"name": "conf", "key": "COLOUR"}}},
        {"name": "C", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
        {"name": "D", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}},
        {"name": "E", "value": "$(B) wine"},
    ]
    source = [{"secretRef": {"name": "keys"}}, {"configMapRef": {"name": "conf"}, "prefix": "X_"}]
    found = resolved(store, tmp_path, {"env": env, "envFrom": source}).env
    assert [found[name] for name in "ABCDE"] == ["s3cret", "red", NS, "web", "red wine"]
    assert (found["PASSWORD"], found["X_COLOUR"]) == ("s3cret", "red")


def test_a_missing_secret_or_key_is_named_and_an_optional_one_is_left_out(
    store: Store, tmp_path: Path
) -> None:
    def env(**ref: Any) -> dict[str, Any]:
        return {"env": [{"name": "A", "valueFrom": {"secretKeyRef": ref}}]}

    with pytest.raises(ConfigError, match='secret "none" not found'):
        resolved(store, tmp_path, env(name="none", key="K"))
    with pytest.raises(ConfigError, match='key K in Secret "keys"'):
        resolved(store, tmp_path, env(name="keys", key="K"))
    assert "A" not in resolved(store, tmp_path, env(name="none", key="K", optional=True)).env


def test_mount_paths_in_values_become_the_real_folders(store: Store, tmp_path: Path) -> None:
    volumes = [
        {"name": "models", "persistentVolumeClaim": {"claimName": "models"}},
        {"name": "keys", "secret": {"secretName": "keys"}},
        {"name": "tmp", "emptyDir": {}},
    ]
    mounts = [
        {"name": "models", "mountPath": "/var/models"},
        {"name": "keys", "mountPath": "/etc/keys"},
        {"name": "tmp", "mountPath": "/tmp/work"},  # noqa: S108 - it is inside a Pod
    ]
    values = {
        "A": "/var/models/x",
        "B": "file:///var/models",
        "C": "/var/models-not",
        "D": "/etc/keys/PASSWORD",
    }
    env = [{"name": name, "value": value} for name, value in values.items()]
    container = {"env": env, "volumeMounts": mounts, "args": ["--cache=/var/models"]}
    command = resolved(store, tmp_path, container, volumes=volumes)
    real = tmp_path / "volumes" / "models"
    assert command.env["A"] == f"{real}/x"
    assert command.env["B"] == f"file://{real}"
    assert command.env["C"] == "/var/models-not"
    assert Path(command.env["D"]).read_text() == "s3cret"
    assert Path(command.env["D"]).stat().st_mode & 0o077 == 0
    assert command.argv[-1] == f"--cache={real}"


def test_a_process_sees_what_it_was_given_and_the_gateway_as_its_proxy(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_PERSON", "x")
    given = [{"name": "AWS_ENDPOINT_URL", "value": "http://minio.lan:9000"}]
    env = resolved(store, tmp_path, {"env": given}).env
    assert "SECRET_OF_THE_PERSON" not in env
    assert env["HTTP_PROXY"] == env["http_proxy"] == "http://127.0.0.1:8080"
    assert env["NO_PROXY"] == "127.0.0.1,localhost,minio.lan"


@pytest.mark.parametrize(
    ("container", "spec", "words"),
    [
        ({"command": []}, {}, "has no command"),
        ({"volumeMounts": [{"name": "v", "mountPath": "/v"}]}, {}, "not declared"),
        (
            {"volumeMounts": [{"name": "v", "mountPath": "/v"}]},
            {"volumes": [{"name": "v", "hostPath": {"path": "/"}}]},
            "not supported",
        ),
        ({"env": [{"name": "A", "valueFrom": {"resourceFieldRef": {}}}]}, {}, "not supported"),
    ],
)
def test_what_cannot_be_honoured_is_refused_by_name(
    store: Store, tmp_path: Path, container: Any, spec: Any, words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        resolved(store, tmp_path, container, **spec)


def secret(**files: str) -> dict[str, Any]:
    data = {name: base64.b64encode(text.encode()).decode() for name, text in files.items()}
    meta = {"namespace": NS, "name": "keys"}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": data}


def test_only_the_items_are_there_and_they_follow_the_secret(store: Store, tmp_path: Path) -> None:
    store.update(secret(keys="one", own="two"))
    items = [{"key": "keys", "path": "known"}]
    volumes = [{"name": "keys", "secret": {"secretName": "keys", "items": items}}]
    mount = {"volumeMounts": [{"name": "keys", "mountPath": "/etc/keys"}], "args": ["/etc/keys"]}
    folder = Path(resolved(store, tmp_path, mount, volumes=volumes).argv[-1])
    assert {file.name: file.read_text() for file in folder.iterdir()} == {"known": "one"}
    meta = {"name": "pod", "namespace": NS, "uid": "u"}
    pod = {"kind": "Pod", "metadata": meta, "spec": {"volumes": volumes}}
    refresh(pod, store.update(secret(keys="three")), store, tmp_path)
    assert {file.name: file.read_text() for file in folder.iterdir()} == {"known": "three"}
    with pytest.raises(ConfigError, match="secret key: keys"):
        refresh(pod, store.update(secret(own="two")), store, tmp_path)
    assert (folder / "known").read_text() == "three"
