"""What clients and handlers saw, as plain facts for the checker.

Times are seconds of the machine's monotonic clock, which all processes share, containers too: a step of the wall clock
changes none of them.
"""

import json
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path


class Outcome(StrEnum):
    ACKNOWLEDGED = "acknowledged"  # a 2xx with the job
    REFUSED = "refused"  # a whole answer that promises nothing: 429, 503
    UNKNOWN = "unknown"  # the connection broke, or a proxy answered for the service: stored or not


def now() -> float:
    return time.clock_gettime(time.CLOCK_MONOTONIC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One `POST /jobs`, or one `GET` of a job (`key` is None then)."""

    key: str | None
    started: float
    ended: float
    outcome: Outcome
    detail: str = ""  # the status, or what broke
    job_id: str | None = None
    version: int = 0  # of the job, as answered


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A handler's word: it started, or it finished its work (whether that was accepted is the service's to say)."""

    event: str  # start, finish
    job_id: str
    attempt: int
    owner: str  # one process: its id, and chance
    at: float

    @property
    def pid(self) -> int:
        return int(self.owner.partition("-")[0])


@dataclass(slots=True)
class Ledger:
    calls: list[Call] = field(default_factory=list)
    work: list[Work] = field(default_factory=list)

    @property
    def submissions(self) -> list[Call]:
        return [call for call in self.calls if call.key is not None]

    def acknowledged(self) -> dict[str, Call]:
        """The first acknowledgement of each job, by its id."""
        found: dict[str, Call] = {}
        for call in self.submissions:
            if call.outcome is Outcome.ACKNOWLEDGED and call.job_id is not None:
                found.setdefault(call.job_id, call)
        return found

    def write(self, path: Path) -> None:
        """One JSON object a line."""
        with path.open("w") as file:
            records: list[Call | Work] = [*self.calls, *self.work]
            file.writelines(json.dumps(asdict(record)) + "\n" for record in records)


def read_work(folder: Path) -> list[Work]:
    """What the handlers of all processes wrote, in the order of time. A line cut off by a kill does not count."""
    lines = (line for path in folder.glob("work-*.jsonl") for line in path.read_text().splitlines(keepends=True))
    return sorted(_whole(lines), key=lambda work: work.at)


def _whole(lines: Iterable[str]) -> Iterable[Work]:
    return (Work(**json.loads(line)) for line in lines if line.endswith("\n"))
