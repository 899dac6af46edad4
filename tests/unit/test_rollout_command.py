"""`marketresearch rollout`: what each command prints, writes, and exits with."""

import json
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from knative.serving.client import KubeClient
from knative.serving.kubeconfig import Cluster
from knative.serving.observation import COMMAND
from knative.serving.policy import ANNOTATION, Policy
from knative.serving.state import State
from knative.serving.table import Phase
from scripts import cli_rollout, rollout_view
from tests.support.knative_api import NAMESPACE
from tests.support.rollout_models import RIGHT, publish
from tests.support.rollout_world import World, run, synced


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    world = World(tmp_path)
    world.deploy(LEVEL="1")
    run(world.event())
    monkeypatch.setattr(
        cli_rollout,
        "connect",
        lambda _: KubeClient(Cluster("http://api", NAMESPACE), world.api.transport()),
    )
    return world


def command(*words: str) -> Result:
    return CliRunner().invoke(cli_rollout.app, list(words))


def test_status_says_phase_weights_and_why(world: World) -> None:
    world.rate = 0
    world.deploy(LEVEL="2")
    run(world.event())
    result = command("status", "ner", "--json")
    assert result.exit_code == 0
    said = json.loads(result.stdout)
    assert (said["phase"], said["candidate"]) == ("Canary", "ner-00002")
    assert said["weights"] == {"ner-00001": 95, "ner-00002": 5}
    assert "Canary  [ner-00001 95 %, ner-00002 5 %]" in command("status", "ner").stdout


def test_history_lists_every_write_of_traffic(world: World) -> None:
    world.deploy(LEVEL="2")
    run(world.settle())
    lines = json.loads(command("history", "ner", "--json").stdout)
    assert [line[2] for line in lines if line[1] == "Canary"] == [5, 25, 50]
    assert "Promoting" in command("history", "ner").stdout


@pytest.mark.parametrize(("level", "code"), [("2", 0), ("bad", 1)])
def test_watch_exits_by_how_the_rollout_ended(world: World, level: str, code: int) -> None:
    world.failing_values = {"bad"}
    world.deploy(LEVEL=level)
    run(world.settle())
    assert command("watch", "ner").exit_code == code


def test_watch_waits_for_a_rollout_that_is_about_to_begin(world: World) -> None:
    assert command("watch", "ner").exit_code == 0
    world.deploy(LEVEL="2")
    assert command("watch", "ner", "--seconds", "0.1").exit_code == 4
    run(world.settle())
    run(world.settle())
    assert command("watch", "ner").exit_code == 0


def test_watch_of_a_release_is_over_only_when_that_release_was_judged(world: World) -> None:
    asked = ("watch", "ner", "--seconds", "0.1", "--model", "ner-v1.0.0")
    assert command(*asked).exit_code == 4
    run(world.event(synced(publish(world, "worse", []), "1.0.0")))
    run(world.settle())
    assert command(*asked).exit_code == 1
    run(world.event(synced(publish(world, "good", RIGHT), "1.1.0")))
    run(world.settle())
    assert command("watch", "ner", "--model", "ner-v1.1.0").exit_code == 0


@pytest.mark.parametrize("verb", ["promote", "abort", "pause", "resume", "rollback"])
def test_a_command_is_written_for_the_running_candidate(world: World, verb: str) -> None:
    refused = command(verb, "ner")
    assert refused.exit_code == 1
    assert f"no rollout to {'rollback' if verb == 'abort' else verb}" in refused.stderr
    world.rate = 0
    world.deploy(LEVEL="2")
    run(world.event())
    told = json.loads(command(verb, "ner", "--json").stdout)
    assert told["candidate"] == "ner-00002"
    written = world.api.service()["metadata"]["annotations"][COMMAND]
    assert written == f"{'abort' if verb == 'rollback' else verb} ner-00002"


def test_an_unknown_service_and_one_without_a_rollout_have_their_exit_codes(world: World) -> None:
    assert command("status", "nobody").exit_code == 3
    world.api.apply("ner", lambda service: service["metadata"].update(annotations={}))
    result = command("status", "ner")
    assert result.exit_code == 1
    assert "no rollout policy" in result.stderr


