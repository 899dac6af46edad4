"""What Knative Serving fills in and refuses, word for word; pure.

The checks of a Service are those of its template and its traffic, plus what may not change.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from knative.local.errors import BadRequest
from knative.local.serving import gradual, podspec
from knative.local.serving.faults import Faults, between, duration, parse_duration

Object = dict[str, Any]

PREFIX = 'admission webhook "validation.webhook.serving.knative.dev" denied the request: validation failed: '
AUTOSCALING = "autoscaling.knative.dev/"
PROGRESS = "serving.knative.dev/progress-deadline"
CREATOR = "serving.knative.dev/creator"
MODIFIER = "serving.knative.dev/lastModifier"
DNS1035 = (
    "not a DNS 1035 label: [a DNS-1035 label must consist of lower case alphanumeric characters or "
    "'-', start with an alphabetic character, and end with an alphanumeric character (e.g. "
    "'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')]"
)
_DNS1035 = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
LABEL = 63  # characters
HUNDRED = 100  # percent
_INT_MAX = 2**31 - 1
_WHOLE = ("min-scale", "max-scale", "initial-scale", "activation-scale")
_DURATIONS = {
    f"{AUTOSCALING}window": (6.0, 3600.0),
    f"{AUTOSCALING}scale-down-delay": (0.0, 3600.0),
    PROGRESS: (1.0, 86_400.0),
}


@dataclass(frozen=True, slots=True)
class Settings:
    """The cluster's switches: ConfigMaps `config-features` and `config-autoscaler`."""

    features: Mapping[str, str] = field(default_factory=dict)
    autoscaler: Mapping[str, str] = field(default_factory=dict)


def default_service(obj: Object, old: Object | None) -> None:
    """Fill in what a Service leaves open."""
    default_configuration(obj, old)
    default_route(obj, old)
    notes = obj["metadata"].setdefault("annotations", {})
    notes.setdefault(CREATOR, "local")
    notes.setdefault(MODIFIER, "local")


def default_configuration(obj: Object, _old: Object | None) -> None:
    """Fill in what a Revision template leaves open."""
    template = obj.setdefault("spec", {}).setdefault("template", {})
    podspec.default(template.setdefault("spec", {}))


def default_route(obj: Object, _old: Object | None) -> None:
    """Send everything to the latest ready Revision when nothing is said."""
    spec = obj.setdefault("spec", {})
    if not spec.get("traffic"):
        spec["traffic"] = [{"latestRevision": True, "percent": 100}]
    for target in spec["traffic"]:
        target.setdefault("latestRevision", not target.get("revisionName"))


def check_service(obj: Object, old: Object | None, settings: Settings) -> None:
    """Refuse a Service that Knative refuses."""
    faults = Faults()
    _object_meta(obj, faults)
    _template(obj, old, settings, faults)
    _traffic(obj["spec"].get("traffic") or [], faults)
    _refuse(faults)


def check_configuration(obj: Object, old: Object | None, settings: Settings) -> None:
    """Refuse a Configuration that Knative refuses."""
    faults = Faults()
    _object_meta(obj, faults)
    _template(obj, old, settings, faults)
    _refuse(faults)


def check_route(obj: Object, _old: Object | None, _settings: Settings) -> None:
    """Refuse a Route that Knative refuses."""
    faults = Faults()
    _traffic(obj["spec"].get("traffic") or [], faults)
    _refuse(faults)


def check_revision(obj: Object, old: Object | None, _settings: Settings) -> None:
    """Refuse to change what a Revision runs: only its metadata may change."""
    faults = Faults()
    if old and old.get("spec") != obj.get("spec"):
        changes = "\n".join(_diff(old.get("spec"), obj.get("spec"), "{v1.RevisionSpec}"))
        faults.add("Immutable fields changed (-old +new)", "spec", details=changes)
    _refuse(faults)


def _refuse(faults: Faults) -> None:
    if faults:
        raise BadRequest(f"{PREFIX}{faults}")


def _object_meta(obj: Object, faults: Faults) -> None:
    name = obj["metadata"]["name"]
    if len(name) > LABEL or not _DNS1035.fullmatch(name):
        faults.add(f"invalid value: {DNS1035}", "metadata.name")
    for key in obj["metadata"].get("annotations") or {}:
        if key.startswith(AUTOSCALING):
            faults.add(
                f'invalid key name "{key}"',
                "metadata.annotations",
                details="autoscaling annotations must be put under "
                '"spec.template.metadata.annotations" to work',
            )
    _rollout_duration((obj["metadata"].get("annotations") or {}).get(gradual.ANNOTATION), faults)


