"""Makes one backup: space, copy, compress, verify, name. Only what was restored and found whole gets its name."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from service.backup import archive, inspection, restoration, snapshot
from service.backup.failure import BackupFailed, Stage, Unsound
from service.backup.inspection import Contents
from service.backup.stop import Stop

RESERVE_BYTES = 256 * 2**20
"""Left free beyond what a backup needs: the service writes to that disk too."""


def make(
    database: Path, folder: Path, clock: Callable[[], float], free: Callable[[Path], int], stop: Stop
) -> tuple[Path, Contents]:
    """The backup and what is in it. Raises `BackupFailed` or `Stopped`; then nothing is left behind."""
    with _failing_as("space"):
        _require_space(database, free(folder))
    final = folder / archive.name_of(clock())
    if final.exists():  # another process made one within this second
        stop.sleep(1)
        final = folder / archive.name_of(clock())
    if final.exists():
        raise BackupFailed("copy", f"{final.name} is there already")
    with _failing_as("copy"), archive.partial(folder) as partial:
        copied, packed = partial / "copy.db", partial / final.name
        snapshot.copy(database, copied, stop)
        original = inspection.inspect(copied, stop)
        with _failing_as("compress"):
            archive.compress(copied, packed, stop)
        copied.unlink()  # room for the restored one
        with _failing_as("verify"), packed.open("rb") as source:
            found = restoration.restored(source, partial / "restored.db", stop)
        if found != original:
            raise BackupFailed("verify", f"restored, it has {found} instead of {original}")
        archive.publish(packed, final)
    return final, found


def _require_space(database: Path, free: int) -> None:
    """For the copy beside the compressed file, then for that beside the restored database."""
    files = [database, Path(f"{database}-wal")]
    needed = 2 * sum(file.stat().st_size for file in files if file.exists()) + RESERVE_BYTES
    if free < needed:
        raise BackupFailed("space", f"{needed} bytes are needed, {free} are free")


@contextmanager
def _failing_as(stage: Stage) -> Iterator[None]:
    try:
        yield
    except Unsound as problem:
        raise BackupFailed(stage, str(problem)) from problem
    except OSError as error:
        raise BackupFailed(stage, error.strerror or str(error)) from error
