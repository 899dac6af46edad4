"""`python -m eventing.source`: S3 notifications in an SQS queue become CloudEvents at `$K_SINK`.

A message is deleted only after the sink accepted every event in it. Until then it is kept from
others by extending its visibility; while the sink is away the source backs off. A message that
holds something unreadable, or that the sink refuses for good, is left to the queue's own redrive
policy. SIGTERM stops receiving, finishes what can be finished, and hands the rest back.
"""

import asyncio
import json
import logging
import os
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import httpx

from eventing import sender, story, telemetry
from eventing.cloudevent import CloudEvent, begin_trace, format_time, to_http
from eventing.delivery import TIMED_OUT, Delivered, Fault, judge, unanswered
from eventing.s3 import read
from eventing.sqs import BATCH, Message, SqsQueue

_log = logging.getLogger("eventing.source")
_FIRST_PAUSE, _LONGEST_PAUSE, _DOUBLINGS = 0.5, 30.0, 6
_SINK_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Settings:
    """What the environment says; times in seconds.

    `sink` (`K_SINK`): where events go; a ContainerSource sets it. `overrides` (`K_CE_OVERRIDES`):
    extensions to add, likewise. `queue` (`S3_QUEUE`, default `marketresearch-s3`): name or URL.
    `visibility` (`S3_QUEUE_VISIBILITY`, default 60): how long a message stays ours unextended.
    `poll` (`S3_QUEUE_POLL`, default 10): how long one receive waits, and so a drain may take.
    """

    sink: str
    overrides: Mapping[str, str] = field(default_factory=dict)
    queue: str = "marketresearch-s3"
    visibility: int = 60
    poll: int = 10


def from_env(environ: Mapping[str, str]) -> Settings:
    """Read the settings; KeyError names what is missing."""
    return Settings(
        sink=environ["K_SINK"],
        overrides=json.loads(environ.get("K_CE_OVERRIDES") or "{}").get("extensions", {}),
        queue=environ.get("S3_QUEUE", "marketresearch-s3"),
        visibility=int(environ.get("S3_QUEUE_VISIBILITY", "60")),
        poll=int(environ.get("S3_QUEUE_POLL", "10")),
    )


class Source:
    """Moves events from the queue to the sink until `stop` is set."""

    def __init__(self, settings: Settings, queue: SqsQueue, client: httpx.AsyncClient) -> None:
        self._settings = settings
        self._queue = queue
        self._client = client
        self._in_hand: set[asyncio.Task[None]] = set()
        self.stop = asyncio.Event()

    async def run(self) -> None:
        """Receive and deliver; returns when stopped and drained."""
        failures = 0
        while not self.stop.is_set():
            try:
                messages = await self._queue.receive(BATCH - len(self._in_hand))
            except Exception as error:  # noqa: BLE001 - whatever SQS has, it may be better next time
                _log.error("receiving failed: %s", error)
                failures += 1
                await self._pause(failures)
                continue
            failures = 0
            for message in messages:
                self._take(message)
            if len(self._in_hand) >= BATCH:
                await asyncio.wait(self._in_hand, return_when=asyncio.FIRST_COMPLETED)
        if self._in_hand:
            await asyncio.wait(self._in_hand)

    def _take(self, message: Message) -> None:
        task = asyncio.create_task(self._handle(message))
        self._in_hand.add(task)
        task.add_done_callback(self._in_hand.discard)

    async def _handle(self, message: Message) -> None:
        try:
            async with self._kept(message):
                done = await self._deliver_all(message)
            if done:
                await self._queue.delete(message)
            elif self.stop.is_set():
                await self._queue.release(message)
        except Exception:  # noqa: BLE001 - the message becomes visible again and is received anew
            _log.exception("message %s", message.id)

    async def _deliver_all(self, message: Message) -> bool:
        """Whether the message is wholly dealt with."""
        reading = read(message.body)
        for note in reading.ignored:
            _log.info("message %s: %s, dropped", message.id, note)
        for refusal in reading.refused:
            _log.error("message %s: %s; left to the queue's redrive", message.id, refusal)
        accepted = [await self._deliver(event) for event in reading.events]
        return all(accepted) and not reading.refused

    async def _deliver(self, event: CloudEvent) -> bool:
        extended = replace(event, extensions={**event.extensions, **self._settings.overrides})
        started = begin_trace(extended)
        attempts = 0
        while isinstance(outcome := await self._post(started), Fault):
            if not outcome.again:
                _log.error("event %s refused: %s %r", event.id, outcome.code, outcome.body[:200])
                story.began(started, f"refused: {outcome.code}")
                return False
            attempts += 1
            _log.warning("sink does not take event %s, attempt %d", event.id, attempts)
            await self._pause(attempts)
            if self.stop.is_set():
                return False
        story.began(started, "accepted")
        _log.info("event %s %s %s accepted", event.id, event.type, event.subject)
        return True

    async def _post(self, event: CloudEvent) -> Delivered | Fault:
        headers, body = to_http(event)
        headers |= {"traceparent": event.extensions["traceparent"], **sender.shown()}
        try:
            answer = await self._client.post(self._settings.sink, headers=headers, content=body)
        except httpx.TimeoutException:
            return TIMED_OUT
        except httpx.HTTPError as error:
            return unanswered(str(error))
        return judge(answer.status_code, answer.headers, answer.content)

    async def _pause(self, failures: int) -> None:
        """Back off, or be stopped."""
        pause = min(_FIRST_PAUSE * 2 ** min(failures - 1, _DOUBLINGS), _LONGEST_PAUSE)
        with suppress(TimeoutError):
            await asyncio.wait_for(self.stop.wait(), pause)

    @asynccontextmanager
    async def _kept(self, message: Message) -> AsyncIterator[None]:
        """Keep the message from others for as long as the body takes."""

        async def extend() -> None:
            while True:
                await asyncio.sleep(self._settings.visibility / 2)
                try:
                    await self._queue.extend(message)
                except Exception:  # noqa: BLE001 - at worst another source delivers it again
                    _log.exception("message %s: not extended", message.id)

        keeper = asyncio.create_task(extend())
        try:
            yield
        finally:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        """One line of JSON."""
        entry = {
            "timestamp": format_time(datetime.fromtimestamp(record.created, UTC)),
            "service": "s3-source",
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["error"] = self.formatException(record.exc_info)
        return json.dumps(entry)


async def _main(settings: Settings) -> None:
    queue = SqsQueue(settings.queue, visibility=settings.visibility, poll=settings.poll)
    async with httpx.AsyncClient(timeout=_SINK_SECONDS) as client:
        source = Source(settings, queue, client)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, source.stop.set)
        await source.run()
        await asyncio.to_thread(telemetry.flush)


if __name__ == "__main__":
    handler = logging.StreamHandler()
    handler.setFormatter(_JsonLines())
    _log.addHandler(handler)
    _log.setLevel(logging.INFO)
    telemetry.configure(os.environ, {"service.name": "s3-source"})
    asyncio.run(_main(from_env(os.environ)))
