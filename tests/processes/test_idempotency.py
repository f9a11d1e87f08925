"""One `Idempotency-Key` makes one job, whichever workers are asked, however many at once, and whoever dies between."""

import os
import signal
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.processes.conftest import StartService
from tests.processes.connection import Answer, Connection

SLEEP = {"kind": "sleep", "payload": {"seconds": 0}}


def post(connection: Connection, key: str, body: Any = SLEEP) -> Answer:
    return connection.ask("POST", "/jobs", body, {"Idempotency-Key": key})


def at_once(connections: list[Connection], keys: list[str]) -> list[Answer]:
    """One POST over each connection, with its key, all started together."""
    start = threading.Barrier(len(connections))

    def one(connection: Connection, key: str) -> Answer:
        start.wait()
        return post(connection, key)

    with ThreadPoolExecutor(len(connections)) as threads:
        return list(threads.map(one, connections, keys))


def test_twenty_at_once_over_four_workers_make_one_job_for_each_key(start_service: StartService) -> None:
    service = start_service(workers=4)
    with service.connections(each=5) as of_workers:
        # Round the workers, so that each key is sent to all of them.
        connections = [connection for round_ in zip(*of_workers, strict=True) for connection in round_]

        answers = at_once(connections, ["one"] * 20)
        assert {answer.status for answer in answers} == {202}
        (location,) = {answer.headers["Location"] for answer in answers}
        assert list(service.stored()) == [location.removeprefix("/jobs/")]

        keys = [f"key-{number // 4}" for number in range(20)]
        answers = at_once(connections, keys)
        assert {answer.status for answer in answers} == {202}
        pairs = {(key, answer.headers["Location"]) for key, answer in zip(keys, answers, strict=True)}
        assert Counter(key for key, _ in pairs) == dict.fromkeys(keys, 1), "one job a key"
        assert len({location for _, location in pairs}) == 5, "and one key a job"
        assert len(service.stored()) == 1 + 5

        for workers_connections in of_workers:
            refused = post(workers_connections[0], "one", {"kind": "sleep", "payload": {"seconds": 1}})
            assert refused.status == 422
            assert refused.json()["type"] == "urn:jobs-service:problem:idempotency-conflict"
        assert len(service.stored()) == 1 + 5
    assert service.metric("jobs_submitted_total", kind="sleep") == 1 + 5


def test_a_key_gives_the_same_job_after_kill_9_of_the_whole_service_and_a_restart(start_service: StartService) -> None:
    service = start_service(workers=2, job_concurrency=0)
    first = service.ask("POST", "/jobs", SLEEP, {"Idempotency-Key": "k"})
    assert first.status == 202
    assert service.metric("jobs_submitted_total", kind="sleep") == 1

    service.signal(signal.SIGKILL)
    for pid in service.worker_pids():
        os.kill(pid, signal.SIGKILL)
    service.wait()

    again = start_service(workers=2, job_concurrency=0)
    with again.connections(each=1) as of_workers:
        for (connection,) in of_workers:
            second = post(connection, "k")
            assert (second.status, second.headers["Location"]) == (202, first.headers["Location"])
            assert second.json() == first.json()
            assert post(connection, "k", {"kind": "sleep", "payload": {"seconds": 1}}).status == 422
    assert list(again.stored()) == [first.json()["id"]]
    assert again.metric("jobs_submitted_total", kind="sleep") == 0
