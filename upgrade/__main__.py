"""`python3 -m upgrade`: one switch; with `--rate`, under a client, and with `--times` again and again.

Exit code 0: done, and no request failed. 1: refused, or a request failed; the output says what serves. 130: broken off.
"""

import argparse
import os
import signal
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from upgrade import trial
from upgrade.client import Client
from upgrade.stack import Failed, Stack
from upgrade.switch import alone, switch

FOLDER = Path(__file__).parents[1]
RATE_IN_DEVELOPMENT = 100.0
INTERRUPTED_EXIT_CODE = 130


def main(arguments: Sequence[str]) -> int:
    options = _options(arguments)
    # SIGINT too: started in the background by a shell, a process would ignore it, and the docker commands would not.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _break_off)
    try:
        stack = Stack(FOLDER)
        rate = options.rate
        if rate is None:
            rate = RATE_IN_DEVELOPMENT if stack.environment == "development" else 0.0
        with alone(FOLDER, stack.project):
            return _upgrades(stack, options.times, rate, options.host or stack.host)
    except Failed as problem:
        print(f"\n{problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nBroken off. What was healthy goes on serving. Run it again: it goes on from here.", file=sys.stderr)
        return INTERRUPTED_EXIT_CODE


def _upgrades(stack: Stack, times: int, rate: float, host: str) -> int:
    trials: list[trial.Trial] = []
    for number in range(1, times + 1):
        print(f"upgrade {number} of {times} to {stack.image}" if times > 1 else f"upgrade to {stack.image}", flush=True)
        if rate:
            client = Client(host, _key(), rate)
            try:
                trials.append(trial.run(number, lambda: switch(stack), client))
            except Failed:
                _print_failed(client.figures.failed)
                raise
        else:
            switch(stack)
    if not trials:
        return 0
    print(f"\n{rate:g} requests/s at {host}\n{trial.HEADER}", *trials, sep="\n")
    failed = sum((each.figures.failed for each in trials), Counter[str]())
    _print_failed(failed)
    return 1 if failed else 0


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python3 -m upgrade", description=__doc__)
    parser.add_argument("--times", type=int, default=1, help="upgrades, one after another")
    parser.add_argument("--rate", type=float, help="requests a second of a client beside it; 0: none, as in production")
    parser.add_argument("--host", help="where the client sends them; by default Caddy, by the name and port it serves")
    return parser.parse_args(arguments)


def _key() -> str:
    return Path(os.environ.get("API_KEY_FILE") or FOLDER / "secrets/development/client_key").read_text().strip()


def _print_failed(failed: Counter[str]) -> None:
    for problem, count in failed.most_common():
        print(f"{count:>6} times {problem}")


def _break_off(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
