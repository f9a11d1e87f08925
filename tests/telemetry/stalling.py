"""A process whose event loop stops turning: `python -m tests.telemetry.stalling`."""

import asyncio
import sys
import time

from service.telemetry.logging import configure_logging
from tests.telemetry.making import make_telemetry


async def main() -> None:
    async with make_telemetry(loop_stall_seconds=1.0).open():
        sys.stdout.flush()
        block_the_loop()


def block_the_loop() -> None:
    time.sleep(600)


if __name__ == "__main__":
    configure_logging("json")
    asyncio.run(main())
