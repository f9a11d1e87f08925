"""What the load test calls good. Only the process that sees all statistics decides: the master, or the only one.

Locust rounds its percentiles (1 ms below 100 ms, 10 ms below 1 s), so a threshold is exact to that.
"""

import os
from collections.abc import Iterator
from typing import Any

from locust.env import Environment
from locust.runners import WorkerRunner

SUBMISSION = "POST /jobs"
COMPLETION = "job completion"


def _threshold(name: str, default: float) -> float:
    return float(os.environ.get(f"LOADTEST_{name}") or default)


MAX_FAILURE_RATIO = _threshold("MAX_FAILURE_RATIO", 0.001)
MAX_SUBMISSION_P99_MS = _threshold("MAX_SUBMISSION_P99_MS", 100)
MAX_COMPLETION_P99_MS = _threshold("MAX_COMPLETION_P99_MS", 1000)
MIN_RATE_SHARE = _threshold("MIN_RATE_SHARE", 0.95)  # of the rate that was asked for


def install(environment: Environment, rate: float, seconds: float) -> None:
    """Judge when Locust quits."""

    def judge(environment: Environment, **_: Any) -> None:
        if isinstance(environment.runner, WorkerRunner):
            return
        lines = list(verdict(environment, rate, seconds))
        print("\nVerdict")
        for good, line in lines:
            print(f"  {'ok  ' if good else 'FAIL'}  {line}")
        environment.process_exit_code = 0 if all(good for good, _ in lines) else 1

    environment.events.quitting.add_listener(judge)


def verdict(environment: Environment, rate: float, seconds: float) -> Iterator[tuple[bool, str]]:
    total = environment.stats.total
    submissions = environment.stats.get(SUBMISSION, "POST")
    completions = environment.stats.get(COMPLETION, "JOB")
    # No request has no failure, and a server that answers slowly is asked less: both would look good.
    least = MIN_RATE_SHARE * rate * seconds
    yield submissions.num_requests >= least, f"{submissions.num_requests} submissions, at least {least:.0f}"
    achieved = submissions.total_rps
    yield achieved >= MIN_RATE_SHARE * rate, f"{achieved:.1f} submissions/s, at least {MIN_RATE_SHARE * rate:.1f}"
    yield (
        completions.num_requests >= least,
        f"{completions.num_requests} jobs followed to their end, at least {least:.0f}",
    )
    yield total.fail_ratio <= MAX_FAILURE_RATIO, f"{total.fail_ratio:.4%} failed, at most {MAX_FAILURE_RATIO:.4%}"
    for entry, most in ((submissions, MAX_SUBMISSION_P99_MS), (completions, MAX_COMPLETION_P99_MS)):
        p99 = entry.get_response_time_percentile(0.99)
        yield 0 < p99 <= most, f"p99 of {entry.name} {p99:.0f} ms, at most {most:.0f} ms"
