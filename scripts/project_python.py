"""Scripts run with the project's own Python, whichever one they were started with.

Imported before anything that has to be installed; so nothing here may need installing.
"""

import os
import sys
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_MARK = "MARKETRESEARCH_REEXECUTED"


def use_project_python(*needed: str) -> None:
    """Go on in `.venv` when this Python lacks one of the `needed` packages."""
    if all(find_spec(name) for name in needed):
        return
    python = ROOT / ".venv" / "bin" / "python"
    if os.environ.get(_MARK) or not python.exists():
        sys.exit("The project is not installed yet: run ./scripts/up first.")
    os.environ[_MARK] = "1"
    os.execv(python, [str(python), *sys.argv])  # noqa: S606 - our own interpreter, our own arguments
