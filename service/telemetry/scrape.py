"""One answer for all workers and the database: what `GET /metrics` returns."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Executor
from pathlib import Path

from service.domain.job import State
from service.domain.ports import Stats
from service.telemetry.exposition import Family, gauge, merged, negotiate, render, snapshot
from service.telemetry.gather import ANSWER_SECONDS, asked
from service.telemetry.metrics import Metrics

_FACTS = (
    ("jobs_oldest_runnable_age_seconds", "0: none is runnable."),
    ("jobs_oldest_running_age_seconds", "0: none is running."),
    ("jobs_lease_overdue_seconds", "How long a lease has been over without anybody taking the job; 0: none is."),
    ("database_size_bytes", "The database file."),
    ("wal_size_bytes", "Its write-ahead log."),
    ("disk_free_bytes", "Of the database's disk."),
)

ReadStats = Callable[[], Awaitable[Stats]]


class Scrape:
    def __init__(self, metrics: Metrics, threads: Executor) -> None:
        self._metrics = metrics
        self._threads = threads

    async def answer(
        self, accept: str, stats: ReadStats, worker: str, others: Mapping[str, Path], required: frozenset[str]
    ) -> tuple[bytes, str]:
        """`others`: the sockets of the other workers, by label; those in `required` are down if they do not answer."""
        content_type = negotiate(accept)
        read = asyncio.ensure_future(self._stats(stats))
        answers = dict(zip(others, await asked(others.values()), strict=True))
        facts = await read
        loop = asyncio.get_running_loop()
        body = await loop.run_in_executor(self._threads, self._write, content_type, worker, answers, required, facts)
        return body, content_type

    def _write(
        self,
        content_type: str,
        worker: str,
        answers: Mapping[str, list[Family] | None],
        required: frozenset[str],
        stats: Stats | None,
    ) -> bytes:
        by_worker = {label: families for label, families in answers.items() if families is not None}
        by_worker[worker] = snapshot(self._metrics.registry)
        up = {f'worker="{label}"': float(label in by_worker) for label in sorted(required | set(by_worker))}
        families = [
            *merged(by_worker),
            gauge("worker_up", "1: the worker answered within a second.", up),
            *_database(stats),
        ]
        return render(families, content_type)

    async def _stats(self, read: ReadStats) -> Stats | None:
        """None when the database does not answer in time: its samples are left out, and the scrape does not hang."""
        task = asyncio.ensure_future(read())
        task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())  # also when nobody waits any more
        await asyncio.wait({task}, timeout=ANSWER_SECONDS)
        if not task.done():
            task.cancel()  # not awaited: it may be deaf to that for as long as the disk is
            return None
        if task.cancelled() or task.exception() is not None:
            return None
        return task.result()


def _database(stats: Stats | None) -> list[Family]:
    """Facts of the one database: without the label `worker`, or sums over workers would be wrong."""
    jobs = {f'state="{state}"': stats.jobs.get(state, 0) for state in State} if stats else {}
    return [
        gauge("jobs", "Jobs by state.", jobs),
        *(
            gauge(name, help_, {"": getattr(stats, name.removeprefix("jobs_"))} if stats else {})
            for name, help_ in _FACTS
        ),
    ]
