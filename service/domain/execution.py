"""One handler, run so that it can harm nobody else: it may raise, hang, call `sys.exit`, swallow its cancellation, or
return something that is not JSON. What comes out is always a settlement."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Any

from service.domain.job import Job, NonRetryable, Outcome, Settlement, retry_delay_seconds
from service.domain.ports import Clock

RESULT_LIMIT_BYTES = 256 * 1024
ERROR_LIMIT_CHARACTERS = 2000

_to_json = json.JSONEncoder(allow_nan=False, ensure_ascii=False).encode


class EndedBy(Enum):
    """Why a running handler is told to end."""

    TIMEOUT = "timeout"
    CANCEL = "cancel"
    STOP = "stop"  # the worker stops: the job is given back
    LEASE_LOST = "lease_lost"  # another worker has the job: whatever is reported here will be refused


class HandlerError(Exception):
    """A handler ended in a way that is no ordinary exception."""


class Execution:
    """One run of a handler, in a task of its own. `end` may be called at any time; the first reason counts."""

    def __init__(self, job: Job, call: Callable[[], Awaitable[Any]], *, grace_seconds: float) -> None:
        self.job = job
        self.error: BaseException | None = None
        self.abandoned: asyncio.Task[Any] | None = None  # still running, although cancelled long ago
        self._call = call
        self._grace_seconds = grace_seconds
        self._ended_by: EndedBy | None = None
        self._task: asyncio.Task[Any] | None = None
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def end(self, reason: EndedBy) -> None:
        if self._ended_by is not None or self._over.done():
            return
        self._ended_by = reason
        if self._task is not None:
            self._task.cancel()
        # A handler that swallows its cancellation would keep this slot for ever: take the slot back without it.
        asyncio.get_running_loop().call_later(self._grace_seconds, self._ends)

    async def settlement(self, clock: Clock, chance: Callable[[], float], trace_id: str | None) -> Settlement:
        """Run the handler to its end, whatever that is."""
        result = await self._result()
        outcome, error = self._outcome()
        now = clock()
        return Settlement(
            job_id=self.job.id,
            run=self.job.run,
            outcome=outcome,
            finished_at=now,
            result=result if outcome is Outcome.SUCCEEDED else None,
            error=error,
            retry_at=now + retry_delay_seconds(self.job.attempt, chance()) if outcome is Outcome.RETRIED else None,
            trace_id=trace_id,
        )

    async def _result(self) -> Any:
        loop = asyncio.get_running_loop()
        self._task = task = asyncio.create_task(self._contained())
        task.add_done_callback(self._ends)
        if self._ended_by is not None:
            task.cancel()
        alarm = loop.call_later(self.job.timeout_seconds, self.end, EndedBy.TIMEOUT)
        try:
            await self._over
        except asyncio.CancelledError:  # the whole worker is going down
            task.cancel()
            raise
        finally:
            alarm.cancel()
        if not task.done():
            self.abandoned = task
            self.error = HandlerError("the handler ignored its cancellation")
        elif task.cancelled():
            self.error = HandlerError("the handler cancelled itself")
        elif (error := task.exception()) is not None:
            self.error = error
        else:
            return task.result()
        return None

    def _ends(self, _: object = None) -> None:
        if not self._over.done():
            self._over.set_result(None)

    async def _contained(self) -> Any:
        try:
            result = await self._call()
        except (SystemExit, KeyboardInterrupt) as exit_:
            # asyncio re-raises these two out of the event loop, which would end the process and every sibling.
            raise HandlerError(f"the handler called sys.exit: {exit_!r}") from exit_
        require_json(result)
        return result

    def _outcome(self) -> tuple[Outcome, str | None]:
        """The reason it was told to end wins over what the handler made of its cancellation: one that swallows it and
        returns has not done its work."""
        match self._ended_by:
            case EndedBy.CANCEL:
                return Outcome.CANCELLED, None
            case EndedBy.STOP:
                return Outcome.RELEASED, None
            case EndedBy.LEASE_LOST:
                return Outcome.RELEASED, "the lease was lost"
            case EndedBy.TIMEOUT:
                return self._failure(), f"timed out after {self.job.timeout_seconds:g} s"
        if self.error is None:
            return Outcome.SUCCEEDED, None
        return self._failure(), error_text(self.error)

    def _failure(self) -> Outcome:
        final = isinstance(self.error, NonRetryable) or self.job.attempt >= self.job.max_attempts
        return Outcome.FAILED if final else Outcome.RETRIED


def require_json(result: Any) -> None:
    """Raises `NonRetryable` unless `result` can be stored and sent: JSON, of at most `RESULT_LIMIT_BYTES`."""
    try:
        size = len(_to_json(result).encode())
    except (TypeError, ValueError, RecursionError) as problem:  # ValueError: NaN, cycles, lone surrogates
        raise NonRetryable(f"the handler returned something that is not JSON: {problem}") from problem
    if size > RESULT_LIMIT_BYTES:
        raise NonRetryable(f"the handler's result has {size} bytes; {RESULT_LIMIT_BYTES} are allowed")


def error_text(error: BaseException) -> str:
    """`Type: message`, capped, and always storable: a message may be unprintable or hold lone surrogates."""
    try:
        text = f"{type(error).__name__}: {error}"
    except Exception:
        text = f"{type(error).__name__}: (its message cannot be shown)"
    return text.encode("utf-8", "backslashreplace").decode()[:ERROR_LIMIT_CHARACTERS]
