"""What stands in the way of a start is one line that says what to do."""

import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.laptop import down, up
from scripts.laptop.process import ROOT

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


def test_down_ends_nothing_that_is_not_ours(tmp_path: Path) -> None:
    pid_file = tmp_path / "up.pid"
    assert down._recorded(pid_file) is None
    pid_file.write_text("1")
    assert down._recorded(pid_file) is None
