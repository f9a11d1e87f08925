"""The second implementation of the observer ports: it remembers what it was told."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from service.domain.job import Job, Outcome, Settlement
from service.domain.ports import Receipt


class Submitted:
    def __init__(self) -> None:
        self.receipt: Receipt | None = None

    def durable(self, receipt: Receipt) -> None:
        self.receipt = receipt


class Attempted:
    trace_id: str | None = "0" * 32

    def __init__(self, observer: "RecordingObserver") -> None:
        self._observer = observer

    def settled(self, outcome: Outcome | None, settlement: Settlement, error: BaseException | None) -> None:
        self._observer.settled.append((outcome, settlement, error))


class RecordingObserver:
    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.settled: list[tuple[Outcome | None, Settlement, BaseException | None]] = []
        self.expired: list[Job] = []
        self.submissions: list[tuple[Job, BaseException | None]] = []
        self.busy_slots = 0
        self.most_busy_slots = 0

    @contextmanager
    def submission(self, job: Job) -> Iterator[Submitted]:
        try:
            yield Submitted()
        except BaseException as error:
            self.submissions.append((job, error))
            raise
        self.submissions.append((job, None))

    @contextmanager
    def attempt(self, job: Job) -> Iterator[Attempted]:
        yield Attempted(self)

    def lease_expired(self, job: Job) -> None:
        self.expired.append(job)

    def slots(self, busy: int, free: int) -> None:
        self.busy_slots = busy
        self.most_busy_slots = max(self.most_busy_slots, busy)

    def event(self, message: str, level: int = 20, **facts: Any) -> None:
        self.events.append((message, facts))

    @property
    def event_names(self) -> list[str]:
        return [name for name, _ in self.events]
