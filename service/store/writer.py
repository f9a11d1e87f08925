"""Group commit: one thread per process writes, and all that waits for it shares one transaction and one fsync.

The thread takes the write lock first and forms the batch then, so that what arrives while others write goes along.
Callers wait on futures; one call into the event loop answers a whole batch.
"""

import asyncio
import concurrent.futures
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from service.domain.job import StorageUnavailable
from service.domain.ports import Receipt, StoreObserver
from service.store import batch, driver, health
from service.store.answer import answer
from service.store.batch import Call, Operation
from service.store.database import Database
from service.store.health import Health
from service.store.inbox import Inbox
from service.store.lock import WriteLock
from service.store.statements import Transaction
from service.store.wakeup import Wakeup
from service.store.watch import Watch

BATCH_LIMIT = 512
"""Calls in one transaction, so that it holds the lock for some tens of milliseconds at most."""

PATIENCE_SECONDS = 10.0
"""How long a call waits for the lock (another process may be stopped while it holds it) before it is given up."""


class Writer:
    """`order`: all operations, in the order in which they run within a batch."""

    def __init__(
        self,
        database: Database,
        lock: WriteLock,
        order: Sequence[Operation],
        wakeup: Wakeup,
        watch: Watch,
        observer: StoreObserver,
    ) -> None:
        self._database = database
        self._lock = lock
        self._order = order
        self._wakeup = wakeup
        self._watch = watch
        self._observer = observer
        self._health = Health(database, lock, observer)
        self._inbox = Inbox()
        self._loop = asyncio.get_running_loop()
        self._sweep: asyncio.TimerHandle | None = None
        self._opened: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._thread = threading.Thread(target=self._serve, name="store-writer", daemon=True)

    async def open(self) -> None:
        """Raises `StorageUnavailable`."""
        self._thread.start()
        await asyncio.wrap_future(self._opened)

    async def close(self) -> None:
        """What waits is still written."""
        self._inbox.close()
        await asyncio.to_thread(self._thread.join, PATIENCE_SECONDS)

    def check(self) -> None:
        """Raises `StorageUnavailable` with the reason if a write would fail now."""
        self._health.check()

    def require_room(self) -> None:
        """Raises `StorageUnavailable` if no more jobs should be added now, although they could be."""
        self._health.require_room_in_log()

    async def run(
        self, operation: Operation, argument: Any, durable: Callable[[Any], None] | None = None
    ) -> tuple[Any, Receipt]:
        """The operation's result, once durable; `durable` is told it in the writer's thread, before the event loop is.
        Raises `StorageUnavailable`, or the exception that is its result."""
        future: asyncio.Future[Any] = self._loop.create_future()
        call = Call(operation, argument, future, time.monotonic(), durable=durable)
        self._inbox.put(call)
        if self._sweep is None:  # one timer for all calls: most are answered within milliseconds
            self._sweep = self._loop.call_later(PATIENCE_SECONDS, self._give_up_old)
        try:
            return await future, call.receipt
        except asyncio.CancelledError:
            self._inbox.withdraw(call)
            raise

    def run_blocking(self, operation: Operation, argument: Any) -> Any:
        """The same for a caller in another thread than the event loop's."""
        future: concurrent.futures.Future[Any] = concurrent.futures.Future()
        call = Call(operation, argument, future, time.monotonic())
        self._inbox.put(call)
        concurrent.futures.wait([future], PATIENCE_SECONDS)
        if self._inbox.withdraw(call):
            answer(call.future, _given_up())
        return future.result()

    def _give_up_old(self) -> None:
        self._sweep = None
        for call in self._inbox.withdraw_older(time.monotonic() - PATIENCE_SECONDS):
            answer(call.future, _given_up())
        if self._inbox:
            self._sweep = self._loop.call_later(PATIENCE_SECONDS / 10, self._give_up_old)

    # What follows runs in the writer's thread.

    def _serve(self) -> None:
        try:
            with self._lock.held():
                self._database.open()
        except Exception as error:
            self._opened.set_exception(StorageUnavailable(health.reason(error)))
            return
        self._opened.set_result(None)
        while self._inbox.wait(self._health.seconds_to_care):
            if self._inbox:
                self._commit()
                self._health.checkpoint_if_due()
            if not self._health.seconds_to_care:
                self._health.care()
        self._close()

    def _commit(self) -> None:
        calls: list[Call] = []
        transaction: Transaction | None = None
        try:
            with self._lock.held():
                started = time.monotonic()
                if calls := self._inbox.take(BATCH_LIMIT):
                    transaction = self._transact(calls, started)
        except Exception as error:
            calls = calls or self._inbox.take(BATCH_LIMIT)
            self._fail(calls, error)
        self._answer(calls, transaction)
        if transaction is not None:
            if transaction.more or self._wakeup.is_too_much(transaction.runnable):
                self._wakeup.wake_siblings()
            self._watch.tell_siblings(transaction.changed)

    def _transact(self, calls: Sequence[Call], started: float) -> Transaction:
        if not self._database.is_open:
            raise StorageUnavailable(self._health.failure or "database is closed")
        changes = self._database.connection.total_changes
        transaction = batch.run(self._database.connection, calls, self._order, self._database.verify)
        for call in calls:
            call.receipt = Receipt(batch_size=len(calls), waited_seconds=max(0.0, started - call.asked_at))
        if changed := self._database.connection.total_changes - changes:
            self._database.written(changed)
            self._health.written()
            self._observer.committed(time.monotonic() - started, len(calls))
        return transaction

    def _fail(self, calls: Sequence[Call], error: Exception) -> None:
        if driver.is_busy(error):
            self._observer.busy()
        storage = health.is_storage(error)
        if storage and self._health.failure is None:
            self._health.failed(error)
        for call in calls:
            call.outcome = StorageUnavailable(health.reason(error)) if storage else error

    def _answer(self, calls: Sequence[Call], transaction: Transaction | None) -> None:
        for_loop = [call for call in calls if isinstance(call.future, asyncio.Future)]
        for call in calls:
            if call.durable is not None and not isinstance(call.outcome, Exception):
                call.durable(call.outcome)
            if not isinstance(call.future, asyncio.Future):
                answer(call.future, call.outcome)
        if for_loop or (transaction is not None and (transaction.runnable or transaction.changed)):
            with suppress(RuntimeError):  # the event loop is closed: nobody waits any more
                self._loop.call_soon_threadsafe(self._answer_in_loop, for_loop, transaction)

    def _answer_in_loop(self, calls: Sequence[Call], transaction: Transaction | None) -> None:
        for call in calls:
            answer(call.future, call.outcome)
        if transaction is not None:
            if transaction.runnable:
                self._wakeup.wake()
            self._watch.tell(transaction.changed)

    def _close(self) -> None:
        try:
            with self._lock.held():
                self._database.close()
        except OSError:  # without its directory there is no lock, and nothing that closing could write to
            self._database.close()


def _given_up() -> StorageUnavailable:
    return StorageUnavailable("another process holds the database's write lock")
