"""OpenSSF model signing with a key of one's own, offline: who published these very files.

The signature is a Sigstore bundle over the hashes of the files; it travels in the manifest, which is
not signed itself. The package is optional (`pip install marketresearchai[signing]`) and imported
only where a key is given.
"""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from functions.registry.errors import Refused
from functions.registry.manifest import Manifest
from functions.registry.paths import MANIFEST

RELEASE = "release.json"


def require() -> Any:
    """Import the package; ImportError says what is missing."""
    import model_signing  # noqa: PLC0415 - optional, and most of a second

    return model_signing


def sign(folder: Path, manifest: Manifest, private_key: Path) -> Manifest:
    """Return the manifest with a signature over the files in `folder`; the key is a PEM file."""
    package = require()
    with tempfile.TemporaryDirectory() as scratch:
        bundle = Path(scratch) / "bundle.json"
        signer = package.signing.Config().use_elliptic_key_signer(private_key=private_key)
        signer.set_hashing_config(_files(package, folder)).sign(folder, bundle)
        return replace(manifest, signature=bundle.read_text())


def check(manifest: Manifest, files: Path, public_key: Path) -> None:
    """Refuse a release that is not signed, or not by this key, or whose `files` are others."""
    if manifest.signature is None:
        raise Refused(f"{manifest.folder} is not signed", "unsigned")
    package = require()
    with tempfile.TemporaryDirectory() as scratch:
        bundle = Path(scratch) / "bundle.json"
        bundle.write_text(manifest.signature)
        verifier = package.verifying.Config().use_elliptic_key_verifier(public_key=public_key)
        try:
            verifier.set_hashing_config(_files(package, files)).verify(files, bundle)
        except Exception as error:  # the package raises whatever its parsers raise
            reason = f"the signature of {manifest.folder} does not hold: {str(error)[:200]}"
            raise Refused(reason, "bad_signature") from error


def _files(package: Any, folder: Path) -> Any:
    """Take every file of the release, and neither of its two descriptions."""
    ignored = [folder / name for name in (RELEASE, MANIFEST)]
    return package.hashing.Config().set_ignored_paths(paths=ignored)
