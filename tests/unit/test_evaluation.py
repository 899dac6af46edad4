"""The figures of `./scripts/eval`: what counts as right, and that the served answers are still as good."""

import json
from pathlib import Path
from typing import Any

import pytest

from scripts import evaluation
from scripts.quality import score

FLOORS = {
    "questions": {"hit": 0.95, "spans": 0.85, "right": 0.85, "answered": 0.9, "refused": 0.85},
    "questions_reworded": {"hit": 0.95, "spans": 0.85, "answered": 0.85, "refused": 0.8},
    "questions_held_out": {"hit": 0.95, "spans": 0.65, "answered": 0.7, "refused": 0.8},
}
"""Below what was measured, so that only a change for the worse fails."""
KNOWN = {"question": "q", "documents": ["documents/a.md"], "span": "12 percent", "answer": "12"}
UNKNOWN: dict[str, Any] = {"question": "u", "documents": [], "span": "", "answer": ""}


def body(document: str = "documents/a.md", text: str = "", *, supported: bool = True) -> Any:
    citations = [{"document": document, "text": text}] if text else []
    return {"answer": text, "citations": citations, "supported": supported}


@pytest.mark.parametrize(
    ("answered", "expected"),
    [
        (body(text="It is 12 percent."), (1.0, 1.0, 1.0)),
        (body(text="It is 12 dollars."), (1.0, 0.0, 1.0)),
        (body("documents/b.md", "It is 12 percent."), (0.0, 0.0, 1.0)),
        (body(supported=False), (0.0, 0.0, 0.0)),
    ],
)
def test_a_span_counts_only_in_a_citation_of_an_expected_document(
    answered: Any, expected: tuple[float, float, float]
) -> None:
    quality = score([KNOWN, UNKNOWN], [answered, body(supported=False)])
    assert (quality.cited, quality.spans, quality.answered) == expected
    assert quality.refused == 1.0


def test_an_answer_to_what_nothing_answers_is_no_refusal() -> None:
    assert score([UNKNOWN], [body(text="Something.")]).refused == 0.0


def test_the_table_and_the_file_say_the_same_and_are_as_good_as_before(
    trained_models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "eval.json"
    embedder = str(trained_models / "embedder-v1.0.0")
    assert evaluation.main(["--embedder", embedder, "--json", str(file)]) == 0
    rows = json.loads(file.read_text())["rows"]
    printed = capsys.readouterr().out
    defaults = [row for row in rows if row["top_k"] == evaluation.DEFAULT_TOP_K]
    assert [row["questions"] for row in defaults] == list(FLOORS)
    for row in defaults:
        figures, floors = {"hit": row["hit"]} | row["quality"], FLOORS[row["questions"]]
        assert {name: figures[name] for name in floors if figures[name] < floors[name]} == {}
        assert f"{100 * figures['spans']:.1f} %" in printed
        assert all(question in printed for question in row["missed"])
