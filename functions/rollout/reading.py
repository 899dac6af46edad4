"""A reading: one Service with its Revisions, as they were at one moment, and what they mean."""

from collections.abc import Mapping
from dataclasses import dataclass

from knative.serving import policy
from knative.serving import state as states
from knative.serving.client import REVISIONS, SERVICES, KubeClient
from knative.serving.errors import NotFound
from knative.serving.objects import Object, revision_view, service_view
from knative.serving.observation import Observation
from knative.serving.policy import Policy, PolicyInvalid
from knative.serving.state import State

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
        return cls(
            service=service,
            revisions=revisions,
            seen=Observation(service_view(service), views, waits_for=await _before(kube, found)),
            state=states.of(service),
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


def _policy(service: Object) -> tuple[Policy | None, str]:
    text = (service["metadata"].get("annotations") or {}).get(policy.ANNOTATION)
    try:
        return (policy.parse(text), "") if text is not None else (None, "")
    except PolicyInvalid as problem:
        return None, str(problem)
