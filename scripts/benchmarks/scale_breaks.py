"""What breaks first at a size: of all known limits, the one that the peak comes closest to. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from scripts.benchmarks.scale_facts import Facts, Targets
from scripts.benchmarks.scale_revision import UTILISATION

BURST = 211  # Knative's target burst capacity: with less to spare, the activator stays in the path


@dataclass(frozen=True, slots=True)
class Peak:
    """The busiest minute: questions a second, and replicas of each function."""

    rate: float
    questions: int
    ner: int


@dataclass(frozen=True, slots=True)
class Limit:
    """`used` of 1: how much of it the peak takes; `words`: what happens past it, and what helps."""

    name: str
    used: float
    words: str


def limits(peak: Peak, facts: Facts, targets: Targets) -> Iterator[Limit]:
    """Return every limit; a question passes the gateway twice, to inference and on to ner."""
    passing = peak.rate if peak.ner * targets["ner"].value * (1 - UTILISATION) < BURST else 0.0
    replicas = peak.questions + peak.ner
    yield Limit(
        "one core behind the manifests' targets",
        _beyond_one(peak, facts, targets),
        "a core holds fewer requests at once than the target asks for, so the autoscaler halves the "
        "replicas until the last is overrun, and panics: scale by metric rps",
    )
    yield Limit(
        "max-scale of ner",
        peak.ner / facts.ner_most,
        "the overlay's cap: questions queue, then 429; raise it, or give ner a GPU or int8",
    )
    yield Limit(
        "max-scale of inference",
        peak.questions / facts.question_most,
        "the overlay's cap: questions queue, then 429; raise it",
    )
    yield Limit(
        "one gateway on 2 cores",
        2 * peak.rate / facts.gateway_rate,
        "the proxy's cores: more replicas of the ingress gateway, which keep no state",
    )
    yield Limit(
        "one activator process",
        passing / facts.activator_rate,
        "all requests pass it while little is to spare: more activators, or a smaller burst capacity",
    )
    yield Limit(
        "Pods of one cluster",
        replicas / facts.pods,
        "Kubernetes is not tested beyond: several clusters",
    )
    yield Limit(
        "nodes of one cluster",
        replicas / (facts.nodes * facts.cores_a_node),
        "as many cores do not fit into one cluster: several, or GPUs",
    )


def _beyond_one(peak: Peak, facts: Facts, targets: Targets) -> float:
    """Return how many replicas are needed where the target is more than a core well used holds."""
    holds = UTILISATION / (1 - UTILISATION)
    seconds = {"inference": facts.question_seconds, "ner": facts.ner_seconds}
    return max(
        0.0
        if target.by_rate or target.value * UTILISATION <= holds
        else peak.rate * seconds[name] / UTILISATION
        for name, target in targets.items()
    )


def told(peak: Peak, facts: Facts, targets: Targets) -> str:
    """Say in words which limit a growing load meets first, and which others are passed."""
    found = sorted(limits(peak, facts, targets), key=lambda limit: -limit.used)
    past = [limit for limit in found if limit.used > 1]
    if not past:
        return f"nothing; nearest is {found[0].name}, {found[0].used:.0%} used"
    others = "".join(f"; then {limit.name} ({limit.used:,.3g} times)" for limit in past[1:])
    return f"{past[0].name} ({past[0].used:,.3g} times): {past[0].words}{others}"
