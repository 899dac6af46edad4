"""What is opened before anybody asks for it: beside Python's imports, or before a process is forked.

A function's folder may hold an `early.py`, light to import, with two functions of the environment:

    knock   tells others that they will be needed; how that ends is of no interest
    steps   yields what can be done now, each step after it has imported what that step needs

A start calls them first of all, and does each step in a thread while the next one, and then the
server, is imported. A fork server does them one after the other before it forks, and knocks nowhere.
What fails ahead of its time fails again, or heals, where it is needed.
"""

import importlib
import logging
import threading
from collections.abc import Callable, Hashable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from types import ModuleType
from typing import Any, TypeVar, cast

T = TypeVar("T")
Step = Callable[[], None]
_LOG = logging.getLogger(__name__)
_kept: dict[Hashable, Future[Any]] = {}


def keep(key: Hashable, make: Callable[[], object]) -> None:
    """Make it now, for whoever takes it; nothing happens when it is there or being made."""
    future = Future[Any]()
    if _kept.setdefault(key, future) is not future:
        return
    try:
        future.set_result(make())
    except Exception as error:  # noqa: BLE001 - whoever takes it gets it
        future.set_exception(error)


def take(key: Hashable, make: Callable[[], T]) -> T:
    """Return what was kept for `key`, or is being made right now, once; make it otherwise."""
    kept = _kept.pop(key, None)
    return make() if kept is None else cast("T", kept.result())


def begin(reference: str, environ: Mapping[str, str]) -> None:
    """Begin what the function `reference` (`module:attribute`) can have begun before it is imported."""
    with _quietly():
        if early := _early(reference):
            early.knock(environ)
            for step in early.steps(environ):
                threading.Thread(target=step, name="ahead").start()


def hold(reference: str, environ: Mapping[str, str]) -> None:
    """Do here and now what `begin` does in a thread; nobody is told."""
    with _quietly():
        if early := _early(reference):
            for step in early.steps(environ):
                step()


@contextmanager
def _quietly() -> Iterator[None]:
    try:
        yield
    except Exception as error:  # noqa: BLE001 - see above
        _LOG.info("nothing was begun ahead: %s", error)


def _early(reference: str) -> ModuleType | None:
    name = f"{reference.partition(':')[0].rpartition('.')[0]}.early"
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and name.startswith(error.name):  # there is none, which is well
            return None
        raise
