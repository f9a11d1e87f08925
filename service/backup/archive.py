"""The files: `jobs-20261124T203000Z.db.gz`, named by the time of their snapshot, so that names sort by time.

One appears under its name only when it is whole and verified. What is not there yet lives in a folder `.partial-…`.
"""

import gzip
import os
import re
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from service.backup.failure import Unsound
from service.backup.stop import Stop

NAME = re.compile(r"jobs-(\d{8}T\d{6}Z)\.db\.gz")
TIME = "%Y%m%dT%H%M%SZ"
PARTIAL = ".partial-"
CHUNK_BYTES = 2**20
LEVEL = 1  # gzip's fastest: a third of the time of the default, for a tenth more bytes


def name_of(time: float) -> str:
    return f"jobs-{datetime.fromtimestamp(time, UTC):{TIME}}.db.gz"


def time_of(name: str) -> float | None:
    """Of the snapshot, in seconds since the epoch; None: not a backup's name."""
    found = NAME.fullmatch(name)
    try:
        return datetime.strptime(found[1], TIME).replace(tzinfo=UTC).timestamp() if found else None
    except ValueError:
        return None


def names(folder: Path) -> list[str]:
    """Of the verified backups, the oldest first; none if the folder cannot be read."""
    try:
        return sorted(path.name for path in folder.iterdir() if time_of(path.name) is not None)
    except OSError:
        return []


@contextmanager
def partial(folder: Path, prefix: str = PARTIAL) -> Iterator[Path]:
    """A folder for what is not finished; nothing of it stays. In `folder`, as a rename is atomic on one file system."""
    made = Path(tempfile.mkdtemp(prefix=prefix, dir=folder))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def leftovers(folder: Path) -> list[Path]:
    """Of a process that was killed."""
    return sorted(folder.glob(f"{PARTIAL}*"))


def compress(source: Path, target: Path, stop: Stop) -> None:
    """Durable when it returns, and for nobody else to read. Raises `OSError`, or `Stopped`."""
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with source.open("rb") as plain, open(descriptor, "wb") as file:  # noqa: PTH123  of a descriptor
        with gzip.GzipFile(filename="", mode="wb", compresslevel=LEVEL, fileobj=file, mtime=0) as packed:
            while chunk := plain.read(CHUNK_BYTES):
                stop.check()
                packed.write(chunk)
        file.flush()
        os.fsync(file.fileno())


def extract(source: BinaryIO, target: Path, stop: Stop) -> None:
    """Durable when it returns; gzip's checksum is compared. Raises `Unsound`, `OSError`, or `Stopped`."""
    try:
        with gzip.GzipFile(fileobj=source, mode="rb") as packed, target.open("xb") as file:
            while chunk := packed.read(CHUNK_BYTES):
                stop.check()
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise Unsound(f"the file is damaged: {error}") from error


def publish(source: Path, target: Path) -> None:
    """Give a finished file its name, for good."""
    source.rename(target)
    sync(target.parent)


def sync(folder: Path) -> None:
    """A rename is durable once its folder is."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
