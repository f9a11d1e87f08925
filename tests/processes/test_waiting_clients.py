"""Clients that wait, by event streams and long polls: told of what other workers do, and of the end of their own."""

import asyncio
import shutil
import signal
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from service.domain.job import Job
from service.domain.queue import JobQueue, Submission
from service.store import reads, watch
from service.store.sqlite import open_sqlite_store
from tests.observing import RecordingObserver
from tests.processes.conftest import StartService
from tests.processes.connection import Answer, Connection, Stream
from tests.processes.gates import start_gate
from tests.processes.running import WITH_EXTRA_KINDS, RunningService
from tests.waiting import wait_until, wait_until_async


def occupy(service: RunningService, folder: Path, slots: int) -> None:
    """So many slots, until `folder`/release is there."""
    folder.mkdir()
    for _ in range(slots):
        start_gate(service, folder)


def all_told(streams: list[Stream], *events: tuple[int, str]) -> None:
    wait_until(lambda: all(each.events == list(events) for each in streams), f"all streams have told {events}")


def test_streams_on_all_workers_tell_what_any_of_them_does_and_are_resumed_on_any(
    start_service: StartService, tmp_path: Path
) -> None:
    service = start_service(module=WITH_EXTRA_KINDS, workers=4, job_concurrency=1)
    occupy(service, tmp_path / "others", 4)
    (tmp_path / "own").mkdir()
    job_id = service.submit(kind="gate", payload={"folder": str(tmp_path / "own")})["id"]

    def streams(stack: ExitStack, each: int, last_event_id: int | None = None) -> list[Stream]:
        found = stack.enter_context(service.connections(each))
        return [Stream(connection, job_id, last_event_id) for of_worker in found for connection in of_worker]

    with ExitStack() as stack:
        from_start = streams(stack, each=5)
        all_told(from_start, (1, "queued"))
        (tmp_path / "others" / "release").touch()
        all_told(from_start, (1, "queued"), (2, "running"))
        after_queued, after_running = streams(stack, 1, last_event_id=1), streams(stack, 1, last_event_id=2)
        all_told(after_queued, (2, "running"))
        for each in after_running:
            each.wait_until_answered()
        (tmp_path / "own" / "release").touch()
        for each in from_start:
            assert each.whole() == [(1, "queued"), (2, "running"), (3, "succeeded")]
        for each in after_queued:
            assert each.whole() == [(2, "running"), (3, "succeeded")]
        for each in after_running:
            assert each.whole() == [(3, "succeeded")]
        for last_event_id, newer in ((2, [(3, "succeeded")]), (3, [])):
            assert [each.whole() for each in streams(stack, 1, last_event_id)] == [newer] * 4
    assert service.stop() == 0


def test_a_cancel_and_a_redrive_by_one_worker_are_told_by_all(start_service: StartService, tmp_path: Path) -> None:
    service = start_service(module=WITH_EXTRA_KINDS, workers=3, job_concurrency=1)
    failed = service.submit(payload={"seconds": 0, "fail_attempts": 1}, max_attempts=1)["id"]
    service.wait_for_state(failed, "failed")
    occupy(service, tmp_path / "others", 2)
    (tmp_path / "own").mkdir()
    running = service.submit(kind="gate", payload={"folder": str(tmp_path / "own")})["id"]
    service.wait_for_state(running, "running")

    with service.connections(each=4) as of_workers:
        asking = [connections.pop() for connections in of_workers]
        redriven = asking[0].ask("POST", f"/jobs/{failed}/redrive")
        assert (redriven.status, redriven.json()["version"]) == (202, 4)
        on_failed = [Stream(connections.pop(), failed, last_event_id=3) for connections in of_workers]
        on_running = [Stream(connections.pop(), running) for connections in of_workers]
        all_told(on_failed, (4, "queued"))
        all_told(on_running, (2, "running"))

        assert asking[1].ask("POST", f"/jobs/{failed}/cancel").status == 200
        for each in on_failed:
            assert each.whole() == [(4, "queued"), (5, "cancelled")]
        assert asking[2].ask("POST", f"/jobs/{running}/cancel").status == 202
        for each in on_running:
            assert each.whole() == [(2, "running"), (4, "cancelled")]
    (tmp_path / "others" / "release").touch()
    assert service.stop() == 0


def test_long_polls_on_all_workers_are_answered_when_the_job_ends_in_one(
    start_service: StartService, tmp_path: Path
) -> None:
    service = start_service(module=WITH_EXTRA_KINDS, workers=4)
    job_id = service.submit(kind="gate", payload={"folder": str(tmp_path)})["id"]
    service.wait_for_state(job_id, "running")

    def poll(connection: Connection) -> Answer:
        return connection.ask("GET", f"/jobs/{job_id}", headers={"Prefer": "wait=30"})

    with service.connections(each=5) as of_workers, ThreadPoolExecutor(20) as threads:
        polls = [threads.submit(poll, connection) for connections in of_workers for connection in connections]
        wait_until(lambda: service.metric("http_requests_in_flight") == 20, "all polls have reached their workers")
        assert not any(each.done() for each in polls)
        (tmp_path / "release").touch()
        for each in polls:
            answer = each.result()
            assert (answer.status, answer.json()["state"]) == (200, "succeeded")
            assert answer.headers["Preference-Applied"] == "wait=30"
    assert service.stop() == 0


