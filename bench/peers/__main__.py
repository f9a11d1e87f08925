"""`python -m bench.peers [submission] [drain] [kill] [sweep]`: the first three unless told; this machine only.

Wants redis-server, PostgreSQL, wrk and the packages of the systems; what is missing is left out and said.
"""

import argparse
import signal
import sys
from collections.abc import Sequence

from bench.peers.drain import drain
from bench.peers.kill import LONGEST_SECONDS, killed
from bench.peers.peer import available
from bench.peers.roster import PEERS
from bench.peers.submission import submission, sweep

KILL_SECONDS = 45


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.peers", description=__doc__)
    measures = ["submission", "drain", "kill", "sweep"]
    parser.add_argument("measures", nargs="*", choices=[*measures, []], metavar="|".join(measures))  # []: none given
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5, help="of each load")
    parser.add_argument("--only", nargs="+", metavar="NAME", help=f"of: {'; '.join(peer.name for peer in PEERS)}")
    parser.add_argument("--long", action="store_true", help=f"watch {LONGEST_SECONDS} s after a kill, as arq needs")
    options = parser.parse_args(arguments)
    if unknown := set(options.only or ()) - {peer.name for peer in PEERS}:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    peers = available([peer for peer in PEERS if not options.only or peer.name in options.only])
    if not peers:
        parser.error("nothing to compare")
    rounds, seconds = options.rounds, options.seconds
    limit = LONGEST_SECONDS if options.long else KILL_SECONDS
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started is stopped
    parts = {
        "submission": lambda: submission(rounds, seconds, peers),
        "drain": lambda: drain(rounds, peers),
        "kill": lambda: killed(limit, peers),
        "sweep": lambda: sweep(rounds, seconds, peers),
    }
    for name in options.measures or measures[:3]:
        print(f"\n{name}", flush=True)
        print(f"\n{parts[name]().table()}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
