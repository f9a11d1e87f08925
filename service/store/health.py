"""Whether the storage can be written now; and the care between commits that keeps it so.

Care sees that the file is still at its path and finds it again when it comes back, tries whether a failure has passed,
and keeps the log small. It runs in the writer's thread; `check` may be called from any.
"""

import logging
import time

from service.domain.job import StorageUnavailable
from service.domain.ports import StoreObserver
from service.store import driver
from service.store.database import Database
from service.store.identity import Moved
from service.store.lock import WriteLock

CARE_SECONDS = 1.0
"""Between two looks at the file while nothing happens."""

QUIET_SECONDS = 0.25
"""After the last commit the log is written into the file, so that the file alone is whole while nothing happens."""

FREE_BYTES = 2**20
"""With less the disk counts as full: a commit might find room in the log, and the next one not."""


class Health:
    def __init__(self, database: Database, lock: WriteLock, observer: StoreObserver) -> None:
        self.failure: str | None = None  # why the storage failed last; None once a write succeeded
        self._database = database
        self._lock = lock
        self._observer = observer
        self._care_at = 0.0

    @property
    def seconds_to_care(self) -> float:
        return max(0.0, self._care_at - time.monotonic())

    def check(self) -> None:
        """Raises `StorageUnavailable` with the reason if a write would fail now; costs a few microseconds."""
        if self.failure is not None:
            raise StorageUnavailable(self.failure)
        try:
            self._database.verify()
            self._require_space()
        except (Moved, OSError) as error:
            raise StorageUnavailable(reason(error)) from error
        self.require_room_in_log()

    def require_room_in_log(self) -> None:
        """Raises `StorageUnavailable`. It is asked before a job is added: whoever ends one may always write."""
        if self._database.log_is_full():
            raise StorageUnavailable("write-ahead log is full: something has been reading the database for too long")

    def written(self) -> None:
        """A commit reached the disk."""
        if self.failure is not None:
            self._observer.event("store_recovered", logging.INFO, after=self.failure)
        self.failure = None
        self._care_at = min(self._care_at, time.monotonic() + QUIET_SECONDS)

    def failed(self, error: Exception) -> None:
        if reason(error) != self.failure:
            self._observer.event("store_failed", logging.ERROR, reason=reason(error))
            self._care_at = 0.0
        self.failure = reason(error)

    def care(self) -> None:
        self._care_at = time.monotonic() + CARE_SECONDS
        try:
            if self.failure is not None or not self._is_fine():
                with self._lock.held():
                    self._repair()
        except Exception as error:
            self.failed(error)
            self._care_at = time.monotonic() + CARE_SECONDS  # and try again

    def checkpoint_if_due(self) -> None:
        """A failure costs nobody a commit: what the log holds is durable there."""
        if not self._database.checkpoint_is_due():
            return
        try:
            with self._lock.held():
                self._database.verify()
                self._database.checkpoint()
        except Exception as error:
            self.failed(error)

    def _is_fine(self) -> bool:
        try:
            self._database.verify()
        except Moved as error:
            self.failed(error)
            return False
        return not self._database.log_is_quiet(QUIET_SECONDS)

    def _repair(self) -> None:
        if self._database.is_open:
            try:
                self._database.verify()
            except Moved:
                self._database.leave()
        if not self._database.is_open:
            self._database.open()
        if self.failure is not None:
            self._require_space()
            self._database.probe()
            self.written()
        if self._database.log_is_quiet(QUIET_SECONDS):
            self._database.flush()

    def _require_space(self) -> None:
        if self._database.free_bytes() < FREE_BYTES:
            raise StorageUnavailable("disk full")


def is_storage(error: Exception) -> bool:
    return isinstance(error, Moved | StorageUnavailable) or driver.is_storage_failure(error)


def reason(error: Exception) -> str:
    return driver.reason(error) if driver.is_storage_failure(error) else str(error)
