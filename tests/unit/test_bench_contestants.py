"""The contestants of the benchmarks: known by name, and told from one another by what they found."""

import json

import pytest

from scripts.benchmarks import answers, ner, ner_load
from scripts.benchmarks.bert_base import TEXT
from scripts.benchmarks.contestants import FRAMEWORK, OURS, PEERS, chosen
from scripts.benchmarks.harness import CannotMeasure, Report

RIGHT = [
    {"entity_group": "ORG", "start": 0, "end": 6},
    {"entity_group": "LOC", "start": TEXT.index("Vevey"), "end": TEXT.index("Vevey") + 5},
    {"entity_group": "PER", "start": TEXT.index("Mark"), "end": TEXT.index(" said")},
]
LABELLED = [{"label": one["entity_group"], **one} for one in RIGHT]


def test_ours_and_the_framework_always_take_part_and_peers_by_name() -> None:
    assert chosen("") == [OURS, FRAMEWORK]
    assert chosen("litserve,kserve") == [OURS, FRAMEWORK, PEERS["litserve"], PEERS["kserve"]]


def test_a_peer_that_nobody_knows_is_refused_by_name() -> None:
    with pytest.raises(CannotMeasure, match="triton"):
        chosen("kserve,triton")


@pytest.mark.parametrize(
    "answer",
    [
        {"results": [RIGHT]},
        {"results": [{"entities": LABELLED}], "model": "ours"},
        [RIGHT],
        {"outputs": [{"name": "entities", "data": [json.dumps(RIGHT)]}]},
    ],
)
def test_right_entities_are_recognised_in_whatever_wraps_them(answer: object) -> None:
    answers.check("a", answer)


@pytest.mark.parametrize("found", [[], RIGHT[:2], [*RIGHT, RIGHT[0] | {"end": 5}]])
def test_a_server_that_finds_too_little_or_too_much_takes_no_part(found: object) -> None:
    with pytest.raises(CannotMeasure, match="a finds"):
        answers.check("a", {"results": [found]})


def test_each_goal_is_judged_by_the_peer_that_is_best_at_it() -> None:
    servers = {
        OURS.name: ner.Found(18, 1, 60),
        "quick and large": ner.Found(10, 4, 300),
        "slow and small": ner.Found(5, 2, 100),
    }
    found = {
        (name, kind, level): one
        for name, one in servers.items()
        for kind in ner_load.KINDS
        for level in ner.LEVELS
    }
    report = Report("ner")
    ner._goals(report, found, [*servers][1:], dict.fromkeys(ner_load.KINDS, 20.0))
    assert [goal.value for goal in report.goals] == [0.9, 0.9, 1.8, *[0.5] * 6, 0.6]
    assert all(goal.ok for goal in report.goals)


@pytest.mark.parametrize("kind", ner_load.KINDS)
def test_sentences_are_the_same_for_every_server(kind: str) -> None:
    once, again = ner_load.sentences(kind), ner_load.sentences(kind)
    assert [next(once) for _ in range(300)] == [next(again) for _ in range(300)]


def test_only_what_is_answered_between_building_up_and_the_end_counts() -> None:
    load = ner_load.Load(100, ner_load.Pace(level=20, seconds=10))
    for sent, now in ((100, 102.9), (100, 103), (112, 112.9), (110, 113)):
        load.answered(sent, now)
    assert load.took == [3, pytest.approx(0.9)]
