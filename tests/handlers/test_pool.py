"""The process pool against real processes: what a child outlives, and what it does not."""

import asyncio
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest

from service.handlers._pool import ProcessPool, process_pool
from tests.waiting import BOUND_SECONDS, wait_until_async

HOLDS_THE_GIL = "sum(range(10**13))"  # for hours, in one call into C: no thread of that process runs meanwhile
linux = pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG")


@pytest.fixture
async def pool() -> AsyncIterator[ProcessPool]:
    async with process_pool() as pool:
        yield pool


async def until(condition: Callable[[], bool]) -> None:
    async def ask() -> bool:
        return condition()

    await wait_until_async(ask, "the condition holds")


def gone(pid: int) -> bool:
    """Ended; perhaps not yet reaped, if its new parent does not care."""
    if not Path("/proc/self/stat").exists():  # macOS
        state = subprocess.run(
            ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
        ).stdout
        return state.strip()[:1] in ("", "Z")
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


class Gate:
    """A call that says when it has begun, and ends when it is let."""

    def __init__(self, pool: ProcessPool, folder: Path) -> None:
        folder.mkdir()
        self._begun, self._open = folder / "begun", folder / "open"
        os.mkfifo(self._open)
        self.call = asyncio.create_task(
            pool.call(eval, f"(open({str(self._begun)!r}, 'w').close(), open({str(self._open)!r}).read())")
        )

    def begun(self) -> bool:
        return self._begun.exists()

    async def let_end(self) -> None:
        await asyncio.to_thread(self._open.write_text, "")


async def test_a_call_runs_in_another_process_and_gives_its_result(pool: ProcessPool) -> None:
    assert await pool.call(math.factorial, 5) == 120
    assert await pool.call(os.getpid) != os.getpid()


async def test_an_exception_comes_back(pool: ProcessPool) -> None:
    with pytest.raises(ZeroDivisionError):
        await pool.call(eval, "1 / 0")


async def test_a_child_imports_none_of_the_service_but_its_work(pool: ProcessPool) -> None:
    modules = await pool.call(eval, "sorted(__import__('sys').modules)")
    assert "service.handlers._child" in modules
    assert not {"pydantic", "httpx", "fastapi", "sqlalchemy", "asyncio"} & set(modules)


async def test_a_killed_child_fails_its_call_and_no_later_one(pool: ProcessPool) -> None:
    with pytest.raises(BrokenProcessPool):
        await pool.call(eval, "__import__('os').kill(__import__('os').getpid(), 9)")
    assert await pool.call(math.factorial, 5) == 120


async def test_a_child_killed_while_idle_fails_nothing(pool: ProcessPool) -> None:
    pid = await pool.call(os.getpid)
    executor = pool._executor
    os.kill(pid, signal.SIGKILL)
    await until(lambda: bool(executor._broken))
    assert await pool.call(math.factorial, 5) == 120


async def test_a_killed_child_takes_its_siblings_along_and_leaves_none_behind(
    pool: ProcessPool, tmp_path: Path
) -> None:
    busy = Gate(pool, tmp_path / "busy")
    await until(busy.begun)
    (sibling,) = pool._executor._processes
    idle = await pool.call(os.getpid)
    os.kill(idle, signal.SIGKILL)
    with pytest.raises(BrokenProcessPool):
        await busy.call
    await until(lambda: gone(idle) and gone(sibling))


async def test_a_child_killed_while_cancelled_calls_wait_still_answers_the_others(pool: ProcessPool) -> None:
    busy = [asyncio.create_task(pool.call(time.sleep, 3600.0)) for _ in range(2)]
    waiting = [asyncio.create_task(pool.call(math.factorial, 5)) for _ in range(8)]
    await until(lambda: len(pool._executor._processes) == 2)
    for task in waiting[:4]:
        task.cancel()
    os.kill(next(iter(pool._executor._processes)), signal.SIGKILL)
    async with asyncio.timeout(BOUND_SECONDS):
        ends = await asyncio.gather(*busy, return_exceptions=True)
        assert all(isinstance(end, BrokenProcessPool) for end in ends)
        assert await asyncio.gather(*waiting[4:]) == [120] * 4


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_to_the_whole_group_leaves_the_children_at_work(
    pool: ProcessPool, number: signal.Signals
) -> None:
    pid = await pool.call(os.getpid)
    os.kill(pid, number)
    assert await pool.call(os.getpid) == pid


