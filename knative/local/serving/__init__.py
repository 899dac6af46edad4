"""Knative Serving on one machine: Service → Configuration → Revision → Route."""

from typing import TYPE_CHECKING

from knative.local.serving.controller import control
from knative.local.serving.traffic import Urls

if TYPE_CHECKING:  # the platform imports its parts, not the other way round
    from knative.local.platform import Platform


async def run(platform: "Platform") -> None:
    """Reconcile Knative Services until cancelled."""
    await control(platform.store, Urls(platform.domain, platform.gateway_port))
