"""Group commit: one thread per process writes, and all that waits for it shares one transaction and one fsync.

The thread takes the write lock first and forms the batch then, so that what arrives while others write goes along.
Callers wait on futures; one call into the event loop answers a whole batch.
"""

import asyncio
import concurrent.futures
import logging
import threading
import time
from collections.abc import Sequence
from itertools import islice
from typing import Any

from service.domain.job import StorageUnavailable
from service.domain.ports import Receipt, StoreObserver
from service.store import batch, driver
from service.store.batch import Call, Operation
from service.store.database import Database
from service.store.identity import Moved
from service.store.lock import WriteLock
from service.store.statements import Transaction
from service.store.wakeup import Wakeup

BATCH_LIMIT = 512
"""Calls in one transaction, so that it holds the lock for some tens of milliseconds at most."""

PATIENCE_SECONDS = 10.0
"""How long a call waits for the lock (another process may be stopped while it holds it) before it is given up."""

CARE_SECONDS = 1.0
"""Between two looks at the file while nothing happens."""

QUIET_SECONDS = 0.25
"""After the last commit the log is written into the file, so that the file alone is whole while nothing happens."""

FREE_BYTES = 2**20
"""With less the disk counts as full: a commit might find room in the log, and the next one not."""


class Writer:
    """`order`: all operations, in the order in which they run within a batch."""

    def __init__(
        self, database: Database, lock: WriteLock, order: Sequence[Operation], wakeup: Wakeup, observer: StoreObserver
    ) -> None:
        self._database = database
        self._lock = lock
        self._order = order
        self._wakeup = wakeup
        self._observer = observer
        self._loop = asyncio.get_running_loop()
        self._changed = threading.Condition()
        self._waiting: dict[Call, None] = {}  # in order of arrival
        self._stopping = False
        self._failure: str | None = None  # why the storage failed last; None once a write succeeded
        self._care_at = 0.0
        self._opened: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._thread = threading.Thread(target=self._serve, name="store-writer", daemon=True)

    async def open(self) -> None:
        """Raises `StorageUnavailable`."""
        self._thread.start()
        await asyncio.wrap_future(self._opened)

    async def close(self) -> None:
        """What waits is still written."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        await asyncio.to_thread(self._thread.join, PATIENCE_SECONDS)

    async def run(self, operation: Operation, argument: Any) -> tuple[Any, Receipt]:
        """The operation's result, once durable. Raises `StorageUnavailable`, or the exception that is its result."""
        future: asyncio.Future[Any] = self._loop.create_future()
        call = Call(operation, argument, future)
        self._ask(call)
        timer = self._loop.call_later(PATIENCE_SECONDS, self._give_up, call)
        try:
            return await future, call.receipt
        except asyncio.CancelledError:
            self._withdraw(call)
            raise
        finally:
            timer.cancel()

    def run_blocking(self, operation: Operation, argument: Any) -> Any:
        """The same for a caller in another thread than the event loop's."""
        future: concurrent.futures.Future[Any] = concurrent.futures.Future()
        call = Call(operation, argument, future)
        self._ask(call)
        concurrent.futures.wait([future], PATIENCE_SECONDS)
        self._give_up(call)
        return future.result()

    def check(self) -> None:
        """Raises `StorageUnavailable` with the reason if a write would fail now; costs a few microseconds."""
        if self._failure:
            raise StorageUnavailable(self._failure)
        try:
            self._database.verify()
            if self._database.free_bytes() < FREE_BYTES:
                raise StorageUnavailable("disk full")
        except (Moved, OSError) as error:
            raise StorageUnavailable(_reason(error)) from error

    def _ask(self, call: Call) -> None:
        with self._changed:
            if self._stopping:
                raise StorageUnavailable("the store is closed")
            self._waiting[call] = None
            self._changed.notify()

    def _withdraw(self, call: Call) -> bool:
        """Whether the call still waited: then it is never run."""
        with self._changed:
            waited = call in self._waiting
            self._waiting.pop(call, None)
            return waited

    def _give_up(self, call: Call) -> None:
        if self._withdraw(call):
            call.future.set_exception(StorageUnavailable("another process holds the write lock"))

    # What follows runs in the writer's thread.

    def _serve(self) -> None:
        try:
            with self._lock.held():
                self._database.open()
        except Exception as error:
            self._opened.set_exception(StorageUnavailable(_reason(error)))
            return
        self._opened.set_result(None)
        while self._wait():
            self._commit()
            if time.monotonic() >= self._care_at:
                self._care()
        self._close()

    def _wait(self) -> bool:
        """Until there is something to do; False once closed and nothing waits."""
        with self._changed:
            if not self._waiting and not self._stopping:
                self._changed.wait(max(0.0, self._care_at - time.monotonic()))
            return bool(self._waiting) or not self._stopping

    def _take(self) -> list[Call]:
        with self._changed:
            calls = list(islice(self._waiting, BATCH_LIMIT))
            for call in calls:
                del self._waiting[call]
            return calls

    def _commit(self) -> None:
        if not self._waiting:
            return
        calls: list[Call] = []
        transaction: Transaction | None = None
        try:
            with self._lock.held():
                started = time.monotonic()
                calls = self._take()
                transaction = self._transact(calls, started)
        except Exception as error:
            calls = calls or self._take()
            if driver.is_busy(error):
                self._observer.busy()
            if _is_storage(error) and not self._failure:
                self._failed(error)
            for call in calls:
                call.outcome = StorageUnavailable(_reason(error)) if _is_storage(error) else error
        self._answer(calls, transaction)
        if self._database.checkpoint_is_due():
            self._checkpoint()

    def _transact(self, calls: Sequence[Call], started: float) -> Transaction | None:
        if not calls:
            return None
        if not self._database.is_open:
            raise StorageUnavailable(self._failure or "database is closed")
        connection = self._database.connection
        changes = connection.total_changes
        transaction = batch.run(connection, calls, self._order, self._database.verify)
        for call in calls:
            call.receipt = Receipt(batch_size=len(calls), waited_seconds=max(0.0, started - call.asked_at))
        if connection.total_changes != changes:
            self._observer.committed(time.monotonic() - started, len(calls))
            self._succeeded()
        self._care_at = min(self._care_at, time.monotonic() + QUIET_SECONDS)
        return transaction

    def _answer(self, calls: Sequence[Call], transaction: Transaction | None) -> None:
        for_loop = []
        for call in calls:
            if isinstance(call.future, asyncio.Future):
                for_loop.append(call)
            else:
                _resolve(call)
        runnable = transaction is not None and transaction.runnable
        if for_loop or runnable:
            try:
                self._loop.call_soon_threadsafe(self._answer_in_loop, for_loop, runnable)
            except RuntimeError:
                return  # the event loop is closed: nobody waits any more
        if transaction is not None and (runnable or transaction.more):
            self._wakeup.wake_siblings()

    def _answer_in_loop(self, calls: Sequence[Call], runnable: bool) -> None:
        for call in calls:
            _resolve(call)
        if runnable:
            self._wakeup.wake()

    def _checkpoint(self) -> None:
        try:
            with self._lock.held():
                self._database.verify()
                self._database.checkpoint()
        except Exception as error:
            self._failed(error)

    def _care(self) -> None:
        """See that the file is still there and the log small, and find out whether a failure has passed."""
        self._care_at = time.monotonic() + CARE_SECONDS
        try:
            if self._failure is not None or not self._is_fine():
                with self._lock.held():
                    self._repair()
        except Exception as error:
            self._failed(error)
            self._care_at = time.monotonic() + CARE_SECONDS  # another try

    def _is_fine(self) -> bool:
        try:
            self._database.verify()
        except Moved as error:
            self._failed(error)
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
        if self._failure:
            if self._database.free_bytes() < FREE_BYTES:
                raise StorageUnavailable("disk full")
            self._database.probe()
            self._succeeded()
        if self._database.log_is_quiet(QUIET_SECONDS):
            self._database.flush()

    def _failed(self, error: Exception) -> None:
        reason = _reason(error)
        if reason != self._failure:
            self._observer.event("store_failed", logging.ERROR, reason=reason)
            self._care_at = 0.0
        self._failure = reason

    def _succeeded(self) -> None:
        if self._failure:
            self._observer.event("store_recovered", logging.INFO, after=self._failure)
        self._failure = None

    def _close(self) -> None:
        try:
            with self._lock.held():
                self._database.close()
        except OSError:
            self._database.close()


def _resolve(call: Call) -> None:
    if call.future.done():
        return  # its caller was cancelled
    if isinstance(call.outcome, Exception):
        call.future.set_exception(call.outcome)
    else:
        call.future.set_result(call.outcome)


def _is_storage(error: Exception) -> bool:
    return isinstance(error, Moved | StorageUnavailable) or driver.is_storage_failure(error)


def _reason(error: Exception) -> str:
    return driver.reason(error) if driver.is_storage_failure(error) else str(error)
