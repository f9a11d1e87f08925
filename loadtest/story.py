"""What a client does: submits a job, and, if it is one who waits for it, follows it to its end."""

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Protocol

from loadtest.samples import Story

BODY = json.dumps({"kind": "sleep", "payload": {"seconds": 0.1}})
SUBMIT_HEADERS = {"Content-Type": "application/json"}
FOLLOW_HEADERS = {"Prefer": "wait=30"}  # one request for most jobs; the service's longest wait
FOLLOW_SECONDS = 60.0  # then the job counts as not completed
TERMINAL = {"succeeded", "failed", "cancelled"}


class Answer(Protocol):
    @property
    def status_code(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def content(self) -> bytes: ...


class Client(Protocol):
    """Locust's. A failure to connect is an answer of status 0, with the exception as `error`."""

    def request(self, method: str, url: str, *, name: str, data: str | None, headers: Mapping[str, str]) -> Answer: ...


def tell(client: Client, story: Story, clock: Callable[[], float], sleep: Callable[[float], None]) -> None:
    """Writes into the story as it goes on, so that one cut short has what was known."""
    story.sent = clock()
    answer = client.request("POST", "/jobs", name="POST /jobs", data=BODY, headers=SUBMIT_HEADERS)
    story.answered = clock()
    story.requests, story.status = 1, answer.status_code
    if not story.accepted:
        story.failures = (failure("POST /jobs", answer),)
        story.ended = story.answered
        return
    story.served = float(answer.headers["x-processed-time"])
    if not story.followed:
        story.ended = story.answered
        return
    location = answer.headers["location"]
    while story.state not in TERMINAL and clock() < story.answered + FOLLOW_SECONDS:
        answer = client.request("GET", location, name="GET /jobs/{id}", data=None, headers=FOLLOW_HEADERS)
        story.requests += 1
        if answer.status_code == 200:
            job = json.loads(answer.content)
            story.state = job["state"]
            story.start_delay = start_delay(job)
        else:
            story.failures += (failure("GET /jobs/{id}", answer),)
            sleep(1)  # as a client would, who still wants to know
    if story.state in TERMINAL:
        story.ended = clock()


def start_delay(job: Mapping[str, Any]) -> float:
    """From when the job could run to when it did, by the service's own clock; infinite while it has not.

    Not below 0, as in the service's histogram: a claim notes the time, waits for its turn, and may find a job that came
    meanwhile."""
    if not job["started_at"]:
        return float("inf")
    runnable = max(datetime.fromisoformat(job["created_at"]), datetime.fromisoformat(job["run_at"]))
    return max(0.0, (datetime.fromisoformat(job["started_at"]) - runnable).total_seconds())


def failure(what: str, answer: Answer) -> str:
    error = getattr(answer, "error", None)
    return f"{what}: {answer.status_code or type(error).__name__}"
