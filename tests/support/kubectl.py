"""kubectl against one platform: what it says, and what it refuses."""

import json
import subprocess
import sys
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import yaml

Object = dict[str, Any]
KUBECTL = Path(sys.executable).with_name("kubectl")
SECONDS = 180


class Kubectl(ABC):
    """Whoever says which platform it is, by `environ` and `flags`, can use kubectl on it."""

    __slots__ = ()

    @property
    @abstractmethod
    def environ(self) -> dict[str, str]:
        """What tells kubectl which platform is meant."""

    @property
    def flags(self) -> tuple[str, ...]:
        """What stands before every command."""
        return ()

    def run(self, *args: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run kubectl, whatever comes of it."""
        return subprocess.run(
            [KUBECTL, *self.flags, *args],
            env=self.environ,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )

    def kubectl(self, *args: str, stdin: str | None = None) -> str:
        """Run kubectl, which must succeed; return what it printed."""
        done = self.run(*args, stdin=stdin)
        assert done.returncode == 0, f"kubectl {' '.join(args)}: {done.stderr}"
        return done.stdout

    def refused(self, *args: str, stdin: str | None = None) -> str:
        """Run kubectl, which must fail; return why."""
        done = self.run(*args, stdin=stdin)
        assert done.returncode != 0, f"kubectl {' '.join(args)} was not refused: {done.stdout}"
        return done.stderr

    def get(self, *what: str) -> Object:
        """Read an object, or a list of them."""
        found: Object = json.loads(self.kubectl("get", *what, "-o", "json"))
        return found

    def apply(self, *objects: Object) -> str:
        """Apply objects as a person does."""
        return self.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(objects))
