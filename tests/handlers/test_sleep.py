from collections.abc import Callable
from typing import Any

import pydantic
import pytest

from service.domain.ports import Context
from service.handlers.sleep import Payload, run


async def test_it_returns_how_long_it_slept(make_context: Callable[..., Context]) -> None:
    assert await run(Payload(seconds=0), make_context()) == {"slept": 0}


async def test_the_first_attempts_fail_as_asked(make_context: Callable[..., Context]) -> None:
    payload = Payload(seconds=0, fail_attempts=2)
    for attempt in (1, 2):
        with pytest.raises(RuntimeError, match=f"attempt {attempt} fails"):
            await run(payload, make_context(attempt=attempt))
    assert await run(payload, make_context(attempt=3)) == {"slept": 0}


def test_both_fields_have_defaults() -> None:
    assert Payload.model_validate({}) == Payload(seconds=0.1, fail_attempts=0)


@pytest.mark.parametrize(
    "refused",
    [
        {"seconds": -0.1},
        {"seconds": 86_401},
        {"seconds": float("nan")},
        {"seconds": float("inf")},
        {"seconds": "1"},
        {"seconds": True},
        {"seconds": None},
        {"fail_attempts": -1},
        {"fail_attempts": 1.5},
        {"fail_attempts": True},
        {"minutes": 1},
    ],
)
def test_a_bad_payload_is_refused(refused: dict[str, Any]) -> None:
    with pytest.raises(pydantic.ValidationError):
        Payload.model_validate(refused)


@pytest.mark.parametrize("text", ['{"seconds": NaN}', '{"seconds": Infinity}', '{"seconds": 1e400}'])
def test_a_number_that_is_none_is_refused_in_json_too(text: str) -> None:
    with pytest.raises(pydantic.ValidationError):
        Payload.model_validate_json(text)
