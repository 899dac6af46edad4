"""Load while Services are deployed, split, deleted and killed at random: a short one of the benchmark's."""

from scripts.benchmarks import chaos

SECONDS, SEED = 15, 3


async def test_no_accepted_request_is_lost_and_nothing_is_left_behind() -> None:
    found = await chaos.measure(SECONDS, SEED)
    lost, _ = found.bad()
    assert [asked.problem for asked in lost] == []
    assert found.done.troubles == []
    assert found.orphans == 0
    assert len(found.asked) > SECONDS  # there was a load
    grown = {
        name: (before, after)
        for name, (before, after) in found.files.items()
        if after.total() - before.total() > chaos.MOST_MORE_FILES
    }
    assert grown == {}
