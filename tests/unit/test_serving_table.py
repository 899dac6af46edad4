"""The transition table: the README's picture is it, and no phase is a trap."""

from pathlib import Path

import pytest

from knative.serving.table import ACTIVE, TABLE, TERMINAL, Effect, Input, Phase, mermaid

README = Path("knative/serving/README.md")


def test_the_diagram_in_the_readme_is_the_table() -> None:
    text = README.read_text(encoding="utf-8")
    assert text.split("```mermaid\n")[1].split("\n```")[0] == mermaid()


def test_every_input_and_every_effect_is_used() -> None:
    assert {cause for _, cause in TABLE} == set(Input)
    assert {transition.effect for transition in TABLE.values()} == set(Effect)


@pytest.mark.parametrize("phase", ACTIVE)
def test_from_every_phase_a_terminal_one_can_be_reached(phase: Phase) -> None:
    seen, todo = {phase}, [phase]
    while todo:
        here = todo.pop()
        reached = {row.phase for (start, _), row in TABLE.items() if start is here} - seen
        seen |= reached
        todo += reached
    assert seen >= TERMINAL


@pytest.mark.parametrize("phase", ACTIVE[:-1])
def test_rollback_and_a_persons_hand_are_possible_in_every_phase(phase: Phase) -> None:
    for cause in (Input.BROKEN, Input.OVERDUE, Input.ABORT):
        assert TABLE[phase, cause].phase is Phase.ROLLING_BACK
    assert TABLE[phase, Input.TAKEN] == TABLE[Phase.ROLLING_BACK, Input.TAKEN]
    assert TABLE[phase, Input.OUTDATED].phase is Phase.SUPERSEDED


@pytest.mark.parametrize("phase", sorted(TERMINAL))
def test_a_changed_template_starts_a_rollout_from_every_terminal_phase(phase: Phase) -> None:
    assert TABLE[phase, Input.CHANGED].phase is Phase.PENDING
