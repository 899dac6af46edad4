"""The Open Inference Protocol's binary extension: JSON first, then each tensor's bytes. Pure.

A header says how much of a body is JSON. A BYTES tensor is its elements one after another, each
behind its length in four bytes; numbers are little-endian.
"""

import struct
from collections.abc import Iterable, Mapping
from typing import Any

from functions.runtime.errors import BadRequest, Invalid

JSON_LENGTH = "inference-header-content-length"
"""The header that says how much of a body is JSON; without it, all."""
EXTENSION = "binary_tensor_data"

LONGEST = 18
"""Digits of a length; Python refuses to read thousands of them, and no body is that long."""


def split(body: bytes, json_length: str | None) -> tuple[bytes, bytes]:
    """Return a body's JSON and what comes behind it."""
    if json_length is None:
        return body, b""
    digits = json_length if json_length.isdecimal() and len(json_length) <= LONGEST else ""
    if not digits or int(digits) > len(body):
        raise BadRequest(f"{JSON_LENGTH} is no length within the body")
    return body[: int(digits)], body[int(digits) :]


def parameters(holder: Mapping[str, Any], field: str) -> Mapping[str, Any]:
    """Return `parameters` of a request or tensor; `field` names it in errors."""
    found = holder.get("parameters") or {}
    if not isinstance(found, Mapping):
        raise Invalid(f"{field}parameters must be an object")
    return found


def unpack(rest: bytes, size: object, field: str) -> list[str]:
    """Read the texts of a BYTES tensor; `size` is what the request says they are long."""
    if size != len(rest):
        raise Invalid(f"{field}.parameters.binary_data_size is not what the body holds")
    found, place = list[str](), 0
    try:
        while place < len(rest):
            (length,) = struct.unpack_from("<I", rest, place)
            place += 4 + length
            found.append(rest[place - length : place].decode())
    except (struct.error, UnicodeDecodeError) as error:
        raise Invalid(f"{field} holds bytes that are no texts with their lengths") from error
    if place != len(rest):
        raise Invalid(f"{field} ends in the middle of a text")
    return found


def pack(texts: Iterable[str]) -> bytes:
    """Write the texts of a BYTES tensor."""
    raw = (text.encode() for text in texts)
    return b"".join(struct.pack("<I", len(one)) + one for one in raw)
