"""`python -m knative.local --data DIR [--port 8080]`: the platform, until SIGTERM or Ctrl-C."""

import argparse
import asyncio
import logging
import signal
import sys
from pathlib import Path

import uvloop

from knative.local.platform import CannotStart, Options, run

USAGE_ERROR = 2


def main() -> int:
    """Run the platform; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m knative.local", description=__doc__)
    parser.add_argument(
        "--data", type=Path, default=Path(".local"), help="where everything is kept"
    )
    parser.add_argument("--port", type=int, default=8080, help="the gateway; 0 takes a free port")
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)  # a line per question to Envoy otherwise
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    try:
        uvloop.run(_until_told(Options(given.data, given.port)))
    except CannotStart as reason:
        print(reason, file=sys.stderr)  # noqa: T201 - for a person
        return USAGE_ERROR
    return 0


async def _until_told(options: Options) -> None:
    task = asyncio.create_task(run(options))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    await asyncio.wait({task})
    if not task.cancelled():
        task.result()


if __name__ == "__main__":
    sys.exit(main())
