"""`kill -9` at any instant: what was acknowledged is there, and nothing is half done."""

import signal
import subprocess
import sys
from pathlib import Path

from knative.local.store import Store

WRITER = """
import sys
from pathlib import Path
from knative.local.conditions import owner_reference
from knative.local.store import Store

store = Store(Path(sys.argv[1]))
for i in range(10**6):
    meta = {"name": f"s{i}", "namespace": "default"}
    owner = store.create({"apiVersion": "v1", "kind": "Service", "metadata": meta})
    child = {**meta, "ownerReferences": [owner_reference(owner)]}
    store.create({"apiVersion": "v1", "kind": "Route", "metadata": child})
    print("created", i, flush=True)
    if i >= 2:
        store.delete("Service", "default", f"s{i - 2}")
        print("deleted", i - 2, flush=True)
"""


def test_acknowledged_writes_survive_and_cascades_are_whole(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    for lines in (1, 50, 203):
        path.unlink(missing_ok=True)
        for extra in ("-wal", "-shm"):
            path.with_name(path.name + extra).unlink(missing_ok=True)
        command = [sys.executable, "-c", WRITER, str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout
            seen = [writer.stdout.readline().split() for _ in range(lines)]
            writer.send_signal(signal.SIGKILL)
            seen += [line.split() for line in writer.stdout if line.endswith("\n")]
        store = Store(path)
        left = {o["metadata"]["name"] for o in store.list("Service")}
        gone = {f"s{i}" for what, i in seen if what == "deleted"}
        made = {f"s{i}" for what, i in seen if what == "created"}
        in_flight = {f"s{len(made) - 3}"}  # deleted, perhaps, but not yet said
        assert made - gone - in_flight <= left
        assert not gone & left
        routes = {o["metadata"]["name"] for o in store.list("Route")}
        assert routes <= left
        store.close()