def test_watch_gives_up_with_a_code_of_its_own(world: World) -> None:
    world.rate = 0
    world.deploy(LEVEL="2")
    run(world.event())
    result = command("watch", "ner", "--seconds", "0.1")
    assert (result.exit_code, result.stderr) == (4, "ner: not over after 0.1 s\n")


def test_retry_makes_a_rolled_back_candidate_a_candidate_again(world: World) -> None:
    assert command("retry", "ner").exit_code == 1
    world.failing_values = {"bad"}
    world.deploy(LEVEL="bad")
    run(world.settle())
    world.failing_values = set()
    assert command("retry", "ner").exit_code == 0
    run(world.settle())
    assert world.state().phase is Phase.SUCCEEDED
    assert world.api.service()["spec"]["template"]["spec"]["containers"][0]["env"] == [
        {"name": "LEVEL", "value": "bad"}
    ]


def test_a_refused_model_is_tried_again_only_when_someone_insists(world: World) -> None:
    world.failing_values = {"bad"}
    world.deploy(LEVEL="bad")
    run(world.settle())
    known = replace(world.state(), digest="sha256:a", refused=("sha256:a",))
    world.api.apply(
        "ner",
        lambda service: service["metadata"]["annotations"].update(
            {cli_rollout.state.ANNOTATION: cli_rollout.state.dump(known)}
        ),
    )
    refused = command("retry", "ner")
    assert refused.exit_code == 1
    assert "--insist" in refused.stderr
    assert command("retry", "ner", "--insist").exit_code == 0
    assert world.state().refused == ()


@pytest.mark.parametrize(
    ("policy", "code", "says"),
    [
        ('{"steps": [5, 100], "gates": [5]}', 0, ""),
        ('{"steps": [50, 5]}', 1, "Service/ner: steps: must be"),
        ("nonsense", 1, "Service/ner: policy is not JSON"),
    ],
)
def test_check_names_the_field_of_a_policy_that_makes_no_sense(
    tmp_path: Path, policy: str, code: int, says: str
) -> None:
    file = tmp_path / "service.yaml"
    manifest = {"kind": "Service", "metadata": {"name": "ner", "annotations": {ANNOTATION: policy}}}
    file.write_text(json.dumps({"kind": "ConfigMap"}) + "\n---\n" + json.dumps(manifest))
    result = command("check", str(file))
    assert (result.exit_code, says in result.stderr) == (code, True)
    assert f"{1 - code} of 1 policies" in result.stdout


def test_check_says_when_there_was_nothing_to_check(tmp_path: Path) -> None:
    file = tmp_path / "other.yaml"
    file.write_text("kind: ConfigMap\n")
    assert "0 of 0 policies" in command("check", str(file)).stdout


def test_check_of_a_file_that_cannot_be_read_is_wrong_use(tmp_path: Path) -> None:
    assert command("check", str(tmp_path / "none.yaml")).exit_code == 2


def test_the_screen_shows_bars_the_verdict_and_the_time_left() -> None:
    service = {"metadata": {"name": "ner", "annotations": {ANNOTATION: "{}"}}}
    weights = {"ner-00001": 75, "ner-00002": 25}
    known = State(
        Phase.CANARY, "t", "ner-00001", "ner-00002", since=100.0, reason="failed 1 of 9",
        weights=weights,
    )  # fmt: skip
    console = Console(file=StringIO(), width=100)
    console.print(rollout_view.screen(service, known, 110.0))
    drawn = console.file.getvalue()  # type: ignore[attr-defined] # it is the StringIO above
    for words in ("75 %", "25 %", "━", "failed 1 of 9", "0:20 min at this step"):
        assert words in drawn


def test_what_is_held_has_no_time_left() -> None:
    held = State(Phase.CANARY, "t", held="gate")
    assert "waits for `resume` (gate)" in rollout_view.left(held, Policy(), 0.0)
