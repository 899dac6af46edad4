"""The demo is the acceptance test: every step as it should be, every fact observed."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from scripts.laptop.process import ROOT

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def steps(trained_models: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    out = tmp_path_factory.mktemp("story") / "out.json"
    command = [sys.executable, "-m", "scripts.story", "--json", str(out)]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    report = json.loads(out.read_text())
    problems = {step["name"]: step["problem"] for step in report["steps"] if not step["ok"]}
    assert told.returncode == 0, f"{problems}\n{told.stdout[-4000:]}{told.stderr[-2000:]}"
    assert report["ok"]
    return {step["name"][0]: step for step in report["steps"]}


def test_a_question_wakes_two_functions_and_each_phase_of_the_cold_start_is_shown(
    steps: dict[str, Any],
) -> None:
    facts = steps["a"]["facts"]
    assert facts["replicas_before"] == {}
    assert set(facts["replicas"]) >= {"inference", "ner"}
    for service in ("inference", "ner"):
        assert set(facts["cold_start"][service]) >= {"process", "import", "load", "first_inference"}
        assert all(seconds >= 0 for seconds in facts["cold_start"][service].values())
    assert facts["first_answer_seconds"] > facts["warm_answer_seconds"]
    assert facts["citations"] > 0


def test_a_better_model_is_promoted_step_by_step_and_no_request_fails(
    steps: dict[str, Any],
) -> None:
    facts = steps["b"]["facts"]
    assert facts["requests"] > 300
    assert facts["failed"] == 0
    weights = [entry.get(facts["candidate"], 0) for entry in facts["traffic"]]
    assert weights == sorted(weights)
    assert {0, 5, 25, 50, 100} >= set(weights) >= {5, 100}
    assert facts["entities_right"]["after"] > facts["entities_right"]["before"]


def test_a_model_with_bad_labels_meets_no_user(steps: dict[str, Any]) -> None:
    facts = steps["c"]["facts"]
    assert facts["candidate"] not in facts["served_by"]
    assert all(entry.get(facts["candidate"], 0) == 0 for entry in facts["traffic"])


def test_the_failed_share_of_a_bad_candidate_stays_below_its_weight(steps: dict[str, Any]) -> None:
    facts = steps["d"]["facts"]
    assert 0 < facts["failed"] / facts["requests"] <= facts["heaviest_weight"] / 100
    assert set(facts["failed_by"]) == {facts["candidate"]}


def test_every_traffic_write_of_every_step_sums_to_a_hundred(steps: dict[str, Any]) -> None:
    for name in "bcde":
        for entry in steps[name]["facts"]["traffic"]:
            shares = [share for key, share in entry.items() if key != "seconds"]
            assert sum(shares) == 100


def test_traffic_set_by_hand_wins(steps: dict[str, Any]) -> None:
    facts = steps["e"]["facts"]
    final = {name: share for name, share in facts["traffic"][-1].items() if name != "seconds"}
    assert final == facts["by_hand"]


def test_new_documents_change_the_answer_and_then_all_is_at_zero(steps: dict[str, Any]) -> None:
    assert steps["f"]["facts"]["answer_before"] != steps["f"]["facts"]["answer_after"]
    assert steps["g"]["facts"]["replicas"] == {}
