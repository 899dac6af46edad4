"""Rules of the pure registry that hold for all inputs."""

from contextlib import suppress
from pathlib import PurePosixPath

from hypothesis import given
from hypothesis import strategies as st

from functions.model_sync.plan import Course, course, plan
from functions.registry.errors import ManifestInvalid
from functions.registry.manifest import FileEntry, Manifest, parse
from functions.registry.paths import check_paths
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


def _manifest(name: str, version: Version, contents: list[str]) -> Manifest:
    files = tuple(FileEntry(f"f{i}", 1, content * 64) for i, content in enumerate(contents))
    return Manifest(name, version, "t", "f", name, files, {}, None, {}, "now")


@given(
    st.lists(st.sampled_from("abcdef"), min_size=1, max_size=5),
    st.dictionaries(st.sampled_from([c * 64 for c in "abcdef"]), st.just("/held")),
)
def test_a_plan_covers_every_file_once_and_done_it_fetches_nothing(
    contents: list[str], held: dict[str, str]
) -> None:
    manifest = _manifest("ner", Version(1, 0, 0), contents)
    work = plan(manifest, held)
    paths = [entry.path for entry, _ in work.link] + [entry.path for entry in work.fetch]
    assert sorted(paths) == sorted(entry.path for entry in manifest.files)
    after = held | {entry.sha256: "/entry" for entry in work.fetch}
    assert plan(manifest, after).fetch == ()


@given(st.data(), st.lists(versions, min_size=1, max_size=8, unique=True))
def test_in_any_order_with_duplicates_the_newest_version_is_announced_last(
    data: st.DataObject, published: list[Version]
) -> None:
    """What is announced only ever grows, and ends with the newest; the cache ends with three."""
    arrivals = data.draw(st.permutations(published)) + data.draw(
        st.lists(st.sampled_from(published), max_size=8)
    )
    cache: list[Known] = []
    announced: list[Version] = []
    for version in arrivals:
        manifest = _manifest("ner", version, ["a"])
        chosen = course(manifest, cache, requested=False)
        if chosen is Course.ANNOUNCE:
            announced.append(version)
        if chosen is not Course.IGNORE:
            cache = [item for item in cache if item.version != version]
            cache.append(Known("ner", version, str(version)))
            dropped = to_prune(cache, {str(version)})
            cache = [item for item in cache if item not in dropped]
    assert announced == sorted(announced)
    assert announced[-1] == max(published)
    assert {item.version for item in cache} == set(sorted(published)[-KEEP:])


paths_alphabet = st.text(st.sampled_from("ab./\\C:\x00 é~"), max_size=12)


@given(paths_alphabet)
def test_an_accepted_path_stays_inside_its_folder(path: str) -> None:
    try:
        check_paths([path])
    except ManifestInvalid:
        return
    pure = PurePosixPath(path)
    assert not pure.is_absolute()
    assert ".." not in pure.parts
    assert str(pure) == path


@given(st.binary(max_size=200))
def test_no_bytes_make_the_parser_fail_otherwise_than_by_refusing(document: bytes) -> None:
    with suppress(ManifestInvalid):
        parse(document)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)
FIELDS = ["schema", "name", "version", "task", "framework", "service", "labels", "files", "digest"]


@given(st.dictionaries(st.sampled_from([*FIELDS, "golden", "metrics", "created_at"]), json_values))
def test_no_document_makes_the_parser_fail_otherwise_than_by_refusing(
    changes: dict[str, object],
) -> None:
    valid = _manifest("ner", Version(1, 0, 0), ["a"]).to_json()
    with suppress(ManifestInvalid):
        parse(valid | changes)
