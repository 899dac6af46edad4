"""The demo corpus is what its README says, and its questions can be answered from it."""

import json
from pathlib import Path
from typing import Any

import pytest

from functions.embed_rebuild.documents import parse
from scripts.push_documents import documents

SCRIPTS = Path(__file__).parents[2] / "scripts"
OLD, NEW = documents(SCRIPTS / "corpus"), documents(SCRIPTS / "corpus_new")
QUESTIONS = [
    json.loads(line) for line in (SCRIPTS / "questions.jsonl").read_text("utf-8").splitlines()
]


def invented(text: str) -> list[str]:
    line = next(line for line in text.splitlines() if line.startswith("invented:"))
    return line.removeprefix("invented: [").removesuffix("]").split(", ")


@pytest.mark.parametrize("file", [*OLD, *NEW], ids=lambda file: file.stem)
def test_every_note_is_complete_and_marks_its_inventions(file: Path) -> None:
    (document,), skipped = parse(f"documents/{file.name}", file.read_bytes())
    assert skipped == []
    assert all((document.title, document.date, document.source, document.tags))
    body = document.text[document.body :]
    assert 120 <= len(body.split()) <= 300
    assert [name for name in invented(document.text) if name not in body] == []


def test_the_new_notes_are_later_than_all_old_ones() -> None:
    dates = [
        [parse(file.name, file.read_bytes())[0][0].date for file in files] for files in (OLD, NEW)
    ]
    assert max(dates[0]) < min(dates[1])
    assert len(OLD) >= 44


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda one: one["question"])
def test_every_question_is_answered_by_its_documents(question: dict[str, Any]) -> None:
    names = [str(name).removeprefix("documents/") for name in question["documents"]]
    texts = [(SCRIPTS / "corpus" / name).read_text("utf-8") for name in names]
    assert all(str(question["answer"]) in text for text in texts)
    assert all(text.count(str(question["span"])) == 1 for text in texts[:1])
    assert bool(question["span"]) == bool(texts)


def test_there_are_sixty_questions_and_ten_that_nothing_answers() -> None:
    assert len(QUESTIONS) >= 60
    assert sum(not question["documents"] for question in QUESTIONS) >= 10
