"""What libraries bring along and a function has no use for is not imported: a start waits for imports.

A stand-in is a module of which only names are asked for while others are imported; nothing of what is
left out is ever called. What somebody might want later stands in only for as long as one import
takes, and is the real one then.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType


def begin() -> None:
    """Arrange it for a process that serves a function, before it imports its server."""
    # Before numpy: starting its threads takes longer than what a function has for them to multiply.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # httpx brings a command line, with rich and pygments, and does without where there is none.
    sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type] # "there is none"
    # uvicorn brings what starts several processes and watches source files, and click.
    _stand_in("uvicorn.supervisors", "ChangeReload", "Multiprocess")
    _stand_in("uvicorn.main", "Server", "main", "run")
    # starlette reads forms, by way of temporary files; no function has any.
    _stand_in("starlette.formparsers", "FormParser", "MultiPartException", "MultiPartParser")


@contextmanager
def briefly(name: str, *names: str) -> Iterator[None]:
    """Let an empty module of this name, but for `names`, stand in while one import runs."""
    had = name in sys.modules
    _stand_in(name, *names)
    try:
        yield
    finally:
        if not had:
            del sys.modules[name]


def numpy() -> None:
    """Import numpy without the docstrings of its compiled functions, and types for one annotation."""
    with (
        briefly("numpy._core._add_newdocs"),
        briefly("numpy._core._add_newdocs_scalars"),
        briefly("numpy._typing", "NDArray"),
    ):
        import numpy  # noqa: F401, ICN001, PLC0415 - this is what the function is for


def _stand_in(name: str, *names: str) -> None:
    module = ModuleType(name)
    vars(module).update(dict.fromkeys(names, list))  # which takes an index, as in NDArray[int]
    sys.modules.setdefault(name, module)
