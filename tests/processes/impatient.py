"""`python -m service` whose time limits are tenths of seconds: `python -m tests.processes.impatient`."""

import sys
from typing import TYPE_CHECKING
from unittest.mock import patch

from service.settings import Settings

if TYPE_CHECKING:
    from fastapi import FastAPI

SECONDS = 0.3


def application(settings: Settings, traces_url: str | None) -> "FastAPI":
    """Runs in each worker."""
    from service import asgi, connection
    from service.api import requests

    connection.HEAD_SECONDS = connection.LINGER_SECONDS = requests.BODY_SECONDS = SECONDS
    return asgi.application(settings, traces_url)


if __name__ == "__main__":
    from service.__main__ import main
    from tests.processes import impatient  # not this module, which a worker would not find: here it is `__main__`

    with (
        patch("service.__main__.application", impatient.application),
        patch("service.__main__.KEEP_ALIVE_SECONDS", SECONDS),
    ):
        sys.exit(main(sys.argv[1:]))
