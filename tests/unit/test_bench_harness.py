"""The benchmarks' harness: what is listed, what is written, and what an exit code means."""

import json
from pathlib import Path

import pytest
from rich.console import Console

from scripts.benchmarks import __main__ as bench
from scripts.benchmarks import harness
from scripts.benchmarks.harness import CannotMeasure, Options, Report


def test_a_module_with_run_is_a_benchmark_and_its_docstring_says_what_it_measures(
    tmp_path: Path,
) -> None:
    (tmp_path / "speed.py").write_text(
        '"""How fast.\n\nMore."""\nimport nothing_there\ndef run(report, options): ...\n'
    )
    (tmp_path / "helper.py").write_text('"""No benchmark."""\n')
    assert harness.found(tmp_path) == {"speed": "How fast."}


def test_every_benchmark_of_the_package_says_what_it_measures() -> None:
    assert all(harness.found().values())


def test_a_goal_is_met_on_its_limit_and_on_its_good_side() -> None:
    report = Report("x")
    for value in (1.0, 2.0, 3.0):
        report.at_most("most", value, 2)
        report.at_least("least", value, 2, "/s")
    assert [goal.ok for goal in report.goals] == [True, False, True, True, False, True]
    assert [goal.goal for goal in report.goals][:2] == ["≤ 2", "≥ 2 /s"]


def test_what_is_written_has_the_machine_the_commit_the_rows_and_the_goals(tmp_path: Path) -> None:
    report = Report("x")
    report.row(path="direct", latency_ms=0.123456)
    report.equal("lost requests", 0, 0)
    report.write(tmp_path / "found.json")
    found = json.loads((tmp_path / "found.json").read_text())
    assert found.keys() == {"machine", "commit", "rows", "goals"}
    assert found["rows"] == [{"path": "direct", "latency_ms": 0.123456}]
    assert found["goals"] == [{"name": "lost requests", "value": 0, "goal": "= 0", "ok": True}]


def test_what_is_shown_ends_with_the_goals(capsys: pytest.CaptureFixture[str]) -> None:
    report = Report("x")
    report.row(path="direct", latency_ms=0.123456)
    report.row(path="gateway", latency_ms=None)
    report.row(requests=12345.0)
    report.at_most("latency", 3.0, 2.0, "ms")
    report.show(Console(width=120))
    shown = capsys.readouterr().out
    assert "0.123" in shown
    assert "12,345" in shown
    assert shown.splitlines()[-1] == "✗ latency: 3 (goal ≤ 2 ms)"


def test_a_goal_that_is_missed_is_no_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(harness, "found", lambda: {"x": "X."})
    monkeypatch.setattr(
        harness, "measure", lambda report, options: report.at_most("a", options.seconds, 1)
    )
    file = tmp_path / "found.json"
    assert bench.main(["x", "--seconds", "7", "--json", str(file)]) == 0
    assert json.loads(file.read_text())["goals"][0]["ok"] is False


def test_what_cannot_be_measured_is_said_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(report: Report, options: Options) -> None:
        assert options.rest == ("--own", "1")
        raise CannotMeasure("wrk is missing")

    monkeypatch.setattr(harness, "found", lambda: {"x": "X."})
    monkeypatch.setattr(harness, "measure", refuse)
    assert bench.main(["x", "--own", "1"]) == 2
    assert capsys.readouterr().err == "wrk is missing\n"


def test_an_unknown_name_is_refused_with_the_names_there_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert bench.main(["nothing"]) == 2
    assert "no benchmark 'nothing'" in capsys.readouterr().err


def test_without_a_name_the_names_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.main([]) == 0
    assert "measures" in capsys.readouterr().out
