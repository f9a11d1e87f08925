"""A real server with nothing but its telemetry: `python -m tests.telemetry.serving PORT`."""

import sys
import threading
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI
from fastapi.responses import StreamingResponse

from service.telemetry.logging import configure_logging
from tests.telemetry.making import make_telemetry


class Noisy:
    def __del__(self) -> None:
        raise ValueError("in a destructor")


def application() -> FastAPI:
    telemetry = make_telemetry()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with telemetry.open():
            yield

    app = FastAPI(lifespan=lifespan)

    @app.get("/fails")
    async def fails() -> None:
        raise RuntimeError("boom")

    @app.get("/breaks")
    async def breaks() -> StreamingResponse:
        async def body() -> AsyncIterator[bytes]:
            yield b"half"
            raise RuntimeError("boom")

        return StreamingResponse(body())

    @app.get("/noise")
    async def noise() -> None:
        warnings.warn("old cup", UserWarning, stacklevel=1)
        thread = threading.Thread(target=lambda: 1 // 0)
        thread.start()
        thread.join()
        Noisy()

    app.add_middleware(
        telemetry.middleware,
        on_error=lambda scope, receive, send: StreamingResponse([b"sorry"], 500)(dict(scope), receive, send),
        may_force_sampling=lambda _: False,
    )
    return app


if __name__ == "__main__":
    configure_logging("json")
    uvicorn.run(application(), port=int(sys.argv[1]), log_config=None, access_log=False)
