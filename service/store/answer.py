"""How a caller gets the outcome of what a thread did for it."""

import asyncio
import concurrent.futures
from typing import Any


def answer(future: "asyncio.Future[Any] | concurrent.futures.Future[Any]", outcome: Any) -> None:
    """An outcome that is an exception is raised to the caller."""
    if future.done():
        return  # its caller was cancelled
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)
