"""What ner can have begun before it is imported: its release is read and opened."""

from collections.abc import Iterator, Mapping

from functions.ner.settings import Settings
from functions.registry.cache import ModelCache
from functions.runtime import backends
from functions.runtime.ahead import Step
from functions.runtime.backends import Form


def knock(_environ: Mapping[str, str]) -> None:
    """Nobody else is needed."""


def steps(environ: Mapping[str, str]) -> Iterator[Step]:
    """Open the release that the settings name."""
    settings = Settings.from_env(environ)
    if settings.digest:
        folder = ModelCache(settings.cache).entry_path(settings.digest)
        form = Form(int8=settings.int8)
        yield from backends.steps(folder, settings.threads, settings.device, form)
