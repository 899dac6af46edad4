"""What the environment says of the event log."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Settings:
    """Read once.

    `directory` (`EVENT_LOG_DIR`): where events are kept. `keep` (`EVENT_LOG_KEEP`, default 10,000):
    how many; past it the oldest goes.
    """

    directory: Path
    keep: int = 10_000


def from_env(environ: Mapping[str, str]) -> Settings:
    """Read the settings."""
    keep = int(environ.get("EVENT_LOG_KEEP", "10000"))
    return Settings(Path(environ["EVENT_LOG_DIR"]), keep)
