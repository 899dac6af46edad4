"""What stands in the way of a start is one line that says what to do."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.laptop import running, up
from scripts.laptop.process import ROOT
from scripts.laptop.provision import aws_environment

MIB = 1 << 20


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit, match=r"^cannot use .*; choose another --data$"):
        up._make_room(tmp_path / "file" / "below")


@pytest.mark.parametrize(("free", "started"), [(2047 * MIB, False), (199 * MIB, True)])
def test_a_full_disk_is_one_line_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, *, started: bool
) -> None:
    if started:
        (tmp_path / "applied").write_text("")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(0, 0, free))
    with pytest.raises(SystemExit, match=r"the disk is too full: .* MiB are needed"):
        up._make_room(tmp_path)


def test_a_taken_port_is_one_line_before_any_training(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "scripts.laptop.up", "--data", str(tmp_path)]
        done = subprocess.run(
            [*command, "--port", port], cwd=ROOT, capture_output=True, text=True, check=False
        )
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"port {port} is taken: stop what uses it, or choose another with --port"
    ]


@pytest.mark.parametrize("port", ["65536", "-1", "http"])
def test_what_is_no_port_is_wrong_use(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        up._parser().parse_args([f"--port={port}"])
    assert "is no port: 0 to 65535" in capsys.readouterr().err


def test_what_a_platform_keeps_is_for_its_owner_alone(tmp_path: Path) -> None:
    up._make_room(tmp_path / "data")
    assert (tmp_path / "data").stat().st_mode & 0o077 == 0


def test_down_ends_nothing_that_is_not_ours(tmp_path: Path) -> None:
    assert running.serving(tmp_path) is None
    (tmp_path / running.PID_NAME).write_text("1")
    assert running.serving(tmp_path) is None


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Path]:
    """A data folder that is served by a process of ours, as /proc shows it."""
    code = "import sys; print(flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", code, "scripts.laptop.up"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()  # by now it is no copy of this process any more
        (tmp_path / running.PID_NAME).write_text(str(process.pid))
        yield tmp_path
        process.communicate()


@pytest.mark.parametrize(
    ("options", "ready", "code"),
    [((), True, 1), (("--detach",), True, 0), (("--detach",), False, 1)],
)
def test_a_folder_that_is_served_is_not_served_twice(
    served: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...],
    ready: bool,  # noqa: FBT001 - a parameter of the table
    code: int,
) -> None:
    before = (served / running.PID_NAME).read_text()
    if ready:
        (served / running.READY_NAME).write_text("answers at http://there\n")
    monkeypatch.setattr(sys, "argv", ["up", "--data", str(served), *options])
    with pytest.raises(SystemExit) as ended:
        up.main()
    assert ended.value.code == code
    told = capsys.readouterr().err
    assert f"by process {before}" in told
    assert ("http://there" in told) == ready
    assert f"./scripts/down --data {served} ends it." in told
    assert (served / running.PID_NAME).read_text() == before


def test_whoever_serves_says_so_until_it_ends_and_forgets_one_that_was_killed(
    tmp_path: Path,
) -> None:
    (tmp_path / running.READY_NAME).write_text("of one that was killed")
    with running.registered(tmp_path):
        assert (tmp_path / running.PID_NAME).read_text() == str(os.getpid())
        assert not (tmp_path / running.READY_NAME).exists()
    assert list(tmp_path.iterdir()) == []


def test_a_persons_credentials_go_only_to_a_store_that_the_person_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "mine")
    assert aws_environment("http://laptop")["AWS_ACCESS_KEY_ID"] == "laptop"
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://store")
    assert aws_environment("http://store")["AWS_ACCESS_KEY_ID"] == "mine"
