"""The compose stack for an experiment: a project of its own, on ports of its own, gone at the end with all its data."""

import asyncio
import contextlib
import os
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

from tests.faults import checker
from tests.faults.checker import Verdict
from tests.faults.experiment import Run
from tests.faults.ledger import Ledger, read_work
from tests.faults.load import Load
from tests.processes.running import free_port
from tests.waiting import wait_until_async

ROOT = Path(__file__).parents[2]
SERVICES = ("caddy", "prometheus", "alertmanager", "jaeger")  # and what they depend on
PORTS = ("HTTP_PORT", "HTTPS_PORT", "GRAFANA_PORT", "PROMETHEUS_PORT", "ALERTMANAGER_PORT", "JAEGER_PORT")
END_SECONDS = 60
COPY = "copy.db"
WORKERS, SLOTS = 4, 16
PROJECT = "jobs-faults"

UNFINISHED = """
import sqlite3
connection = sqlite3.connect("file:/data/jobs.db?mode=ro", uri=True)
print(connection.execute("SELECT count(*) FROM job WHERE finished_at IS NULL").fetchone()[0])
"""
TAKE_COPY = f"""
import sqlite3
sqlite3.connect("file:/data/jobs.db?mode=ro", uri=True).execute("VACUUM INTO '/faults/{COPY}'")
"""


class Stack:
    service = f"{PROJECT}-service-1"  # the name of its container

    def __init__(self, run: Run, *files: str) -> None:
        self._files = [f"--file={file}" for file in ("compose.yaml", "tests/faults/compose.yaml", *files)]
        self.ledger = Ledger()
        self.folder = run.folder / "handlers"
        self.folder.mkdir()
        self.folder.chmod(0o777)
        self._chance = run.chance
        ports = {name: str(free_port()) for name in PORTS}
        self.port = int(ports["HTTPS_PORT"])
        self.prometheus_port = int(ports["PROMETHEUS_PORT"])
        project = {"COMPOSE_PROJECT_NAME": PROJECT, "TAG": "faults", "EDGE_SUBNET": "172.30.89.0/24"}
        defaults = {"SERVICE_ENVIRONMENT": "development", "SECRETS_DIR": "./secrets/development", "DOMAIN": "localhost"}
        self._environment = os.environ | project | defaults | ports | {"FAULTS_FOLDER": str(self.folder)}

    def load(self, *, rate: float, work_seconds: float = 0.05) -> Load:
        return Load(f"https://localhost:{self.port}", self.ledger, self._chance, rate=rate, work_seconds=work_seconds)

    async def compose(self, *arguments: str, expect_failure: bool = False) -> str:
        """What it prints. Raises `RuntimeError` with its words."""
        return await self.docker("compose", *self._files, *arguments, expect_failure=expect_failure)

    async def docker(self, *arguments: str, expect_failure: bool = False) -> str:
        """As `compose`."""
        command = ["docker", *arguments]
        ended = await asyncio.to_thread(
            subprocess.run, command, cwd=ROOT, env=self._environment, capture_output=True, text=True, check=False
        )
        if ended.returncode != 0 and not expect_failure:
            raise RuntimeError(f"`{' '.join(command)}`: {ended.stderr[-2000:]}")
        return ended.stdout

    async def all_ended(self) -> None:
        """Returns once no job is queued or running."""

        async def ended() -> bool:
            return int(await self.python(UNFINISHED)) == 0

        await wait_until_async(ended, "all jobs ended", END_SECONDS)

    async def judge(self, *, duplicates_bound: int) -> Verdict:
        await self.python(TAKE_COPY)
        self.ledger.work = read_work(self.folder)
        return checker.judge(self.ledger, checker.read(self.folder / COPY), duplicates_bound=duplicates_bound)

    async def restarts(self) -> int:
        """Of the workers in the service's container, and of the container itself."""
        lines = (await self.compose("logs", "--no-log-prefix", "service")).splitlines()
        return sum('"message":"service_started"' in line for line in lines) - WORKERS

    async def python(self, program: str, *, expect_failure: bool = False) -> str:
        """What it prints, run in the service's container."""
        return await self.compose("exec", "-T", "service", "python", "-c", program, expect_failure=expect_failure)


@contextlib.asynccontextmanager
async def stack(run: Run, *files: str) -> AsyncIterator[Stack]:
    """`files`: of compose, over its own."""
    found = Stack(run, *files)
    try:
        await found.compose("up", "--build", "--detach", "--wait", *SERVICES)
        yield found
    finally:
        await found.compose("--profile", "*", "down", "--volumes", "--timeout", "5")
