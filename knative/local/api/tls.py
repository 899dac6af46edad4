"""The API's certificate: for loopback names only, made once for a data directory.

There is no way around TLS: kubectl and every client made of client-go send no token over plain
HTTP.
"""

import os
from pathlib import Path

import trustme


def certificate(data: Path) -> tuple[Path, Path]:
    """Return the paths of certificate (with its authority) and key, PEM; make them the first time."""
    cert, key = data / "tls" / "cert.pem", data / "tls" / "key.pem"
    if not (cert.exists() and key.exists()):
        authority = trustme.CA(organization_name="marketresearchai local API")
        issued = authority.issue_cert("localhost", "127.0.0.1")
        chain = [*issued.cert_chain_pems, authority.cert_pem]
        write_private(key, issued.private_key_pem.bytes())
        write_private(cert, b"".join(part.bytes() for part in chain))
    return cert, key


def write_private(path: Path, content: bytes) -> None:
    """Replace a file that only its owner may read, in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
    temporary.replace(path)
