"""What `./scripts/eval --answerer RELEASE` adds: the same questions, answered by a model of one's own.

The release is asked as `inference` asks it, quoted sentences behind it. What counts is what it said
itself and was believed, and, to set beside it, what the quoted sentences say to the same questions.
"""

import asyncio
import json
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from functions.inference.own_model import OwnModel, OwnOptions
from functions.inference.research import Research
from functions.inference.schema import ResearchRequest
from scripts.benchmarks.cached import cached

SECONDS = 20.0
"""`ANSWERER_TIMEOUT_SECONDS`, as it is by default."""
Question = Mapping[str, Any]
Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """A set asked once. `own` were answered by the model, `right` of them rightly; `quoted_right`: by quoting.

    Counts are of answerable questions, but for `unknown` ones that it answered. `truthful`: shares of
    citations that stand in their document where they say; `fallbacks`: why it did not answer, how often.
    """

    questions: str
    known: int
    own: int
    right: int
    quoted_right: int
    unknown_answered: int
    truthful: float
    seconds_p50: float
    seconds_p95: float
    fallbacks: Mapping[str, int]


def run(research: Research, release: Path, files: Sequence[Path]) -> list[Asked]:
    """Ask all the sets, print what came of each, and return it."""
    with tempfile.TemporaryDirectory(prefix="answerer-") as folder:
        own = OwnModel(OwnOptions(cached(release, Path(folder)), SECONDS), Path(folder))
        with_own = replace(research, answerers=(own, *research.answerers))
        return asyncio.run(_sets(with_own, research, own, files))


async def _sets(
    with_own: Research, quoting: Research, own: OwnModel, files: Sequence[Path]
) -> list[Asked]:
    started = time.monotonic()
    await own.opened()
    print(f"{own.name} was open after {time.monotonic() - started:.1f} s")
    found = []
    for file in files:
        questions = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
        pairs = [(await _asked(with_own, one), await _asked(quoting, one)) for one in questions]
        found.append(_judged(file.stem, questions, pairs, quoting))
        _show(found[-1])
    await own.close()
    return found


async def _asked(research: Research, question: Question) -> Body:
    draft = await research.draft(ResearchRequest(question["question"]))
    return await research.finish(draft)


def _judged(
    name: str, questions: Sequence[Question], pairs: Sequence[tuple[Body, Body]], research: Research
) -> Asked:
    told = list(zip(questions, pairs, strict=True))
    own = [(one, pair) for one, pair in told if not _fell_back(pair[0])]
    known = [(one, pair) for one, pair in own if one["documents"]]
    seconds = sorted(pair[0]["timings"]["answer"] for _, pair in own) or [0.0]
    reasons = (pair[0]["models"]["answerer_reason"] for _, pair in told if _fell_back(pair[0]))
    cited = [_stands(citation, research) for _, pair in own for citation in pair[0]["citations"]]
    return Asked(
        questions=name,
        known=sum(bool(one["documents"]) for one in questions),
        own=len(known),
        right=sum(_right(one, pair[0]) for one, pair in known),
        quoted_right=sum(_right(one, pair[1]) for one, pair in known),
        unknown_answered=sum(pair[0]["supported"] for one, pair in own if not one["documents"]),
        truthful=statistics.fmean(cited) if cited else 1.0,
        seconds_p50=statistics.median(seconds),
        seconds_p95=seconds[int(0.95 * (len(seconds) - 1))],
        fallbacks=dict(Counter(reason.partition(": ")[2] for reason in reasons)),
    )


def _fell_back(body: Body) -> bool:
    return str(body["models"]["answerer"]) == "extractive"


def _right(question: Question, body: Body) -> bool:
    return str(question["answer"]) in str(body["answer"])


def _stands(citation: Mapping[str, Any], research: Research) -> bool:
    """Tell whether the index holds the cited text at the cited place."""
    searcher = research.index.searcher()
    chunks = searcher.generation.content.chunks if searcher else []
    return any(
        chunk.text[citation["start"] - chunk.start : citation["end"] - chunk.start]
        == citation["text"]
        for chunk in chunks
        if chunk.document == citation["document"] and chunk.start <= citation["start"]
    )


def _show(asked: Asked) -> None:
    table = Table("set", "answered itself", "rightly", "quoting: rightly", "truthful", "p50", "p95")
    table.add_row(
        asked.questions,
        f"{asked.own} of {asked.known}",
        str(asked.right),
        str(asked.quoted_right),
        f"{100 * asked.truthful:.0f} %",
        f"{asked.seconds_p50:.1f} s",
        f"{asked.seconds_p95:.1f} s",
    )
    Console(width=100).print(table)
    print(f"answered although nothing in the corpus does: {asked.unknown_answered}")
    for reason, count in sorted(asked.fallbacks.items(), key=lambda pair: -pair[1]):
        print(f"{count:4} times quoted: {reason}")
