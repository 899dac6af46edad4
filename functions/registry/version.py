"""A version is a semantic version, and versions have one total order.

Build metadata (`+…`) is refused: it takes no part in semantic-version precedence, so two different
versions would compare as equal, and `+` means a space in too many URLs. Pure.
"""

import re
from dataclasses import dataclass
from functools import total_ordering
from typing import Self

_NUMBER = r"(?:0|[1-9][0-9]{0,8})"
_IDENTIFIER = r"(?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
PATTERN = rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-{_IDENTIFIER}(?:\.{_IDENTIFIER})*)?"
_VERSION = re.compile(PATTERN)
_MAX_LENGTH = 64


@total_ordering
@dataclass(frozen=True, slots=True)
class Version:
    """`major.minor.patch[-prerelease]`; `1.10.0 > 1.9.0 > 1.9.0-rc.1`."""

    major: int
    minor: int
    patch: int
    prerelease: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `1.2.3` or `1.2.3-rc.1`; anything else is a ValueError."""
        if len(text) > _MAX_LENGTH or not _VERSION.fullmatch(text):
            raise ValueError(f"{text[:_MAX_LENGTH]!r} is not a semantic version such as 1.2.0")
        core, _, prerelease = text.partition("-")
        major, minor, patch = (int(number) for number in core.split("."))
        return cls(major, minor, patch, tuple(prerelease.split(".")) if prerelease else ())

    def __str__(self) -> str:
        """Write the version so that `parse` reads it back."""
        core = f"{self.major}.{self.minor}.{self.patch}"
        return f"{core}-{'.'.join(self.prerelease)}" if self.prerelease else core

    def __lt__(self, other: Self) -> bool:
        """Compare by semantic-version precedence."""
        return self._key() < other._key()

    def _key(self) -> tuple[int, int, int, bool, tuple[tuple[bool, int, str], ...]]:
        identifiers = tuple(
            (False, int(text), "") if text.isdigit() else (True, 0, text)
            for text in self.prerelease
        )
        return self.major, self.minor, self.patch, not self.prerelease, identifiers
