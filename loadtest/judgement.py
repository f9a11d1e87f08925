"""All lines of the verdict, and the exit code they make."""

from collections.abc import Sequence

from loadtest import comparison, ramp, verdict
from loadtest.limits import Limits
from loadtest.run import Outcome
from loadtest.verdict import Line

NOT_COMPARED = Line(None, "prometheus", "NOT COMPARED (COMPARE=no): whether its metrics are true, nobody looked")


def judge(limits: Limits, outcome: Outcome) -> Sequence[Line]:
    steps = [summary for _, summary in outcome.steps]
    if outcome.scenario.ramp and steps[0].requests:
        return [*ramp.lines(limits, steps), *_compared(limits, outcome)]
    return [*verdict.objectives(limits, steps[0]), *_compared(limits, outcome), *verdict.generator(limits, steps[0])]


def exit_code(lines: Sequence[Line]) -> int:
    return 1 if any(line.good is False for line in lines) else 0


def _compared(limits: Limits, outcome: Outcome) -> Sequence[Line]:
    steps = [summary for _, summary in outcome.steps]
    if not any(step.requests for step in steps):
        return []
    if outcome.between is None:
        return [NOT_COMPARED]
    accepted = sum(step.accepted for step in steps)
    succeeded = accepted - sum(step.followed - step.succeeded for step in steps)  # all must, followed or not
    unknown = sum(step.unknown for step in steps) + outcome.left_over
    lines = list(comparison.counts(outcome.between, accepted, succeeded, unknown))
    if not outcome.scenario.ramp:
        lines = [*comparison.objectives(outcome.between, limits), *lines]
        lines += comparison.percentiles(outcome.between, limits, steps[0])
    return lines
