"""What the systems stand on: Redis, PostgreSQL, a file. Each on this machine alone."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from bench.peers.peer import program
from bench.running import free_port
from bench.sink import listening

ADDRESS = "PEER_ADDRESS"
"""The environment variable that tells a system where its server or file is."""


@contextmanager
def redis(folder: Path, *, appendfsync: str) -> Iterator[Mapping[str, str]]:
    """With an append-only file; no snapshots, which would only disturb. `appendfsync`: "everysec" or "always"."""
    port = str(free_port())
    options = ("--bind", "127.0.0.1", "--port", port, "--save", "", "--appendonly", "yes")
    command = [program("redis-server"), *options, "--appendfsync", appendfsync, "--dir", str(folder)]
    with _running(command, folder, ["redis-cli", "-p", port, "ping"]):
        yield {ADDRESS: f"redis://127.0.0.1:{port}/0"}


@contextmanager
def postgres(folder: Path) -> Iterator[Mapping[str, str]]:
    """As installed (fsync and synchronous_commit on), with more shared memory. It refuses root: then as `postgres`."""
    port, data = str(free_port()), str(folder / "data")
    owner: dict[str, Any] = {}
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")
        owner = {"user": "postgres", "group": "postgres", "extra_groups": []}
    initdb = [program("initdb"), "--pgdata", data, "--username", "postgres", "--auth", "trust"]
    subprocess.run(initdb, check=True, capture_output=True, cwd=folder, **owner)
    options = ("listen_addresses=127.0.0.1", "unix_socket_directories=", "shared_buffers=256MB")
    command = [program("postgres"), "-D", data, "-p", port, *(word for each in options for word in ("-c", each))]
    with _running(command, folder, [program("pg_isready"), "-h", "127.0.0.1", "-p", port], **owner):
        yield {ADDRESS: f"postgresql://postgres@127.0.0.1:{port}/postgres"}


@contextmanager
def file(folder: Path) -> Iterator[Mapping[str, str]]:
    yield {ADDRESS: str(folder / "jobs.db")}


@contextmanager
def file_and_sink(folder: Path) -> Iterator[Mapping[str, str]]:
    """A file, and where spans go: so that exporting them is paid for."""
    with listening() as url:
        yield {ADDRESS: str(folder / "jobs.db"), "OTEL_EXPORTER_OTLP_ENDPOINT": url}


redis_everysec = partial(redis, appendfsync="everysec")
redis_always = partial(redis, appendfsync="always")


@contextmanager
def _running(command: Sequence[str], folder: Path, ask: Sequence[str], **owner: Any) -> Iterator[None]:
    """Until `ask` succeeds it is not yet there. SIGINT ends both without waiting for clients."""
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, **owner)
    try:
        deadline = time.monotonic() + 30
        while subprocess.run(ask, capture_output=True, check=False).returncode != 0:
            if server.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{command[0]} does not start:\n{(folder / 'server.log').read_text()}")
            time.sleep(0.05)
        yield
    finally:
        server.send_signal(signal.SIGINT)
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            server.kill()