def _rollout_duration(text: str | None, faults: Faults) -> None:
    if text is None:
        return
    seconds, place = parse_duration(text), f"metadata.annotations.{gradual.ANNOTATION}"
    if seconds is None:
        faults.add(f"invalid value: {text}", place)
    elif seconds != int(seconds):
        faults.add(f"rolloutDuration={text} is not at second precision", place)


def _template(obj: Object, old: Object | None, settings: Settings, faults: Faults) -> None:
    template = obj["spec"]["template"]
    meta = template.get("metadata") or {}
    podspec.check(template["spec"], settings.features, faults.at("spec.template.spec"))
    _autoscaling(meta.get("annotations") or {}, settings, faults)
    name = meta.get("name")
    if not name:
        return
    if not name.startswith(f"{obj['metadata']['name']}-"):
        prefix = f"{obj['metadata']['name']}-"
        faults.add(
            f'invalid value: "{name}" must have prefix "{prefix}"', "spec.template.metadata.name"
        )
    before = ((old or {}).get("spec") or {}).get("template") or {}
    if (before.get("metadata") or {}).get("name") == name and before != template:
        faults.add(
            "Saw the following changes without a name change (-old +new)",
            "spec.template.metadata.name",
            details="\n".join(_diff(before, template, "{*v1.RevisionTemplateSpec}")),
        )


def _autoscaling(notes: Mapping[str, str], settings: Settings, faults: Faults) -> None:
    deeper = faults.at("spec.template.metadata.annotations")
    whole = {
        n: _whole(n, notes[AUTOSCALING + n], deeper) for n in _WHOLE if AUTOSCALING + n in notes
    }
    _scale_order(whole, settings, deeper)
    for name, bounds in _DURATIONS.items():
        if name in notes:
            duration(deeper, notes[name], bounds, name)


def _whole(name: str, text: str, faults: Faults) -> int:
    if not re.fullmatch(r"-?\d+", text):
        faults.add(f"invalid value: {text}", f"{AUTOSCALING}{name}")
        return 1  # says nothing about the others
    low = 2 if name == "activation-scale" else 0
    between(faults, int(text), (low, _INT_MAX), f"{AUTOSCALING}{name}")
    return int(text)


def _scale_order(whole: Mapping[str, int], settings: Settings, faults: Faults) -> None:
    low, high = whole.get("min-scale", 0), whole.get("max-scale", 0)
    if high and high < low:
        paths = (f"{AUTOSCALING}max-scale", f"{AUTOSCALING}min-scale")
        faults.add(f"max-scale={high} is less than min-scale={low}", *paths)
    allowed = settings.autoscaler.get("allow-zero-initial-scale") == "true"
    if whole.get("initial-scale") == 0 and not allowed:
        faults.add("invalid value: 0", f"{AUTOSCALING}initial-scale=0 not allowed by cluster")


def _traffic(targets: list[Object], faults: Faults) -> None:
    tags: dict[str, int] = {}
    for i, target in enumerate(targets):
        _target(target, faults.at(f"spec.traffic[{i}]"))
        tag = target.get("tag")
        if tag in tags:
            paths = (f"spec.traffic[{tags[tag]}].tag", f"spec.traffic[{i}].tag")
            faults.add(f'Multiple definitions for "{tag}"', *paths)
        elif tag:
            tags[tag] = i
    total = sum(t.get("percent") or 0 for t in targets)
    if total != HUNDRED:
        faults.add(f"Traffic targets sum to {total}, want {HUNDRED}", "spec.traffic")


def _target(target: Object, faults: Faults) -> None:
    name, latest = target.get("revisionName", ""), target["latestRevision"]
    if bool(name) == latest:
        words = f'may not set revisionName "{name}" when latestRevision is {str(latest).lower()}'
        faults.add(words, "latestRevision")
    between(faults, target.get("percent") or 0, (0, 100), "percent")
    tag = target.get("tag", "")
    if tag and not _DNS1035.fullmatch(tag):
        faults.add(f"invalid value: {DNS1035}", "tag")
    if target.get("url"):
        faults.add("must not set the field(s)", "url")


def _diff(old: Any, new: Any, path: str) -> list[str]:
    """List what differs, as Knative's own refusal does."""
    if isinstance(old, dict) and isinstance(new, dict):
        keys = sorted(old.keys() | new.keys())
        return [line for k in keys for line in _diff(old.get(k), new.get(k), f"{path}.{k}")]
    return [] if old == new else [f"{path}:", f"\t-: {old!r}", f"\t+: {new!r}"]
