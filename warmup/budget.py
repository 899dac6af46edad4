"""A function's budget of cold start: which phases of a start took longer than its policy allows. Pure.

A budget names phases and seconds, `total` for all of them; the rollout asks before any traffic
shifts. A phase that was not measured is no reason to refuse a Revision.
"""

from collections.abc import Mapping

PHASES = ("schedule", "process", "import", "fetch", "load", "first_inference", "ready")
TOTAL = "total"


class BudgetInvalid(ValueError):
    """The budget is not phases and seconds; the message names what is wrong."""


def parse(value: object) -> dict[str, float]:
    """Read a policy's value, e.g. `{"total": 1.5, "load": 0.3}`; raises BudgetInvalid."""
    if not isinstance(value, Mapping):
        raise BudgetInvalid("a cold-start budget is an object of phases and seconds")
    for phase, seconds in value.items():
        if phase not in (*PHASES, TOTAL):
            raise BudgetInvalid(f"{phase!r} is no phase; there are {', '.join((*PHASES, TOTAL))}")
        number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
        if not number or not 0 < seconds < float("inf"):
            raise BudgetInvalid(f"{phase}: {seconds!r} is not a number of seconds above 0")
    return {str(phase): float(seconds) for phase, seconds in value.items()}


def over(phases: Mapping[str, float], budget: Mapping[str, float]) -> tuple[str, ...]:
    """Say what is over the budget, one sentence a phase; nothing when the start was within it."""
    measured = {TOTAL: sum(phases.values()), **phases} if phases else {}
    return tuple(
        f"{phase} took {measured[phase]:.2f} s, {allowed:g} s allowed"
        for phase, allowed in budget.items()
        if measured.get(phase, 0.0) > allowed
    )
