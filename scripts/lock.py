#!/usr/bin/env python3
"""Write the lock files from what is installed in this environment.

requirements.lock and requirements-dev.lock are for people and tests, requirements-{cpu,gpu,train}.lock
for the images of those names. pip resolves once, by hand (`pip install -e '.[gpu,train,local,dev]'`
in a fresh .venv); everybody else installs a written closure with `--no-deps`, which takes no resolver
and gives the same versions.
"""

import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
HEADER = "# Written by scripts/lock.py; installed with --no-deps.\n"
IMAGES = {"cpu": (), "gpu": ("gpu",), "train": ("gpu", "train")}
"""The extras that each image adds to the functions' own dependencies."""
UNREACHED = ("kubernetes",)
"""What a dependency names and no function reaches, so no image has it: Chroma imports this one where
it is itself a cluster."""
REPORTS = "openvino-telemetry"
"""OpenVINO names it, to report to its maker, and does without; nobody here installs it."""
Seen = set[tuple[str, str]]


def closure(requirements: Iterable[str], seen: Seen) -> Iterator[str]:
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


def _write(name: str, pins: Iterable[str]) -> None:
    (ROOT / name).write_text(HEADER + "\n".join(sorted(pins)) + "\n")


def main() -> None:
    """Write every file, sorted."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    own = f"{project['name']}["  # an extra may name another of ours: here each is listed by itself
    extras = {
        name: [each for each in wanted if not each.startswith(own)]
        for name, wanted in project["optional-dependencies"].items()
    }
    for image, added in IMAGES.items():
        wanted = [*project["dependencies"], *(each for name in added for each in extras[name])]
        _write(f"requirements-{image}.lock", closure(wanted, {(name, "") for name in UNREACHED}))
    seen: Seen = {(REPORTS, "")}
    run = [*project["dependencies"], *extras["gpu"], *extras["train"], *extras["local"]]
    _write("requirements.lock", closure(run, seen))
    _write(
        "requirements-dev.lock",
        closure([*extras["dev"], *extras["signing"], *extras["bf16"]], seen),
    )


if __name__ == "__main__":
    main()
