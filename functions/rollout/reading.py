"""A reading: one Service with its Revisions, as they were at one moment, and what they mean."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from knative.serving import gpus, policy
from knative.serving import state as states
from knative.serving.client import NODES, PODS, REVISIONS, SERVICES, KubeClient
from knative.serving.errors import NotFound, Refused
from knative.serving.objects import Object, revision_view, service_view
from knative.serving.observation import Observation
from knative.serving.policy import Policy, PolicyInvalid
from knative.serving.state import State
from knative.serving.table import Phase

_LOG = logging.getLogger(__name__)
_LABEL = "serving.knative.dev/service"


@dataclass(frozen=True, slots=True)
class Reading:
    """Raw objects for writing, views for deciding; `problem` says why there is no policy."""

    service: Object
    revisions: Mapping[str, Object]
    seen: Observation
    state: State | None
    policy: Policy | None
    problem: str = ""

    @classmethod
    async def of(cls, kube: KubeClient, name: str) -> "Reading":
        """Read it; raises KubeError."""
        service = await kube.get(SERVICES, name)
        revisions = {
            revision["metadata"]["name"]: revision
            for revision in await kube.list(REVISIONS, {_LABEL: name})
        }
        views = {key: revision_view(revision) for key, revision in revisions.items()}
        found, problem = _policy(service)
        state = states.of(service)
        before = await _before(kube, found)
        free = await _gpus(kube, name, found, state)
        return cls(
            service=service,
            revisions=revisions,
            seen=Observation(service_view(service), views, waits_for=before, gpus=free),
            state=state,
            policy=found,
            problem=problem,
        )


async def _before(kube: KubeClient, rules: Policy | None) -> tuple[str, ...]:
    """Return the Services that come first and are not done; one that is not there holds up nobody."""
    running = []
    for name in rules.after if rules else ():
        try:
            known = states.of(await kube.get(SERVICES, name))
        except NotFound:
            continue
        if known and known.active:
            running.append(name)
    return tuple(running)


async def _gpus(
    kube: KubeClient, name: str, rules: Policy | None, known: State | None
) -> int | None:
    """Return what the nodes leave, where the policy asks for it and the strategy is being chosen.

    Who may not read nodes has no budget: a candidate that does not fit then stays Pending, and is
    rolled back when its time is over, with nobody disturbed.
    """
    asked = rules and rules.gpus == gpus.FROM_NODES and known and known.phase is Phase.PENDING
    if not asked:
        return None
    try:
        return gpus.budget(await kube.list(NODES), await kube.list(PODS), name)
    except (NotFound, Refused) as error:
        _LOG.warning("%s: the GPUs of the nodes cannot be read: %s", name, error)
        return None


def _policy(service: Object) -> tuple[Policy | None, str]:
    text = (service["metadata"].get("annotations") or {}).get(policy.ANNOTATION)
    try:
        return (policy.parse(text), "") if text is not None else (None, "")
    except PolicyInvalid as problem:
        return None, str(problem)
