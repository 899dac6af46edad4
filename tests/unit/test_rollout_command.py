"""`marketresearch rollout`: what each command prints, writes, and exits with."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from knative.serving.client import KubeClient
from knative.serving.kubeconfig import Cluster
from knative.serving.observation import COMMAND
from scripts import cli_rollout
from tests.support.knative_api import NAMESPACE
from tests.support.rollout_world import World, run


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    world = World(tmp_path)
    world.deploy(LEVEL="1")
    run(world.event())
    monkeypatch.setattr(
        cli_rollout,
        "connect",
        lambda: KubeClient(Cluster("http://api", NAMESPACE), world.api.transport()),
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


@pytest.mark.parametrize("verb", ["promote", "abort"])
def test_a_command_is_written_for_the_running_candidate(world: World, verb: str) -> None:
    assert command(verb, "ner").exit_code == 1
    world.rate = 0
    world.deploy(LEVEL="2")
    run(world.event())
    assert command(verb, "ner").exit_code == 0
    written = world.api.service()["metadata"]["annotations"][COMMAND]
    assert written == f"{verb} ner-00002"


def test_an_unknown_service_and_one_without_a_rollout_have_their_exit_codes(world: World) -> None:
    assert command("status", "nobody").exit_code == 3
    world.api.apply("ner", lambda service: service["metadata"].update(annotations={}))
    result = command("status", "ner")
    assert result.exit_code == 1
    assert "no rollout policy" in result.stderr
