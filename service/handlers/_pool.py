"""A process pool for CPU-bound kinds: made at first use, survives the death of a child, and closes at once."""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import asynccontextmanager
from multiprocessing import active_children
from typing import TypeVar, TypeVarTuple

from service.handlers._child import ChildContext, ChildProcess, prepare

CHILDREN = 2  # for each worker process; started as needed

Arguments = TypeVarTuple("Arguments")
Result = TypeVar("Result")


class ProcessPool:
    """Runs importable functions in child processes. One for each worker process."""

    def __init__(self, children: int = CHILDREN) -> None:
        self._children = children
        self._executor = self._make_executor()
        self._closed = False
        # Calls wait here, not in the executor: if a child dies while a cancelled call waits there, the executor's own
        # thread fails (Python 3.11: InvalidStateError) and the calls of others are never answered.
        self._free = asyncio.Semaphore(children)

    async def call(self, function: Callable[[*Arguments], Result], *args: *Arguments) -> Result:
        """The function's result or exception. Raises `BrokenProcessPool`, worth a retry, if a child died meanwhile.

        Cancelling stops the waiting, not a function that has begun: keep each call short.
        """
        async with self._free:
            return await self._submit(function, *args)

    async def close(self) -> None:
        """End the children, whatever they do: a draining worker does not wait for a long computation."""
        self._closed = True
        # In a thread and with `wait`: once its own thread has ended too, its semaphores are unlinked. Else Python's
        # resource tracker complains of them on standard error when uvicorn ends the worker by a signal.
        shutdown = asyncio.create_task(asyncio.to_thread(self._executor.shutdown, cancel_futures=True))
        for child in active_children():
            if isinstance(child, ChildProcess):
                child.kill()
        await shutdown

    def _submit(self, function: Callable[[*Arguments], Result], *args: *Arguments) -> asyncio.Future[Result]:
        # Called in the loop's thread, as this may start a child, and the kernel ends a child with the *thread* that
        # started it (PR_SET_PDEATHSIG): one of a thread pool would be the wrong parent.
        if self._closed:
            raise RuntimeError("the process pool is closed")
        loop = asyncio.get_running_loop()
        try:
            return loop.run_in_executor(self._executor, function, *args)
        except BrokenProcessPool:  # a child died since; an executor never recovers, so every later call would fail
            self._executor = self._make_executor()
            return loop.run_in_executor(self._executor, function, *args)

    def _make_executor(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(self._children, mp_context=ChildContext(), initializer=prepare)


@asynccontextmanager
async def process_pool() -> AsyncIterator[ProcessPool]:
    """For `context.shared`."""
    pool = ProcessPool()
    try:
        yield pool
    finally:
        await pool.close()
