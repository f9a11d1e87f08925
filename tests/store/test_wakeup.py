"""The sockets by which processes wake each other."""

import asyncio
import socket
from contextlib import ExitStack
from pathlib import Path

import pytest

from service.store.wakeup import Wakeup


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


async def test_siblings_wake_each_other_and_not_themselves(tmp_path: Path) -> None:
    with ExitStack() as stack:
        one, two, three = (Wakeup(tmp_path / "run") for _ in range(3))
        for wakeup in (one, two, three):
            stack.enter_context(wakeup.listening())
        one.wake_siblings()
        await asyncio.wait_for(two.wait(3600), 30)
        await asyncio.wait_for(three.wait(3600), 30)
        assert not one._event.is_set()


async def test_many_wake_ups_are_one(tmp_path: Path) -> None:
    with ExitStack() as stack:
        one, two = (Wakeup(tmp_path) for _ in range(2))
        for wakeup in (one, two):
            stack.enter_context(wakeup.listening())
        for _ in range(5000):  # more than a socket's buffer holds
            one.wake_siblings()
        await asyncio.wait_for(two.wait(3600), 30)


async def test_a_dead_processs_socket_is_removed_and_other_files_are_not(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as dead:
        dead.bind(str(tmp_path / "wake-dead"))
    (tmp_path / "metrics.sock").write_text("another's")
    with Wakeup(tmp_path).listening():
        wakeup = Wakeup(tmp_path)
        with wakeup.listening():
            wakeup.wake_siblings()
            assert len(names(tmp_path)) == 3
    assert names(tmp_path) == ["metrics.sock"]


async def test_a_directory_too_long_for_sockets_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="too long"), Wakeup(tmp_path / ("x" * 100)).listening():
        pass


async def test_without_a_directory_only_this_process_wakes() -> None:
    wakeup = Wakeup(None)
    with wakeup.listening():
        wakeup.wake_siblings()
        wakeup.wake()
        await asyncio.wait_for(wakeup.wait(3600), 30)


def test_siblings_sleep_while_this_process_has_half_of_its_slots_free() -> None:
    wakeup = Wakeup(None)
    assert wakeup.is_too_much(1), "nobody claims here"
    wakeup.claimed(asked=4, taken=0)
    assert [wakeup.is_too_much(1) for _ in range(3)] == [False, False, True]
    wakeup.claimed(asked=4, taken=1)
    assert not wakeup.is_too_much(0)
    assert not wakeup.is_too_much(1)
    wakeup.claimed(asked=1, taken=0)
    assert wakeup.is_too_much(1), "the last free slot"


def test_a_single_slot_is_always_shared() -> None:
    wakeup = Wakeup(None)
    wakeup.claimed(asked=1, taken=0)
    assert wakeup.is_too_much(1)
