"""What model-sync is told by its environment."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Settings:
    """Read once, when the function loads."""

    bucket: str
    """BUCKET: the one bucket whose uploads are accepted. Required."""
    cache: Path
    """MODEL_CACHE_DIR: the model cache, a folder on a volume. Required."""
    allow_pickles: bool
    """ALLOW_PICKLES: `true` lets pickled weights in, which can run code when loaded. `false`."""
    patience: float = 300.0
    """SYNC_PATIENCE_SECONDS: how long after an event's arrival a fault of the store may still pass.
    Then the release is rejected, so that somebody hears of it; the Broker's last delivery should
    come later than that. 300."""
    public_key: Path | None = None
    """MODEL_PUBLIC_KEY: a PEM file; only releases that its private key signed are accepted. None."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "Settings":
        """Read the environment; a missing value is a KeyError that names it."""
        return cls(
            bucket=environ["BUCKET"],
            cache=Path(environ["MODEL_CACHE_DIR"]),
            allow_pickles=environ.get("ALLOW_PICKLES", "false").lower() == "true",
            patience=float(environ.get("SYNC_PATIENCE_SECONDS", "300")),
            public_key=Path(key) if (key := environ.get("MODEL_PUBLIC_KEY")) else None,
        )
