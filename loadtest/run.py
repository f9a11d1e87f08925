"""The order of a test: warm up, drain, count, measure, drain, count again."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from loadtest import ramp
from loadtest.counters import Between, Counters
from loadtest.limits import Limits
from loadtest.samples import Measured, Summary, summarize
from loadtest.scenario import Scenario, Step
from loadtest.settings import Unusable
from loadtest.story import TERMINAL


class Runs(Protocol):
    def run(self, step: Step) -> Measured: ...


class Counts(Protocol):
    def settled(self) -> Counters: ...


@dataclass(slots=True)
class Outcome:
    scenario: Scenario
    began_at: datetime
    steps: list[tuple[Measured, Summary]] = field(default_factory=list)
    between: Between | None = None  # None: not compared
    left_over: int = 0  # stories of the warm-up that had not ended when the measurement began
    cpu_share: float = 0.0  # of one processor, by the generator


def conduct(
    scenario: Scenario, limits: Limits, generator: Runs, prometheus: Counts | None, say: Callable[[str], None]
) -> Outcome:
    """Raises `Unusable`."""
    outcome = Outcome(scenario, datetime.now(UTC))
    if scenario.empty:
        outcome.steps.append(_summarized(Measured(scenario.steps[0], 0.0)))
        return outcome
    say(f"  warm-up of {scenario.warm_up.seconds:g} s, which does not count")
    warm_up = summarize(generator.run(scenario.warm_up))
    if warm_up.arrivals and not warm_up.accepted:
        raise Unusable(f"no submission of the warm-up was accepted: {', '.join(warm_up.failures) or 'no answer'}")
    outcome.left_over = warm_up.unknown + sum(n for state, n in warm_up.states.items() if state not in TERMINAL)
    before = prometheus.settled() if prometheus else {}
    outcome.began_at = datetime.now(UTC)
    cpu, wall = time.process_time(), time.perf_counter()
    for step in scenario.steps:
        if scenario.ramp:
            say(f"  {step.rate:g} submissions/s")
        outcome.steps.append(_summarized(generator.run(step)))
        if scenario.ramp and ramp.over(limits, [summary for _, summary in outcome.steps]):
            break
    outcome.cpu_share = (time.process_time() - cpu) / (time.perf_counter() - wall)
    if prometheus:
        outcome.between = Between(before, prometheus.settled())
    return outcome


def _summarized(measured: Measured) -> tuple[Measured, Summary]:
    return measured, summarize(measured)
