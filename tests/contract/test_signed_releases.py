"""With a public key, model-sync lets in what its private key signed, and nothing else."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization as form
from cryptography.hazmat.primitives.asymmetric import ec

from functions.model_sync.service import ModelSync
from functions.registry import signing
from functions.registry.manifest import Manifest
from functions.registry.publish import describe, publish, upload
from functions.registry.store import ModelStore
from tests.support.s3 import BUCKET, S3Server, created, release_folder, s3_server
from tests.support.synced import leftovers, model_sync, rejected, synced, versions

pytest.importorskip("model_signing", reason="the extra `signing` is not installed")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[S3Server]:
    with s3_server(tmp_path / "s3") as running:
        running.client("s3").create_bucket(Bucket=BUCKET)
        yield running


@pytest.fixture
def sync(server: S3Server, tmp_path: Path) -> ModelSync:
    plain = model_sync(server, server.port, tmp_path / "cache")
    _, public = keys(tmp_path, "ours")
    return replace(plain, settings=replace(plain.settings, public_key=public))


def keys(folder: Path, name: str) -> tuple[Path, Path]:
    """The private and the public key called `name`, made when they are asked for first."""
    private, public = folder / f"{name}.pem", folder / f"{name}.pub"
    if not private.exists():
        key = ec.generate_private_key(ec.SECP256R1())
        pem = form.Encoding.PEM
        private.write_bytes(key.private_bytes(pem, form.PrivateFormat.PKCS8, form.NoEncryption()))
        public.write_bytes(
            key.public_key().public_bytes(pem, form.PublicFormat.SubjectPublicKeyInfo)
        )
    return private, public


def push(s3: Any, folder: Path, private: Path) -> Manifest:
    manifest = signing.sign(folder, describe(folder, datetime.now(UTC)), private)
    return upload(folder, ModelStore(s3, BUCKET), manifest).manifest


async def test_what_our_key_signed_is_let_in_again_and_again(
    server: S3Server, sync: ModelSync, tmp_path: Path
) -> None:
    push(server.client("s3"), release_folder(tmp_path), keys(tmp_path, "ours")[0])
    assert await synced(created("ner-v1.0.0"), sync) == "1.0.0"
    assert await synced(created("ner-v1.0.0"), sync) == "1.0.0"
    assert versions(sync) == ["1.0.0"]


async def test_what_is_not_signed_is_refused_even_if_its_files_are_here(
    server: S3Server, sync: ModelSync, tmp_path: Path
) -> None:
    s3 = server.client("s3")
    publish(release_folder(tmp_path), BUCKET, s3)
    assert await rejected(created("ner-v1.0.0"), sync) == "unsigned"
    trusting = replace(sync, settings=replace(sync.settings, public_key=None))
    assert await synced(created("ner-v1.0.0"), trusting) == "1.0.0"
    assert await rejected(created("ner-v1.0.0"), sync) == "unsigned"


async def test_a_signature_of_another_key_or_of_other_files_is_refused(
    server: S3Server, sync: ModelSync, tmp_path: Path
) -> None:
    s3, (ours, _) = server.client("s3"), keys(tmp_path, "ours")
    push(s3, release_folder(tmp_path), keys(tmp_path, "theirs")[0])
    assert await rejected(created("ner-v1.0.0"), sync) == "bad_signature"
    signed = push(s3, release_folder(tmp_path, version="1.1.0"), ours)
    folder = release_folder(tmp_path, version="1.2.0")
    for signature in (signed.signature, "{}", "no JSON"):
        stolen = replace(describe(folder, datetime.now(UTC)), signature=signature)
        upload(folder, ModelStore(s3, BUCKET), stolen)
        assert await rejected(created("ner-v1.2.0"), sync) == "bad_signature"
        ModelStore(s3, BUCKET).remove("ner-v1.2.0")
    assert versions(sync) == []
    assert leftovers(sync) == []
