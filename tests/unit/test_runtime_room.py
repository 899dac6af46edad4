"""The room that is left: the least of machine and control group, and no limit where nothing tells."""

from pathlib import Path

import pytest

from functions.runtime.room import room

MIB = 1 << 20


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    (tmp_path / "meminfo").write_text("MemTotal: 9000 kB\nMemAvailable: 2048 kB\n")
    return tmp_path


@pytest.fixture
def groups(tmp_path: Path) -> Path:
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text(f"{3 * MIB}\n")
    (tmp_path / "memory.stat").write_text(f"anon 5\nfile {MIB // 2}\n")
    return tmp_path


def test_without_a_limit_it_is_the_machines(proc: Path, groups: Path) -> None:
    assert room(proc, groups) == 2 * MIB


def test_a_groups_limit_counts_what_is_used_but_pages_of_files(proc: Path, groups: Path) -> None:
    (groups / "memory.max").write_text(f"{4 * MIB}\n")
    assert room(proc, groups) == 1.5 * MIB


def test_where_nothing_tells_there_is_room(tmp_path: Path) -> None:
    assert room(tmp_path / "no-proc", tmp_path / "no-groups") == float("inf")
