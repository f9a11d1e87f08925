import random

import pytest

from service.domain.job import NEXT_STATE, TERMINAL, TRANSITIONS, State, retry_delay_seconds
from service.domain.queue import new_id


def test_every_outcome_leads_where_a_running_job_may_go() -> None:
    assert set(NEXT_STATE.values()) <= TRANSITIONS[State.RUNNING]


def test_only_a_failed_job_leaves_its_terminal_state() -> None:
    assert {state for state in TERMINAL if TRANSITIONS[state]} == {State.FAILED}


@pytest.mark.parametrize(
    ("attempt", "ceiling"), [(1, 1), (2, 2), (5, 16), (9, 256), (10, 300), (100, 300), (10**6, 300)]
)
def test_the_retry_delay_doubles_to_its_cap_and_uses_the_whole_interval(attempt: int, ceiling: float) -> None:
    assert retry_delay_seconds(attempt, 0.0) == 0
    assert retry_delay_seconds(attempt, 0.5) == ceiling / 2
    assert 0 <= retry_delay_seconds(attempt, random.random()) < ceiling


def test_ids_are_version_7_sort_by_time_and_differ() -> None:
    times = [1_700_000_000 + i * 0.0005 for i in range(200)]
    ids = [new_id(time) for time in times]
    assert ids == sorted(ids)
    assert all(each[14] == "7" and each[19] in "89ab" for each in ids)
    assert len({new_id(times[0]) for _ in range(1000)}) == 1000
