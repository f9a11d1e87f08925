"""A client that submits jobs and asks for earlier ones at a fixed rate, whatever the answers take: an open model.

A wait counts from the moment at which the request was due, so one that the client itself could send only late is not
flattered. Standard library only, a thread for each request under way.
"""

import http.client
import json
import random
import ssl
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

PATIENCE_SECONDS = 75.0  # longer than the proxy holds a request
IDLE_SECONDS = 30.0  # far less than the proxy keeps an idle connection
THREADS = 5000
ASKS_EACH = 4  # every fourth request asks for an earlier job
JOB_SECONDS = 0.2


@dataclass
class Figures:
    """What came of the requests. `failed` counts by what the client saw instead of the right answer."""

    waits: list[float] = field(default_factory=list)
    failed: Counter[str] = field(default_factory=Counter)
    acknowledged: list[str] = field(default_factory=list)
    """The ids of the jobs, as answered."""

    @property
    def longest_wait(self) -> float:
        return max(self.waits, default=0.0)

    def quantile(self, share: float) -> float:
        return sorted(self.waits)[min(len(self.waits) - 1, int(share * len(self.waits)))] if self.waits else 0.0


class Client:
    """Sends while entered; leaving waits for the last answers."""

    def __init__(self, host: str, key: str, rate: float) -> None:
        parts = urlsplit(host)
        self._address = (parts.hostname or "", parts.port or 443)
        self._plain = parts.scheme == "http"
        self._trust = ssl.create_default_context()
        if parts.hostname in {"localhost", "127.0.0.1"}:  # its certificate is of an authority that nobody knows
            self._trust.check_hostname, self._trust.verify_mode = False, ssl.CERT_NONE
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        self._rate = rate
        self._idle: list[tuple[float, http.client.HTTPConnection]] = []  # the last one used is the first one taken
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._arrivals = threading.Thread(target=self._arrive, name="arrivals", daemon=True)
        self.figures = Figures()

    def __enter__(self) -> Self:
        self._arrivals.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._arrivals.join()
        for _, connection in self._idle:
            connection.close()

    def _arrive(self) -> None:
        begun = time.monotonic()
        number = 0
        with ThreadPoolExecutor(THREADS) as pool:
            while not self._ended.wait(max(0.0, begun + number / self._rate - time.monotonic())):
                pool.submit(self._send, number, begun + number / self._rate)
                number += 1

    def _send(self, number: int, due: float) -> None:
        earlier = self.figures.acknowledged
        asks = number % ASKS_EACH == ASKS_EACH - 1 and earlier
        try:
            outcome = self._get(random.choice(earlier)) if asks else self._post()  # noqa: S311  chance, no secret
        except (OSError, http.client.HTTPException, ValueError) as error:
            outcome = repr(error)
        with self._lock:
            self.figures.waits.append(time.monotonic() - due)
            if outcome:
                self.figures.failed[outcome] += 1

    def _post(self) -> str:
        """What is wrong with the answer; empty: nothing."""
        status, body = self._ask("POST", "/jobs", json.dumps({"kind": "sleep", "payload": {"seconds": JOB_SECONDS}}))
        if status != http.HTTPStatus.ACCEPTED:
            return f"POST {status}"
        self.figures.acknowledged.append(body["id"])
        return ""

    def _get(self, job_id: str) -> str:
        status, body = self._ask("GET", f"/jobs/{job_id}")
        if status != http.HTTPStatus.OK:
            return f"GET {status}"
        return "" if body["id"] == job_id else "GET answered with another job"

    def _ask(self, method: str, path: str, body: str | None = None) -> tuple[int, Any]:
        connection = self._connection()
        try:
            connection.request(method, path, body, self._headers)
            answer = connection.getresponse()
            content = answer.read()
        except BaseException:
            connection.close()
            raise
        with self._lock:
            self._idle.append((time.monotonic(), connection))
        return answer.status, json.loads(content)

    def _connection(self) -> http.client.HTTPConnection:
        with self._lock:
            while self._idle:
                used_at, connection = self._idle.pop()
                if connection.sock is not None and time.monotonic() - used_at < IDLE_SECONDS:
                    return connection
                connection.close()
        if self._plain:
            return http.client.HTTPConnection(*self._address, timeout=PATIENCE_SECONDS)
        return http.client.HTTPSConnection(*self._address, timeout=PATIENCE_SECONDS, context=self._trust)
