"""What the environment says of the webhook."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Settings:
    """Read once.

    `sink` (`K_SINK`, or else `BROKER_URL`): where events go. `token` (`WEBHOOK_TOKEN`): what a
    sender must show; without one the webhook refuses everybody. `topics` (`SNS_TOPIC_ARNS`, comma
    separated): the SNS topics that are listened to, none by default.
    """

    sink: str
    token: str = field(default="", repr=False)
    topics: frozenset[str] = frozenset()


def from_env(environ: Mapping[str, str]) -> Settings:
    """Read the settings; KeyError when there is no sink at all."""
    topics = environ.get("SNS_TOPIC_ARNS", "").split(",")
    return Settings(
        sink=environ.get("K_SINK") or environ["BROKER_URL"],
        token=environ.get("WEBHOOK_TOKEN", ""),
        topics=frozenset(topic.strip() for topic in topics if topic.strip()),
    )
