"""push_model_to_s3.py and push_documents.py as people type them."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from functions.registry.store import ModelStore
from tests.support.hub import hub
from tests.support.s3 import BUCKET, S3Server, release_folder, s3_server

SCRIPT = Path("scripts/push_model_to_s3.py").resolve()
DOCUMENTS = SCRIPT.with_name("push_documents.py")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with s3_server(tmp_path_factory.mktemp("s3")) as running:
        yield running


@pytest.fixture
def platform_folder(server: S3Server, tmp_path: Path) -> Path:
    """A data folder with the addresses that `up` leaves."""
    folder = tmp_path / "data"
    folder.mkdir()
    lines = [f"{name}={value}\n" for name, value in server.environ().items()]
    (folder / "env").write_text("".join(lines))
    return folder


def push(data: Path, folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), "--model-path", str(folder), "--bucket", BUCKET, *more]
    env = {"MARKETRESEARCH_DATA": str(data), "PATH": os.environ["PATH"]}
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


def test_a_folder_becomes_a_release_of_the_local_platform(
    server: S3Server, platform_folder: Path, tmp_path: Path
) -> None:
    folder = release_folder(tmp_path)
    dry = push(platform_folder, folder, "--dry-run")
    assert (dry.returncode, dry.stderr) == (0, "")
    assert "Nothing was uploaded" in dry.stdout
    done = push(platform_folder, folder, "--configure-bucket")
    assert (done.returncode, done.stderr) == (0, "")
    assert server.url in done.stdout
    assert f"Published s3://{BUCKET}/models/ner-v1.0.0" in done.stdout
    store = ModelStore(server.client("s3"), BUCKET)
    assert [item.folder for item in store.releases()] == ["ner-v1.0.0"]
    again = push(platform_folder, folder)
    assert again.returncode == 0
    assert "nothing to do" in again.stdout
    (folder / "config.json").write_text('{"id2label": {"0": "O"}}')
    other = push(platform_folder, folder)
    assert other.returncode == 1
    assert "for ever" in other.stderr
    assert "Traceback" not in other.stderr


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        ("rm release.json", "release.json"),
        ("rm config.json", "config.json"),
        ("rm tokenizer.json", "tokenizer"),
        ("rm model.safetensors onnx/model.onnx", "weights"),
        ("truncate -s -1 model.safetensors", "model.safetensors is not whole"),
        ("echo no > model.safetensors", "model.safetensors is not whole"),
        ("truncate -s 0 model.safetensors", "model.safetensors is not whole"),
        ("echo {} > config.json", "labels"),
        ("rm golden.jsonl", "golden"),
        ("echo no > golden.jsonl", "golden set line 1"),
        ("touch weights.bin", "pickle"),
        ("ln -s /etc/passwd linked", "link"),
        ("touch CONFIG.JSON", "clashes"),
        ("mv ../ner-v1.0.0 ../ner-v2.0.0", "should be named"),
    ],
)
def test_a_folder_that_is_no_release_is_refused_in_one_line(
    platform_folder: Path, tmp_path: Path, spoil: str, expected: str
) -> None:
    folder = release_folder(tmp_path)
    subprocess.run(["bash", "-c", spoil], cwd=folder, check=True)
    (found,) = tmp_path.glob("ner-v*")
    refused = push(platform_folder, found, "--dry-run")
    assert refused.returncode == 1
    assert refused.stderr.startswith("error: ")
    assert refused.stderr.count("\n") == 1
    assert expected in refused.stderr


def test_a_bucket_that_is_not_there_is_one_line(platform_folder: Path, tmp_path: Path) -> None:
    failed = push(platform_folder, release_folder(tmp_path), "--bucket", "no-such-bucket")
    assert failed.returncode == 1
    assert "NoSuchBucket" in failed.stderr
    assert "Traceback" not in failed.stderr


def test_a_folder_that_does_not_exist_is_one_line(platform_folder: Path, tmp_path: Path) -> None:
    failed = push(platform_folder, tmp_path / "nothing-v1.0.0")
    assert failed.returncode == 1
    assert "Traceback" not in failed.stderr


def test_a_python_that_lacks_the_dependencies_is_told_what_to_do(tmp_path: Path) -> None:
    copy = tmp_path / "scripts"
    copy.mkdir()
    for name in ("__init__.py", "project_python.py", "push_model_to_s3.py"):
        (copy / name).write_text((SCRIPT.parent / name).read_text())
    bare = [sys.executable, "-I", "-S", str(copy / "push_model_to_s3.py"), "--help"]
    told = subprocess.run(bare, capture_output=True, text=True, check=False)
    assert told.returncode == 1
    assert told.stderr == "The project is not installed yet: run ./scripts/up first.\n"


def test_a_repository_at_the_hub_becomes_a_release_of_the_bucket(
    server: S3Server, platform_folder: Path, tmp_path: Path
) -> None:
    folder = release_folder(tmp_path, version="2.0.0")
    head = (folder / "release.json").rename(tmp_path / "head.json")
    with hub(folder) as endpoint:
        command = [sys.executable, str(SCRIPT), "--model-path", "hf://acme/ner@v1"]
        done = subprocess.run(
            [*command, "--bucket", BUCKET, "--configure-bucket", "--release-json", str(head)],
            env={"MARKETRESEARCH_DATA": str(platform_folder), "HF_ENDPOINT": endpoint}
            | {"PATH": os.environ["PATH"]},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    store = ModelStore(server.client("s3"), BUCKET)
    assert "ner-v2.0.0" in [item.folder for item in store.releases()]


def test_documents_go_to_the_same_platform_and_a_missing_bucket_is_one_line(
    server: S3Server, platform_folder: Path, tmp_path: Path
) -> None:
    s3 = server.client("s3")
    s3.create_bucket(Bucket="papers")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/a b ü.md").write_text("# A")
    (tmp_path / "notes/README.md").write_text("not a document")

    def push(bucket: str) -> subprocess.CompletedProcess[str]:
        options = ["--bucket", bucket, "--path", str(tmp_path / "notes")]
        env = {"MARKETRESEARCH_DATA": str(platform_folder), "PATH": os.environ["PATH"]}
        command = [sys.executable, str(DOCUMENTS), *options]
        return subprocess.run(command, env=env, capture_output=True, text=True, check=False)

    done = push("papers")
    assert (done.returncode, done.stderr) == (0, "")
    assert server.url in done.stdout
    found = s3.list_objects_v2(Bucket="papers")["Contents"]
    assert [item["Key"] for item in found] == ["documents/a b ü.md"]
    failed = push("no-such-bucket")
    assert failed.returncode == 1
    assert failed.stderr.startswith("error: ")
    assert failed.stderr.count("\n") == 1
