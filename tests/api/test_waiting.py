"""`Prefer: wait`, redrive and event streams over the memory store; what needs several processes is in `processes`."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from service.api import events
from service.domain.job import Outcome, Settlement, StorageUnavailable
from tests.api.conftest import OTHER_KEY, BreakableStore
from tests.api.test_errors import assert_problem


async def submit(client: httpx.AsyncClient, **fields: Any) -> str:
    return str((await client.post("/jobs", json={"kind": "sleep"} | fields)).json()["id"])


async def end_next(store: BreakableStore, outcome: Outcome = Outcome.SUCCEEDED) -> None:
    """Run the next job to its end, as a worker would."""
    (job,) = (await store.claim("w", 1, 30, 4e9)).jobs
    settlement = Settlement(job_id=job.id, run=job.run, outcome=outcome, finished_at=4e9, retry_at=4e9)
    await store.finish("w", settlement)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110  the store has no event for it
            await asyncio.sleep(0)


async def until_watched(store: BreakableStore, number: int = 1) -> None:
    """Until so many clients wait."""
    await until(lambda: sum(map(len, store._watch._waiting.values())) >= number)


async def until_read(store: BreakableStore, version: int) -> None:
    """Until whoever waits has seen that version: two in quick succession may show as one."""
    await until(lambda: any(job.version == version for job in store.read))


def events_of(answer: httpx.Response) -> list[tuple[int, dict[str, Any]]]:
    """Id and data of each; httpx gives a stream in this process once it has ended."""
    found = []
    for block in answer.text.split("\n\n")[:-1]:
        if not block.startswith(":"):
            number, data = block.split("\n")
            found.append((int(number.removeprefix("id: ")), json.loads(data.removeprefix("data: "))))
    return found


# Prefer: wait


async def test_a_wait_ends_with_the_job(client: httpx.AsyncClient, store: BreakableStore) -> None:
    job_id = await submit(client)
    got = asyncio.create_task(client.get(f"/jobs/{job_id}", headers={"Prefer": "wait=30"}))
    await until_watched(store)
    await end_next(store)
    answer = await got
    assert (answer.status_code, answer.json()["state"]) == (200, "succeeded")
    assert answer.headers["preference-applied"] == "wait=30"
    assert "retry-after" not in answer.headers


async def test_a_submission_that_waits_is_answered_200_when_it_has_ended(
    client: httpx.AsyncClient, store: BreakableStore
) -> None:
    posted = asyncio.create_task(client.post("/jobs", json={"kind": "sleep"}, headers={"Prefer": "wait=30"}))
    await until_watched(store)
    await end_next(store)
    answer = await posted
    assert (answer.status_code, answer.json()["state"]) == (200, "succeeded")
    assert answer.headers["location"] == f"/jobs/{answer.json()['id']}"
    assert answer.headers["preference-applied"] == "wait=30"


async def test_a_wait_that_runs_out_gives_the_job_as_it_is(client: httpx.AsyncClient) -> None:
    posted = await client.post("/jobs", json={"kind": "sleep"}, headers={"Prefer": "wait=0"})
    assert (posted.status_code, posted.json()["state"]) == (202, "queued")
    assert posted.headers["preference-applied"] == "wait=0"
    assert "retry-after" in posted.headers
    got = await client.get(posted.headers["location"], headers={"Prefer": "wait=1"})
    assert (got.status_code, got.json()["state"], got.headers["preference-applied"]) == (200, "queued", "wait=1")


async def test_a_job_that_has_ended_is_not_waited_for(client: httpx.AsyncClient, store: BreakableStore) -> None:
    job_id = await submit(client)
    await end_next(store)
    answer = await client.get(f"/jobs/{job_id}", headers={"Prefer": "wait=86400"})
    assert (answer.status_code, answer.headers["preference-applied"]) == (200, "wait=30")


async def test_a_wait_and_an_etag_go_together(client: httpx.AsyncClient, store: BreakableStore) -> None:
    job_id = await submit(client)
    headers = {"Prefer": "wait=0", "If-None-Match": '"1"'}
    unchanged = await client.get(f"/jobs/{job_id}", headers=headers)
    assert (unchanged.status_code, unchanged.headers["preference-applied"]) == (304, "wait=0")
    await end_next(store)
    assert (await client.get(f"/jobs/{job_id}", headers=headers)).status_code == 200


@pytest.mark.parametrize(
    ("prefer", "applied"),
    [
        ("wait=0", "wait=0"),
        ("WAIT = 00", "wait=0"),
        ('respond-async, wait="0"', "wait=0"),
        ("wait=0; foo=bar", "wait=0"),
        ("wait=0, wait=30", "wait=0"),
        ("wait", None),
        ("wait=", None),
        ("wait=soon", None),
        ("wait=-1", None),
        ("wait=1.5", None),
        ("await=1", None),
        ("return=minimal", None),
        ("", None),
    ],
)
async def test_what_is_no_wait_is_ignored(client: httpx.AsyncClient, prefer: str, applied: str | None) -> None:
    job_id = await submit(client)
    answer = await client.get(f"/jobs/{job_id}", headers={"Prefer": prefer})
    assert (answer.status_code, answer.headers.get("preference-applied")) == (200, applied)


async def test_a_wait_for_an_unknown_job_is_404_at_once(client: httpx.AsyncClient) -> None:
    unknown = "01a20772-49bf-7e69-a65e-b29e5827a811"
    for path in (unknown, "x"):
        assert_problem(await client.get(f"/jobs/{path}", headers={"Prefer": "wait=30"}), 404)


# Redrive


async def test_a_failed_job_is_redriven_and_any_other_is_409(client: httpx.AsyncClient, store: BreakableStore) -> None:
    job_id = await submit(client)
    assert_problem(await client.post(f"/jobs/{job_id}/redrive"), 409)
    await end_next(store, Outcome.FAILED)
    answer = await client.post(f"/jobs/{job_id}/redrive")
    job = answer.json()
    assert (answer.status_code, job["state"], job["attempt"], job["finished_at"]) == (202, "queued", 0, None)
    assert [attempt["outcome"] for attempt in job["attempts"]] == ["failed"]
    assert "retry-after" in answer.headers
    problem = assert_problem(await client.post(f"/jobs/{job_id}/redrive"), 409)
    assert problem["type"] == "urn:jobs-service:problem:not-failed"
    assert (await client.get(f"/jobs/{job_id}")).json() == job


async def test_another_users_job_is_neither_redriven_nor_followed(
    client: httpx.AsyncClient, store: BreakableStore
) -> None:
    job_id = await submit(client)
    await end_next(store, Outcome.FAILED)
    assert_problem(await client.post(f"/jobs/{job_id}/redrive", headers=OTHER_KEY), 404)
    assert_problem(await client.get(f"/jobs/{job_id}/events", headers=OTHER_KEY), 404)


# Events


async def test_a_stream_tells_each_state_and_ends_with_the_job(
    client: httpx.AsyncClient, store: BreakableStore
) -> None:
    job_id = await submit(client)
    stream = asyncio.create_task(client.get(f"/jobs/{job_id}/events"))
    await until_watched(store)
    await until_read(store, 1)
    (job,) = (await store.claim("w", 1, 30, 4e9)).jobs
    await until_read(store, 2)
    await store.finish("w", Settlement(job_id=job.id, run=job.run, outcome=Outcome.SUCCEEDED, finished_at=4e9))
    answer = await stream
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert events_of(answer) == [
        (1, {"state": "queued", "version": 1, "attempt": 0}),
        (2, {"state": "running", "version": 2, "attempt": 1}),
        (3, {"state": "succeeded", "version": 3, "attempt": 1}),
    ]


@pytest.mark.parametrize(("seen", "told"), [("0", [3]), ("1", [3]), ("2", [3]), ("3", []), ("9", [3])])
async def test_a_stream_is_resumed_after_the_last_event_seen(
    client: httpx.AsyncClient, store: BreakableStore, seen: str, told: list[int]
) -> None:
    job_id = await submit(client)
    await end_next(store)
    answer = await client.get(f"/jobs/{job_id}/events", headers={"Last-Event-ID": seen})
    assert answer.status_code == 200
    assert [number for number, _ in events_of(answer)] == told


@pytest.mark.parametrize("seen", ["", "x", "-1", "1.5", "9" * 19, "²"])
async def test_a_malformed_last_event_id_is_400(client: httpx.AsyncClient, seen: str) -> None:
    job_id = await submit(client)
    headers = [(b"Last-Event-ID", seen.encode())]
    assert_problem(await client.get(f"/jobs/{job_id}/events", headers=headers), 400)


async def test_a_cancel_that_was_only_asked_for_is_no_event(client: httpx.AsyncClient, store: BreakableStore) -> None:
    job_id = await submit(client)
    (job,) = (await store.claim("w", 1, 30, 4e9)).jobs
    stream = asyncio.create_task(client.get(f"/jobs/{job_id}/events"))
    await until_watched(store)
    assert (await client.post(f"/jobs/{job_id}/cancel")).status_code == 202
    await until_read(store, 3)
    await store.finish("w", Settlement(job_id=job.id, run=job.run, outcome=Outcome.CANCELLED, finished_at=4e9))
    assert [(number, data["state"]) for number, data in events_of(await stream)] == [(2, "running"), (4, "cancelled")]


async def test_a_quiet_stream_shows_that_it_lives_and_reads_nothing(
    client: httpx.AsyncClient, app: FastAPI, store: BreakableStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "QUIET_SECONDS", 0.001)
    job_id = await submit(client)
    stream: Any = events.EventStream(app.state.queue, job_id, "dev", None).body_iterator
    chunks = [await anext(stream) for _ in range(10)]
    assert chunks[0].startswith(b"id: 1\n")
    assert set(chunks[1:]) == {b": still here\n\n"}
    assert len(store.read) == 1
    await end_next(store)
    while (chunk := await anext(stream)).startswith(b":"):
        pass
    assert b"succeeded" in chunk
    assert [chunk async for chunk in stream] == []
    assert store._watch._waiting == {}


async def test_a_storage_failure_ends_the_stream_so_that_its_client_comes_back(
    client: httpx.AsyncClient, store: BreakableStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = await submit(client)
    stream = asyncio.create_task(client.get(f"/jobs/{job_id}/events"))
    await until_watched(store)

    async def fail(*_: object) -> None:
        raise StorageUnavailable("disk gone")

    monkeypatch.setattr(store, "get", fail)
    await end_next(store)
    assert [number for number, _ in events_of(await stream)] == [1]


# Draining


async def test_whoever_waits_is_answered_at_once_when_the_service_stops(
    client: httpx.AsyncClient, app: FastAPI, store: BreakableStore
) -> None:
    job_id = await submit(client)
    headers = {"Prefer": "wait=30"}
    early = [
        asyncio.create_task(client.get(f"/jobs/{job_id}", headers=headers)),
        asyncio.create_task(client.get(f"/jobs/{job_id}/events")),
    ]
    await until_watched(store, 2)
    app.state.queue.dismiss_waiting()
    got, stream = await asyncio.gather(*early)
    assert (got.json()["state"], got.headers["preference-applied"]) == ("queued", "wait=30")
    assert [number for number, _ in events_of(stream)] == [1]
    posted = await client.post("/jobs", json={"kind": "sleep"}, headers=headers)
    assert (posted.status_code, posted.headers["preference-applied"]) == (202, "wait=30")
    assert [number for number, _ in events_of(await client.get(f"/jobs/{job_id}/events"))] == [1]