async def test_a_cancelled_call_that_waits_is_never_begun(pool: ProcessPool, tmp_path: Path) -> None:
    first, second, waiting = (Gate(pool, tmp_path / name) for name in ("first", "second", "waiting"))
    await until(lambda: first.begun() and second.begun())
    waiting.call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting.call
    for gate in (first, second):
        await gate.let_end()
        await gate.call
    assert await pool.call(math.factorial, 5) == 120
    assert not waiting.begun()


async def test_a_cancelled_call_gives_its_place_back_at_its_end(pool: ProcessPool, tmp_path: Path) -> None:
    gates = [Gate(pool, tmp_path / name) for name in ("first", "second")]
    await until(lambda: all(gate.begun() for gate in gates))
    for gate in gates:
        gate.call.cancel()
    await asyncio.gather(*(gate.call for gate in gates), return_exceptions=True)
    next_call = asyncio.create_task(pool.call(math.factorial, 5))
    for gate in gates:
        await gate.let_end()
    async with asyncio.timeout(BOUND_SECONDS):
        assert await next_call == 120


async def test_a_closed_pool_starts_no_child() -> None:
    async with process_pool() as pool:
        pass
    with pytest.raises(RuntimeError, match="closed"):
        await pool.call(os.getpid)


@pytest.mark.parametrize("work", ["__import__('time').sleep(3600)", HOLDS_THE_GIL])
async def test_closing_waits_for_no_computation(work: str) -> None:
    async with process_pool() as pool:
        calls = [asyncio.create_task(pool.call(eval, work)) for _ in range(3)]
        pid = await pool_child(pool)
        calls[2].cancel()
    async with asyncio.timeout(BOUND_SECONDS):
        ends = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(end, BrokenProcessPool | asyncio.CancelledError) for end in ends)
    assert gone(pid)


async def pool_child(pool: ProcessPool) -> int:
    await until(lambda: bool(pool._executor._processes))
    return next(iter(pool._executor._processes))


PARENT = """
import asyncio, os, sys
from service.handlers._pool import process_pool

async def main():
    async with process_pool() as pool:
        print(await pool.call(os.getpid), flush=True)
        work, end = sys.argv[1:]
        call = asyncio.create_task(pool.call(eval, work))
        if end == "wait":
            await asyncio.Event().wait()
        await asyncio.sleep(0)
    print("closed", flush=True)
    os.kill(os.getpid(), 15)  # uvicorn ends its workers this way: nothing registered with atexit runs

asyncio.run(main())
"""


def parent(work: str, end: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PARENT, work, end], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize(
    "work",
    [
        pytest.param("print('begun', flush=True)", id="idle"),
        pytest.param("(print('begun', flush=True), __import__('time').sleep(3600))", id="busy"),
        pytest.param(
            "(__import__('ctypes').CDLL(None).prctl(1, 0), print('begun', flush=True))",
            id="without the kernel's help",
            marks=linux,
        ),
        pytest.param(f"(print('begun', flush=True), {HOLDS_THE_GIL})", id="no thread of it runs", marks=linux),
    ],
)
async def test_children_end_with_a_killed_parent(work: str) -> None:
    with parent(work, "wait") as process:
        assert process.stdout is not None
        child = int(await asyncio.to_thread(process.stdout.readline))
        assert await asyncio.to_thread(process.stdout.readline) == "begun\n"
        process.kill()
        process.wait()
        await until(lambda: gone(child))


async def test_a_closed_pool_leaves_nothing_on_standard_error() -> None:
    with parent(HOLDS_THE_GIL, "end") as process:
        out, err = await asyncio.to_thread(process.communicate)
    assert out.endswith("closed\n")
    assert err == ""
    assert process.returncode == -signal.SIGTERM
