"""What every part of the platform is given: one instance's store, folder, ports and token."""

from dataclasses import dataclass
from pathlib import Path

from knative.local.store import Store


@dataclass(frozen=True, slots=True)
class Platform:
    """One instance. Ports are on loopback; `domain` ends the addresses of Services."""

    store: Store
    data: Path
    gateway_port: int
    api_port: int
    ingress_port: int
    activator_port: int
    token: str
    domain: str = "localhost"
