"""Deletes jobs that ended long ago, in batches so small that no submission waits for one."""

import asyncio
import logging
import random
import time
from collections.abc import Callable

from service.domain.job import StorageUnavailable
from service.domain.ports import Clock, JobObserver, JobStore

INTERVAL_SECONDS = 60.0
PAUSE_SECONDS = 0.1  # lets submissions through between two batches
LARGEST_BATCH = 200
BATCH_SECONDS = 0.02  # a batch holds the write lock for about so long: 200 small jobs take 5 ms, 200 of 1 MiB a second


async def prune_for_ever(
    store: JobStore,
    observer: JobObserver,
    retention_seconds: float,
    *,
    clock: Clock = time.time,
    timer: Clock = time.monotonic,
    chance: Callable[[], float] = random.random,
) -> None:
    """Every worker process runs this; the random interval keeps them from pruning at the same moment."""
    limit = LARGEST_BATCH // 20
    while True:
        await asyncio.sleep(INTERVAL_SECONDS * (0.5 + chance()))
        pruned, more = 0, True
        try:
            while more:
                started = timer()
                batch = await store.prune(clock() - retention_seconds, limit)
                pruned, more = pruned + batch, batch == limit
                slow = timer() - started > BATCH_SECONDS
                limit = max(1, limit // 2) if slow else min(LARGEST_BATCH, limit * 2)
                await asyncio.sleep(PAUSE_SECONDS)
        except StorageUnavailable:
            continue  # reported where jobs need the storage; the next round tries again
        if pruned:
            observer.event("jobs_pruned", logging.INFO, count=pruned)
