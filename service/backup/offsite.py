"""The copy off the machine, by rclone: an S3-compatible store, an SFTP server, and many others, by its configuration.

rclone compares what it sent with what arrived; here it is asked once more, as another run, before a copy counts.
"""

import re
import sys
from pathlib import Path

from service.backup.failure import BackupFailed
from service.backup.stop import Stop

BESIDE = Path(sys.executable).with_name("rclone")
PROGRAM = str(BESIDE) if BESIDE.exists() else "rclone"  # where pip puts it, also of a .venv that is not on PATH
STAMP = re.compile(r"^\S+ \S+ [A-Z]+\s*: ")  # date, time and level: the log line has its own
# An ill remote must not hold up the next backup: few tries, each bounded.
LIMITS = ("--retries", "2", "--low-level-retries", "3", "--contimeout", "15s", "--timeout", "60s")


class Offsite:
    """`remote`: rclone's REMOTE:path, one folder for one installation. Every method raises `BackupFailed` with rclone's
    own last words, or `Stopped`."""

    def __init__(self, remote: str, configuration: Path, stop: Stop) -> None:
        self.remote = remote.rstrip("/") if not remote.endswith(":") else remote
        self._configuration = configuration
        self._stop = stop

    def names(self) -> list[str]:
        return sorted(self._run("lsf", "--files-only", self.remote).split())

    def copy(self, backup: Path) -> None:
        """Harmless if it is there already."""
        self._run("copy", str(backup), self.remote)
        # By checksum where the other side can tell one, else by size.
        only = ("--one-way", "--include", f"/{backup.name}")
        self._run("check", *only, str(backup.parent), self.remote)

    def fetch(self, name: str, folder: Path) -> Path:
        self._run("copy", self._at(name), str(folder))
        return folder / name

    def delete(self, name: str) -> None:
        self._run("deletefile", self._at(name))

    def _at(self, name: str) -> str:
        return f"{self.remote}{name}" if self.remote.endswith(":") else f"{self.remote}/{name}"

    def _run(self, action: str, *arguments: str) -> str:
        command = [PROGRAM, action, "--config", str(self._configuration), *LIMITS, *arguments]
        try:
            found = self._stop.run(command)
        except OSError as error:
            raise BackupFailed("offsite", f"rclone cannot be run: {error.strerror}") from error
        if found.returncode:
            said = found.stderr.strip().splitlines() or ["no reason given"]
            raise BackupFailed("offsite", f"rclone {action}: {STAMP.sub('', said[-1])}")
        return found.stdout
