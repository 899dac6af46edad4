"""How well questions with known answers are answered: the demo corpus, indexed and asked in this process.

A question of the set names the `documents` that answer it, a `span` that a citation of one of them has
to hold, and an `answer` that the text has to hold. Questions without documents have to be refused.
Weights were chosen on the first two sets; what they are worth, `questions_held_out.jsonl` says.
"""

import argparse
import asyncio
import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from functions.index.embedder import Embedder, open_embedder
from functions.inference.answerers import Extractive
from functions.inference.entities import Ner
from functions.inference.research import Research
from functions.inference.retrieve import Index
from functions.inference.schema import DEFAULT_TOP_K, Filters, ResearchRequest
from functions.registry.publish import describe
from scripts import evaluation_answerer, make_embedder
from scripts.corpus_index import build
from scripts.environment import ROOT
from scripts.quality import Quality, right_span, score

SETS = [
    ROOT / f"scripts/{name}.jsonl"
    for name in ("questions", "questions_reworded", "questions_held_out")
]
TOP_K = (3, DEFAULT_TOP_K, 12, 50)
NEAREST = 3
Question = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Run:
    """A set asked with one `top_k`; `hit` is the share with a right chunk among the nearest 3."""

    questions: str
    top_k: int
    hit: float
    quality: Quality
    missed: tuple[str, ...]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; exit code 0 whatever it says."""
    parser = argparse.ArgumentParser(prog="./scripts/eval", description=__doc__)
    parser.add_argument("--corpus", type=Path, default=ROOT / "scripts/corpus")
    parser.add_argument("--questions", type=Path, nargs="+", default=SETS)
    parser.add_argument("--embedder", type=Path, default=ROOT / "models/embedder-v1.0.0")
    parser.add_argument("--answerer", type=Path, help="a release that answers instead")
    parser.add_argument("--json", type=Path, help="write the figures there, too")
    given = parser.parse_args(arguments)
    with _research(given.corpus, _embedder(given.embedder)) as research:
        runs = (
            evaluation_answerer.run(research, given.answerer, given.questions)
            if given.answerer
            else _sets(research, given.questions)
        )
    if given.json:
        given.json.write_text(json.dumps({"rows": [asdict(run) for run in runs]}, indent=2) + "\n")
    return 0


def _sets(research: Research, files: Iterable[Path]) -> list[Run]:
    runs = list[Run]()
    for file in files:
        questions = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
        found = evaluate(research, questions, file.stem)
        _show(found, questions)
        runs += found
    return runs


@contextmanager
def _research(corpus: Path, embedder: Embedder) -> Iterator[Research]:
    """Index `corpus`, to be asked."""
    with tempfile.TemporaryDirectory(prefix="eval-") as folder:
        index = Index(build(corpus, embedder, Path(folder)), embedder.digest, "exact")
        yield Research(embedder, index, Ner("", 1.0), (Extractive(),), patience=0.0)


def evaluate(research: Research, questions: Sequence[Question], name: str) -> list[Run]:
    """Ask everything of the set `name`, once for each of TOP_K."""
    hit = _hit(research, questions)
    asked = [asyncio.run(_run(research, questions, number)) for number in TOP_K]
    return [Run(name, top_k, hit, *rest) for top_k, rest in zip(TOP_K, asked, strict=True)]


async def _run(
    research: Research, questions: Sequence[Question], top_k: int
) -> tuple[Quality, tuple[str, ...]]:
    bodies = []
    for question in questions:
        draft = await research.draft(ResearchRequest(question["question"], top_k))
        bodies.append(await research.finish(draft))
    missed = (
        question["question"]
        for question, body in zip(questions, bodies, strict=True)
        if not right_span(question, body)
    )
    return score(questions, bodies), tuple(missed)


def _hit(research: Research, questions: Sequence[Question]) -> float:
    """Return the share of answerable questions with an expected document among the nearest chunks."""
    searcher = research.index.searcher()
    if searcher is None:
        raise ValueError("the corpus gave no index")
    hits = []
    for question in (one for one in questions if one["documents"]):
        vector = research.embedder.embed([question["question"]])[0]
        rows = searcher.rank(vector, NEAREST, Filters())
        near = {searcher.generation.content.chunks[row].document for row in rows}
        hits.append(bool(near & set(question["documents"])))
    return sum(hits) / len(hits)


def _embedder(release: Path) -> Embedder:
    if not (release / "release.json").exists():
        print("making the embedder, once")
        make_embedder.make(release)
    manifest = describe(release, datetime.now(UTC))
    return open_embedder(release, manifest.digest, str(manifest.version))


def _show(runs: Sequence[Run], questions: Sequence[Question]) -> None:
    unknown = sum(not question["documents"] for question in questions)
    name, known = runs[0].questions, len(questions) - unknown
    print(f"{name}: {known} questions that the corpus answers, {unknown} that it does not")
    table = Table("top_k", "hit@3", "cited@3", "span", "text", "answered", "refused")
    for run in runs:
        quality = run.quality
        shares = (run.hit, quality.cited, quality.spans, quality.right)
        cells = (*shares, quality.answered, quality.refused)
        mark = " (default)" if run.top_k == DEFAULT_TOP_K else ""
        table.add_row(f"{run.top_k}{mark}", *(f"{100 * share:.1f} %" for share in cells))
    Console(width=100).print(table)
    default = next((run for run in runs if run.top_k == DEFAULT_TOP_K), runs[0])
    for question in default.missed:
        print(f"missed with top_k {default.top_k}: {question}")


if __name__ == "__main__":
    raise SystemExit(main())
