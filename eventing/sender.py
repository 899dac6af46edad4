"""Who we are to a Broker that asks (Eventing OIDC): a token in a file that Kubernetes renews.

`SINK_TOKEN_FILE` names it; the default is where Knative mounts it for its own sources. It is read
for every event, so a renewed token is shown at once. Where there is no file nothing is shown.
"""

import os
from pathlib import Path

DEFAULT = "/oidc/token"


def shown() -> dict[str, str]:
    """Return the header that goes with an event to the sink."""
    try:
        token = Path(os.environ.get("SINK_TOKEN_FILE", DEFAULT)).read_text(encoding="utf-8")
    except OSError:
        return {}
    return {"authorization": f"Bearer {token.strip()}"}
