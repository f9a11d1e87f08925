"""What uvicorn calls in each worker process: the supervisor names this function and never loads the application itself,
which saves a second at each start and 60 MB. (It cannot stand in `__main__`: a spawned process does not import that.)
"""

from typing import TYPE_CHECKING

from service.settings import Settings

if TYPE_CHECKING:
    from fastapi import FastAPI


def application(settings: Settings, traces_url: str | None) -> "FastAPI":
    from service.app import create_app

    return create_app(settings, traces_url=traces_url)
