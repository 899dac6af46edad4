"""What a decision is made from, and what it is: values only.

An Observation is one reading of the Service and its Revisions, with the facts that had to be
measured (a warm call, the golden set, samples). A Decision is the next state and the actions that
must be written together with it, in one conditional update. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from knative.serving import traffic
from knative.serving.objects import RevisionView, ServiceView
from knative.serving.samples import Snapshot
from knative.serving.state import State

COMMAND = "rollout.marketresearch.ai/command"


@dataclass(frozen=True, slots=True)
class GoldenResult:
    """What the golden set said of candidate and stable."""

    passed: bool
    evidence: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What was measured for this look; a fact that could not be had is None, and `note` says why."""

    warm: bool = False
    golden: GoldenResult | None = None
    snapshot: Snapshot | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Observation:
    """One look at a Service.

    waits_for: the Services whose running rollouts come first. gpus: the budget that the nodes
    leave, None where it was not asked for or cannot be read.
    """

    service: ServiceView
    revisions: Mapping[str, RevisionView]
    facts: Facts = field(default_factory=Facts)
    waits_for: tuple[str, ...] = ()
    gpus: int | None = None

    def ready(self, name: str | None) -> bool:
        """Whether the Revision may get requests."""
        view = self.revisions.get(name or "")
        return view is not None and view.ready is True

    def serving(self) -> str | None:
        """Return the Ready Revision with most requests: by the pins, or by the Route."""
        targets = self.service.targets if self.service.pinned else self.service.routed
        name = traffic.largest(targets) or self.service.latest_ready
        return name if self.ready(name) else None

    def made_from(self, template: str) -> RevisionView | None:
        """Return the newest Revision that runs `template`."""
        views = [view for view in self.revisions.values() if view.template == template]
        return max(views, key=lambda view: (view.created, view.name), default=None)

    def command(self) -> tuple[str, str] | None:
        """Return a person's command and the candidate that it is meant for."""
        words = self.service.annotations.get(COMMAND, "").split()
        return (words[0], words[1]) if len(words) == 2 else None  # noqa: PLR2004 - verb and name


@dataclass(frozen=True, slots=True)
class SetTraffic:
    """Write `spec.traffic`."""

    targets: traffic.Targets


@dataclass(frozen=True, slots=True)
class RestoreTemplate:
    """Write the template that `revision` was made from."""

    revision: str


@dataclass(frozen=True, slots=True)
class ClearCommand:
    """Take the person's command away: it is obeyed, or does not apply."""


Action = SetTraffic | RestoreTemplate | ClearCommand


@dataclass(frozen=True, slots=True)
class Decision:
    """The next state and what is written with it; without `changed` nothing is written."""

    state: State | None
    actions: tuple[Action, ...] = ()
    changed: bool = False
