"""How the list of models looks to a person: plain columns, nothing cut, so that it can be copied and searched. Pure."""

from collections.abc import Iterable, Sequence

from scripts.model_records import Record
from scripts.progress import mebibytes

_HEAD = ("MODEL", "VERSION", "DIGEST", "SIZE", "GOLDEN F1", "MAX ERROR", "SERVES", "KEPT")
_DIGEST = len("sha256:") + 12


def lines(found: Iterable[Record]) -> list[str]:
    """Return a line a version below a line of names."""
    rows = [_HEAD, *map(_cells, found)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [_line(row, widths) for row in rows]


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True))
    return "   ".join(padded).rstrip()


def _cells(item: Record) -> Sequence[str]:
    return (
        item.name,
        item.version,
        item.digest[:_DIGEST],
        mebibytes(item.size),
        "-" if item.golden_f1 is None else f"{item.golden_f1:.3f}",
        "-" if item.parity is None else f"{item.parity:.0e}",
        ", ".join(item.places) or (f"not in {item.service}" if item.service else "no Service"),
        ", ".join(["rollback target"] * item.previous + ["pinned"] * item.pinned),
    )
