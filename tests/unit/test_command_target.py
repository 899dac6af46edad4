"""Which platform a command acts on, and what it says and exits with where there is none."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from functions.registry.errors import ObjectMissing, StoreUnavailable
from scripts import cluster
from scripts.cli import app
from scripts.environment import load_target_env
from scripts.target import TargetError, exit_code

KUBECONFIG = """
current-context: it
contexts: [{name: it, context: {cluster: it, user: me, namespace: marketresearch}}]
clusters: [{name: it, cluster: {server: "http://SERVER"}}]
users: [{name: me, user: {token: secret}}]
"""
SET_BY_PEOPLE = (
    "KUBECONFIG", "AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_PROFILE", "NO_PROXY", "no_proxy"
)  # fmt: skip
ON_A_CLUSTER = [("rollout", "status", "ner"), ("coldstart", "ner")]
WITH_A_BUCKET = [("models", "list"), ("index", "status"), ("restore",)]


def written(path: Path, server: str) -> str:
    path.write_text(KUBECONFIG.replace("SERVER", server))
    return str(path)


@pytest.fixture
def laptop(tmp_path: Path) -> dict[str, str]:
    """The environment of a person whose local platform has been up."""
    kubeconfig = written(tmp_path / "kubeconfig", "127.0.0.1:9")
    (tmp_path / "env").write_text(f"AWS_ENDPOINT_URL=http://laptop\nKUBECONFIG={kubeconfig}\n")
    return {"MARKETRESEARCH_DATA": str(tmp_path)}


def test_without_a_kubeconfig_it_is_the_local_platform(laptop: dict[str, str]) -> None:
    found = cluster.choose(laptop)
    assert (found.server, found.namespace) == ("http://127.0.0.1:9", "marketresearch")
    assert cluster.choose(laptop, "other").namespace == "other"


def test_the_callers_kubeconfig_wins(laptop: dict[str, str], tmp_path: Path) -> None:
    mine = written(tmp_path / "mine", "cluster")
    assert cluster.choose({**laptop, "KUBECONFIG": mine}).server == "http://cluster"


def test_the_local_bucket_is_never_taken_for_that_of_another_cluster(
    laptop: dict[str, str], tmp_path: Path
) -> None:
    elsewhere = {**laptop, "KUBECONFIG": written(tmp_path / "mine", "cluster")}
    assert "KUBECONFIG leads elsewhere" in load_target_env(elsewhere)
    assert "AWS_ENDPOINT_URL" not in elsewhere
    here = {**laptop, "KUBECONFIG": str(tmp_path / "kubeconfig")}
    assert "http://laptop" in load_target_env(here)


@pytest.mark.parametrize("words", [*ON_A_CLUSTER, *WITH_A_BUCKET], ids=" ".join)
def test_a_platform_that_is_down_is_one_line_and_exit_code_3(
    words: tuple[str, ...], laptop: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _only(laptop, monkeypatch)
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 3
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: the Kubernetes API did not answer")
    assert line.endswith("./scripts/up starts the local platform")


@pytest.mark.parametrize("words", [*ON_A_CLUSTER, *WITH_A_BUCKET], ids=" ".join)
def test_no_platform_at_all_is_one_line_and_exit_code_3(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _only({"MARKETRESEARCH_DATA": str(tmp_path / "none"), "AWS_PROFILE": "work"}, monkeypatch)
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 3
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: no cluster: set KUBECONFIG")
    assert ("AWS_PROFILE is set" in line) == (words in WITH_A_BUCKET)


def _only(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the command see `environ`, and nothing of the sort from whoever runs the tests."""
    for name in SET_BY_PEOPLE:
        # Set before it is removed, so that what the command itself sets is taken back.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)


def test_a_proxy_for_the_world_is_not_asked_for_this_machine(laptop: dict[str, str]) -> None:
    laptop |= {"HTTP_PROXY": "http://proxy", "NO_PROXY": "intern"}
    load_target_env(laptop)
    load_target_env(laptop)
    assert laptop["NO_PROXY"] == laptop["no_proxy"] == "intern,127.0.0.1,localhost"


def test_a_bucket_that_does_not_answer_is_no_refusal() -> None:
    assert exit_code(StoreUnavailable("gone")) == 3
    assert exit_code(ObjectMissing("no such release")) == 1
    assert exit_code(TargetError("refused")) == 1
