"""What was measured, exactly: one story for each arrival, and what they say together. Locust rounds; this does not."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from loadtest.scenario import Step

LOST_ANSWERS = {0, 502, 504}  # statuses that do not say whether the service took the submission; 0: no answer


@dataclass(slots=True)
class Story:
    """One submission and its job. Times are seconds on the generator's clock."""

    due: float
    followed: bool = True  # to the job's end
    sent: float = math.inf  # really
    answered: float = math.inf
    status: int = 0
    served: float = math.inf  # seconds in the service, as its answer says
    ended: float = math.inf  # when the client knew of the job's end
    state: str = ""  # the job's, when last seen
    start_delay: float = math.inf  # runnable to started, as the job says
    requests: int = 0
    failures: tuple[str, ...] = ()

    @property
    def accepted(self) -> bool:
        return self.status == 202

    def cut_short(self) -> None:
        """Nobody waits any longer. A submission without an answer is a failed request, too."""
        if self.sent < math.inf and self.answered == math.inf:
            self.requests, self.failures = 1, ("POST /jobs: no answer",)


@dataclass(slots=True)
class Measured:
    """A step as it went."""

    step: Step
    start: float
    stories: list[Story] = field(default_factory=list)
    dropped: int = 0  # arrivals for which there was no room
    failed: int = 0  # requests, of the stories that have ended


def percentile(ascending: Sequence[float], share: float) -> float:
    """The smallest sample that so many are not above; NaN of none."""
    return ascending[max(0, math.ceil(share * len(ascending)) - 1)] if ascending else math.nan


def share_within(samples: Sequence[float], threshold: float) -> float:
    """0 of none: nothing is not good."""
    return sum(sample <= threshold for sample in samples) / len(samples) if samples else 0.0


@dataclass(frozen=True, slots=True)
class Summary:
    """Samples are in seconds, ascending; infinite for what did not come."""

    asked: Step
    arrivals: int
    dropped: int
    accepted: int
    followed: int  # accepted jobs that their client waited for
    succeeded: int  # of these
    unknown: int  # submissions of which nobody knows whether they were accepted
    requests: int
    failures: Mapping[str, int]  # requests by what went wrong
    states: Mapping[str, int]  # of followed jobs, when last seen
    achieved_rate: float
    latency: Sequence[float]  # due to answered: what an arriving client waits for
    latency_sent: Sequence[float]  # sent to answered
    latency_served: Sequence[float]  # in the service, by its own word
    lateness: Sequence[float]  # due to sent: the generator's own
    start_delay: Sequence[float]
    completion: Sequence[float]  # due to the end of the job

    @property
    def failed(self) -> int:
        return sum(self.failures.values())


def summarize(measured: Measured) -> Summary:
    begun = [story for story in measured.stories if story.sent < math.inf]
    accepted = [story for story in begun if story.accepted]
    followed = [story for story in accepted if story.followed]
    # A late generator stretches the time, so that its rate is what it really reached.
    last = max((story.sent for story in begun), default=measured.start)
    took = max(measured.step.seconds, last - measured.start)
    return Summary(
        asked=measured.step,
        arrivals=len(measured.stories) + measured.dropped,
        dropped=measured.dropped,
        accepted=len(accepted),
        followed=len(followed),
        succeeded=sum(story.state == "succeeded" for story in followed),
        unknown=sum(story.status in LOST_ANSWERS for story in begun),
        requests=sum(story.requests for story in begun),
        failures=Counter(failure for story in begun for failure in story.failures),
        states=Counter(story.state for story in followed),
        achieved_rate=len(accepted) / took if took else 0.0,
        latency=sorted(story.answered - story.due if story.accepted else math.inf for story in begun),
        latency_sent=sorted(story.answered - story.sent if story.accepted else math.inf for story in begun),
        latency_served=sorted(story.served if story.accepted else math.inf for story in begun),
        lateness=sorted(story.sent - story.due for story in begun),
        start_delay=sorted(story.start_delay for story in followed),
        completion=sorted(story.ended - story.due for story in followed),
    )
