"""Calls between functions read no certificates until a call is encrypted, and then the right ones."""

import ssl
from pathlib import Path

import certifi
import pytest

from functions.runtime.http import Certificates, client

MEMORY = ssl.MemoryBIO


def test_clients_share_certificates_that_nobody_has_read(monkeypatch: pytest.MonkeyPatch) -> None:
    context = Certificates(ssl.PROTOCOL_TLS_CLIENT)
    client()
    assert context.cert_store_stats()["x509_ca"] == 0


def test_the_first_encrypted_call_reads_them_and_checks_the_host() -> None:
    context = Certificates(ssl.PROTOCOL_TLS_CLIENT)
    context.wrap_bio(MEMORY(), MEMORY(), server_hostname="example.com")
    assert context.cert_store_stats()["x509_ca"] > 50
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED


def test_the_operators_own_certificates_are_read_instead(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    one = Path(certifi.where()).read_text().partition("-----END CERTIFICATE-----")
    (tmp_path / "ca.pem").write_text(one[0] + one[1])
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    context = Certificates(ssl.PROTOCOL_TLS_CLIENT)
    context.wrap_bio(MEMORY(), MEMORY(), server_hostname="example.com")
    assert context.cert_store_stats()["x509"] == 1
