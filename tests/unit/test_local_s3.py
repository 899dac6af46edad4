"""Where the laptop's S3 is: the same place after a restart, or where the person says."""

import socket
from pathlib import Path

from knative.local.s3 import endpoint, own_ports, run


def test_the_address_stays_unless_its_port_is_taken(tmp_path: Path) -> None:
    first = endpoint(tmp_path, {})
    assert endpoint(tmp_path, {}) == first
    (port,) = own_ports(tmp_path, first)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        second = endpoint(tmp_path, {})
    assert second != first
    assert endpoint(tmp_path, {}) == second


async def test_a_real_store_is_used_as_it_is_and_nothing_is_started(tmp_path: Path) -> None:
    url = endpoint(tmp_path, {"AWS_ENDPOINT_URL": "https://s3.example.com"})
    assert url == "https://s3.example.com"
    assert own_ports(tmp_path, url) == []
    await run(tmp_path, url)
    assert not (tmp_path / "s3").exists()
