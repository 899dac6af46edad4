"""Gradual rollout of the latest Revision, with the clock as an argument."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from knative.local.serving.gradual import MEMORY, Gradual, advance, memory, read, spread
from knative.local.store import Object


def played(duration: float, percent: int = 100) -> list[tuple[float, int]]:
    """Return when the newest Revision got which share, until it has all."""
    now, state = 0.0, advance(Gradual((("a", percent),)), ("b", percent), duration, 0)
    seen = [(0.0, state.shares[-1][1])]
    while state.next is not None:
        now = state.next
        state = advance(state, ("b", percent), duration, now)
        seen.append((now, state.shares[-1][1]))
    return seen


def test_twenty_seconds_go_one_percent_then_about_five_a_second() -> None:
    seen = played(20)
    assert [share for _, share in seen[:4]] == [1, 6, 11, 16]
    assert seen[1][0] == 1.0
    assert seen[-1] == (20.0, 100)


def test_a_long_rollout_steps_by_one_percent() -> None:
    seen = played(1000)
    assert [share for _, share in seen] == list(range(1, 101))
    assert 990 < seen[-1][0] < 1001


def test_without_a_duration_or_a_predecessor_all_goes_to_the_newest() -> None:
    assert advance(Gradual((("a", 100),)), ("b", 100), 0, 0).shares == (("b", 100),)
    assert advance(None, ("b", 100), 20, 0).shares == (("b", 100),)


def test_before_its_time_a_step_does_nothing() -> None:
    begun = advance(Gradual((("a", 100),)), ("b", 100), 20, 0)
    assert advance(begun, ("b", 100), 20, 0.9) == begun


def test_a_newer_revision_starts_at_one_percent_and_the_youngest_is_drained_first() -> None:
    state = Gradual((("a", 70), ("b", 30)), 10, 1, 5)
    third = advance(state, ("c", 100), 20, 3)
    assert third.shares == (("a", 70), ("b", 29), ("c", 1))
    assert advance(third, ("c", 100), 20, 5).shares == (("a", 70), ("b", 24), ("c", 6))


def test_a_smaller_target_takes_from_the_oldest_and_a_larger_one_gives_to_the_newest() -> None:
    state = Gradual((("a", 70), ("b", 30)), 10, 1, 5)
    assert advance(state, ("b", 50), 20, 0).shares == (("a", 20), ("b", 30))
    assert advance(replace(state, shares=(("b", 30),)), ("b", 100), 20, 0).shares == (("b", 100),)


def status(state: Gradual) -> Object:
    latest = {"latestRevision": True, "revisionName": state.shares[-1][0], "percent": 100}
    return {"traffic": spread([latest], state), **memory(state)}


def test_a_rollout_is_read_from_the_routes_status_again_without_what_was_deleted() -> None:
    begun = advance(Gradual((("a", 100),)), ("b", 100), 20, 0)
    assert read(status(begun), {"a", "b"}) == begun
    assert read(status(begun), {"b"}) == replace(begun, shares=(("b", 1),))
    assert read({}, {"a"}) is None
    broken = read(status(begun) | {"annotations": {MEMORY: "x"}}, {"a", "b"})
    assert broken == Gradual(begun.shares)
    assert advance(broken, ("b", 100), 20, 0).shares == (("b", 100),)


def test_only_the_latest_revisions_traffic_is_shared_out() -> None:
    pinned = {"latestRevision": False, "revisionName": "p", "percent": 40}
    latest = {"latestRevision": True, "revisionName": "b", "percent": 60, "tag": "next"}
    again = {"latestRevision": True, "revisionName": "b", "percent": 0, "tag": "more"}
    state = Gradual((("a", 59), ("b", 1)))
    assert spread([pinned, latest, again], state) == [
        pinned,
        {"latestRevision": True, "revisionName": "a", "percent": 59},
        {**latest, "percent": 1},
        again,
    ]


@given(
    parts=st.lists(st.integers(1, 100), min_size=1, max_size=5),
    percent=st.integers(0, 100),
    duration=st.floats(0, 4000),
    new=st.booleans(),
)
def test_shares_always_sum_to_the_target(
    parts: list[int], percent: int, duration: float, *, new: bool
) -> None:
    shares = tuple((f"r{i}", share) for i, share in enumerate(parts))
    newest = "new" if new else shares[-1][0]
    after = advance(Gradual(shares, 7, 1, 1), (newest, percent), duration, 2)
    assert sum(share for _, share in after.shares) == percent
    assert after.shares[-1][0] == newest
