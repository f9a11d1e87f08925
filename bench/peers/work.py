"""The jobs that every system runs, and the records by which they are observed from outside, whatever the system says.

A record is one line of fixed width in one file, appended in one system call: so a count of bytes is a count of records,
also while several processes write.
"""

import asyncio
import os
import time
from collections import defaultdict
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

RECORDS = "PEER_RECORDS"
"""The environment variable with the file's path."""

WIDTH = len(b"n0000000\n")
NOOP, NAP = "noop", "nap"
NAP_SECONDS = 2.0


async def run(kind: str, payload: Mapping[str, Any]) -> None:
    if kind == NOOP:
        record("n", payload["number"])
        return
    record("s", payload["number"])
    await asyncio.sleep(NAP_SECONDS)
    record("d", payload["number"])


def run_blocking(kind: str, payload: Mapping[str, Any]) -> None:
    """The same, for systems whose workers are threads or processes."""
    if kind == NOOP:
        record("n", payload["number"])
        return
    record("s", payload["number"])
    time.sleep(NAP_SECONDS)
    record("d", payload["number"])


def record(event: str, number: int) -> None:
    os.write(_file(), f"{event}{number:07}\n".encode())


@cache
def _file() -> int:
    return os.open(os.environ[RECORDS], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)


def recorded(path: Path) -> dict[str, list[int]]:
    """The numbers of the jobs by event, in the order of the file."""
    found: dict[str, list[int]] = defaultdict(list)
    for line in path.read_text().splitlines():
        found[line[0]].append(int(line[1:]))
    return found
