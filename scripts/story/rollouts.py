"""Steps b to e: models pushed and a Service changed, under live traffic, judged and decided."""

import json
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

from knative.serving import client as kube
from knative.serving.state import State
from knative.serving.table import Phase
from scripts.laptop.process import ROOT
from scripts.story.faulty_ner import LABEL
from scripts.story.load import Tally, traffic
from scripts.story.observer import History, observe, percents
from scripts.story.report import Facts, Narrator, expect
from scripts.story.world import World, push_model

SENTENCE = (
    "Nestlé and Shimano told Maria Keller in Berlin on 12 March 2025 that e-bike revenue "
    "rose 14 % to $3.2 billion, led by the Galaxy Watch 7."
)
RIGHT = {
    "Nestlé (ORG)",
    "Shimano (ORG)",
    "Maria Keller (PER)",
    "Berlin (LOC)",
    "12 March 2025 (DATE)",
    "14 % (PERCENT)",
    "$3.2 billion (MONEY)",
    "Galaxy Watch 7 (PRODUCT)",
}
REQUESTS_A_SECOND = 20
ROLLOUT_SECONDS = 150
MODELS = ROOT / "models"


async def better_model(world: World, narrator: Narrator, facts: Facts) -> None:
    """b: v1.1.0 goes all the way to promoted; entities get better; no request fails."""
    before = (await world.entities(SENTENCE)).json()
    history, tally, state = await _roll(world, narrator, lambda: _push(world, "ner-v1.1.0"), facts)
    after = (await world.entities(SENTENCE)).json()
    facts["entities_before"] = _texts(before)
    facts["entities_after"] = _texts(after)
    expect(state.phase is Phase.SUCCEEDED, f"the rollout ended {state.phase}: {state.reason}")
    expect(tally.failed == 0, f"{tally.failed} requests failed: {dict(tally.problems)}")
    expect(history.heaviest(state.candidate or "") == 100, "the candidate never had all traffic")  # noqa: PLR2004 - all, in percent
    steps = {entry.get(state.candidate or "", 0) for entry in history.traffic}
    expect(steps & {5, 25, 50}, f"the canary's weights were only {sorted(steps)}")
    narrator.say(f"before: {', '.join(facts['entities_before'])}")
    narrator.say(f"after:  {', '.join(facts['entities_after'])}")
    right = [len(RIGHT & set(facts[f"entities_{when}"])) for when in ("before", "after")]
    facts["entities_right"] = dict(zip(("before", "after"), right, strict=True))
    expect(right[1] > right[0], f"{right[0]} of {len(RIGHT)} entities were right, then {right[1]}")


async def bad_labels(world: World, narrator: Narrator, facts: Facts) -> None:
    """c: v1.2.0, trained on corrupted labels, ends at the golden set; no user meets it."""
    history, tally, state = await _roll(world, narrator, lambda: _push(world, "ner-v1.2.0"), facts)
    candidate = state.candidate or ""
    expect(state.phase is Phase.FAILED, f"the rollout ended {state.phase}: {state.reason}")
    expect(history.heaviest(candidate) == 0, "users were routed to the refused candidate")
    expect(candidate not in tally.served_by, "a user was served by the refused candidate")
    expect(tally.failed == 0, f"{tally.failed} requests failed: {dict(tally.problems)}")


async def fails_under_load(world: World, narrator: Narrator, facts: Facts) -> None:
    """d: v1.3.0 passes the golden set, fails under load, and is rolled back in the canary."""
    folder = faulty_release(world.running.data / "ner-v1.3.0")
    push = lambda: push_model(world.running, folder)  # noqa: E731 - a named argument, not a function
    history, tally, state = await _roll(world, narrator, push, facts)
    weight = history.heaviest(state.candidate or "")
    facts["failed_share"] = round(tally.failed / tally.requests, 4)
    facts["heaviest_weight"] = weight
    expect(state.phase is Phase.FAILED, f"the rollout ended {state.phase}: {state.reason}")
    expect(0 < weight < 100, f"the candidate had {weight} % at the most")  # noqa: PLR2004 - all, in percent
    expect(tally.failed > 0, "the fault never showed")
    expect(set(tally.failed_by) <= {state.candidate}, f"failed by {dict(tally.failed_by)}")
    expect(facts["failed_share"] <= weight / 100, f"{facts['failed_share']} of requests failed")


