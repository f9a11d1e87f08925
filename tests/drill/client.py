"""A client that submits job after job and keeps a ledger of what was promised to it."""

import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import httpx

from tests.processes.running import ROOT

RATE = 20.0  # submissions a second
SCHEDULED_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Promise:
    """A job that was acknowledged with a 202."""

    job_id: str
    acknowledged: datetime


class Client:
    """One submission at a time, so that the ledger is in the order of the database."""

    def __init__(self, url: str) -> None:
        key = (ROOT / "secrets/development/client_key").read_text().strip()
        headers = {"Authorization": f"Bearer {key}"}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=10, verify=False)  # noqa: S501  Caddy's own
        self.ledger: list[Promise] = []
        self.refused = 0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._submit_for_ever, name="client")

    def start(self) -> None:
        self._thread.start()

    def submit_no_more(self) -> None:
        """Does not wait: Caddy may hold the last request until the service is back."""
        self._stopped.set()

    def stop(self) -> None:
        self.submit_no_more()
        if self._thread.is_alive():
            self._thread.join()

    def submit(self, number: int) -> bool:
        """Short jobs, some that take a while, and some that are due later."""
        job: dict[str, object] = {"kind": "sleep", "payload": {"seconds": 3 if number % 7 == 0 else 0.1}}
        if number % 10 == 0:
            job["run_at"] = (datetime.now(UTC) + timedelta(seconds=SCHEDULED_SECONDS)).isoformat()
        try:
            answer = self._http.post("/jobs", json=job)
        except httpx.TransportError:
            return False
        if answer.status_code == httpx.codes.ACCEPTED:
            self.ledger.append(Promise(answer.json()["id"], datetime.now(UTC)))
        return answer.status_code == httpx.codes.ACCEPTED

    def state(self, job_id: str) -> str | None:
        """None: there is no such job, or no answer yet."""
        try:
            answer = self._http.get(f"/jobs/{job_id}")
        except httpx.TransportError:
            return None
        return str(answer.json()["state"]) if answer.status_code == httpx.codes.OK else None

    def states(self, promises: Iterable[Promise]) -> list[str | None]:
        with ThreadPoolExecutor(8) as threads:
            return list(threads.map(self.state, [promise.job_id for promise in promises]))

    def _submit_for_ever(self) -> None:
        number, due = 0, time.monotonic()
        while not self._stopped.wait(max(0.0, due - time.monotonic())):
            number, due = number + 1, due + 1 / RATE
            if not self.submit(number):
                self.refused += 1
