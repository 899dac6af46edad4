"""Where the commands talk to: the caller's environment first, else what the platform wrote.

`up` writes `env` (KEY=VALUE lines) into its data folder, `.local` or $MARKETRESEARCH_DATA. A
command that is given neither an endpoint nor credentials uses that platform, and says so.
"""

import os
from collections.abc import MutableMapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_CHOSEN_BY_CALLER = ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_PROFILE")


def data_folder(environ: MutableMapping[str, str] = os.environ) -> Path:
    """Return the platform's data folder."""
    return Path(environ.get("MARKETRESEARCH_DATA", ROOT / ".local"))


def load_platform_env(environ: MutableMapping[str, str] = os.environ) -> str:
    """Fill in what is missing in `environ`; return one line that says which endpoint is used."""
    if any(name in environ for name in _CHOSEN_BY_CALLER):
        return f"Using {environ.get('AWS_ENDPOINT_URL', 'AWS')} (from the environment)"
    file = data_folder(environ) / "env"
    try:
        lines = file.read_text().splitlines()
    except FileNotFoundError:
        return "Using AWS (no local platform is up: ./scripts/up starts one)"
    for name, value in (line.split("=", 1) for line in lines if "=" in line):
        environ.setdefault(name.strip(), value.strip())
    return f"Using {environ.get('AWS_ENDPOINT_URL', 'AWS')} (from {file})"
