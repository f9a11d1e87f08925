"""Why a backup was not made, or a restore refused."""

from typing import Literal

Stage = Literal["space", "copy", "compress", "verify", "rotate", "offsite", "defect"]
STAGES: tuple[Stage, ...] = ("space", "copy", "compress", "verify", "rotate", "offsite", "defect")
"""Where it may fail; a label of `backup_failures_total`."""


class BackupFailed(Exception):
    def __init__(self, stage: Stage, reason: str) -> None:
        super().__init__(reason)
        self.stage = stage


class Unsound(Exception):
    """What was inspected is not a whole database of this service."""


class Refused(Exception):
    """A restore that would destroy something, or has nothing to restore; with what to do about it."""
