r"""Reads the Kubernetes protobuf that `kubectl create secret|configmap|namespace|role…` sends; pure.

client-go's typed clients send protobuf and know no fallback, so these few kinds are read: the
envelope `k8s\0` + Unknown{typeMeta, raw}, then the message by the tables below. A field that is not
in a table is refused, never dropped silently. Answers stay JSON, which those clients read.
"""

import base64
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from knative.local.errors import BadRequest

MAGIC = b"k8s\0"
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_WIDTH = {_FIXED64: 8, _FIXED32: 4}

Value = int | bytes
Read = Callable[[Value], Any]
Fields = Mapping[int, tuple[str, Read, bool]]  # number → name, reader, repeated


def _blob(value: Value) -> bytes:
    if isinstance(value, int):
        raise TypeError("a number where bytes are due")
    return value


def _text(value: Value) -> str:
    return _blob(value).decode()


def _base64(value: Value) -> str:
    return base64.b64encode(_blob(value)).decode()


def _flag(value: Value) -> bool:
    return bool(value)


def _message(fields: Fields) -> Read:
    return lambda value: message(_blob(value), fields)


def _pair(read: Read) -> Read:
    """Read one entry of a map."""
    fields: Fields = {1: ("key", _text, False), 2: ("value", read, False)}
    return lambda value: {"key": "", "value": ""} | message(_blob(value), fields)


def _ignored(_value: Value) -> None:
    return None


_META: Fields = {
    1: ("name", _text, False),
    2: ("generateName", _text, False),
    3: ("namespace", _text, False),
    4: ("selfLink", _text, False),
    5: ("uid", _text, False),
    6: ("resourceVersion", _text, False),
    7: ("generation", _ignored, False),
    8: ("creationTimestamp", _ignored, False),
    11: ("labels", _pair(_text), True),
    12: ("annotations", _pair(_text), True),
    14: ("finalizers", _text, True),
}
_HEAD = {1: ("metadata", _message(_META), False)}
_NAMED: Fields = {3: ("name", _text, False)}
_LOCAL: Fields = {1: ("name", _text, False)}
_RULE: Fields = {
    1: ("verbs", _text, True),
    2: ("apiGroups", _text, True),
    3: ("resources", _text, True),
    4: ("resourceNames", _text, True),
    5: ("nonResourceURLs", _text, True),
}
_SUBJECT: Fields = {
    1: ("kind", _text, False),
    2: ("apiGroup", _text, False),
    3: ("name", _text, False),
    4: ("namespace", _text, False),
}
_REF: Fields = {
    1: ("apiGroup", _text, False),
    2: ("kind", _text, False),
    3: ("name", _text, False),
}
_MAPS = {"labels", "annotations", "data", "binaryData", "stringData"}
_KINDS: Mapping[str, Fields] = {
    "Namespace": {**_HEAD, 2: ("spec", _ignored, False), 3: ("status", _ignored, False)},
    "Secret": {
        **_HEAD,
        2: ("data", _pair(_base64), True),
        3: ("type", _text, False),
        4: ("stringData", _pair(_text), True),
        5: ("immutable", _flag, False),
    },
    "ConfigMap": {
        **_HEAD,
        2: ("data", _pair(_text), True),
        3: ("binaryData", _pair(_base64), True),
        4: ("immutable", _flag, False),
    },
    "ServiceAccount": {
        **_HEAD,
        2: ("secrets", _message(_NAMED), True),
        3: ("imagePullSecrets", _message(_LOCAL), True),
        4: ("automountServiceAccountToken", _flag, False),
    },
    "Role": {**_HEAD, 2: ("rules", _message(_RULE), True)},
    "RoleBinding": {
        **_HEAD,
        2: ("subjects", _message(_SUBJECT), True),
        3: ("roleRef", _message(_REF), False),
    },
}
_TYPE: Fields = {1: ("apiVersion", _text, False), 2: ("kind", _text, False)}
_UNKNOWN: Fields = {
    1: ("type", _message(_TYPE), False),
    2: ("raw", lambda value: value, False),
    3: ("contentEncoding", _text, False),
    4: ("contentType", _text, False),
}


def decode(raw: bytes) -> dict[str, Any]:
    """Return the object in a Kubernetes protobuf body, or raise BadRequest."""
    try:
        if not raw.startswith(MAGIC):
            raise BadRequest("the body is not Kubernetes protobuf")
        envelope = message(raw[len(MAGIC) :], _UNKNOWN)
        kind = envelope["type"]["kind"]
        if kind not in _KINDS:
            raise BadRequest(f"{kind} is not read as protobuf: send JSON or YAML")
        return {**envelope["type"], **message(envelope["raw"], _KINDS[kind])}
    except (KeyError, IndexError, ValueError, TypeError) as error:
        raise BadRequest(f"the body is not Kubernetes protobuf: {error}") from error


def message(raw: bytes, fields: Fields) -> dict[str, Any]:
    """Read one message; what its table ignores or leaves empty is left out."""
    found: dict[str, Any] = {}
    for number, value in _fields(raw):
        if number not in fields:
            raise ValueError(f"field {number} is not known")
        name, read, repeated = fields[number]
        if repeated:
            found.setdefault(name, []).append(read(value))
        else:
            found[name] = read(value)
    for name in found.keys() & _MAPS:
        found[name] = {entry["key"]: entry["value"] for entry in found[name]}
    return {name: value for name, value in found.items() if value not in (None, "", {})}


def _fields(raw: bytes) -> Iterator[tuple[int, Value]]:
    position = 0
    while position < len(raw):
        tag, position = _varint(raw, position)
        value, position = _read(raw, position, tag & 7)
        yield tag >> 3, value


def _read(raw: bytes, position: int, wire: int) -> tuple[Value, int]:
    if wire == _VARINT:
        return _varint(raw, position)
    if wire == _BYTES:
        size, position = _varint(raw, position)
    else:
        size = _WIDTH[wire]
    end = position + size
    if end > len(raw):
        raise ValueError("it ends too early")
    return raw[position:end], end


def _varint(raw: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = raw[position]
        value |= (byte & 127) << shift
        position, shift = position + 1, shift + 7
        if byte < 128:  # noqa: PLR2004 - the continuation bit
            return value, position
