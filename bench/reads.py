"""What reads cost a server with a large database, beside a submission to it: CPU time of its one worker process, all
threads and HTTP included.
"""

from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

from bench.figures import Figure, Part, in_rounds, ratios
from bench.process import cpu_seconds
from bench.running import CONNECTIONS, FAR, posting, reported, running, service, wrk
from service.store import driver

GET = """
wrk.headers["Authorization"] = "Bearer dev-key"
{header}
local paths = {{{paths}}}
local turn = 0
function request()
  turn = turn % #paths + 1
  return wrk.format("GET", paths[turn])
end
"""
UNCHANGED = "wrk.headers['If-None-Match'] = '\"3\"'"  # the version of a job that succeeded at its first attempt
POLLED = 2000  # jobs from all over the database, so that not one page serves all
SUBMISSION = "submission"
BY_STATE_AND_KIND = "page of none by state and kind"


def reads(full: Path, jobs: int, rounds: int, seconds: float = 2) -> Part:
    """`full` has so many finished jobs."""
    folder = full.parent
    target = service(
        "one worker", database_url=f"sqlite:///{full}", workers=1, job_concurrency=0, trace_sample_ratio=0.1
    )
    with running(target, folder) as server:
        (worker,) = server.workers(1)

        def measured(name: str, script: str) -> Callable[[], float]:
            connections = 2 if name == BY_STATE_AND_KIND else CONNECTIONS  # no more than may be read at a time
            return lambda: _microseconds(server.port, worker, folder / "requests.lua", script, seconds, connections)

        found = in_rounds({name: measured(name, script) for name, script in _scripts(full).items()}, rounds)
    submission = found[SUBMISSION]
    figures = [Figure(f"{name}, CPU", "µs", costs) for name, costs in found.items()]
    for name, costs in found.items():
        if name != SUBMISSION:
            figures.append(Figure(f"{name}: CPU to a submission's", "times", ratios(costs, submission), "≤ 1"))
    how = (
        f"GET of jobs and pages of a user who has {jobs // 2:,} of {jobs:,} jobs, and POST, over 32 connections: "
        f"CPU time of the server's one worker process a request, {seconds:g} s each; 10 % traced."
    )
    return Part("reads", "Reads of a large database beside submissions", how, figures, {})


def _scripts(full: Path) -> Mapping[str, str]:
    """What wrk sends, by name."""
    with closing(driver.connect(full, "ro")) as connection:
        (last,) = connection.execute("SELECT max(seq) FROM job WHERE state = 'succeeded'").fetchone()
        sought = "SELECT id FROM job WHERE seq % ? = 0 AND user_id = 'dev' AND state = 'succeeded'"
        polled = [f"/jobs/{row[0]}" for row in connection.execute(sought, (max(1, last // POLLED // 2 * 2),))]

    def get(*paths: str, header: str = "") -> str:
        return GET.format(header=header, paths=", ".join(f'"{path}"' for path in paths))

    return {
        SUBMISSION: posting(FAR),
        "poll": get(*polled),
        "poll answered 304": get(*polled, header=UNCHANGED),
        "page of 50 jobs": get("/jobs"),
        "page of 50 by state": get("/jobs?state=succeeded"),
        "page of none by state": get("/jobs?state=failed"),
        BY_STATE_AND_KIND: get("/jobs?state=failed&kind=sleep"),
    }


def _microseconds(port: int, worker: int, path: Path, script: str, seconds: float, connections: int) -> float:
    """CPU time a request."""
    path.write_text(script)
    wrk(port, path, 1, connections)
    before = cpu_seconds(worker)
    report = wrk(port, path, seconds, connections)
    used = cpu_seconds(worker) - before
    return used / int(reported(r"(\d+) requests in", report)[1]) * 1e6
