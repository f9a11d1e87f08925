"""Upgrades under a client, one after another, and what the client saw."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from upgrade.client import Client, Figures

AROUND_SECONDS = 2.0
"""The client sends this long before the first step and after the last one."""

HEADER = f"{'upgrade':>8} {'requests':>9} {'failed':>7} {'longest wait':>13} {'p99':>8} {'seconds':>8}"


@dataclass(frozen=True)
class Trial:
    """One upgrade, as the client saw it."""

    number: int
    seconds: float
    figures: Figures

    def __str__(self) -> str:
        seen = self.figures
        return (
            f"{self.number:>8} {len(seen.waits):>9} {seen.failed.total():>7} {seen.longest_wait:>11.2f} s"
            f" {seen.quantile(0.99) * 1000:>5.0f} ms {self.seconds:>8.1f}"
        )


def run(number: int, upgrade: Callable[[], None], client: Client) -> Trial:
    """Whatever the upgrade raises comes after the client has ended."""
    with client:
        time.sleep(AROUND_SECONDS)
        started = time.monotonic()
        try:
            upgrade()
        finally:
            seconds = time.monotonic() - started
            time.sleep(AROUND_SECONDS)
    return Trial(number, seconds, client.figures)
