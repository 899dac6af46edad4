"""The way of one question: retrieve → rerank by sentence → answer → entities, with what served it."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from typing import Any

from functions.index.embedder import Embedder
from functions.inference.answer import Answer, parts
from functions.inference.answerers import Answerer, Evidence, ask
from functions.inference.entities import Entities, Ner
from functions.inference.retrieve import Index, Searcher
from functions.inference.schema import ResearchRequest
from functions.inference.score import scores
from functions.runtime.errors import Unavailable

NO_INDEX = "the index has not been built for this embedder yet"
POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Draft:
    """An answer before its entities are known."""

    answer: Answer
    answerer: dict[str, str]
    index: dict[str, Any]
    timings: dict[str, float]


@dataclass(frozen=True, slots=True)
class Research:
    """The function's resource: an embedder, its index, `ner`; `patience` is a start's, in seconds."""

    embedder: Embedder
    index: Index
    ner: Ner
    answerers: tuple[Answerer, ...]
    patience: float

    async def draft(self, request: ResearchRequest) -> Draft:
        """Answer without entities; Unavailable until the index was built for this embedder."""
        evidence, index, clock = await asyncio.to_thread(self._evidence, request)
        answered = await ask(self.answerers, evidence)
        clock.lap("answer")
        answerer = {"answerer": answered.answerer, "answerer_reason": answered.reason}
        return Draft(answered.answer, answerer, index, clock.laps)

    async def finish(self, draft: Draft) -> dict[str, Any]:
        """Add the entities, and return the response's body."""
        started = time.monotonic()
        entities = Entities()
        if draft.answer.supported:
            entities = await self.ner.entities(draft.answer.text)
        timings = draft.timings | {"entities": round(time.monotonic() - started, 4)}
        timings["total"] = round(sum(timings.values()), 4)
        body = {
            "answer": draft.answer.text,
            "supported": draft.answer.supported,
            "citations": [asdict(citation) for citation in draft.answer.citations],
            "entities": list(entities.found),
            "models": draft.answerer | self._models(entities),
            "index": draft.index,
            "timings": timings,
        }
        return body | ({"entities_error": entities.error} if entities.error else {})

    async def warm(self) -> None:
        """Find what would answer a question; raises Unavailable when there is no index in time."""
        deadline = time.monotonic() + self.patience
        while await asyncio.to_thread(self.index.searcher) is None:
            if time.monotonic() >= deadline:
                raise Unavailable(NO_INDEX)
            await asyncio.sleep(POLL_SECONDS)
        await asyncio.to_thread(self._evidence, ResearchRequest("Is everything warm?"))

    async def stream(self, draft: Draft) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        """Yield the citations one by one while `ner` works, then the whole body."""
        whole = asyncio.create_task(self.finish(draft))
        try:
            for text, citation in parts(draft.answer) if draft.answer.supported else ():
                yield "sentence", {"text": text, "citation": citation and asdict(citation)}
            yield "done", await whole
        finally:
            whole.cancel()

    def _evidence(self, request: ResearchRequest) -> tuple[Evidence, dict[str, Any], "_Clock"]:
        clock = _Clock()
        searcher = self.index.searcher()
        if searcher is None:
            raise Unavailable(NO_INDEX, retry_after=2)
        query = self.embedder.embed([request.question])[0]
        clock.lap("embed")
        candidates = searcher.search(query, request.top_k, request.filters)
        clock.lap("retrieve")
        ranked = scores(request.question, query, candidates)
        clock.lap("rerank")
        return Evidence(request.question, candidates, ranked), _described(searcher), clock

    def _models(self, entities: Entities) -> dict[str, Any]:
        return {
            "embedder": {"digest": self.embedder.digest, "version": self.embedder.version},
            "ner": entities.model,
        }


class _Clock:
    """Seconds between laps, by name."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.monotonic()

    def lap(self, name: str) -> None:
        now = time.monotonic()
        self.laps[name] = round(now - self._last, 4)
        self._last = now


def _described(searcher: Searcher) -> dict[str, Any]:
    manifest = searcher.generation.manifest
    return {
        "generation": manifest.generation,
        "documents": manifest.documents,
        "chunks": manifest.chunks,
        "created_at": manifest.created_at,
        "search": searcher.method,
    }
