"""The calls that wait for the writer."""

import threading
from itertools import islice

from service.domain.job import StorageUnavailable
from service.store.batch import Call


class Inbox:
    """Filled from any thread, emptied by the writer's. A call that was not taken yet can be taken back."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: dict[Call, None] = {}  # in order of arrival
        self._closed = False

    def put(self, call: Call) -> None:
        """Raises `StorageUnavailable` once closed."""
        with self._changed:
            if self._closed:
                raise StorageUnavailable("the store is closed")
            self._waiting[call] = None
            self._changed.notify()

    def withdraw(self, call: Call) -> bool:
        """Whether it still waited: then it is never run."""
        with self._changed:
            waited = call in self._waiting
            self._waiting.pop(call, None)
            return waited

    def take(self, limit: int) -> list[Call]:
        with self._changed:
            calls = list(islice(self._waiting, limit))
            for call in calls:
                del self._waiting[call]
            return calls

    def wait(self, seconds: float) -> bool:
        """Until a call waits or the time is over; False once closed and empty."""
        with self._changed:
            if not self._waiting and not self._closed:
                self._changed.wait(max(0.0, seconds))
            return bool(self._waiting) or not self._closed

    def close(self) -> None:
        """Take no more calls; those that wait may still be taken."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def __bool__(self) -> bool:
        return bool(self._waiting)
