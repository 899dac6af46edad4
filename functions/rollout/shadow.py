"""Shadow: stable is asked to replay live requests against the candidate, and to say how far they agree.

The requests themselves never come here: who was asked them asks them again, and answers with numbers.
"""

from typing import Any

import httpx

from functions.rollout.golden import GoldenUnavailable
from knative.serving.observation import GoldenResult
from knative.serving.policy import Policy


async def compare(
    http: httpx.AsyncClient, stable: str, candidate: str, policy: Policy
) -> GoldenResult:
    """Return what live requests say; raises GoldenUnavailable when stable does not tell."""
    wanted = {"address": candidate, "requests": policy.shadow_requests}
    try:
        response = await http.post(f"{stable}/v1/shadow", json=wanted)
        response.raise_for_status()
        return _judge(response.json(), policy)
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        raise GoldenUnavailable(f"no shadow of live requests: {error!r}") from error


def _judge(told: dict[str, Any], policy: Policy) -> GoldenResult:
    compared, failed, agreement = told["compared"], told["failed"], float(told["agreement"])
    if not compared:
        return GoldenResult(passed=True, evidence="shadow: no live request is remembered")
    said = f"shadow of {compared} live requests: {failed} failed, agreement {agreement:.3f}"
    if failed > compared * policy.max_error_rate:
        return GoldenResult(passed=False, evidence=f"{said}: too many failed")
    if agreement < policy.min_agreement:
        return GoldenResult(passed=False, evidence=f"{said}: below {policy.min_agreement:g}")
    return GoldenResult(passed=True, evidence=said)
