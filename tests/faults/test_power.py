"""The disk after a power loss: what was synced is there, the rest may be."""

import random

from tests.faults.power import SYNC, TRUNCATE, WRITE, Disk, Record


def disk_with(*records: Record) -> Disk:
    disk = Disk()
    for record in records:
        disk.apply(record)
    return disk


def write(offset: int, data: bytes) -> Record:
    return Record(0.0, WRITE, 1, offset, data)


def test_what_was_synced_survives_and_what_was_not_may() -> None:
    disk = disk_with(write(0, b"a" * 512), Record(0, SYNC, 1, 0), write(512, b"b" * 512))
    assert disk.after_power_loss(0.0, random.Random(1)) == b"a" * 512
    assert disk.after_power_loss(1.0, random.Random(1)) == b"a" * 512 + b"b" * 512


def test_a_write_is_torn_at_its_sectors_only() -> None:
    disk = disk_with(write(0, bytes(1024)), Record(0, SYNC, 1, 0), write(0, b"b" * 1024))
    found = {disk.after_power_loss(0.5, random.Random(seed)) for seed in range(50)}
    sectors = (bytes(512), b"b" * 512)
    assert found == {first + second for first in sectors for second in sectors}


def test_a_truncation_that_was_not_synced_may_be_undone() -> None:
    disk = disk_with(write(0, b"abc"), Record(0, SYNC, 1, 0), Record(0, TRUNCATE, 1, 1))
    assert disk.after_power_loss(0.0, random.Random(1)) == b"abc"
    assert disk.after_power_loss(1.0, random.Random(1)) == b"a"


def test_a_gap_is_filled_with_zeros() -> None:
    assert disk_with(write(3, b"x"), Record(0, SYNC, 1, 0)).after_power_loss(0.0, random.Random(1)) == b"\0\0\0x"
