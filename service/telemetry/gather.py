"""The exchange of metrics between workers, over Unix sockets in the runtime directory.

Not prometheus_client's multiprocess mode: that drops exemplars, `process_*` and every custom collector, keeps the files
of dead processes for ever, and cannot say which worker does not answer.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from pathlib import Path

import orjson

from service.telemetry.exposition import Family

ANSWER_SECONDS = 1.0


@asynccontextmanager
async def served(path: Path, snapshot: Callable[[], list[Family]], threads: Executor) -> AsyncIterator[None]:
    """Sends the families as JSON to whoever connects.

    Accepted by the event loop, so that a worker with a stalled loop counts as down; the snapshot is made in a thread.
    """
    loop = asyncio.get_running_loop()

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(await loop.run_in_executor(threads, lambda: orjson.dumps(snapshot(), default=tuple)))
            await writer.drain()
        except (OSError, RuntimeError):
            pass  # the one who asked has given up, or this worker is closing
        finally:
            writer.close()

    _remove(path)  # of a predecessor that was killed; the slot's lock is ours, so it is nobody's
    server = await asyncio.start_unix_server(answer, path)
    try:
        yield
    finally:
        server.close()
        _remove(path)


async def asked(paths: Iterable[Path]) -> list[list[Family] | None]:
    """What each worker answers; None: nothing within `ANSWER_SECONDS`."""
    return await asyncio.gather(*(_ask(path) for path in paths))


async def _ask(path: Path) -> list[Family] | None:
    writer: asyncio.StreamWriter | None = None
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            reader, writer = await asyncio.open_unix_connection(path)
            answer = await reader.read()
        return [Family(*family) for family in orjson.loads(answer)]
    except (OSError, ValueError, TypeError):  # TimeoutError is an OSError
        return None
    finally:
        if writer is not None:
            writer.close()


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
