"""Deletes jobs that ended long ago, in small batches."""

import asyncio
import logging
import random
import time
from collections.abc import Callable

from service.domain.job import StorageUnavailable
from service.domain.ports import Clock, JobObserver, JobStore

INTERVAL_SECONDS = 60.0
BATCH = 200  # holds the write lock for milliseconds, so that no submission waits for pruning
PAUSE_SECONDS = 0.1


async def prune_for_ever(
    store: JobStore,
    observer: JobObserver,
    retention_seconds: float,
    *,
    clock: Clock = time.time,
    chance: Callable[[], float] = random.random,
) -> None:
    """Every worker process runs this; the random interval keeps them from pruning at the same moment."""
    while True:
        await asyncio.sleep(INTERVAL_SECONDS * (0.5 + chance()))
        try:
            pruned = batch = await store.prune(clock() - retention_seconds, BATCH)
            while batch == BATCH:
                await asyncio.sleep(PAUSE_SECONDS)  # lets submissions through between two batches
                batch = await store.prune(clock() - retention_seconds, BATCH)
                pruned += batch
        except StorageUnavailable:
            continue  # reported where jobs need the storage; the next round tries again
        if pruned:
            observer.event("jobs_pruned", logging.INFO, count=pruned)
