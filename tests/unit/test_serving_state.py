"""The state annotation: it comes back as it was, stays small, and garbage is told apart."""

import json
import math

import pytest

from eventing.events import RolloutSuperseded
from knative.serving.samples import Sample, Snapshot
from knative.serving.state import ANNOTATION, State, StateUnreadable, dump, load, of
from knative.serving.table import Phase

FULL = State(
    phase=Phase.CANARY,
    template="abc",
    stable="ner-00001",
    candidate="ner-00002",
    weights={"ner-00001": 95, "ner-00002": 5},
    baseline=Snapshot(7.5, {"ner-00001": Sample(10, 1, {0.5: 3, 10.0: 4, math.inf: 2})}),
    refused=("sha256:1",),
)


def test_a_state_comes_back_as_it_was() -> None:
    state = FULL.noting(12.0, "why").announcing(RolloutSuperseded("ner", "ner-00002", "e"))
    assert load(dump(state)) == state


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"v":2,"phase":"Canary","template":"a"}'])
def test_what_we_did_not_write_cannot_be_read(text: str) -> None:
    with pytest.raises(StateUnreadable):
        load(text)
    assert of({"metadata": {"annotations": {ANNOTATION: text}}}) is None


def test_history_outbox_and_refusals_are_bounded() -> None:
    state = FULL
    for number in range(500):
        state = state.noting(float(number), "x" * 5000).refusing(f"sha256:{number:064d}")
        state = state.announcing(RolloutSuperseded("ner", "c", "e" * 200))
    assert len(dump(state)) < 20_000
    assert state.refused[-1].endswith("499")


def test_a_refusal_is_remembered_once_and_can_be_forgiven() -> None:
    assert FULL.refusing("sha256:1") == FULL
    assert FULL.forgiving("sha256:1").refused == ()
    assert FULL.refusing(None) == FULL


def test_what_has_its_default_is_not_written() -> None:
    assert json.loads(dump(State(Phase.SUCCEEDED, "t"))) == {
        "v": 1,
        "phase": "Succeeded",
        "template": "t",
    }
