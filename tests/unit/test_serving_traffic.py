"""Traffic: what each function writes, as a table."""

from knative.serving import traffic
from knative.serving.traffic import Target


def test_a_split_tags_the_candidate_and_keeps_a_persons_tags_at_zero() -> None:
    before = (Target("a", 100, "prod"), Target("x", 0, "demo"), Target("o", 0, "previous"))
    assert traffic.split(before, "a", "b", 5) == (
        Target("a", 95),
        Target("b", 5, "candidate"),
        Target("a", 0, "prod"),
        Target("x", 0, "demo"),
    )


def test_a_promotion_keeps_the_old_revision_reachable_as_previous() -> None:
    before = traffic.split((), "a", "b", 50)
    assert traffic.promote(before, "a", "b") == (Target("b", 100), Target("a", 0, "previous"))
    assert traffic.promote(before, None, "b") == (Target("b", 100),)


def test_a_rollback_leaves_stable_alone() -> None:
    assert traffic.rollback(traffic.split((), "a", "b", 50), "a") == (Target("a", 100),)


def test_untagging_drops_a_target_that_had_nothing_else() -> None:
    before = traffic.promote((), "a", "b")
    assert traffic.untag(before, "previous") == (Target("b", 100),)
    assert traffic.untag((Target("b", 100, "previous"),), "previous") == (Target("b", 100),)


def test_latest_revision_is_read_as_a_name_and_never_written() -> None:
    raw = [{"latestRevision": True, "percent": 100}, {"revisionName": "a", "tag": "t"}]
    targets = traffic.parse(raw, "b")
    assert targets == (Target("b", 100), Target("a", 0, "t"))
    assert all(entry["latestRevision"] is False for entry in traffic.render(targets))
    assert not traffic.pinned(raw)
    assert traffic.pinned(traffic.render(targets))
    assert not traffic.pinned([])


def test_the_largest_share_adds_up_over_targets_of_one_revision() -> None:
    targets = (Target("a", 40), Target("b", 30), Target("b", 30))
    assert traffic.largest(targets) == "b"
    assert traffic.largest(()) is None
