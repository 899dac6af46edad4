r"""Reads the Kubernetes protobuf that `kubectl create secret|configmap|namespace|role…` sends.

client-go's typed clients send protobuf and know no fallback, so these few kinds are read: the
envelope `k8s\0` + Unknown{typeMeta, raw}, then the message. `protobuf.json` has their parts of
Kubernetes' generated.proto, as a FileDescriptorProto. A field that is not in it is refused, never
dropped silently. Answers stay JSON, which those clients read.
"""

import json
from importlib.resources import files
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
from google.protobuf.message import DecodeError, Message

from knative.local.errors import BadRequest

MAGIC = b"k8s\0"

_POOL = descriptor_pool.DescriptorPool()
_TEXT = files(__package__).joinpath("protobuf.json").read_text(encoding="utf-8")
_POOL.Add(json_format.ParseDict(json.loads(_TEXT), descriptor_pb2.FileDescriptorProto()))


def decode(raw: bytes) -> dict[str, Any]:
    """Return the object in a Kubernetes protobuf body, or raise BadRequest."""
    if not raw.startswith(MAGIC):
        raise BadRequest("the body is not Kubernetes protobuf")
    envelope: Any = _message("Unknown", raw.removeprefix(MAGIC))
    body = _message(envelope.typeMeta.kind, envelope.raw)
    return {**json_format.MessageToDict(envelope.typeMeta), **json_format.MessageToDict(body)}


def _message(name: str, raw: bytes) -> Message:
    try:
        found = message_factory.GetMessageClass(_POOL.FindMessageTypeByName(name)).FromString(raw)
    except KeyError as error:
        raise BadRequest(f"{name!r} is not read as protobuf: send JSON or YAML") from error
    except DecodeError as error:
        raise BadRequest(f"the body is not Kubernetes protobuf: {error}") from error
    size = found.ByteSize()
    found.DiscardUnknownFields()
    if found.ByteSize() != size:
        raise BadRequest(
            f"{name} has a field in protobuf that is not known here: send JSON or YAML"
        )
    return found
