"""A path in a manifest becomes a path on a disk.

So whatever could leave the release's folder, or mean two things on two file systems, or run code
when it is loaded, is refused here and nowhere else. Pure.
"""

import unicodedata
from collections.abc import Iterable, Mapping

from functions.registry.errors import ManifestInvalid

MANIFEST = "model_config.json"
PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib")
_MAX_SEGMENT = 200
_MAX_PATH = 800


def check_paths(paths: Iterable[str], *, allow_pickles: bool = False) -> None:
    """Refuse a list of paths that is ambiguous, or could run code when it is loaded."""
    seen: dict[str, str] = {}
    for path in paths:
        check_path(path)
        if not allow_pickles and path.lower().endswith(PICKLES):
            raise ManifestInvalid(f"{path!r} is a pickle: only safetensors and ONNX")
        folded = _fold(path)
        if folded in seen:
            raise ManifestInvalid(f"{path!r} clashes with {seen[folded]!r}")
        seen[folded] = path
    _check_no_file_is_a_folder(seen)


def check_path(path: str) -> None:
    """Refuse a path that is not plainly inside its release."""
    if path.startswith("/") or "\\" in path or len(path.encode()) > _MAX_PATH:
        raise ManifestInvalid(f"file path {path[:80]!r} must be relative, with forward slashes")
    if _fold(path) == _fold(MANIFEST):
        raise ManifestInvalid(f"{MANIFEST} cannot name itself")
    if not all(_is_segment(segment) for segment in path.split("/")):
        raise ManifestInvalid(f"file path {path[:80]!r} has a part that is not a plain name")


def _is_segment(segment: str) -> bool:
    plain = segment not in {"", ".", ".."} and len(segment.encode()) <= _MAX_SEGMENT
    # Windows reads "C:x" as a drive and drops trailing dots and blanks.
    portable = ":" not in segment and segment.rstrip(". ") == segment
    return plain and portable and not any(unicodedata.category(c)[0] == "C" for c in segment)


def _fold(path: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def _check_no_file_is_a_folder(seen: Mapping[str, str]) -> None:
    for folded, path in seen.items():
        parts = folded.split("/")
        for depth in range(1, len(parts)):
            if (parent := "/".join(parts[:depth])) in seen:
                raise ManifestInvalid(f"{seen[parent]!r} is both a file and the folder of {path!r}")
