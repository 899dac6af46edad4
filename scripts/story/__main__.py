"""`scripts/demo`: run the story against a platform of its own, on free ports, in a folder of its own."""

import argparse
import asyncio
import shutil
import sys
import tempfile
from functools import partial
from pathlib import Path

from scripts.laptop import models
from scripts.laptop.process import ROOT, Running, StartError, platform
from scripts.laptop.provision import Contents, provision, wait_until_answering
from scripts.story import ends, rollouts
from scripts.story.report import Narrator
from scripts.story.world import world

STEPS = (
    ("a. a question wakes functions that are at zero", ends.a_question_wakes),
    ("b. a better model is pushed and promoted", rollouts.better_model),
    ("c. a model with bad labels is refused before any user saw it", rollouts.bad_labels),
    ("d. a model that fails under load is rolled back in the canary", rollouts.fails_under_load),
    ("e. a person updates the Service, then takes the traffic", rollouts.a_person_decides),
    ("f. new documents change the answer", ends.new_documents),
    ("g. idle: everything is at zero", ends.idle),
)


def main() -> None:
    """Parse the arguments, tell the story, exit 0 only if every step was as it should be."""
    arguments = _arguments()
    models.ensure(ROOT / "models")
    data = (arguments.data or Path(tempfile.mkdtemp(prefix="marketresearch-demo-"))).resolve()
    data.mkdir(parents=True, exist_ok=True)
    narrator = Narrator()
    try:
        with platform(data, 0) as running:
            asyncio.run(_tell(running, narrator))
    except (StartError, TimeoutError) as error:
        sys.exit(str(error))
    finally:
        if arguments.json:
            narrator.write(arguments.json)
        if not arguments.data:
            shutil.rmtree(data, ignore_errors=True)
    sys.exit(0 if narrator.ok else 1)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/demo", description=__doc__)
    parser.add_argument("--json", type=Path, help="write what was observed to this file")
    parser.add_argument("--data", type=Path, help="keep everything here; default: removed after")
    return parser.parse_args()


async def _tell(running: Running, narrator: Narrator) -> None:
    contents = Contents(overlay=ROOT / "knative/overlays/demo")
    await asyncio.to_thread(provision, running, contents, narrator.say)
    wait = partial(wait_until_answering, running, contents, narrator.say)
    await asyncio.to_thread(wait)
    async with world(running) as told:
        for name, step in STEPS:
            await narrator.tell(name, partial(step, told, narrator))


if __name__ == "__main__":
    main()
