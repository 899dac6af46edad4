"""The models commands: where they look, what they make of what they see, when they stop waiting."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from functions.registry.manifest import FileEntry, Manifest
from functions.registry.store import ModelStore
from functions.registry.version import Version
from knative.serving import state
from knative.serving.client import KubeClient
from knative.serving.kubeconfig import Cluster
from knative.serving.objects import DIGEST
from knative.serving.state import State
from knative.serving.table import Phase
from scripts import model_resync
from scripts.cli import app
from scripts.environment import load_platform_env
from scripts.model_records import records, serving
from scripts.model_resync import wait
from scripts.models_view import lines
from scripts.progress import Bar
from scripts.target import Target

MANIFEST = Manifest(
    name="ner",
    version=Version.parse("1.1.0"),
    task="t",
    framework="f",
    service="ner",
    files=(FileEntry("config.json", 1, "a" * 64),),
    labels={},
    golden=None,
    metrics={"golden_f1": 0.9, "parity_max_abs": 1e-06},
    created_at="now",
)
NEW, OLD = MANIFEST.digest, "sha256:" + "0" * 64


def service(digest: str, traffic: list[dict[str, Any]], rollout: State | None) -> dict[str, Any]:
    annotations = {state.ANNOTATION: state.dump(rollout)} if rollout else {}
    return {
        "metadata": {"name": "ner", "namespace": "ns", "annotations": annotations},
        "spec": {"template": {"metadata": {"annotations": {DIGEST: digest}}}},
        "status": {"traffic": traffic},
    }


REVISIONS = [
    {"metadata": {"name": "ner-1", "annotations": {DIGEST: OLD}}},
    {"metadata": {"name": "ner-2", "annotations": {DIGEST: NEW}}},
]
SPLIT = [
    {"revisionName": "ner-1", "percent": 75},
    {"revisionName": "ner-2", "percent": 25},
    {"revisionName": "ner-2", "percent": 0, "tag": "candidate"},
]
PROMOTED = [
    {"revisionName": "ner-2", "percent": 100},
    {"revisionName": "ner-1", "percent": 0, "tag": "previous"},
]


def test_a_record_joins_the_manifest_with_what_its_service_does() -> None:
    split = serving(service(NEW, SPLIT, None), REVISIONS)
    (record,) = records([MANIFEST], [split])
    assert (record.serving, record.previous, record.golden_f1) == (25, False, 0.9)
    promoted = serving(service(NEW, PROMOTED, None), REVISIONS)
    assert promoted.previous == OLD
    assert records([MANIFEST], [promoted])[0].serving == 100
    assert records([MANIFEST], [])[0].serving == 0
    assert (record.parity, record.pinned) == (1e-06, False)
    assert records([MANIFEST], [split], {"ner-v1.1.0"})[0].pinned


def test_a_record_names_every_revision_that_can_be_reached() -> None:
    split = serving(service(NEW, SPLIT, None), REVISIONS)
    (record,) = records([MANIFEST], [split])
    assert record.places == ("ner-2 25 % (candidate)",)
    assert split.places[OLD] == ("ner-1 75 %",)
    promoted = serving(service(NEW, PROMOTED, None), REVISIONS)
    assert promoted.places[OLD] == ("ner-1 0 % (previous)",)
    assert records([MANIFEST], [])[0].places == ()


def rollout(phase: Phase, **changes: Any) -> State:
    return State(phase, "t", stable="ner-1", candidate="ner-2", digest=NEW, **changes)


@pytest.mark.parametrize(
    ("steps", "ok", "why"),
    [
        ([service(NEW, PROMOTED, rollout(Phase.SUCCEEDED))], True, "serves"),
        ([service(NEW, PROMOTED, None)], True, "serves"),
        ([service(OLD, [], rollout(Phase.FAILED, refused=(NEW,), reason="bad"))], False, "bad"),
        ([service(NEW, SPLIT, rollout(Phase.SUPERSEDED))], False, "Superseded"),
        (
            [
                service(OLD, [], None),
                service(NEW, SPLIT, rollout(Phase.CANARY)),
                service(NEW, PROMOTED, rollout(Phase.PROMOTING)),
                service(NEW, PROMOTED, rollout(Phase.SUCCEEDED)),
            ],
            True,
            "serves",
        ),
        ([None], False, "no Service"),
    ],
)
async def test_waiting_ends_when_the_service_serves_the_digest_or_has_refused_it(
    steps: list[dict[str, Any] | None],
    ok: bool,  # noqa: FBT001 - a parameter of the table
    why: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(model_resync, "POLL_SECONDS", 0)
    left = list(steps)

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/revisions"):
            return httpx.Response(200, json={"items": REVISIONS})
        found = left.pop(0)
        if found is None:
            return httpx.Response(404, json={"kind": "Status", "reason": "NotFound", "code": 404})
        return httpx.Response(200, json=found)

    kube = KubeClient(Cluster("http://api", "ns"), httpx.MockTransport(answer))
    said: list[str] = []
    target = Target(kube, ModelStore(None, "my-bucket"), "")
    ending = await wait(target, MANIFEST, 30, said.append)
    await kube.close()
    assert (ending.ok, left) == (ok, [])
    assert why in ending.why
    assert len(said) == len(set(said))


async def test_nobody_waits_for_a_model_that_names_no_service() -> None:
    nowhere = Target(None, None, "")  # type: ignore[arg-type] # not asked
    ending = await wait(nowhere, replace(MANIFEST, service=""), 30, print)
    assert (ending.ok, ending.why) == (True, "names no Service, so nothing rolls out")


def test_the_callers_environment_wins_over_the_platforms(tmp_path: Path) -> None:
    (tmp_path / "env").write_text("AWS_ENDPOINT_URL=http://laptop\nAWS_ACCESS_KEY_ID=a=b\n")
    mine = {"AWS_ENDPOINT_URL": "http://mine", "MARKETRESEARCH_DATA": str(tmp_path)}
    assert "http://mine" in load_platform_env(mine)
    assert "AWS_ACCESS_KEY_ID" not in mine
    empty = {"MARKETRESEARCH_DATA": str(tmp_path)}
    assert "http://laptop" in load_platform_env(empty)
    assert empty["AWS_ACCESS_KEY_ID"] == "a=b"
    nothing = {"MARKETRESEARCH_DATA": str(tmp_path / "none")}
    assert "scripts/up" in load_platform_env(nothing)


def test_the_index_of_commands_says_what_there_is() -> None:
    shown = CliRunner().invoke(app, ["--help"])
    assert shown.exit_code == 0
    assert "models" in shown.output
    assert CliRunner().invoke(app, ["models", "--help"]).exit_code == 0
    assert CliRunner().invoke(app, ["nonsense"]).exit_code == 2


def test_verifying_an_empty_cache_finds_nothing_wrong(tmp_path: Path) -> None:
    shown = CliRunner().invoke(app, ["models", "verify", "--cache", str(tmp_path), "--json"])
    assert shown.exit_code == 0
    assert json.loads(shown.output) == {"cache": str(tmp_path), "damaged": {}}


def test_a_cache_that_is_not_there_was_not_verified(tmp_path: Path) -> None:
    missing = str(tmp_path / "typing-error")
    shown = CliRunner().invoke(app, ["models", "verify", "--cache", missing])
    assert (shown.exit_code, missing in shown.stderr) == (1, True)


def test_the_list_cuts_nothing_however_narrow_the_terminal() -> None:
    promoted = serving(service(NEW, PROMOTED, None), REVISIONS)
    head, line = lines(records([MANIFEST], [promoted], {"ner-v1.1.0"}))
    assert line.split("   ")[0] == "ner"
    assert line.endswith("ner-2 100 %   pinned")
    assert head.index("SERVES") == line.index("ner-2")


def test_a_bar_that_is_no_terminal_draws_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with Bar("ner", 2 << 20) as bar:
        bar.add(1 << 20)
        bar.add(1 << 20)
    assert capsys.readouterr().out.count("\n") == 1
