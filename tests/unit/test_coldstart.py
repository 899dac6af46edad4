"""A start is told phase by phase: by the process itself, and to whoever asks for its waterfall."""

import json
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from functions.runtime import coldstart, metrics
from functions.runtime.metrics import COLD_START
from knative.serving.client import KubeClient
from knative.serving.kubeconfig import Cluster
from scripts import cli_coldstart
from scripts.cli_coldstart import started, waterfall

CREATED = "2026-01-01T00:00:00Z"
BEGUN = 1_767_225_601.25
PHASES = {"process": 0.05, "import": 0.3, "fetch": 0.01, "load": 0.04, "first_inference": 0.1}


def line(**fields: Any) -> str:
    return json.dumps({"message": "cold start", **fields})


LOG = "\n".join(
    ["Traceback (most recent call last):", "[]", line(), line(cold_start=PHASES, started_at=BEGUN)]
)


def test_the_platform_is_told_ready_once_and_only_after_an_inference(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(coldstart, "_phases", {})
    monkeypatch.setattr(metrics, "_waiting", [])
    assert coldstart.told_ready() is None
    coldstart.mark("first_inference")
    said = coldstart.told_ready()
    assert said is not None
    assert said["cold_start"] == coldstart.phases()
    assert list(coldstart.phases()) == ["first_inference", "ready"]
    metrics.serve()
    assert COLD_START.labels(phase="ready")._value.get() == coldstart.phases()["ready"]
    assert coldstart.told_ready() is None


def test_what_is_told_during_a_start_waits_for_its_end_and_later_things_do_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(metrics, "_waiting", [])
    told: list[str] = []
    metrics.soon(lambda: told.append("early"))
    assert told == []
    metrics.serve()
    metrics.soon(lambda: told.append("late"))
    metrics.serve()
    assert told == ["early", "late"]


def test_schedule_is_what_passed_between_the_pod_and_its_process() -> None:
    assert started(LOG, CREATED) == {"schedule": 1.25, **PHASES}


def test_a_clock_that_disagrees_makes_no_negative_phase() -> None:
    assert started(LOG, "2026-01-01T00:00:09Z")["schedule"] == 0


def test_a_log_without_a_start_has_no_phases() -> None:
    assert started("no json\n{}\n", CREATED) == {}


def test_each_bar_begins_where_the_one_before_ends() -> None:
    bars = [text.partition(" s  ")[2] for text in waterfall({"load": 3.0, "process": 1.0})]
    assert [len(bar) - len(bar.lstrip()) for bar in bars] == [0, 10]
    assert [len(bar) for bar in bars] == [10, 40]


def kube(logs: dict[str, str]) -> KubeClient:
    def answer(request: httpx.Request) -> httpx.Response:
        parts = request.url.path.split("/")
        if parts[-2] == "services":
            return httpx.Response(200 if parts[-1] == "ner" else 404, json={"reason": "NotFound"})
        if parts[-1] == "pods":
            meta = [{"name": name, "creationTimestamp": CREATED} for name in logs]
            return httpx.Response(200, json={"items": [{"metadata": one} for one in meta]})
        return httpx.Response(200, text=logs[parts[-2]])

    return KubeClient(Cluster("http://kube", "ns"), httpx.MockTransport(answer))


@pytest.mark.parametrize(("logs", "code"), [({"ner-1": LOG}, 0), ({"ner-1": ""}, 1), ({}, 1)])
def test_the_command_prints_the_newest_start_or_says_that_there_is_none(
    monkeypatch: pytest.MonkeyPatch, logs: dict[str, str], code: int
) -> None:
    monkeypatch.setattr(cli_coldstart, "connect", lambda _: kube(logs))
    result = CliRunner().invoke(cli_coldstart.app, ["ner", "--json"])
    assert result.exit_code == code
    if code == 0:
        told = json.loads(result.stdout)
        assert told["phases"] == PHASES
        assert told["schedule_at_most"] == 1.25
        assert told["total"] == pytest.approx(sum(PHASES.values()))
        assert "first_inference" in CliRunner().invoke(cli_coldstart.app, ["ner"]).stdout


def test_a_service_that_nobody_has_is_not_said_to_be_asleep(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cli_coldstart, "connect", lambda _: kube({"ner-1": LOG}))
    result = CliRunner().invoke(cli_coldstart.app, ["nobody"])
    assert result.exit_code == 3
    assert "NotFound" in result.stderr