async def a_person_decides(world: World, narrator: Narrator, facts: Facts) -> None:
    """e: a changed environment starts the same canary; traffic set by hand ends it."""
    async with observe(world, "ner", narrator) as history:
        async with traffic(lambda: world.entities(SENTENCE), REQUESTS_A_SECOND) as tally:
            await _update_environment(world, "LOG_LEVEL", "DEBUG")
            narrator.say("a person changes ner's environment, as kn service update --env does")
            await world.until(lambda: _in_canary(world), "the canary", ROLLOUT_SECONDS)
            by_hand = await _set_by_hand(world)
            narrator.say(f"a person sets traffic by hand: {by_hand}")
            await world.until(lambda: _ended(world), "the rollout to let go", 30)
        state = await _state(world)
        split = percents(await world.service("ner"))
    facts |= {**tally.facts(), "traffic": history.traffic, "phases": history.phases}
    facts["by_hand"] = by_hand
    expect(state.phase is Phase.SUPERSEDED, f"the rollout ended {state.phase}: {state.reason}")
    expect(split == by_hand, f"the traffic is {split}, not the person's {by_hand}")
    expect(tally.failed == 0, f"{tally.failed} requests failed: {dict(tally.problems)}")


def faulty_release(folder: Path) -> Path:
    """Make v1.3.0: v1.1.0's weights under a version of their own, with the fault switch's label."""
    shutil.copytree(MODELS / "ner-v1.1.0", folder, dirs_exist_ok=True)
    for name in ("release.json", "config.json"):
        content = json.loads((folder / name).read_text())
        content["version"] = "1.3.0"
        if name == "release.json":
            content["labels"] = {**content.get("labels", {}), LABEL: "true"}
        (folder / name).write_text(json.dumps(content, indent=2))
    return folder


async def _roll(
    world: World, narrator: Narrator, change: Callable[[], Awaitable[None]], facts: Facts
) -> tuple[History, Tally, State]:
    """Make `change` under live traffic and stay until the rollout that it starts has ended."""
    earlier = await world.rollout("ner")
    began = earlier.started if earlier else 0.0
    async with observe(world, "ner", narrator) as history:
        async with traffic(lambda: world.entities(SENTENCE), REQUESTS_A_SECOND) as tally:
            await change()
            await world.until(lambda: _ended(world, began), "the rollout's end", ROLLOUT_SECONDS)
        state = await _state(world)
    facts |= {**tally.facts(), "traffic": history.traffic, "phases": history.phases}
    facts |= {"candidate": state.candidate, "golden": state.golden, "reason": state.reason}
    narrator.say(f"{tally.requests} requests, {tally.failed} failed; {dict(tally.served_by)}")
    return history, tally, state


async def _push(world: World, release: str) -> None:
    await push_model(world.running, MODELS / release)


async def _state(world: World) -> State:
    state = await world.rollout("ner")
    expect(state, "ner has no rollout")
    assert state is not None  # noqa: S101 - for the type checker; expect has raised
    return state


async def _ended(world: World, began: float | None = None) -> bool:
    state = await world.rollout("ner")
    if state is None or (began is not None and state.started <= began):
        return False
    return not state.active


async def _in_canary(world: World) -> bool:
    state = await world.rollout("ner")
    return state is not None and state.phase is Phase.CANARY and state.weight() > 0


async def _update_environment(world: World, name: str, value: str) -> None:
    """Read, change, write back with the resourceVersion: what kn does."""
    service = await world.service("ner")
    env = service["spec"]["template"]["spec"]["containers"][0].setdefault("env", [])
    env.append({"name": name, "value": value})
    await world.kube.update(kube.SERVICES, service)


async def _set_by_hand(world: World) -> dict[str, int]:
    """Give stable 70 % and the candidate 30 %, and return that."""
    state = await _state(world)
    split = {str(state.stable): 70, str(state.candidate): 30}
    spec = [{"revisionName": name, "percent": share} for name, share in split.items()]
    await world.kube.patch(kube.SERVICES, "ner", {"spec": {"traffic": spec}})
    return split


def _texts(answer: dict[str, list[dict[str, list[dict[str, str]]]]]) -> list[str]:
    return [f"{entity['text']} ({entity['label']})" for entity in answer["results"][0]["entities"]]
