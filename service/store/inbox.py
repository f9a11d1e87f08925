"""The calls that wait for the writer."""

import threading
from itertools import islice, takewhile

from service.domain.job import StorageUnavailable
from service.store.batch import Call


class Inbox:
    """Filled from any thread, emptied by the writer's. A call that was not taken yet can be taken back."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._waiting: dict[Call, None] = {}  # in order of arrival
        self._closed = False

    def put(self, call: Call) -> None:
        """Raises `StorageUnavailable` once closed."""
        with self._lock:
            if self._closed:
                raise StorageUnavailable("the store is closed")
            if not self._waiting:  # else the writer is awake
                self._changed.notify()
            self._waiting[call] = None

    def withdraw(self, call: Call) -> bool:
        """Whether it still waited: then it is never run."""
        with self._lock:
            waited = call in self._waiting
            self._waiting.pop(call, None)
            return waited

    def withdraw_older(self, asked_before: float) -> list[Call]:
        """Those that have waited since before that time."""
        with self._lock:
            calls = list(takewhile(lambda call: call.asked_at < asked_before, self._waiting))
            for call in calls:
                del self._waiting[call]
            return calls

    def take(self, limit: int) -> list[Call]:
        with self._lock:
            calls = list(islice(self._waiting, limit))
            for call in calls:
                del self._waiting[call]
            return calls

    def wait(self, seconds: float) -> bool:
        """Until a call waits or the time is over; False once closed and empty."""
        with self._lock:
            if not self._waiting and not self._closed:
                self._changed.wait(max(0.0, seconds))
            return bool(self._waiting) or not self._closed

    def close(self) -> None:
        """Take no more calls; those that wait may still be taken."""
        with self._lock:
            self._closed = True
            self._changed.notify()

    def __bool__(self) -> bool:
        return bool(self._waiting)
