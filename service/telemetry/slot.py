"""A number for each worker process, which its metrics carry as label `worker`.

Held by `flock`: the kernel releases it at death, however that comes, so a respawned worker gets the number of the one
it replaces. Process ids as labels would make new series with each restart.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def held(runtime_dir: Path, workers: int) -> Iterator[int]:
    """The first free number from 0; `workers` and more only while a process that is leaving still holds one."""
    runtime_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    for number in range(2 * workers):
        lock = os.open(runtime_dir / f"worker-{number}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            continue
        try:
            yield number
        finally:
            os.close(lock)
        return
    raise RuntimeError(f"{runtime_dir} is in use by {2 * workers} workers already: give each service its own")
