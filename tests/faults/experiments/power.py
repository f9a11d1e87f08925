"""Power loss, simulated: the disk after it is made from a record of all writes and syncs, and SQLite opens it.

No machine is switched off. What is tested is that the service acknowledges nothing before it was synced, and that what
a disk may keep beside leaves a sound database. That a drive keeps what it said was synced is the drive's word.
"""

import contextlib
import random
import shutil
import sqlite3
from pathlib import Path

from tests.faults import power
from tests.faults.alone import alone
from tests.faults.experiment import Report, Run, experiment
from tests.faults.experiments.disk import SHIM
from tests.faults.ledger import Ledger, Outcome

KEPT = (0.0, 1.0, 0.5, 0.9)  # of what was not synced


@experiment("power loss", container=())
async def power_loss(run: Run) -> Report:
    crashes = run.pick(60, 600)
    lost = await _lost_with(run, "FULL", crashes)
    control = await _lost_with(run, "NORMAL", crashes)
    lost.report.injected = f"{crashes} crashes, simulated from {lost.records:,} writes and syncs"
    lost.report.surprises += lost.found
    lost.report.expect(control.found, "losses with synchronous=NORMAL: the experiment can fail")
    return lost.report


class _Tried:
    def __init__(self, report: Report, records: int, found: list[str]) -> None:
        self.report, self.records, self.found = report, records, found


async def _lost_with(run: Run, synchronous: str, crashes: int) -> _Tried:
    folder = run.folder / synchronous
    folder.mkdir()
    part = Run(folder, run.chance, run.full)
    writes = folder / "writes"
    shutil.copy("/dev/null", writes)
    async with alone(part, **SHIM, FAULTS_DISK=str(folder), sqlite_synchronous=synchronous) as service:
        start = service.database.read_bytes()  # made before the record begins
        async with service.load(rate=150, work_seconds=0.01).running() as load:
            await load.acknowledged(run.pick(600, 4000))
        await service.all_ended()
        verdict = service.judge(duplicates_bound=0)
    records = list(power.read(writes))
    points = sorted(run.chance.sample(range(1, len(records)), crashes))
    found = _after_each(points, records, start, service.ledger, folder / "crash", run.chance)
    return _Tried(Report("", verdict), len(records), found)


def _after_each(
    points: list[int], records: list[power.Record], start: bytes, ledger: Ledger, folder: Path, chance: random.Random
) -> list[str]:
    disks = {number: power.Disk() for number in power.NAMES}
    disks[1].safe.extend(start)
    found, done = [], 0
    for index, point in enumerate(points):
        for record in records[done:point]:
            disks[record.file].apply(record)
        done = point
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for number, name in power.NAMES.items():
            (folder / name).write_bytes(disks[number].after_power_loss(KEPT[index % len(KEPT)], chance))
        found += [
            f"crash {index} of {len(points)}: {each}"
            for each in _lost(folder / "jobs.db", records[point - 1].at, ledger)
        ]
    return found


def _lost(path: Path, at: float, ledger: Ledger) -> list[str]:
    """What had been told to someone by that time, and is not there."""
    told: dict[str, int] = {}
    for call in ledger.calls:
        if call.outcome is Outcome.ACKNOWLEDGED and call.ended < at and call.job_id is not None:
            told[call.job_id] = max(call.version, told.get(call.job_id, 0))
    try:
        with contextlib.closing(sqlite3.connect(path)) as connection:
            integrity = connection.execute("PRAGMA integrity_check").fetchone()[0]
            versions = dict(connection.execute("SELECT id, version FROM job").fetchall())
    except sqlite3.DatabaseError as error:
        return [f"the database cannot be read: {error}"]
    missing = [job_id for job_id in told if job_id not in versions]
    older = [job_id for job_id, version in told.items() if versions.get(job_id, version) < version]
    return [
        *([f"integrity_check: {integrity}"] if integrity != "ok" else []),
        *([f"{len(missing)} of {len(told)} acknowledged jobs are gone"] if missing else []),
        *([f"{len(older)} jobs are older than they were shown"] if older else []),
    ]
