"""A worker process with nothing but its telemetry: `python -m tests.telemetry.worker RUNTIME_DIR WORKERS`. Says which
number it has, then lives until its stdin closes."""

import asyncio
import sys
from pathlib import Path

from tests.telemetry.making import make_job, make_telemetry


async def main(runtime_dir: str, workers: str) -> None:
    telemetry = make_telemetry(runtime_dir=Path(runtime_dir), workers=int(workers))
    async with telemetry.open():
        with telemetry.jobs.attempt(make_job()):
            pass
        sys.stdout.write(f"{telemetry.worker}\n")
        sys.stdout.flush()
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        await reader.read()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
