"""The pure parts of `bench scale`: replicas, load, limits and the picture are what they say."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

from scripts.benchmarks import scale_breaks, scale_picture
from scripts.benchmarks.forecast_traces import DAY, HOUR
from scripts.benchmarks.harness import CannotMeasure
from scripts.benchmarks.scale_breaks import Peak
from scripts.benchmarks.scale_facts import Facts, manifests, read
from scripts.benchmarks.scale_load import STEPS, drawn, expected, kept, office
from scripts.benchmarks.scale_revision import STEP, Function, Replicas, Target, simulate

BY_RATE = Target(10.0, by_rate=True)
NEVER = [False] * 600


def test_the_newest_replicas_go_first() -> None:
    replicas = Replicas()
    replicas.scale(3, 0.0, 5.0)
    replicas.advance(5.0)
    replicas.scale(8, 6.0, 5.0)
    replicas.scale(4, 7.0, 5.0)
    assert (replicas.ready, replicas.until_first(7.0)) == (3, 0.0)
    replicas.advance(11.0)
    assert replicas.ready == 4
    replicas.scale(2, 12.0, 5.0)
    assert replicas.ready == 2


def test_a_request_at_a_sleeping_function_waits_for_its_start() -> None:
    moments = list(simulate(Function(0.1, 9.0, BY_RATE), [1] * 60, NEVER[:60]))
    assert moments[0].waited == pytest.approx(8.0)
    assert moments[3].waited == pytest.approx(2.0)
    assert moments[-1].waited == 0


def test_what_the_forecast_keeps_awake_waits_for_nothing_and_what_nobody_asks_sleeps() -> None:
    arrivals = [0] * 300 + [1] + [0] * 299
    function = Function(0.1, 9.0, BY_RATE)
    assert list(simulate(function, arrivals, [True] * 600))[300].waited == 0
    asleep = list(simulate(function, arrivals, NEVER))
    assert asleep[300].waited > 0
    assert (asleep[299].replicas, asleep[-1].replicas) == (0, 0)


def test_replicas_follow_the_rate() -> None:
    """20 a second of 0.1 s: two cores, and three replicas at 70 % of each."""
    moments = list(simulate(Function(0.1, 2.0, BY_RATE), [40] * 600, NEVER))
    assert {moment.replicas for moment in moments[100:]} == {3}
    assert moments[-1].load == pytest.approx(2 / 3, rel=0.01)


def test_a_target_at_once_that_a_core_cannot_hold_makes_replicas_come_and_go() -> None:
    """The same load; few requests at once are no sign that one core could take them all."""
    by_number = Function(0.1, 2.0, Target(8.0, by_rate=False))
    moments = list(simulate(by_number, [40] * 600, NEVER))
    assert max(moment.waited for moment in moments[100:]) > 1
    assert len({moment.replicas for moment in moments[100:]}) > 2


def test_a_day_has_the_questions_asked_for_and_its_mornings_come_gradually() -> None:
    mean = expected(1e5, office())
    assert mean.sum() == pytest.approx(1e5, rel=0.01)
    assert np.abs(np.diff(mean)).max() < 0.01 * mean.max()
    eight, noon = int(7 * HOUR / STEP), int(11 * HOUR / STEP)
    assert mean[noon] > 20 * mean[eight]


@pytest.mark.parametrize("a_day", [1e4, 1e7])
def test_drawn_days_are_the_same_for_the_same_seed(a_day: float) -> None:
    mean = expected(a_day, office())
    once, again = (drawn(a_day, mean, np.random.default_rng(1)) for _ in range(2))
    assert (once == again).all()
    assert len(once) == STEPS == DAY / STEP
    assert once.sum() == pytest.approx(a_day, rel=0.05)


def test_the_forecast_keeps_the_working_day_awake() -> None:
    rng = np.random.default_rng(1)
    questions = drawn(1e3, expected(1e3, office()), rng)
    awake = kept(1e3, questions, 4 * HOUR, rng)
    assert awake[int(11 * HOUR / STEP)]
    assert not awake[int(3 * HOUR / STEP)]


def test_what_breaks_first_is_what_a_growing_load_meets_first() -> None:
    by_rate = dict.fromkeys(("inference", "ner"), BY_RATE)
    small = scale_breaks.told(Peak(1.0, 1, 1), Facts(), by_rate)
    assert small.startswith("nothing; nearest is max-scale of ner")
    large = scale_breaks.told(Peak(30_000.0, 3_000, 4_000), Facts(), by_rate)
    assert large.startswith("max-scale of ner (200 times)")
    assert "one gateway" in large
    by_number = dict.fromkeys(by_rate, Target(8.0, by_rate=False))
    assert scale_breaks.told(Peak(30.0, 4, 5), Facts(), by_number).startswith("one core behind")


def test_the_manifests_targets_are_read() -> None:
    assert {name: target.by_rate for name, target in manifests().items()} == {
        "inference": False,
        "ner": False,
    }


def test_production_asks_no_replica_for_more_than_a_core_does() -> None:
    targets, facts = manifests("production"), Facts()
    for name, seconds in (("inference", facts.question_seconds), ("ner", facts.ner_seconds)):
        assert targets[name].by_rate
        assert 0.8 < targets[name].value * seconds <= 1.0


def test_measured_files_replace_the_defaults(tmp_path: Path) -> None:
    ner, cold, demo = (tmp_path / name for name in ("ner", "cold", "demo"))
    rows = [
        {"server": "ours", "tokens": kind, "concurrency": 32.0, "sentences_s": rate}
        for kind, rate in (("16-128", 9.0), ("64", 20.0))
    ]
    ner.write_text(json.dumps({"rows": rows}))
    starts = {"ours": 0.4, "floor": 0.3, "kserve": 6.0, "bentoml": 7.0}
    cold.write_text(json.dumps({"rows": [{"server": n, "median_s": s} for n, s in starts.items()]}))
    told = {"cold_start": {"inference": {"import": 0.3, "load": 0.1}}, "warm_answer_seconds": 0.05}
    demo.write_text(json.dumps({"steps": [{"facts": told}]}))
    facts = read(Facts(), ner, cold, demo)
    assert (facts.ner_seconds, facts.ner_start, facts.ner_plain_start) == (0.05, 0.4, 6.0)
    assert (facts.question_seconds, facts.question_start) == (0.05, pytest.approx(0.4))


@pytest.mark.parametrize("text", ["", "{}", '{"rows": []}'])
def test_a_file_that_says_nothing_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "found.json"
    file.write_text(text)
    with pytest.raises(CannotMeasure):
        read(Facts(), file, None, None)


def test_the_picture_is_xml_and_has_a_line_a_name() -> None:
    svg = scale_picture.draw([1e4, 1e9], {"a & b": {"ours": [1.0, 10.0], "theirs": [2.0, 9.0]}})
    lines = ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}polyline")  # noqa: S314 - our own text
    assert len(list(lines)) == 2
    assert "10^9" in svg
