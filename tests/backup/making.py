"""What the tests of the backups make: a place with a database and a folder of backups, and the commands run there."""

import asyncio
import contextlib
import gzip
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from service.backup.failure import STAGES
from service.backup.offsite import Offsite
from service.backup.round import Round, free_bytes
from service.backup.stop import Stop
from service.domain.job import Job
from service.settings import Settings
from service.store.sqlite import open_sqlite_store
from service.telemetry.backup import BackupTelemetry
from tests.processes.running import ROOT, RunningService
from tests.store.making import make_job


class Place:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.database = folder / "jobs.db"
        self.backups = folder / "backups"
        self.services: list[RunningService] = []

    def settings(self, **changes: Any) -> Settings:
        values = {"database_url": f"sqlite:///{self.database}", "backup_dir": self.backups} | changes
        return Settings(_env_file=None, **values)  # type: ignore[arg-type]  # by name

    def round(
        self,
        offsite: Offsite | None = None,
        *,
        free: Callable[[Path], int] = free_bytes,
        clock: Callable[[], float] | None = None,
        stop: Stop | None = None,
        **changes: Any,
    ) -> Round:
        settings = self.settings(**changes)
        self.telemetry = BackupTelemetry(
            stages=STAGES, interval_seconds=1, has_remote=offsite is not None, last_verified=lambda: 0.0
        )
        clocks = {} if clock is None else {"clock": clock}
        return Round(settings, self.telemetry, stop or Stop(), offsite, free=free, **clocks)

    def backup(self, **changes: Any) -> Path:
        made = self.round(**changes).run()
        assert made is not None
        return made

    def failures(self, stage: str) -> float:
        return self.telemetry.registry.get_sample_value("backup_failures_total", {"stage": stage}) or 0

    def add(self, number: int, **fields: Any) -> list[Job]:
        """Jobs in the database, while no service runs."""
        jobs = [make_job(**fields) for _ in range(number)]

        async def add_all() -> None:
            async with open_sqlite_store(self.database) as store:
                await asyncio.gather(*(store.add(job) for job in jobs))

        asyncio.run(add_all())
        return jobs

    def serve(self, **settings: Any) -> RunningService:
        running = RunningService(self.folder, **{"workers": 1} | settings)
        self.services.append(running)
        return running.start()

    def environment(self, **settings: Any) -> dict[str, str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("SERVICE_")}
        values = {
            "database_url": f"sqlite:///{self.database}",
            "backup_dir": self.backups,
            "log_format": "json",
        } | settings
        return clean | {f"SERVICE_{name.upper()}": str(value) for name, value in values.items()}

    def run(self, *arguments: str, stdin: bytes = b"", **settings: Any) -> "subprocess.CompletedProcess[bytes]":
        return subprocess.run(
            [sys.executable, "-m", "service", *arguments],
            cwd=ROOT,
            env=self.environment(**settings),
            input=stdin,
            capture_output=True,
            check=False,
        )

    def files(self) -> set[str]:
        """All that is in the folder of backups but its lock."""
        return {path.name for path in self.backups.glob("*")} - {".lock"}


def unpacked(backup: Path) -> Path:
    """The database in it, as anybody could take it out."""
    target = backup.with_name("unpacked.db")
    with gzip.open(backup) as source, target.open("wb") as file:
        shutil.copyfileobj(source, file)
    return target


def rows(database: Path, query: str = "SELECT id FROM job ORDER BY seq") -> list[Any]:
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return connection.execute(query).fetchall()


def ids(database: Path) -> list[str]:
    return [row[0] for row in rows(database)]


def lines(output: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines() if line.startswith(b"{")]
