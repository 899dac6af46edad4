"""`./scripts/eval --answerer`: a model's own answers are told from quoted ones, and judged beside them."""

import json
from pathlib import Path

import pytest

from functions.inference.own_model import OwnModel
from scripts import evaluation
from tests.support.s3 import release_folder

QUESTIONS = [
    {
        "question": "How many e-bikes were sold in Germany in 2024?",
        "documents": ["documents/ebikes-germany-2024-sales.md"],
        "answer": "2.05 million",
        "span": "in Germany sold 2.05 million electric bicycles in",
    },
    {
        "question": "Which brand sold the most e-bikes in Germany?",
        "documents": ["documents/ebikes-germany-2024-sales.md"],
        "answer": "Velora Cycles",
        "span": "Velora Cycles of Bremen remained",
    },
    {"question": "How do I bake sourdough bread?", "documents": [], "answer": "", "span": ""},
]


class Parrot:
    """A model that knows one sentence, which is no answer to the second question."""

    def fits(self, _chat: object) -> bool:
        return True

    def reply(self, chat: list[dict[str, str]], _seconds: float) -> str:
        if "Which brand" in chat[1]["content"]:
            return "Nobody knows, but 17 brands try."
        return "Dealers in Germany sold 2.05 million electric bicycles in 2024."


def test_own_answers_are_counted_apart_and_beside_the_quoted_ones(
    trained_models: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(OwnModel, "_open", lambda _self: Parrot())
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for note in (evaluation.ROOT / "scripts/corpus").glob("ebikes-germany-*.md"):
        (corpus / note.name).write_bytes(note.read_bytes())
    questions, found = tmp_path / "asked.jsonl", tmp_path / "found.json"
    questions.write_text("".join(f"{json.dumps(one)}\n" for one in QUESTIONS))
    arguments = ["--corpus", corpus, "--questions", questions, "--json", found]
    arguments += ["--embedder", trained_models / "embedder-v1.0.0"]
    arguments += ["--answerer", release_folder(tmp_path)]
    assert evaluation.main([str(argument) for argument in arguments]) == 0
    (row,) = json.loads(found.read_text())["rows"]
    counts = ("known", "own", "right", "quoted_right", "unknown_answered", "truthful")
    assert [row[name] for name in counts] == [2, 1, 1, 1, 0, 1.0]
    assert sum(row["fallbacks"].values()) == 2
    assert "its answer was not believed: it cites no source" in row["fallbacks"]
    assert "1 of 2" in capsys.readouterr().out
