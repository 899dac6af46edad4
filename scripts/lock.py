#!/usr/bin/env python3
"""Write requirements.lock and requirements-dev.lock from what is installed in this environment.

pip resolves once, by hand (`pip install -e '.[train,local,dev]'` in a fresh .venv); everybody else
installs the written closure with `--no-deps`, which takes no resolver and gives the same versions.
"""

import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent


def closure(requirements: Iterable[str], seen: set[tuple[str, str]]) -> Iterator[str]:
    """Yield `name==version` for `requirements` and everything they need here, each once."""
    for text in requirements:
        requirement = Requirement(text)
        for extra in ("", *requirement.extras):
            key = (canonicalize_name(requirement.name), extra)
            if key in seen:
                continue
            seen.add(key)
            found = distribution(requirement.name)
            if not extra:
                yield f"{key[0]}=={found.version.partition('+')[0]}"
            wanted = [r for r in found.requires or [] if _applies(Requirement(r), extra)]
            yield from closure(wanted, seen)


def _applies(requirement: Requirement, extra: str) -> bool:
    if requirement.marker is None:
        return not extra
    return requirement.marker.evaluate({"extra": extra})


def main() -> None:
    """Write both files, sorted."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    seen: set[tuple[str, str]] = set()
    run = closure([*project["dependencies"], *extras["train"], *extras["local"]], seen)
    header = "# Written by scripts/lock.py; installed with --no-deps.\n"
    lock = ROOT / "requirements.lock"
    lock.write_text(header + "\n".join(sorted(run)) + "\n")
    dev = ROOT / "requirements-dev.lock"
    dev.write_text(header + "\n".join(sorted(closure(extras["dev"], seen))) + "\n")


if __name__ == "__main__":
    main()
