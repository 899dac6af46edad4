"""What an event wakes: addresses, and the request that makes each of them really work. Pure.

The old Revision's warm window is not ours: the rollout holds it by min-scale, and is its only owner.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from eventing.events import Payload, RolloutPromoted, RolloutRolledBack, RolloutStarted
from functions.warmer.settings import Settings


@dataclass(frozen=True, slots=True)
class Call:
    """An address to wake; `body` is posted to `path` once it is ready, nothing when it is None."""

    service: str
    address: str
    path: str = ""
    body: Mapping[str, object] | None = None


_INFERENCES: Mapping[str, tuple[str, Mapping[str, object]]] = {
    "ner": ("/v1/entities", {"texts": ["Acme Corp. hired Jane Doe in Berlin in May."]}),
    "inference": ("/v1/research", {"question": "Which companies lead the market?", "top_k": 1}),
}


def plan(payload: Payload, settings: Settings) -> tuple[Call, ...]:
    """Return who is woken, all at once; nobody for an event that announces no requests."""
    match payload:
        case RolloutStarted(service=service, candidate_url=url):
            first = _call(service, url)
        case RolloutPromoted(service=service) | RolloutRolledBack(service=service):
            first = _call(service, _address(service, settings))
        case _:
            return ()
    needed = settings.chains.get(first.service, ())
    return (first, *(_call(name, _address(name, settings)) for name in needed))


def awake(services: Iterable[str], settings: Settings) -> tuple[Call, ...]:
    """Return the calls that keep `services` and all that they need awake, each once."""
    asked = list(services)
    needed = (need for service in asked for need in settings.chains.get(service, ()))
    names = dict.fromkeys((*asked, *needed))
    return tuple(_call(name, _address(name, settings)) for name in names)


def _address(service: str, settings: Settings) -> str:
    return f"http://{service}.{settings.namespace}.svc.cluster.local"


def _call(service: str, address: str) -> Call:
    path, body = _INFERENCES.get(service, ("", None))
    return Call(service, address, path, body)
