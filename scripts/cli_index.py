"""`marketresearch index`: what the index is built from, building it now, backing it up, and going back.

All of it is asked from `embed-rebuild` over HTTP, which wakes it. The exit codes are those of `CODES`,
which the help prints.
"""

import asyncio
import json
from typing import Annotated, Any

import typer

from scripts.target import TargetError, target

CODES = "Exit codes: 0 done, 1 refused, 2 wrong use, 3 the platform cannot be reached."
app = typer.Typer(
    help="The embedding index.", no_args_is_help=True, add_completion=False, epilog=CODES
)
SERVICE = "embed-rebuild"

Namespace = Annotated[
    str | None, typer.Option("--namespace", "-n", help="default: the kubeconfig's")
]
Json = Annotated[bool, typer.Option("--json", help="machine-readable output")]


@app.command()
def status(namespace: Namespace = None, *, as_json: Json = False) -> None:
    """List the generations that are kept, `*` the one that answers, and what could not be read."""
    found = _ask(namespace, "GET", "/v1/index")
    if as_json:
        print(json.dumps(found))
        return
    for one in found["kept"]:  # no table: names are long, and to be copied whole
        counts = f"{one['documents']:>6} documents {one['chunks']:>7} chunks"
        mark = "*" if one["current"] else " "
        print(f"{mark} {one['generation']}  {counts}  {one['embedder'][:19]}")
    for current in found["generations"]:
        for skipped in current["skipped"]:
            print(f"skipped {skipped['document']}: {skipped['reason']}")


@app.command()
def rebuild(namespace: Namespace = None, *, as_json: Json = False) -> None:
    """Build from what the bucket holds now, and wait for it."""
    built = _ask(namespace, "POST", "/v1/rebuild")["rebuilt"]
    if as_json:
        print(json.dumps(built))
        return
    for one in built:
        counts = f"{one['documents']} documents, {one['chunks']} chunks, {one['embedded']} embedded"
        print(f"built {one['generation']}: {counts}, {one['seconds']:.1f} s")
    if not built:
        print("nothing changed: the index is of what the bucket holds")


@app.command()
def backup(namespace: Namespace = None, *, as_json: Json = False) -> None:
    """Put the index into the bucket now, without waiting for the night."""
    done = _ask(namespace, "POST", "/v1/backup")
    if as_json:
        print(json.dumps(done))
        return
    for one in done["backed_up"]:
        print(f"{one} is in the bucket")
    if not done["backed_up"]:
        print("there is no index yet")


@app.command()
def rollback(
    generation: Annotated[
        str, typer.Argument(help="a generation that is kept; default: the one before")
    ] = "",
    namespace: Namespace = None,
    *,
    embedder: Annotated[str, typer.Option(help="its digest, if several have an index")] = "",
    as_json: Json = False,
) -> None:
    """Go back to an older generation, until the next rebuild follows the bucket again."""
    wanted = {"generation": generation, "embedder": embedder}
    done = _ask(namespace, "POST", "/v1/rollback", wanted)
    if as_json:
        print(json.dumps(done))
        return
    print(f"{done['generation']} is current instead of {done['replaced']}")


def _ask(namespace: str | None, method: str, path: str, body: object = None) -> Any:
    async def asked() -> Any:
        async with target(namespace) as where:
            return await where.call(SERVICE, method, path, body)

    try:
        return asyncio.run(asked())
    except TargetError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(error.code) from error
