"""Ticks: a PingSource that exists only while somebody must look again, so that idle is at zero."""

from knative.serving import errors
from knative.serving.client import PING_SOURCES, KubeClient
from knative.serving.objects import Object

NAME = "rollout-tick"


class Ticks:
    """Keeps the PingSource as the pulse says; `schedules` maps a pulse to a six-field cron."""

    def __init__(self, kube: KubeClient, broker_url: str, schedules: dict[str, str]) -> None:
        self._kube = kube
        self._broker_url = broker_url
        self._schedules = schedules

    async def ensure(self, pulse: str) -> None:
        """Create, change or delete it; somebody else doing the same at once does no harm."""
        schedule = self._schedules.get(pulse)
        found = await self._found()
        try:
            if schedule and not found:
                await self._kube.create(PING_SOURCES, self._source(schedule))
            elif schedule and found and found["spec"].get("schedule") != schedule:
                found["spec"]["schedule"] = schedule
                await self._kube.update(PING_SOURCES, found)
            elif found and not schedule:
                await self._kube.delete(PING_SOURCES, NAME)
        except (errors.Conflict, errors.NotFound):
            return

    async def _found(self) -> Object | None:
        try:
            return await self._kube.get(PING_SOURCES, NAME)
        except errors.NotFound:
            return None

    def _source(self, schedule: str) -> Object:
        return {
            "apiVersion": PING_SOURCES.api_version,
            "kind": PING_SOURCES.kind,
            "metadata": {"name": NAME, "namespace": self._kube.namespace},
            "spec": {"schedule": schedule, "sink": {"uri": self._broker_url}},
        }
