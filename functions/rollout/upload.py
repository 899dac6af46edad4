"""A synced model → the Service's template: its URI and digest, and nothing more. Pure.

The same digest twice changes nothing; a refused digest stays refused until someone insists; an
older version arriving late does not undo a newer one.
"""

import copy
from dataclasses import dataclass, replace

from eventing.events import ModelSynced
from functions.registry.errors import RegistryError
from functions.registry.manifest import split_folder
from functions.registry.version import Version
from knative.serving import policy, state
from knative.serving.effects import begin
from knative.serving.objects import (
    Object,
    fingerprint,
    model_of,
    service_view,
    with_model,
)


@dataclass(frozen=True, slots=True)
class Upload:
    """What a model event does to a Service: the object to write, or why nothing is to be done."""

    service: Object | None
    why: str = ""


def plan(service: Object, model: ModelSynced, trace: str, now: float) -> Upload:
    """Return what to write."""
    template = service["spec"]["template"]
    known = state.of(service)
    why = _against(model_of(template), known, model)
    if why:
        return Upload(None, why)
    after = copy.deepcopy(service)
    after["spec"]["template"] = with_model(template, model.uri, model.digest)
    annotations = after["metadata"].setdefault("annotations", {})
    if policy.ANNOTATION in annotations:
        text = _remembered(after, known, (model, trace, now))
        if text:
            annotations[state.ANNOTATION] = text
    return Upload(after)


def _against(serving: tuple[str, str], known: state.State | None, model: ModelSynced) -> str:
    """Say why this model is not for this template now."""
    uri, digest = serving
    if digest == model.digest:
        return f"{model.name} {model.version} is in the template already"
    if model.requested:
        return ""
    if known and model.digest in known.refused:
        return f"{model.name} {model.version} was refused: {known.reason}"
    current = _version(uri, model.name)
    if current and current > Version.parse(model.version):
        return f"{model.name} {current} is newer than {model.version}"
    return ""


def _remembered(
    after: Object, known: state.State | None, arrival: tuple[ModelSynced, str, float]
) -> str:
    """Write the state: whose trace this is; a Service that was never ready begins from nothing."""
    model, trace, now = arrival
    if known is None:
        if service_view(after).latest_ready:
            return ""
        known = begin(fingerprint(after["spec"]["template"]), now)
    return state.dump(replace(known.forgiving(model.digest), trace=trace))


def _version(uri: str, name: str) -> Version | None:
    try:
        found, version = split_folder(uri.rstrip("/").rsplit("/", 1)[-1])
    except RegistryError:
        return None
    return version if found == name else None
