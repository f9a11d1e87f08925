"""The load test: users who submit a short job and follow it until it is done, at a fixed rate, judged at the end.

Run by `docker compose --profile loadtest run --rm loadtest`. Everything is set by the environment, the thresholds too:
see verdict.py. The exit code is the verdict.
"""

import os
import random
import time
from pathlib import Path
from typing import Any

import gevent
import locust.stats
from locust import FastHttpUser, LoadTestShape, events, task
from locust.env import Environment
from verdict import COMPLETION, SUBMISSION, install

HOST = os.environ.get("LOADTEST_HOST", "https://caddy.internal")
KEY_FILE = Path(os.environ.get("LOADTEST_API_KEY_FILE", "/run/secrets/client_key"))
RATE = float(os.environ.get("LOADTEST_RATE", "20"))  # submissions a second
SECONDS = float(os.environ.get("LOADTEST_SECONDS", "60"))  # measured, after the warm-up
WARM_UP_SECONDS = 10.0
JOB_SECONDS = 0.1
POLL_SECONDS = 0.2  # also the resolution of the completion time; a first look after it finds most jobs done
GIVE_UP_SECONDS = 30.0

# A user who waits for an answer sends nothing, so a slow server would lower the load that judges it. So there are many
# users with little to do: each begins a story every 4 s on average, and only stories longer than that lower the rate.
# The verdict checks the rate all the same.
STORY_EVERY_SECONDS = 4.0
USERS = max(1, round(RATE * STORY_EVERY_SECONDS))

locust.stats.CONSOLE_STATS_INTERVAL_SEC = 10


class Submitter(FastHttpUser):
    host = HOST
    # Caddy's own authority signs names ending in .internal and localhost; a public name must have a good certificate.
    insecure = any(name in HOST for name in (".internal", "//localhost"))
    default_headers = {"Authorization": f"Bearer {KEY_FILE.read_text().strip()}"}  # noqa: RUF012  Locust's own attribute

    def on_start(self) -> None:
        self._next_at = time.perf_counter() + random.uniform(0, STORY_EVERY_SECONDS)
        gevent.sleep(self._next_at - time.perf_counter())

    def wait_time(self) -> float:
        """Each user's own rhythm, with jitter. Locust's `constant_throughput` counts from when it started the users,
        all in one burst, and so they would submit in bursts for ever. A user that is late catches up."""
        self._next_at += self._gap()
        return max(0.0, self._next_at - time.perf_counter())

    @staticmethod
    def _gap() -> float:
        return STORY_EVERY_SECONDS * random.uniform(0.5, 1.5)

    @task
    def submit_a_job_and_follow_it(self) -> None:
        started = time.perf_counter()
        submission = {"kind": "sleep", "payload": {"seconds": JOB_SECONDS}}
        with self.client.post("/jobs", json=submission, name=SUBMISSION, catch_response=True) as answer:
            if answer.status_code != 202:
                answer.failure(f"answered {answer.status_code}")
                return
            location = answer.headers["Location"]
        state = self._followed(location, started + GIVE_UP_SECONDS)
        self.environment.events.request.fire(
            request_type="JOB",
            name=COMPLETION,
            response_time=(time.perf_counter() - started) * 1000,
            response_length=0,
            exception=None if state == "succeeded" else RuntimeError(f"the job is {state}"),
            context={},
        )

    def _followed(self, location: str, give_up_at: float) -> str:
        """The job's last state, asked for until it is a final one."""
        state = "unknown"
        gevent.sleep(POLL_SECONDS)
        while time.perf_counter() < give_up_at:
            with self.client.get(location, name="GET /jobs/{id}", catch_response=True) as answer:
                if answer.status_code != 200:
                    answer.failure(f"answered {answer.status_code}")
                    return state
                state = answer.json()["state"]
            if state in {"succeeded", "failed", "cancelled"}:
                break
            gevent.sleep(POLL_SECONDS)
        return state


class Steady(LoadTestShape):
    """All users at once, then nobody. What they did until all were at work does not count."""

    measuring = False

    def tick(self) -> tuple[int, float] | None:
        run_time = self.get_run_time()
        if run_time > WARM_UP_SECONDS and not self.measuring and self.runner:
            self.measuring = True
            self.runner.stats.reset_all()
        return (USERS, USERS) if run_time < WARM_UP_SECONDS + SECONDS else None


@events.init.add_listener
def judge_at_the_end(environment: Environment, **_: Any) -> None:
    install(environment, RATE, SECONDS)
    options = environment.parsed_options
    if options and options.html_file and not os.access(Path(options.html_file).parent, os.W_OK):
        print(f"No report: {options.html_file} is not writable by uid {os.getuid()}. Set LOADTEST_USER=$(id -u).")
        options.html_file = None
