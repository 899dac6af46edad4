"""The platform as one process: what it is made of, how it starts, how it ends.

The rule: one instance per data folder. A start takes over cleanly from an instance that was killed
(its processes are swept) and refuses, in one line that says what to do, when another instance lives
here or the port is taken. An end leaves no process behind.
"""

import asyncio
import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from knative.local import api, s3, serving, serving_plane
from knative.local.api.kubeconfig import load_token
from knative.local.eventing import run as eventing
from knative.local.instance import Platform
from knative.local.processes import is_free, kept_port, server_port, sweep
from knative.local.store import Store


class CannotStart(Exception):
    """Why this instance cannot start, and what to do, in one line."""


@dataclass(frozen=True, slots=True)
class Options:
    """What a person chooses; port 0 takes a free one."""

    data: Path
    port: int


async def run(options: Options) -> None:
    """Run everything until cancelled; prints one JSON line when all of it answers."""
    data = options.data.resolve()
    with _only_instance(data):
        sweep(data)
        platform = _compose(data, options.port)
        s3_url = s3.endpoint(data)
        try:
            async with asyncio.TaskGroup() as group:
                for part in (api.run, serving.run, eventing.run, serving_plane.run):
                    group.create_task(part(platform))
                group.create_task(s3.run(data, s3_url))
                facts = _facts(platform, s3_url)
                for port in (platform.gateway_port, platform.api_port, *s3.own_ports(data, s3_url)):
                    await _answers(port)
                (data / "platform.json").write_text(json.dumps(facts))
                print(json.dumps({"ready": True, **facts}), flush=True)  # noqa: T201 - for callers
        finally:
            (data / "platform.json").unlink(missing_ok=True)
            platform.store.close()


def _compose(data: Path, port: int) -> Platform:
    return Platform(
        gateway_port=usable_port(port),
        store=Store(data / "store.db"),
        data=data,
        # Whoever holds a kubeconfig finds the API at the same place after a restart.
        api_port=kept_port(data / "run" / "api.port"),
        ingress_port=server_port(),
        activator_port=server_port(),
        token=load_token(data),
    )


def usable_port(port: int) -> int:
    """Return `port`, or a free one for 0; raises CannotStart when it is taken."""
    if port and not is_free(port):
        raise CannotStart(f"port {port} is taken: stop what uses it, or choose another with --port")
    return port or server_port()


@contextmanager
def _only_instance(data: Path) -> Iterator[None]:
    try:
        (data / "run").mkdir(parents=True, exist_ok=True)
        lock = (data / "run" / "lock").open("a+")
    except OSError as error:
        raise CannotStart(
            f"cannot use {data}: {error.strerror}; choose another with --data"
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # a killed instance holds it no more
        except OSError as error:
            lock.seek(0)
            raise CannotStart(
                f"{data} is in use by process {lock.read() or '?'}: stop it (kill "
                "PID), or choose another folder with --data"
            ) from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _facts(platform: Platform, s3_url: str) -> dict[str, object]:
    return {
        "pid": os.getpid(),
        "gateway": platform.gateway_port,
        "api": platform.api_port,
        "s3": s3_url,
        "kubeconfig": str(platform.data / "kubeconfig"),
    }


async def _answers(port: int) -> None:
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.02)
        else:
            writer.close()
            return
