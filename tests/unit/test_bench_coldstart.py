"""The benchmark of cold starts: all find the same page cache, all end, and who cannot run says why."""

import json
import os
from pathlib import Path

import psutil
import pytest

from scripts.benchmarks import coldstart, coldstart_pages, serving
from scripts.benchmarks.bert_base import TEXT, BertBase
from scripts.benchmarks.coldstart import FLOOR, Seen
from scripts.benchmarks.contestants import OURS, Contestant
from scripts.benchmarks.harness import CannotMeasure, Report

MODEL = BertBase(Path("folder"), Path("cache"), "sha256:0")
LEFT = """
import http.server, json, os, pathlib, subprocess, sys, tempfile
text = {text!r}
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
scratch = pathlib.Path(tempfile.gettempdir())
pathlib.Path({told!r}).write_text(json.dumps([child.pid, str(scratch)]))
(scratch / "log").write_text("a line")
words = {{"ORG": "Nestlé", "LOC": "Vevey", "PER": "Mark Schneider"}}
found = [
    {{"label": label, "start": text.index(word), "end": text.index(word) + len(word)}}
    for label, word in words.items()
]


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.dumps({{"results": [found]}}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""


def program(text: str) -> Contestant:
    return Contestant("a", ("-c", text), "/")


def test_what_a_server_has_started_and_written_is_gone_with_it(tmp_path: Path) -> None:
    told = tmp_path / "told"
    with serving.serving(program(LEFT.format(text=TEXT, told=str(told))), MODEL) as started:
        child, scratch = json.loads(told.read_text())
        assert psutil.pid_exists(child)
        assert started.memory() > psutil.Process(child).memory_full_info().pss / (1 << 20)
    assert not psutil.pid_exists(started.process.pid)
    assert not psutil.pid_exists(child) or psutil.Process(child).status() == "zombie"
    assert not Path(scratch).exists()


def test_a_server_that_ends_before_it_answers_is_given_up() -> None:
    with (
        pytest.raises(CannotMeasure, match="a does not answer"),
        serving.serving(program("pass"), MODEL),
    ):
        pass


def test_all_start_in_turn_and_who_cannot_says_why_and_is_asked_no_more() -> None:
    started: list[str] = []

    def start(name: str) -> Seen:
        started.append(name)
        if name == "b":
            raise CannotMeasure("no java")
        return 1.0, None if name == FLOOR else 2.0

    starts = {name: (lambda name=name: start(name)) for name in (FLOOR, "a", "b")}
    found = coldstart._measure("warm", starts, 3)
    assert started == [FLOOR, "a", "b", "a", FLOOR, FLOOR, "a"]
    assert found.missing == {"b": "no java"}
    assert found.seconds == {FLOOR: [1.0] * 3, "a": [1.0] * 3}
    assert found.memory == {"a": [2.0] * 3}


def test_a_start_is_judged_by_the_best_peer_the_smallest_and_the_floor() -> None:
    report = Report("coldstart")
    seconds = {OURS.name: [0.5, 0.6, 9.0], "a": [7.0], "b": [6.0], FLOOR: [0.3]}
    memory = {OURS.name: [300.0], "a": [600.0], "b": [500.0]}
    coldstart._tell(report, coldstart.Found("warm", seconds, memory, {"c": "no java"}))
    judged = [(goal.value, goal.ok) for goal in report.goals]
    assert judged == [(pytest.approx(10), True), (0.6, True), (pytest.approx(2), False)]
    assert report.rows[-1] == {"pages": "warm", "not_run": "c", "because": "no java"}


def test_nothing_is_judged_without_ours() -> None:
    found = coldstart.Found("warm", {FLOOR: [0.3]}, {}, {OURS.name: "no model"})
    with pytest.raises(CannotMeasure, match="no model"):
        coldstart._tell(Report("coldstart"), found)


def test_a_state_of_the_page_cache_that_nobody_knows_is_refused_by_name() -> None:
    assert coldstart_pages.states("") == []
    assert coldstart_pages.states("all,warm") == ["all", "warm"]
    with pytest.raises(CannotMeasure, match="cold"):
        coldstart_pages.states("warm,cold")


def test_libraries_and_bytecode_of_an_environment_are_what_a_start_may_load(
    tmp_path: Path,
) -> None:
    wanted = {"lib/a.pyc", "lib/deep/b.so", "lib/c.so.1.2", "lib/java/modules", "lib/d.jar"}
    for name in (*wanted, "lib/a.py", "lib/e.h", "bin/f.so"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    found = coldstart_pages.libraries(tmp_path)
    inside = {str(path.relative_to(tmp_path)) for path in found if tmp_path in path.parents}
    assert inside == wanted
    assert Path(os.__file__).parent in {path.parents[1] for path in found}  # the interpreter's
