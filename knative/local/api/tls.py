"""The API's certificate: self-signed, for loopback names only, made once for a data directory.

There is no way around TLS: kubectl and every client made of client-go send no token over plain
HTTP.
"""

import datetime as dt
import ipaddress
import os
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

VALID = dt.timedelta(days=3650)
_NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "marketresearchai local API")])
_NAMES = x509.SubjectAlternativeName(
    [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
)


def certificate(data: Path, now: dt.datetime) -> tuple[Path, Path]:
    """Return the paths of certificate and key (PEM); make them when missing or outlived."""
    folder = data / "tls"
    cert, key = folder / "cert.pem", folder / "key.pem"
    if not (cert.exists() and key.exists() and _good(cert, now)):
        folder.mkdir(parents=True, exist_ok=True)
        private = ec.generate_private_key(ec.SECP256R1())
        _write(key, _pem(private))
        _write(cert, _signed(private, now).public_bytes(serialization.Encoding.PEM))
    return cert, key


def _good(cert: Path, now: dt.datetime) -> bool:
    return x509.load_pem_x509_certificate(cert.read_bytes()).not_valid_after_utc > now


def _signed(private: ec.EllipticCurvePrivateKey, now: dt.datetime) -> x509.Certificate:
    public = private.public_key()
    subject = x509.SubjectKeyIdentifier.from_public_key(public)
    issuer = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(subject)
    usage = dict.fromkeys(_USAGES, False) | {"digital_signature": True, "key_cert_sign": True}
    return (
        x509.CertificateBuilder(_NAME, _NAME, public, x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + VALID)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.KeyUsage(**usage), critical=True)
        .add_extension(_NAMES, critical=False)
        .add_extension(subject, critical=False)
        .add_extension(issuer, critical=False)
        .sign(private, hashes.SHA256())
    )


_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


def _pem(private: ec.EllipticCurvePrivateKey) -> bytes:
    return private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _write(path: Path, content: bytes) -> None:
    temporary = path.with_suffix(".new")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
    temporary.replace(path)
