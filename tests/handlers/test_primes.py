from collections.abc import Callable
from typing import Any

import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.domain.ports import Context
from service.handlers._pool import process_pool
from service.handlers._sieve import count_primes
from service.handlers.primes import SEGMENT, Payload, run
from tests.handlers.conftest import FakeShared


def naive_count(start: int, stop: int) -> int:
    return sum(number > 1 and all(number % divisor for divisor in range(2, number)) for number in range(start, stop))


@pytest.mark.parametrize(("start", "stop"), [(0, 0), (0, 1), (0, 2), (0, 3), (2, 3), (1, 5), (4, 4), (4, 5), (9, 10)])
def test_a_segment_is_counted_right_at_its_edges(start: int, stop: int) -> None:
    assert count_primes(start, stop) == naive_count(start, stop)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 600), st.integers(0, 300))
def test_any_segment_is_counted_as_the_naive_way(start: int, length: int) -> None:
    assert count_primes(start, start + length) == naive_count(start, start + length)


def test_segments_add_up() -> None:
    assert sum(count_primes(start, start + 1_000) for start in range(0, 100_000, 1_000)) == 9_592


@pytest.mark.parametrize(("below", "count"), [(2, 0), (3, 1), (100, 25), (SEGMENT, 82_025), (3_000_000, 216_816)])
async def test_primes_are_counted_over_several_segments(
    make_context: Callable[..., Context], below: int, count: int
) -> None:
    assert await run(Payload(below=below), make_context()) == {"count": count}


class CancelledPool:
    """Counts its calls and cancels the attempt during one of them."""

    def __init__(self, cancel_at: int) -> None:
        self.calls = 0
        self.cancel_at = cancel_at

    async def call(self, function: Callable[[int, int], int], start: int, stop: int) -> int:
        self.calls += 1
        if self.calls == self.cancel_at:
            raise TimeoutError
        return 0


async def test_an_attempt_that_ends_early_begins_no_further_segment(
    make_context: Callable[..., Context], shared: FakeShared
) -> None:
    pool = CancelledPool(cancel_at=3)
    shared.give(process_pool, pool)
    with pytest.raises(TimeoutError):
        await run(Payload(below=50_000_000), make_context())
    assert pool.calls == 3


@pytest.mark.parametrize(
    "refused", [{}, {"below": 1}, {"below": 50_000_001}, {"below": 10.0}, {"below": "10"}, {"below": True}, {"n": 5}]
)
def test_a_bad_payload_is_refused(refused: dict[str, Any]) -> None:
    with pytest.raises(pydantic.ValidationError):
        Payload.model_validate({"below": 10, **refused} if "n" in refused else refused)
