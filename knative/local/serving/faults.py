"""Field errors in Knative's words: `message: path, path`, details on the next line; pure."""

import re
from dataclasses import dataclass, field

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(slots=True)
class Faults:
    """A growing list of field errors; `at` gives a view whose paths start deeper."""

    place: str = ""
    lines: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        """Say whether anything is wrong."""
        return bool(self.lines)

    def __str__(self) -> str:
        """Return the text of the refusal."""
        return "\n".join(self.lines)

    def at(self, place: str) -> "Faults":
        """Return a view on the same list for a deeper place."""
        return Faults(self._path(place), self.lines)

    def add(self, message: str, *paths: str, details: str = "") -> None:
        """Add one error about one or more paths."""
        line = f"{message}: {', '.join(self._path(p) for p in paths)}"
        self.lines.append(f"{line}\n{details}" if details else line)

    def _path(self, path: str) -> str:
        return f"{self.place}.{path}" if self.place and path else self.place or path


def between(faults: Faults, value: int, bounds: tuple[int, int], path: str) -> None:
    """Refuse a number out of bounds."""
    low, high = bounds
    if not low <= value <= high:
        faults.add(f"expected {low} <= {value} <= {high}", path)


def duration(faults: Faults, text: str, bounds: tuple[float, float], path: str) -> None:
    """Refuse what is no duration, or out of bounds."""
    seconds = parse_duration(text)
    if seconds is None:
        faults.add(f"invalid value: {text}", path)
    elif not bounds[0] <= seconds <= bounds[1]:
        low, high = (show_duration(b) for b in bounds)
        faults.add(f"expected {low} <= {text} <= {high}", path)


def parse_duration(text: str) -> float | None:
    """Return the seconds of `1m30s`, None when it is no duration."""
    parts = _DURATION.findall(text)
    if not parts or "".join(n + u for n, u in parts) != text:
        return 0.0 if text == "0" else None
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def show_duration(seconds: float) -> str:
    """Write whole seconds as Go does: `6s`, `1h0m0s`."""
    hours, rest = divmod(int(seconds), 3600)
    minutes, left = divmod(rest, 60)
    if hours:
        return f"{hours}h{minutes}m{left}s"
    return f"{minutes}m{left}s" if minutes else f"{left}s"
