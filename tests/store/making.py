"""Jobs, settlements and clocks for the tests of the stores."""

import os
import time
import uuid
from dataclasses import dataclass
from typing import Any

from service.domain.job import Job, Outcome, Settlement

NOW = 1_800_000_000.0


def make_job(**fields: Any) -> Job:
    values: dict[str, Any] = {
        "id": new_id(),
        "kind": "sleep",
        "payload": {"seconds": 0.1},
        "user_id": "dev",
        "created_at": NOW,
        "run_at": NOW,
        "runnable_at": NOW,
    }
    return Job(**(values | fields))


def new_id() -> str:
    """A UUIDv7, as the service makes them."""
    milliseconds = int(time.time() * 1000).to_bytes(6, "big")
    value = bytearray(milliseconds + os.urandom(10))
    value[6] = (value[6] & 0x0F) | 0x70
    value[8] = (value[8] & 0x3F) | 0x80
    return str(uuid.UUID(bytes=bytes(value)))


def end(job: Job, outcome: Outcome = Outcome.SUCCEEDED, **fields: Any) -> Settlement:
    """The end of the run that `job` was claimed for."""
    values: dict[str, Any] = {"job_id": job.id, "run": job.run, "outcome": outcome, "finished_at": NOW + 1}
    return Settlement(**(values | fields))


@dataclass
class ManualClock:
    """Time that passes only when told to."""

    seconds: float = 1000.0

    def __call__(self) -> float:
        return self.seconds
