"""The drill's verdict can fail: what it would find if a backup were not what it promises."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.drill.__main__ import judge
from tests.drill.client import Client, Promise
from tests.drill.stack import Surprise

START = datetime(2026, 11, 24, tzinfo=UTC)
PROMISED = [Promise(f"job-{number}", START + timedelta(seconds=number)) for number in range(6)]
ASKED = START + timedelta(seconds=2.5)  # jobs 0 to 2 were acknowledged before


class Remembering(Client):
    """Asks nobody: these jobs are there."""

    def __init__(self, there: set[int]) -> None:
        self._there = there

    def state(self, job_id: str) -> str | None:
        return "succeeded" if int(job_id[4:]) in self._there else None


def test_what_came_after_the_backup_is_lost_and_nothing_else() -> None:
    for there in (3, 4, 5):
        lost, kept = judge(Remembering(set(range(there))), PROMISED, ASKED)
        assert (kept, lost) == (PROMISED[:there], PROMISED[there:])


@pytest.mark.parametrize(
    ("there", "reason"),
    [
        ({0, 1}, "acknowledged before the backup"),
        (set(), "acknowledged before the backup"),
        ({0, 1, 2, 4}, "a hole"),
        ({1, 2, 3}, "a hole"),
        ({0, 1, 2, 3, 4, 5}, "nothing was lost"),
    ],
)
def test_anything_else_is_a_surprise(there: set[int], reason: str) -> None:
    with pytest.raises(Surprise, match=reason):
        judge(Remembering(there), PROMISED, ASKED)
