"""`python -m service` with two more kinds, for the benches: `python -m bench.noop`."""

import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import pydantic

from service import asgi, handlers
from service.domain.ports import Context, Kind
from service.settings import Settings

if TYPE_CHECKING:
    from fastapi import FastAPI


class Payload(pydantic.BaseModel):
    pass


async def noop(payload: Mapping[str, Any], context: Context) -> None: ...


async def stamp(payload: Mapping[str, Any], context: Context) -> float:
    """When it started, as wall time."""
    return time.time()


def application(settings: Settings, traces_url: str | None) -> "FastAPI":
    kinds = [Kind(name=handler.__name__, payload=Payload, handler=handler) for handler in (noop, stamp)]
    return asgi.application(settings, traces_url, handlers.discover() | {kind.name: kind for kind in kinds})


if __name__ == "__main__":
    from bench import noop as this  # a spawned worker finds the function by this name, not as __main__'s
    from service.__main__ import main

    with patch("service.__main__.application", this.application):
        sys.exit(main(sys.argv[1:]))
