"""Knative Serving on one machine: Service → Configuration → Revision → Route."""

from knative.local.instance import Platform
from knative.local.serving.controller import control
from knative.local.serving.traffic import Urls


async def run(platform: Platform) -> None:
    """Reconcile Knative Services until cancelled."""
    urls = Urls(platform.domain, platform.gateway_port)
    await control(platform.store, urls, carries=lambda _: False)  # the data plane will say
