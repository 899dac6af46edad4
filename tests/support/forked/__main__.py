"""A program that can be forked: says who loaded it and who it is, then waits to be ended."""

import json
import os
import sys
import threading
import time

LOADED: list[int] = []


def preload() -> None:
    LOADED.append(os.getpid())
    if "threads" in sys.argv:
        threading.Thread(target=time.sleep, args=[60], daemon=True).start()


def main() -> None:
    if "CODE" in os.environ:
        sys.exit(int(os.environ["CODE"]))
    who = {"pid": os.getpid(), "loaded_by": LOADED, "name": os.environ["HOSTNAME"]}
    sys.stdout.write(json.dumps(who | {"words": sys.argv[1:], "session": os.getsid(0)}) + "\n")
    sys.stdout.flush()
    time.sleep(60)


if __name__ == "__main__":
    main()
