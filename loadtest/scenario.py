"""The named scenarios: how many submissions a second, for how long, after which warm-up."""

from collections.abc import Iterator
from dataclasses import dataclass

NAMES = ("smoke", "slo", "stress", "soak")
WARM_UP_SECONDS = 10.0
STEP_SECONDS = 20.0
FIRST_STEP_SHARE = 0.5  # of the promised rate
GROWTH = 1.25  # from step to step
MOST_STEPS = 16  # 28 times the first


@dataclass(frozen=True, slots=True)
class Step:
    rate: float  # submissions a second
    seconds: float


@dataclass(frozen=True, slots=True)
class Scenario:
    name: str
    warm_up: Step
    steps: tuple[Step, ...]  # more than one: a ramp, which ends when something breaks

    @property
    def ramp(self) -> bool:
        return self.name == "stress"

    @property
    def empty(self) -> bool:
        """Nothing would be sent."""
        return round(self.steps[0].rate * self.steps[0].seconds) == 0


def scenario(name: str, promised_rate: float, rate: float | None = None, seconds: float | None = None) -> Scenario:
    """With a rate or a duration of one's own; of `stress` they are those of its first step and of each step."""
    defaults = {
        "smoke": Step(min(5.0, promised_rate), 30),
        "slo": Step(promised_rate, 300),
        "stress": Step(promised_rate * FIRST_STEP_SHARE, STEP_SECONDS),
        "soak": Step(promised_rate / 2, 3600),
    }
    chosen = defaults[name]
    first = Step(chosen.rate if rate is None else rate, chosen.seconds if seconds is None else seconds)
    steps = tuple(_ramp(first)) if name == "stress" else (first,)
    return Scenario(name, Step(first.rate, min(WARM_UP_SECONDS, first.seconds)), steps)


def _ramp(first: Step) -> Iterator[Step]:
    for number in range(MOST_STEPS):
        yield Step(round(first.rate * GROWTH**number, 1), first.seconds)
