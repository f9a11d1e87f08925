"""What a disk may hold after a power loss, made from a record of all writes and syncs (`disk.c`).

What was synced is there. Of what was written since, any part may be: the drive's cache keeps no order and tears a write
at its sectors. So each crash is tried with none of it, all of it, and parts chosen by chance.
"""

import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

WRITE, TRUNCATE, SYNC = 1, 2, 3
NAMES = {1: "jobs.db", 2: "jobs.db-wal"}
SECTOR = 512
HEADER = struct.Struct("=diiqq")


@dataclass(frozen=True, slots=True)
class Record:
    at: float  # seconds of the monotonic clock, once it was done
    what: int
    file: int
    offset: int  # of a write; the length, of a truncation
    data: bytes = b""


@dataclass(slots=True)
class Disk:
    """One file: what is safe, and what was done since its last sync."""

    safe: bytearray = field(default_factory=bytearray)
    since: list[Record] = field(default_factory=list)

    def apply(self, record: Record) -> None:
        if record.what == SYNC:
            for each in self.since:
                _do(self.safe, each)
            self.since.clear()
        else:
            self.since.append(record)

    def after_power_loss(self, kept: float, chance: random.Random) -> bytes:
        """`kept`: the probability of each sector that was written since the last sync."""
        found = bytearray(self.safe)
        for record in self.since:
            if record.what == TRUNCATE:
                if chance.random() < kept:
                    _do(found, record)
                continue
            for start in range(0, len(record.data), SECTOR):
                if chance.random() < kept:
                    sector = record.data[start : start + SECTOR]
                    _do(found, Record(record.at, WRITE, record.file, record.offset + start, sector))
        return bytes(found)


def read(path: Path) -> Iterator[Record]:
    with path.open("rb") as file:
        while len(header := file.read(HEADER.size)) == HEADER.size:
            at, what, number, offset, length = HEADER.unpack(header)
            yield Record(at, what, number, offset, file.read(length))


def _do(content: bytearray, record: Record) -> None:
    if record.what == TRUNCATE:
        del content[record.offset :]
        content.extend(bytes(record.offset - len(content)))
        return
    if (gap := record.offset - len(content)) > 0:
        content.extend(bytes(gap))
    content[record.offset : record.offset + len(record.data)] = record.data
