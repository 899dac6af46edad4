"""The SQS queue as the source sees it: receive, extend, release, delete; boto3 in threads."""

import asyncio
from dataclasses import dataclass
from typing import Any

BATCH = 10  # SQS gives no more at once


@dataclass(frozen=True, slots=True)
class Message:
    """One message in hand. `receipt` is good for this receipt only."""

    id: str
    receipt: str
    body: str


class SqsQueue:
    """One queue, by name or URL; `visibility` and `poll` in seconds. Endpoint and keys: AWS_*."""

    def __init__(self, name: str, *, visibility: int, poll: int) -> None:
        self._name = name
        self._visibility = visibility
        self._poll = poll
        self._url = name if "://" in name else None
        self._client: Any = None

    async def receive(self, limit: int) -> list[Message]:
        """Wait up to `poll` seconds for up to `limit` messages."""
        return await asyncio.to_thread(self._receive, limit)

    async def delete(self, message: Message) -> None:
        """Take the message out of the queue: it is dealt with."""
        await asyncio.to_thread(self._call, "delete_message", message)

    async def extend(self, message: Message) -> None:
        """Keep the message ours for another `visibility` seconds."""
        await asyncio.to_thread(self._change, message, self._visibility)

    async def release(self, message: Message) -> None:
        """Hand the message back now, to whoever receives next."""
        await asyncio.to_thread(self._change, message, 0)

    def _receive(self, limit: int) -> list[Message]:
        url = self._connect()
        answer = self._client.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=max(1, min(limit, BATCH)),
            WaitTimeSeconds=self._poll,
            VisibilityTimeout=self._visibility,
        )
        return [
            Message(entry["MessageId"], entry["ReceiptHandle"], entry["Body"])
            for entry in answer.get("Messages", [])
        ]

    def _change(self, message: Message, seconds: int) -> None:
        self._call("change_message_visibility", message, VisibilityTimeout=seconds)

    def _call(self, operation: str, message: Message, **more: int) -> None:
        url = self._connect()
        getattr(self._client, operation)(QueueUrl=url, ReceiptHandle=message.receipt, **more)

    def _connect(self) -> str:
        """Import boto3 (half a second) and find the queue, at the first call."""
        if self._client is None:
            import boto3  # noqa: PLC0415 - slow, and only needed where SQS is
            from botocore.config import Config  # noqa: PLC0415 - as above

            config = Config(read_timeout=self._poll + 10, retries={"mode": "standard"})
            self._client = boto3.client("sqs", config=config)
        if self._url is None:
            self._url = str(self._client.get_queue_url(QueueName=self._name)["QueueUrl"])
        return self._url
