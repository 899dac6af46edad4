"""What the environment says of notify."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Settings:
    """Read once. `url` (`NOTIFY_URL`): the webhook, which is a secret by itself."""

    url: str

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "Settings":
        """Read them; raises ValueError with the variable's name, and never with its value."""
        url = environ.get("NOTIFY_URL", "").strip()
        if not url.startswith(("http://", "https://")):
            raise ValueError("NOTIFY_URL must be the address of a webhook")
        return cls(url)
