"""Notifications in any order, twice, lost: after a repair by listing, the newest version is announced.

The model is the machine's rules and nothing else: `course` decides what an arrival deserves,
retention what stays, and a repair announces the newest version that the bucket holds.
"""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from functions.model_sync.plan import Course, course
from functions.registry.manifest import FileEntry, Manifest
from functions.registry.retention import KEEP, Known, to_prune
from functions.registry.version import Version

names = st.sampled_from(["ner", "embedder"])
versions = st.builds(
    Version,
    st.integers(0, 2),
    st.integers(0, 11),
    st.just(0),
    st.lists(st.sampled_from(["rc", "1", "2"]), max_size=2).map(tuple),
)


class Notifications(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.published: dict[str, set[Version]] = {}
        self.waiting: list[tuple[str, Version]] = []
        self.cache: list[Known] = []
        self.announced: dict[str, list[Version]] = {}

    @rule(name=names, version=versions)
    def publish(self, name: str, version: Version) -> None:
        if version not in self.published.setdefault(name, set()):
            self.published[name].add(version)
            self.waiting.append((name, version))

    @precondition(lambda self: self.waiting)
    @rule(data=st.data(), again=st.booleans())
    def deliver(self, data: st.DataObject, again: bool) -> None:  # noqa: FBT001 - drawn
        found = data.draw(st.sampled_from(self.waiting))
        if not again:
            self.waiting.remove(found)
        self.arrive(*found)

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def lose(self, data: st.DataObject) -> None:
        self.waiting.remove(data.draw(st.sampled_from(self.waiting)))

    @rule()
    def repair(self) -> None:
        for name, found in self.published.items():
            self.arrive(name, max(found))
            assert self.announced[name][-1] == max(found)
            assert max(item.version for item in self.cache if item.name == name) == max(found)

    def arrive(self, name: str, version: Version) -> None:
        files = (FileEntry(f"{version}", 1, "a" * 64),)
        manifest = Manifest(name, version, "t", "f", name, files, {}, None, {}, "now")
        chosen = course(manifest, self.cache, requested=False)
        if chosen is Course.ANNOUNCE:
            self.announced.setdefault(name, []).append(version)
        if chosen is Course.IGNORE:
            return
        known = Known(name, version, manifest.digest)
        self.cache = [*(item for item in self.cache if item != known), known]
        dropped = to_prune(self.cache, {manifest.digest})
        self.cache = [item for item in self.cache if item not in dropped]

    @invariant()
    def what_is_announced_never_goes_back(self) -> None:
        for told in self.announced.values():
            assert told == sorted(told)

    @invariant()
    def the_cache_stays_small_and_holds_what_was_announced_last(self) -> None:
        for name, told in self.announced.items():
            held = {item.version for item in self.cache if item.name == name}
            assert told[-1] in held
            assert len(held) <= KEEP

    def teardown(self) -> None:
        self.repair()


Notifications.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestNotificationsConverge = Notifications.TestCase
