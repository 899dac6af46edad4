"""The ways to change a part of an object: merge, JSON and strategic patches; pure.

Strategic merge is a merge patch with directives. Kubernetes knows it for its own kinds only, and
those here have no list that merges by key, except in Pods, whose spec cannot change anyway.
"""

from typing import Any

import jsonpatch
import jsonpointer

from knative.local.errors import BadRequest, Invalid, UnsupportedMediaType
from knative.local.kinds import Kind

Object = dict[str, Any]

STRATEGIC = "application/strategic-merge-patch+json"

_ORDER_HINTS = ("$setElementOrder/", "$retainKeys")


def patched(kind: Kind, old: Object, body: Any, how: str) -> Object:
    """Return the object after a patch of the given content type."""
    if how == "application/json-patch+json":
        return json_patch(old, body)
    if not isinstance(body, dict):
        raise BadRequest("the patch is not a JSON object")
    if how == "application/merge-patch+json":
        return dict(merge_patch(old, body))
    if how == STRATEGIC and not kind.custom:
        return strategic_patch(old, body)
    raise UnsupportedMediaType(
        "the body of the request was in an unknown format - accepted media types include: "
        "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml"
    )


def merge_patch(target: Any, patch: Any) -> Any:
    """Apply RFC 7386: maps merge, null removes, everything else replaces."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), value)
    return merged


def json_patch(target: Object, operations: Any) -> Object:
    """Apply RFC 6902; a failing `test` or a missing path is 422, as in Kubernetes."""
    if not isinstance(operations, list) or not all(isinstance(o, dict) for o in operations):
        raise BadRequest("a JSON patch is a list of operations")
    try:
        result: Object = jsonpatch.apply_patch(target, operations)
    except jsonpatch.InvalidJsonPatch as error:
        raise BadRequest(f"malformed JSON patch: {error}") from error
    except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException, TypeError) as error:
        raise Invalid(
            f"the server rejected our request due to an error in our request: {error}"
        ) from error
    return result


def strategic_patch(target: Object, patch: Object) -> Object:
    """Apply a strategic merge patch to a kind whose lists are replaced as a whole."""
    if target["kind"] == "Pod" and "spec" in patch:
        raise Invalid("spec: Forbidden: a pod's spec cannot be changed")
    merged: Object = merge_patch(target, _without_directives(patch))
    return merged


def _without_directives(patch: Any) -> Any:
    if isinstance(patch, list):
        return [_without_directives(item) for item in patch]
    if not isinstance(patch, dict):
        return patch
    kept = {k: v for k, v in patch.items() if not k.startswith(_ORDER_HINTS)}
    refused = [k for k in kept if k.startswith("$")]
    if refused:
        raise BadRequest(f"strategic merge directive {refused[0]} is not supported")
    return {k: _without_directives(v) for k, v in kept.items()}
