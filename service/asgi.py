"""What uvicorn calls in each worker process: the supervisor names this function and never loads the application itself,
which saves a second at each start and 60 MB. (It cannot stand in `__main__`: a spawned process does not import that.)
"""

import gc
from collections.abc import Mapping
from typing import TYPE_CHECKING

from service.settings import Settings

if TYPE_CHECKING:
    from fastapi import FastAPI

    from service.domain.ports import Kind


def application(settings: Settings, traces_url: str | None, kinds: "Mapping[str, Kind] | None" = None) -> "FastAPI":
    from service.app import create_app

    app = create_app(settings, kinds=kinds, traces_url=traces_url)
    look_less_for_garbage()
    return app


def look_less_for_garbage() -> None:
    """Modules, models and routes stay to the end, and what a request or a job makes is nearly all freed at once,
    without the collector. Its looking through them again and again took a third of the CPU time of a job."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)
