"""`make drill`: destroy, restore, first 200; how long it took, and exactly what was lost. Exit 1 on any surprise."""

import argparse
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

from tests.drill.client import Client, Promise
from tests.drill.stack import Stack, Surprise
from tests.waiting import wait_until

LOST = Path("data/drill-lost.txt")
BEFORE_SECONDS, AFTER_SECONDS = 10.0, 5.0
SETTLE_SECONDS = 120.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.drill", description=__doc__)
    parser.add_argument("--subnet", default="172.30.99.0/24", help="a network that nobody uses")
    parser.add_argument("--before", type=float, default=BEFORE_SECONDS, help="seconds of submissions before the backup")
    parser.add_argument("--after", type=float, default=AFTER_SECONDS, help="seconds between backup and destruction")
    options = parser.parse_args()
    stack = Stack(options.subnet)
    client = Client(stack.url)
    try:
        say("build the images, and start service, backup and Caddy in a project of its own, jobs-drill")
        stack.build()
        with stack.fresh():
            stack.start()
            drill(stack, client, options.before, options.after)
    except (Surprise, AssertionError) as surprise:
        print(f"\nSURPRISE: {surprise}", file=sys.stderr)
        return 1
    finally:
        client.stop()
    return 0


def drill(stack: Stack, client: Client, before_seconds: float, after_seconds: float) -> None:
    say(f"submit jobs for {before_seconds:g} s, and go on submitting until the end")
    client.start()
    threading.Event().wait(before_seconds)
    say("back up, while jobs are submitted and run")
    asked = datetime.now(UTC)
    backup = stack.backup()
    say(f"{backup} is verified; {after_seconds:g} s later the disk dies: kill the processes, delete the volume `data`")
    threading.Event().wait(after_seconds)
    started = time.monotonic()
    stack.destroy()
    client.submit_no_more()
    promised = list(client.ledger)
    destroyed = time.monotonic()
    say(f"restore {backup} into an empty volume")
    print(*(f"           | {line}" for line in stack.restore(backup).splitlines()), sep="\n")
    restored = time.monotonic()
    say("start the service, and ask for a job until the answer is 200")
    starting = threading.Thread(target=stack.start)
    starting.start()
    wait_until(lambda: client.state(promised[0].job_id), "the first 200", SETTLE_SECONDS)
    answered = time.monotonic()
    starting.join()
    lost, kept = judge(client, promised, asked)
    say(f"wait until all {len(kept)} jobs that were restored have ended")
    settle(client, kept)
    if not client.submit(1):
        raise Surprise("a new job is not accepted")
    report(promised, lost, backup, (answered - started, destroyed - started, restored - destroyed, answered - restored))


def judge(client: Client, promised: list[Promise], asked: datetime) -> tuple[list[Promise], list[Promise]]:
    """What is lost, and what is there: the first of them, up to a moment not before the backup was asked for."""
    states = client.states(promised)
    lost = [promise for promise, state in zip(promised, states, strict=True) if state is None]
    kept = promised[: len(promised) - len(lost)]
    if lost != promised[len(kept) :]:
        raise Surprise("what is lost are not the last jobs: a hole in the backup")
    if older := [promise for promise in lost if promise.acknowledged < asked]:
        raise Surprise(f"{len(older)} jobs were acknowledged before the backup was asked for, and are lost")
    if not lost:
        raise Surprise("nothing was lost, so the database was not destroyed")
    return lost, kept


def settle(client: Client, kept: list[Promise]) -> None:
    left = {promise.job_id for promise in kept}

    def all_ended() -> bool:
        for job_id in list(left):
            state = client.state(job_id)
            if state in {"failed", "cancelled"}:
                raise Surprise(f"job {job_id} was restored and is {state}")
            if state == "succeeded":
                left.remove(job_id)
        return not left

    wait_until(all_ended, "all restored jobs have succeeded", SETTLE_SECONDS)


def report(promised: list[Promise], lost: list[Promise], backup: str, took: tuple[float, ...]) -> None:
    LOST.parent.mkdir(exist_ok=True)
    LOST.write_text("".join(f"{promise.acknowledged.isoformat()} {promise.job_id}\n" for promise in lost))
    total, destroying, restoring, starting = took
    print(
        f"\nFrom the destruction to the first 200: {total:.1f} s"
        f" (destroy {destroying:.1f}, restore {restoring:.1f}, start {starting:.1f})\n"
        f"Acknowledged: {len(promised)} jobs. In {backup}: {len(promised) - len(lost)}, and all of them have ended.\n"
        f"Lost: {len(lost)} jobs, all acknowledged after the backup was taken:"
        f" {lost[0].acknowledged:%H:%M:%S.%f} to {lost[-1].acknowledged:%H:%M:%S.%f} UTC,\n"
        f"      {lost[0].job_id} to {lost[-1].job_id}; each stands in {LOST}\n"
        "Lost of what was acknowledged before the backup: nothing"
    )


def say(step: str) -> None:
    print(f"{datetime.now():%H:%M:%S}  {step}", flush=True)  # noqa: DTZ005  the reader's own clock


if __name__ == "__main__":
    sys.exit(main())
