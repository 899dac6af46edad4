"""Scripts run with the project's own Python, whichever one they were started with.

Imported before anything that has to be installed; so nothing here may need installing.
"""

import os
import sys
from importlib.util import find_spec
from pathlib import Path

VENV = Path(__file__).resolve().parent.parent / ".venv"


def use_project_python(*needed: str) -> None:
    """Go on in `.venv`, or in this Python where there is no `.venv` but all that is `needed`."""
    if Path(sys.prefix).resolve() == VENV.resolve():
        return
    python = VENV / "bin" / "python"
    if python.exists():
        os.execv(python, [str(python), *sys.argv])  # noqa: S606 - our interpreter, our arguments
    if not all(find_spec(name) for name in needed):
        sys.exit("The project is not installed yet: run ./scripts/up first.")
