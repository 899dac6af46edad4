"""The key that a function shows to its siblings where they ask for one.

`AUTH_OWN_KEY_FILE` holds it; it is read at every call, so a rotated one is used at once. It goes to
Services of our own namespace (`NAMESPACE`, default marketresearch) and to nobody else, and never in
the place of what a caller set.
"""

import os
from pathlib import Path

import httpx


def show(request: httpx.Request) -> None:
    """Add the key to a call to a sibling."""
    path = os.environ.get("AUTH_OWN_KEY_FILE")
    home = f".{os.environ.get('NAMESPACE', 'marketresearch')}.svc.cluster.local"
    if path and request.url.host.endswith(home):
        key = Path(path).read_text(encoding="utf-8").strip()
        request.headers.setdefault("authorization", f"Bearer {key}")
