"""`marketresearch`: the index of commands. A command's module is imported only when it is used."""

from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

COMMANDS = {
    "coldstart": "scripts.cli_coldstart",
    "index": "scripts.cli_index",
    "models": "scripts.cli_models",
    "restore": "scripts.cli_restore",
    "rollout": "scripts.cli_rollout",
}


class _Lazy(TyperGroup):
    def list_commands(self, _context: Any) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, _context: Any, name: str) -> Any:
        if name not in COMMANDS:
            return None
        command = typer.main.get_command(import_module(COMMANDS[name]).app)
        command.name = name
        return command


app = typer.Typer(cls=_Lazy, no_args_is_help=True, add_completion=False)


@app.callback()
def main() -> None:
    """Operate MarketResearchAI; every command has --help, and --json for programs."""


if __name__ == "__main__":
    app()
