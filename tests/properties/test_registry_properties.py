"""Rules of the pure registry that hold for all inputs."""

from hypothesis import given
from hypothesis import strategies as st

from functions.registry.retention import KEEP, Known, is_kept, to_prune
from functions.registry.version import Version

identifiers = st.one_of(
    st.integers(0, 20).map(str), st.from_regex(r"[a-z-][a-z0-9-]{0,3}", fullmatch=True)
)
versions = st.builds(
    Version,
    st.integers(0, 11),
    st.integers(0, 11),
    st.integers(0, 3),
    st.lists(identifiers, max_size=3).map(tuple),
)
known = st.lists(
    st.builds(Known, st.sampled_from(["ner", "embedder"]), versions, st.sampled_from("abcdef")),
    max_size=12,
    unique_by=lambda item: (item.name, item.version),
)


@given(versions)
def test_a_version_reads_back_as_it_was_written(version: Version) -> None:
    assert Version.parse(str(version)) == version


@given(versions, versions, versions)
def test_version_order_is_total(a: Version, b: Version, c: Version) -> None:
    assert (a < b) + (a == b) + (a > b) == 1
    assert not (a < b < c) or a < c
    assert (str(a) == str(b)) == (a == b)


def test_version_order_is_that_of_the_semver_specification() -> None:
    texts = [
        "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2",
        "1.0.0-beta.11", "1.0.0-rc.1", "1.0.0", "1.9.0-rc.1", "1.9.0", "1.10.0",
    ]  # fmt: skip
    assert [str(v) for v in sorted(map(Version.parse, reversed(texts)))] == texts


@given(known, st.sets(st.sampled_from("abcdef")))
def test_pruning_keeps_the_newest_three_and_whatever_is_in_use(
    items: list[Known], in_use: set[str]
) -> None:
    dropped = to_prune(items, in_use)
    left = [item for item in items if item not in dropped]
    assert not {item.digest for item in dropped} & in_use
    assert not to_prune(left, in_use)
    for name in {item.name for item in items}:
        newest = sorted((i for i in items if i.name == name), key=lambda i: i.version)[-KEEP:]
        assert set(newest) <= set(left)


@given(known.filter(bool))
def test_a_version_is_kept_exactly_when_pruning_would_spare_it(items: list[Known]) -> None:
    candidate, others = items[0], items[1:]
    assert is_kept(candidate, others) == (candidate not in to_prune(items, ()))
