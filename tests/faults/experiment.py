"""An experiment: its name, what it injects, and what it reports. All of them stand in `REGISTRY`, in their order."""

import random
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.faults.checker import Verdict


@dataclass(frozen=True, slots=True)
class Run:
    """One run of one experiment: where its files go, where its chance comes from, and how long it may take."""

    folder: Path
    chance: random.Random
    full: bool

    def pick(self, short: int, full: int) -> int:
        return full if self.full else short


@dataclass(slots=True)
class Report:
    """`recovery_seconds`: the worst of what the experiment calls recovery, with the limit that it had to keep, if
    any."""

    injected: str
    verdict: Verdict
    recovery_seconds: float | None = None
    recovery: str = ""  # what it is the time of
    limit_seconds: float | None = None
    surprises: list[str] = field(default_factory=list)  # what should have been seen and was not

    @property
    def problems(self) -> list[str]:
        return [*self.verdict.violations, *self.surprises]

    @property
    def late(self) -> list[str]:
        """Apart: on a busy machine it may be the machine."""
        if self.limit_seconds is None or (seconds := self.recovery_seconds or 0.0) <= self.limit_seconds:
            return []
        return [f"{self.recovery}: {seconds:.1f} s, more than {self.limit_seconds:.1f} s"]

    @classmethod
    def read(cls, written: Mapping[str, Any]) -> "Report":
        """From `dataclasses.asdict`, as JSON."""
        verdict = Verdict(**written["verdict"] | {"violations": tuple(written["verdict"]["violations"])})
        return cls(**{**written, "verdict": verdict})

    def expect(self, seen: object, what: str) -> None:
        if not seen:
            self.surprises.append(f"not seen: {what}")


ANSWER_SECONDS = 3.0
"""Within which a service that was started answers."""

Body = Callable[[Run], Coroutine[Any, Any, Report]]


@dataclass(frozen=True, slots=True)
class Experiment:
    """`container`: the options of `docker run` for one that needs a container of its own; None: it needs none."""

    body: Body
    container: tuple[str, ...] | None = None


REGISTRY: dict[str, Experiment] = {}


def experiment(name: str, *, container: tuple[str, ...] | None = None) -> Callable[[Body], Body]:
    def register(body: Body) -> Body:
        REGISTRY[name] = Experiment(body, container)
        return body

    return register
