"""Where the commands talk to: the caller's environment first, else what the platform wrote.

`up` writes `env` (KEY=VALUE lines) into its data folder, `.local` or $MARKETRESEARCH_DATA. A
command that is given neither an endpoint nor credentials uses that platform, and says so.
"""

import os
from collections.abc import Mapping, MutableMapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_CHOSEN_BY_CALLER = ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_PROFILE")


def data_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the platform's data folder."""
    return Path(environ.get("MARKETRESEARCH_DATA", ROOT / ".local"))


def is_local(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether the Kubernetes API that is meant is that of the platform in the data folder."""
    written = data_folder(environ) / "kubeconfig"
    return Path(environ.get("KUBECONFIG", written)).resolve() == written.resolve()


def reach_loopback(environ: MutableMapping[str, str] = os.environ) -> None:
    """Let no proxy stand between a command and a platform on this machine."""
    given = (environ.get("no_proxy") or environ.get("NO_PROXY") or "").split(",")
    direct = ",".join(dict.fromkeys([*filter(None, given), "127.0.0.1", "localhost"]))
    environ["NO_PROXY"] = environ["no_proxy"] = direct


def load_target_env(environ: MutableMapping[str, str] = os.environ) -> str:
    """Fill in what is missing for cluster and bucket, which have to be the same platform's."""
    if not is_local(environ):
        return f"Using {environ.get('AWS_ENDPOINT_URL', 'AWS')} (KUBECONFIG leads elsewhere)"
    return load_platform_env(environ)


def chosen_by_caller(environ: Mapping[str, str]) -> str:
    """Name the variable because of which the local platform is not meant; empty if none is set."""
    return next((name for name in _CHOSEN_BY_CALLER if name in environ), "")


def load_platform_env(environ: MutableMapping[str, str] = os.environ) -> str:
    """Fill in what is missing in `environ`; return one line that says which endpoint is used."""
    if chosen_by_caller(environ):
        return f"Using {environ.get('AWS_ENDPOINT_URL', 'AWS')} (from the environment)"
    file = data_folder(environ) / "env"
    try:
        lines = file.read_text().splitlines()
    except FileNotFoundError:
        return "Using AWS (no local platform is up: ./scripts/up starts one)"
    reach_loopback(environ)
    for name, value in (line.split("=", 1) for line in lines if "=" in line):
        environ.setdefault(name.strip(), value.strip())
    return f"Using {environ.get('AWS_ENDPOINT_URL', 'AWS')} (from {file})"