def test_at_sigterm_streams_end_and_long_polls_are_answered_while_jobs_still_drain(
    start_service: StartService, tmp_path: Path
) -> None:
    service = start_service(module=WITH_EXTRA_KINDS, workers=2, drain_seconds=60)
    job_id = service.submit(kind="gate", payload={"folder": str(tmp_path)})["id"]
    service.wait_for_state(job_id, "running")
    patient = {"Prefer": "wait=30"}
    later = {"kind": "sleep", "run_at": "2100-01-01T00:00:00Z"}

    with service.connections(each=8) as of_workers, ThreadPoolExecutor(10) as threads:
        streams, got, posted = [], [], []
        for connections in of_workers:
            streams += [Stream(connection, job_id) for connection in connections[:3]]
            got += [threads.submit(each.ask, "GET", f"/jobs/{job_id}", headers=patient) for each in connections[3:6]]
            posted += [threads.submit(each.ask, "POST", "/jobs", later, patient) for each in connections[6:]]
        all_told(streams, (2, "running"))
        wait_until(lambda: service.metric("http_requests_in_flight") == 16, "all requests have reached their workers")
        assert not any(each.ended for each in streams)
        assert not any(each.done() for each in (*got, *posted))

        service.signal(signal.SIGTERM)

        for stream in streams:
            assert stream.whole() == [(2, "running")]
        for poll in got:
            assert (poll.result().status, poll.result().json()["state"]) == (200, "running")
        for poll in posted:
            assert (poll.result().status, poll.result().json()["state"]) == (202, "queued")
        assert {poll.result().headers["Preference-Applied"] for poll in (*got, *posted)} == {"wait=30"}

    late = service.ask("GET", f"/jobs/{job_id}", headers=patient)
    assert (late.status, late.json()["state"], late.headers["Preference-Applied"]) == (200, "running", "wait=30")
    with Connection(service.port) as connection:
        assert Stream(connection, job_id).whole() == [(2, "running")]
    assert service.stored()[job_id] == ("running", 1), "all that while the job was draining"
    assert len(service.lines("worker_drained")) < 2
    (tmp_path / "release").touch()
    assert service.wait() == 0
    assert service.stored()[job_id] == ("succeeded", 1)


def test_a_worker_has_a_mailbox_only_while_somebody_waits_in_it(start_service: StartService) -> None:
    service = start_service(workers=2)
    job_id = service.submit(run_at="2100-01-01T00:00:00Z")["id"]

    def mailboxes() -> int:
        return len(list(service.runtime_dir.glob("watch-*")))

    assert mailboxes() == 0
    with service.connections(each=2) as (one, other):
        streams = [Stream(connection, job_id) for connection in one]
        all_told(streams, (1, "queued"))
        assert mailboxes() == 1
        leaving = [Stream(connection, job_id) for connection in other]
        all_told(leaving, (1, "queued"))
        assert mailboxes() == 2
        for connection in other:
            connection.hang_up()
        wait_until(lambda: mailboxes() == 1, "nobody waits in the other worker")
        assert service.ask("POST", f"/jobs/{job_id}/cancel").status == 200
        for stream in streams:
            assert stream.whole() == [(1, "queued"), (2, "cancelled")]
        wait_until(lambda: mailboxes() == 0, "nobody waits")
    assert service.stop() == 0


async def test_two_hundred_streams_read_nothing_while_their_job_does_not_change(
    migrated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In this process, so that each read can be counted: the jobs that streams read, and the comparison of versions
    that makes up for lost messages, which is one query however many wait."""
    monkeypatch.setattr(watch, "COMPARE_SECONDS", 0.02)
    monkeypatch.setattr(watch, "LEAST_COMPARE_SECONDS", 0.01)
    got: list[str] = []
    compared: list[list[str]] = []
    get, versions = reads.get, reads.versions

    def counted_get(connection: Any, job_id: str, user_id: str) -> Job:
        got.append(job_id)
        return get(connection, job_id, user_id)

    def counted_versions(connection: Any, job_ids: Sequence[str]) -> dict[str, int]:
        compared.append(list(job_ids))
        return versions(connection, job_ids)

    monkeypatch.setattr(reads, "get", counted_get)
    monkeypatch.setattr(reads, "versions", counted_versions)

    async def until_compared(times: int) -> None:
        async def reached() -> bool:
            return len(compared) >= times

        await wait_until_async(reached, "compared so often")

    async with open_sqlite_store(Path(shutil.copy(migrated, tmp_path / "jobs.db"))) as store:
        queue = JobQueue(store, RecordingObserver())
        job = await queue.submit(Submission(kind="sleep", payload={}, user_id="u"))
        streams = [queue.follow(job.id, "u", seen=None, quiet_seconds=0.1) for _ in range(200)]

        async def quiet(times: int) -> None:
            for _ in range(times):
                assert await asyncio.gather(*map(anext, streams)) == [None] * 200

        assert await asyncio.gather(*map(anext, streams)) == [job] * 200
        await until_compared(2)
        await quiet(1)  # the first comparison knows no version yet, and has told all
        got.clear()
        compared.clear()
        await quiet(5)
        await until_compared(5)
        assert got == []
        assert {tuple(job_ids) for job_ids in compared} == {(job.id,)}

        cancelled = await queue.cancel(job.id, "u")
        assert await asyncio.gather(*map(anext, streams)) == [cancelled] * 200
        assert len(got) == 200
        for each in streams:
            assert [job async for job in each] == []
