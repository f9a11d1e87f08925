"""Which backup is to be restored: by its path or name, the newest one, stdin, or one that is off the machine."""

import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

from service.backup import archive
from service.backup.failure import Refused
from service.backup.offsite import Offsite

NEWEST = "newest"
STDIN = "-"


@contextmanager
def opened(file: str | None, folder: Path, offsite: Offsite | None) -> Iterator[tuple[str, BinaryIO]]:
    """Its name and bytes. With `offsite` it is fetched from there, and `file` is a name or `newest`. Raises `Refused`
    with what there is, `BackupFailed`, `OSError`, or `Stopped`."""
    with ExitStack() as stack:
        if offsite is not None:
            name = _chosen(file, [each for each in offsite.names() if archive.time_of(each)], offsite.remote)
            folder.mkdir(parents=True, exist_ok=True)  # there is room for it, and /tmp may be small
            made = stack.enter_context(tempfile.TemporaryDirectory(prefix=archive.PARTIAL, dir=folder))
            path = offsite.fetch(name, Path(made))
        elif file == STDIN:
            yield "stdin", sys.stdin.buffer
            return
        elif file is not None and Path(file).is_file():
            path = Path(file)
        else:
            path = folder / _chosen(file, archive.names(folder), str(folder))
        yield path.name, stack.enter_context(path.open("rb"))


def _chosen(file: str | None, names: Sequence[str], place: str) -> str:
    if file == NEWEST and names:
        return names[-1]
    if file is not None and file in names:
        return file
    wanted = f"There is no backup {file}" if file else "Name the backup to restore"
    raise Refused("\n".join([f"{wanted}. In {place} there are:", *(names or ["(none)"])]))
