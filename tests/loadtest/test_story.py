"""One client: submits, follows, and writes down what happened."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from loadtest.samples import Story
from loadtest.story import FOLLOW_SECONDS, start_delay, tell


@dataclass
class Answer:
    status_code: int
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes = b""
    error: Exception | None = None


@dataclass
class Server:
    """Answers in turn, each after a second; the last one for ever."""

    answers: list[Answer]
    now: float = 0.0
    asked: list[str] = field(default_factory=list)

    def request(self, method: str, url: str, *, name: str, data: str | None, headers: Mapping[str, str]) -> Answer:
        self.asked.append(f"{method} {url} {headers.get('Prefer', '')}".strip())
        self.now += 1
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


ACCEPTED = Answer(202, {"x-processed-time": "0.004", "location": "/jobs/1"})


def _job(state: str, started_at: str | None = "2026-01-01T00:00:01.250000Z") -> Answer:
    times = {"created_at": "2026-01-01T00:00:00Z", "run_at": "2026-01-01T00:00:01Z", "started_at": started_at}
    return Answer(200, content=json.dumps({"state": state, **times}).encode())


def _told(*answers: Answer) -> tuple[Story, Server]:
    story, server = Story(due=-0.5), Server(list(answers))
    tell(server, story, server.clock, server.sleep)
    return story, server


def test_a_client_who_does_not_wait_only_submits() -> None:
    story, server = Story(due=0, followed=False), Server([ACCEPTED])
    tell(server, story, server.clock, server.sleep)
    assert server.asked == ["POST /jobs"]
    assert (story.answered, story.ended, story.requests, story.state) == (1, 1, 1, "")


def test_a_job_is_submitted_and_waited_for() -> None:
    story, server = _told(ACCEPTED, _job("succeeded"))
    assert server.asked == ["POST /jobs", "GET /jobs/1 wait=30"]
    assert (story.due, story.sent, story.answered, story.ended) == (-0.5, 0, 1, 2)
    assert (story.state, story.served, story.start_delay) == ("succeeded", 0.004, 0.25)
    assert (story.requests, story.failures) == (2, ())


def test_a_wait_that_ran_out_is_repeated() -> None:
    story, _ = _told(ACCEPTED, _job("queued", None), _job("running"), _job("succeeded"))
    assert (story.state, story.requests, story.ended) == ("succeeded", 4, 4)


def test_a_refused_submission_is_a_failure_and_has_no_job() -> None:
    story, server = _told(Answer(429))
    assert (story.failures, story.accepted, server.asked) == (("POST /jobs: 429",), False, ["POST /jobs"])


def test_no_answer_is_named_by_its_error() -> None:
    assert _told(Answer(0, error=ConnectionResetError()))[0].failures == ("POST /jobs: ConnectionResetError",)


def test_a_failed_look_counts_and_the_client_asks_again() -> None:
    story, _ = _told(ACCEPTED, Answer(503), _job("succeeded"))
    assert (story.state, story.failures, story.requests) == ("succeeded", ("GET /jobs/{id}: 503",), 3)


def test_a_job_that_never_ends_is_given_up() -> None:
    story, server = _told(ACCEPTED, _job("running"))
    assert (story.state, story.ended) == ("running", float("inf"))
    assert server.now == pytest.approx(FOLLOW_SECONDS, abs=2)


def test_a_start_that_was_noted_before_the_submission_is_no_negative_delay() -> None:
    at = "2026-01-01T00:00:01Z"
    assert start_delay({"created_at": at, "run_at": at, "started_at": "2026-01-01T00:00:00.999000Z"}) == 0
