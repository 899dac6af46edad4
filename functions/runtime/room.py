"""How much memory this process may still take before the kernel ends somebody for it.

The least of what the machine has and what each control group above us allows. Pages of files count
as free: the kernel takes them back. Where nothing tells, there is room.
"""

from pathlib import Path

_PROC, _GROUPS = Path("/proc"), Path("/sys/fs/cgroup")


def room(proc: Path = _PROC, groups: Path = _GROUPS) -> float:
    """Return bytes; infinity where nothing tells."""
    return min(_machine(proc), _group(groups))


def _machine(proc: Path) -> float:
    try:
        lines = (proc / "meminfo").read_text().splitlines()
    except OSError:
        return float("inf")
    found = [float(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    return min(found, default=float("inf"))


def _group(groups: Path) -> float:
    """Read version 2's files; a container sees its own group at the root."""
    try:
        most = (groups / "memory.max").read_text().strip()
        used = float((groups / "memory.current").read_text())
        stat = dict(line.split() for line in (groups / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):
        return float("inf")
    return float("inf") if most == "max" else float(most) - used + float(stat.get("file", 0))
