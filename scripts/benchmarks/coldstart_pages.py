"""What a start finds in the page cache, arranged anew before each: so all find the same.

A kernel takes back what nobody read for a while, and a round of all servers takes a minute. So what
is to be warm is read right before the start: libraries and bytecode of the server's environment.
"""

import os
import sysconfig
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from scripts.benchmarks.harness import ROOT, CannotMeasure

STATES = ("warm", "model", "all")
"""Everything is in the cache; all but the model's files; nothing is."""
OURS = ("eventing", "functions", "knative", "warmup")
_READ = (".pyc", ".so", ".jar", ".jsa")
_IMAGE = "modules"
"""The file that holds a Java runtime's classes."""
_DROP_CACHES = Path("/proc/sys/vm/drop_caches")
_AT_ONCE = 1 << 20


def states(names: str) -> list[str]:
    """Return the states named in `names`, with commas between."""
    wished = [name for name in names.split(",") if name]
    unknown = [name for name in wished if name not in STATES]
    if unknown:
        raise CannotMeasure(f"no pages {unknown[0]!r}; there are {', '.join(STATES)}")
    return wished


def arrange(pages: str, environment: Path, model: Path) -> None:
    """Let a start by `environment` of the release folder `model` find what `pages` says."""
    if pages == "all":
        _forget_all()
        return
    _read(libraries(environment))
    files = [path for path in model.rglob("*") if path.is_file()]
    if pages == "warm":
        _read(files)
    else:
        for path in files:
            _forget(path)


@cache
def libraries(environment: Path) -> tuple[Path, ...]:
    """Return what a program of `environment` may load: its own, the interpreter's and this project's."""
    own = environment / "lib"
    stdlib = Path(sysconfig.get_path("stdlib"))
    shared = (path for path in _loaded(stdlib) if "site-packages" not in path.parts)
    code = (path for name in OURS for path in _loaded(ROOT / name))
    return (*_loaded(own), *shared, *code)


def _loaded(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        if (path.suffix in _READ or ".so." in path.name or path.name == _IMAGE) and path.is_file():
            yield path


def _read(paths: Iterable[Path]) -> None:
    buffer = bytearray(_AT_ONCE)
    for path in paths:
        with path.open("rb", buffering=0) as file:
            while file.readinto(buffer):
                pass


def _forget_all() -> None:
    """Drop every clean page that nobody maps."""
    try:
        os.sync()
        _DROP_CACHES.write_text("1")
    except OSError as error:
        raise CannotMeasure(f"the page cache cannot be dropped: {error}") from error


def _forget(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(file)
