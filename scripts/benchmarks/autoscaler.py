"""The autoscaler's decision over a step, a spike, a sine and an on/off load; draws its picture."""

from collections.abc import Sequence

from scripts.benchmarks.autoscaler_loads import LOADS, POLICY, Moment, simulate
from scripts.benchmarks.autoscaler_picture import draw
from scripts.benchmarks.harness import ROOT, Options, Report

PICTURE = ROOT / "knative" / "serving" / "autoscaler.svg"


def run(report: Report, options: Options) -> None:
    """Simulate, draw, and say what each load cost; nothing here depends on the machine."""
    del options
    found = {name: simulate(load) for name, load in LOADS.items()}
    PICTURE.write_text(draw(found, POLICY.target))
    for name, moments in found.items():
        report.row(
            load=name,
            most_replicas=max(moment.desired for moment in moments),
            replica_seconds=sum(moment.desired for moment in moments),
            needed_replica_seconds=sum(moment.load for moment in moments) / POLICY.target,
            seconds_asleep=sum(not moment.desired for moment in moments),
            seconds_with_too_few=_too_few(moments),
        )
    asleep = not found["step"][-1].desired
    report.equal("asleep four minutes after the step", asleep, wanted=True)
    report.equal(
        "the spike was taken for one: it panicked",
        any(m.panic for m in found["spike"]),
        wanted=True,
    )


def _too_few(moments: Sequence[Moment]) -> int:
    """Count the seconds with more load than the ready replicas take at most."""
    full = POLICY.target / 0.7
    return sum(moment.load > moment.ready * full for moment in moments)
