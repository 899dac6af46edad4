"""Steps a, f and g: a question wakes what sleeps, new documents change an answer, all sleep again."""

import time

from scripts.laptop.process import ROOT
from scripts.laptop.provision import BUCKET, QUESTION
from scripts.push_documents import push_documents
from scripts.story.report import Facts, Narrator, expect
from scripts.story.world import World

NEW_DOCUMENTS = ROOT / "scripts/corpus_new"
SLEEP_SECONDS = 120


async def a_question_wakes(world: World, narrator: Narrator, facts: Facts) -> None:
    """Step a: while every function is at zero, a question is asked and answered."""
    await world.until(lambda: _asleep(world, facts), "every function at zero", SLEEP_SECONDS)
    facts["replicas_before"] = await world.replicas()
    narrator.say(f"every function is at zero; asking: {QUESTION}")
    started = time.monotonic()
    answer = await world.ask(QUESTION)
    facts["first_answer_seconds"] = round(time.monotonic() - started, 3)
    facts["cold_start"] = {name: await world.cold_start(name) for name in ("inference", "ner")}
    facts |= {"answer": answer["answer"], "citations": len(answer["citations"])}
    facts["entities"] = [entity["text"] for entity in answer["entities"]]
    facts["replicas"] = await world.replicas()
    narrator.say(f"[bold]{answer['answer']}")
    for name, phases in facts["cold_start"].items():
        narrator.say(f"cold start of {name}: {phases}")
    warm = time.monotonic()
    await world.ask(QUESTION)
    facts["warm_answer_seconds"] = round(time.monotonic() - warm, 3)
    expect(answer["citations"], "the answer has no citation")
    expect(answer["entities"], "the answer has no entities")


async def new_documents(world: World, narrator: Narrator, facts: Facts) -> None:
    """Step f: documents are uploaded; the index is rebuilt by itself; the answer changes."""
    before = await world.ask(QUESTION)
    push_documents(world.s3, BUCKET, NEW_DOCUMENTS)
    narrator.say("new documents are in the bucket")

    async def changed() -> bool:
        return bool((await world.ask(QUESTION))["answer"] != before["answer"])

    await world.until(changed, "another answer", SLEEP_SECONDS)
    after = await world.ask(QUESTION)
    facts |= {"answer_before": before["answer"], "answer_after": after["answer"]}
    facts |= {"index_before": before["index"], "index_after": after["index"]}
    narrator.say(f"before: {before['answer']}")
    narrator.say(f"after:  [bold]{after['answer']}")
    expect(before["index"] != after["index"], "the answer changed without a new index")


async def idle(world: World, narrator: Narrator, facts: Facts) -> None:
    """Step g: nobody asks; everything goes back to zero."""
    facts["replicas_before"] = await world.replicas()
    await world.until(lambda: _asleep(world, facts), "every function at zero", SLEEP_SECONDS)
    narrator.say("every function is at zero again")


async def _asleep(world: World, facts: Facts) -> bool:
    facts["replicas"] = await world.replicas()
    return not facts["replicas"]
