"""An answerer that runs a release of our own; what it replies is checked as any model's reply.

It is opened when the first question comes, behind the traffic, since torch alone takes longer than a
whole start, and answers one question at a time. Who asks meanwhile, or has waited long enough, is
answered by the next answerer.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from functions.inference.answer import Answer, supports
from functions.inference.answerers import Evidence, NotAnswered
from functions.inference.prompt import BRIEF, Ungrounded, grounded, messages, sources
from functions.registry.cache import ModelCache

MOST_SOURCES = 3
"""A small model loses its way among more, and reading them is most of its time."""


@dataclass(frozen=True, slots=True)
class OwnOptions:
    """Which release, and how long it may take."""

    digest: str
    """`ANSWERER_DIGEST`: a release of a causal or seq2seq transformers model in the model cache."""
    timeout: float
    """`ANSWERER_TIMEOUT_SECONDS`: for one answer. Default 20."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "OwnOptions | None":
        """Read `environ`; None without a digest."""
        digest = environ.get("ANSWERER_DIGEST", "")
        if not digest:
            return None
        return cls(digest, float(environ.get("ANSWERER_TIMEOUT_SECONDS", "20")))


class Generator(Protocol):
    """An open model; see generator.py, which is heavy to import."""

    def fits(self, chat: list[dict[str, str]]) -> bool:
        """Tell whether the model reads all of it and has room for a reply."""
        ...

    def reply(self, chat: list[dict[str, str]], seconds: float) -> str:
        """Return the whole reply; raises NotAnswered."""
        ...


class OwnModel:
    """Answers with a release's model, once that is open."""

    reason = "ANSWERER_DIGEST is configured"

    def __init__(self, options: OwnOptions, cache: Path) -> None:
        self._options, self._cache = options, cache
        self.name = f"transformers/{options.digest[:19]}"
        self._opening: asyncio.Task[Generator] | None = None
        self._work: asyncio.Task[Answer] | None = None

    async def answer(self, evidence: Evidence) -> Answer:
        """Ask the model, unless nothing that was found could support an answer."""
        if not supports(evidence.scores):
            raise NotAnswered("not asked, since nothing that was found supports an answer")
        model = self._model()
        if self._work is not None and not self._work.done():
            raise NotAnswered("it is answering another question")
        self._work = asyncio.create_task(asyncio.to_thread(self._reply, model, evidence))
        self._work.add_done_callback(_noticed)
        try:
            # A thread cannot be stopped: when nobody waits for it, it works on and counts as busy.
            async with asyncio.timeout(self._options.timeout):
                return await asyncio.shield(self._work)
        except TimeoutError:
            raise NotAnswered(f"it did not answer within {self._options.timeout:g} s") from None
        except Ungrounded as error:
            raise NotAnswered(f"its answer was not believed: {error}") from error

    async def opened(self) -> None:
        """Wait until it is open, or cannot be."""
        await asyncio.wait([self._begun()])

    async def close(self) -> None:
        """Wait for nobody: what a thread still does ends with the process."""
        for task in (self._opening, self._work):
            if task is not None:
                task.cancel()

    def _begun(self) -> asyncio.Task[Generator]:
        if self._opening is None:
            self._opening = asyncio.create_task(asyncio.to_thread(self._open))
        return self._opening

    def _model(self) -> Generator:
        opening = self._begun()
        if not opening.done():
            raise NotAnswered("it is being opened")
        failure = opening.exception()
        if failure is not None:
            raise NotAnswered(f"it cannot be opened: {failure}"[:300]) from failure
        return opening.result()

    def _open(self) -> Generator:
        release = ModelCache(self._cache).release(self._options.digest)
        from functions.inference import generator  # noqa: PLC0415 - torch: seconds, and not in every image

        model = generator.Checkpoint(release.path)
        self.name = f"transformers/{release.manifest.name}-v{release.manifest.version}"
        return model

    def _reply(self, model: Generator, evidence: Evidence) -> Answer:
        shown = sources(evidence.candidates, evidence.scores)[:MOST_SOURCES]
        while shown and not model.fits(messages(evidence.question, shown, BRIEF)):
            shown = shown[:-1]
        if not shown:
            raise NotAnswered("the question is longer than what it reads")
        reply = model.reply(messages(evidence.question, shown, BRIEF), self._options.timeout)
        return grounded(evidence.question, reply, shown)


def _noticed(work: asyncio.Task[Answer]) -> None:
    """Take note of how it ended, though nobody may wait for it by now."""
    if not work.cancelled():
        work.exception()
