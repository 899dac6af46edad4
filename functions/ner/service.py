"""ner's resource: texts in, entities out, by the configured release or, if allowed, by patterns.

Tokenising and decoding of short texts happen where they are asked for, of long ones in a thread;
the model has a thread of its own, in the batcher.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from functions.ner import packing
from functions.ner.decode import Entity
from functions.ner.model import Job, NerModel, Options, open_model, tokens
from functions.ner.settings import Settings
from functions.ner.shadow import Shadow
from functions.registry.cache import ModelCache, Release
from functions.registry.errors import ReleaseMissing
from functions.registry.manifest import Manifest
from functions.runtime import coldstart, metrics
from functions.runtime.backends import Form
from functions.runtime.batching import Batcher, Limits, fill
from functions.runtime.encoder import Output
from functions.runtime.errors import Invalid, Unavailable
from functions.runtime.model_metrics import MODEL_INFO

T = TypeVar("T")
Shown = Sequence[int]
INLINE = 4096
"""Characters of a request that are handled on the event loop: well under a millisecond's work."""
HEURISTIC = "heuristic"


@dataclass(frozen=True, slots=True)
class Engine:
    """An open release and the batcher that feeds it."""

    release: Release
    model: NerModel
    batcher: Batcher[Shown, Output]

    async def find(self, texts: Sequence[str], timeout: float) -> list[list[Entity]]:  # noqa: ASYNC109 - the queue drops what is late
        """Find the entities of each text."""
        return await self._each(texts, timeout, self.model.decode)

    async def classes(self, texts: Sequence[str], timeout: float) -> list[list[int]]:  # noqa: ASYNC109 - as above
        """Find the tag of each token of each text."""
        return await self._each(texts, timeout, self.model.classes)

    async def _each(
        self,
        texts: Sequence[str],
        timeout: float,  # noqa: ASYNC109 - as above
        decode: Callable[[Job, Sequence[Output]], T],
    ) -> list[T]:
        aside = sum(map(len, texts)) > INLINE
        jobs = await asyncio.to_thread(self._read, texts) if aside else self._read(texts)
        shown = [window for job in jobs for window in job.shown()]
        rows = iter(await self.batcher.submit(shown, timeout))

        def decoded() -> list[T]:
            return [decode(job, [next(rows) for _ in job.windows]) for job in jobs]

        return await asyncio.to_thread(decoded) if aside else decoded()

    def _read(self, texts: Sequence[str]) -> list[Job]:
        return [self.model.read(text) for text in texts]


@dataclass(frozen=True, slots=True)
class Ner:
    """What the routes use; without an engine, patterns answer."""

    settings: Settings
    engine: Engine | None
    shadow: Shadow = field(default_factory=Shadow)

    @property
    def model(self) -> str:
        """Who answers: the release's name and version, or "heuristic"."""
        return HEURISTIC if self.engine is None else release_name(self.engine.release)

    @property
    def outside(self) -> int:
        """The number of the tag `O`."""
        return 0 if self.engine is None else self.engine.model.tags.outside

    async def find(self, texts: Sequence[str]) -> list[list[Entity]]:
        """Find the entities of each text, within the configured time."""
        if self.engine is None:
            from functions.ner import heuristics  # noqa: PLC0415 - a model's start needs no patterns

            return [heuristics.find(text) for text in texts]
        return await self.engine.find(texts, self.settings.timeout_ms / 1000)

    async def classes(self, texts: Sequence[str]) -> list[list[int]]:
        """Find the tag of each token, within the configured time; patterns know none."""
        if self.engine is None:
            raise Invalid("patterns answer, and they have no class ids")
        return await self.engine.classes(texts, self.settings.timeout_ms / 1000)


def release_name(release: Release) -> str:
    """Return the name of a release's folder."""
    return f"{release.manifest.name}-v{release.manifest.version}"


@asynccontextmanager
async def load(environ: Mapping[str, str]) -> AsyncIterator[Ner]:
    """Open the release that `MODEL_DIGEST` names; raises Unavailable while there is none."""
    settings = Settings.from_env(environ)
    shadow = Shadow(settings.shadow_share, settings.shadow_redact, settings.service)
    if not settings.digest:
        if not settings.heuristics:
            raise Unavailable("no model is configured yet")
        yield Ner(settings, None, shadow)
        return
    release, model = await asyncio.to_thread(_open, settings)
    metrics.soon(partial(_tell, release.manifest))
    async with Batcher[Shown, Output](
        model.judge, tokens, _limits(settings), packing.take if model.encoder.packs else fill
    ) as batcher:
        yield Ner(settings, Engine(release, model, batcher), shadow)


def _tell(manifest: Manifest) -> None:
    MODEL_INFO.labels(
        name=manifest.name, version=str(manifest.version), digest=manifest.digest
    ).set(1)


async def warm(ner: Ner) -> None:
    """Make one real inference, unless the model's opening was one."""
    if ner.engine is not None and ner.engine.model.encoder.proven:
        return
    await ner.find(["Nestlé raised its outlook for 2024 by 4.2 % in Vevey, Mark Schneider said."])


def _open(settings: Settings) -> tuple[Release, NerModel]:
    try:
        release = ModelCache(settings.cache).release(settings.digest)
    except ReleaseMissing as error:
        raise Unavailable(str(error)) from error
    coldstart.mark("fetch")
    form = Form(settings.int8, settings.bf16, settings.steady)
    options = Options(settings.threads, settings.device, settings.window, settings.overlap, form)
    return release, open_model(release.path, options)


def _limits(settings: Settings) -> Limits:
    return Limits(
        batch_tokens=settings.batch_tokens,
        queue_tokens=settings.queue_tokens,
        wait=settings.batch_wait_ms / 1000,
    )
