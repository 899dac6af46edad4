"""What Envoy is to run with, handed over as it asks for it: xDS over REST, one question a subject.

The rule: a question says which version Envoy runs with, and is answered when there is another. So
that a configuration was taken, or refused, is known and not guessed. (Envoy would read files too,
but takes one of the user's 128 inotify instances for each, and dies when there is none left.)
"""

import asyncio
import hashlib
import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import Response

from knative.local.dataplane.words import Json

log = logging.getLogger(__name__)

CLUSTERS, ROUTES = "clusters", "routes"  # subjects; each cluster's endpoints are one by its name
PAUSE = 1.0  # seconds until an answer that would only be asked for again


@dataclass(slots=True)
class _Offer:
    """What is offered of one subject, and what Envoy said about it last."""

    version: str = ""
    resources: str = "[]"
    given: str = ""  # the version that was handed out last
    running: str | None = None
    refused: bool = False  # Envoy asked again and had not taken what it was given
    news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def settled(self) -> bool:
        """Whether Envoy runs with it, or will not."""
        return self.running == self.version or self.refused

    def asked(self, running: str) -> None:
        """Take note of a question."""
        self.running = running
        self.refused = running != self.version == self.given


class Discovery:
    """The answers to Envoy's questions."""

    def __init__(self) -> None:
        self._offers: dict[str, _Offer] = {}
        self._told = asyncio.Event()

    def offer(self, subject: str, resources: list[Json]) -> None:
        """Replace what is offered of a subject."""
        text = json.dumps(resources, sort_keys=True)
        version = hashlib.sha256(text.encode()).hexdigest()[:16]
        offer = self._offers.setdefault(subject, _Offer())
        if offer.version != version:
            offer.version, offer.resources, offer.refused = version, text, False
            offer.news.set()
            offer.news = asyncio.Event()

    def withdraw(self, subjects: Iterable[str]) -> None:
        """Offer nothing of these subjects any more; soon nobody asks for them."""
        for subject in subjects:
            self._offers.pop(subject, None)

    def forget(self) -> None:
        """Forget what Envoy said: another one asks from now on."""
        for offer in self._offers.values():
            offer.given, offer.running, offer.refused = "", None, False

    async def settled(self) -> bool:
        """Wait until Envoy runs with all that is offered, or has refused it: then say False."""
        while not all(offer.settled for offer in self._offers.values()):
            self._told.clear()
            await self._told.wait()
        refused = [name for name, offer in self._offers.items() if offer.refused]
        for subject in refused:
            log.error("Envoy refused the configuration of %s, see logs/envoy.log", subject)
        return not refused

    async def answer(self, request: Request) -> Response:
        """Answer one question, when there is something to say."""
        asked = await request.json()
        subject = request.path_params["subject"]
        if subject == "endpoints":
            (subject,) = asked["resource_names"]
        offer = self._offers.get(subject)
        if offer is None:
            await asyncio.sleep(PAUSE)  # of a cluster that is just being taken away
            return Response(status_code=404)
        offer.asked(asked.get("version_info", ""))
        self._told.set()
        if offer.refused:
            await asyncio.sleep(PAUSE)
        if offer.running == offer.version and not await _news(request, offer):
            return Response(status_code=204)  # to nobody
        offer.given = offer.version
        body = f'{{"version_info": "{offer.version}", "resources": {offer.resources}}}'
        return Response(body, media_type="application/json")


async def _news(request: Request, offer: _Offer) -> bool:
    """Wait for another version; False when whoever asked went away."""
    news = asyncio.create_task(offer.news.wait())
    gone = asyncio.ensure_future(request.receive())
    try:
        done, _ = await asyncio.wait({news, gone}, return_when=asyncio.FIRST_COMPLETED)
    except asyncio.CancelledError:  # the platform ends, and Envoy with it
        return False
    finally:
        news.cancel()
        gone.cancel()
    return gone not in done
