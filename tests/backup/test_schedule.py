"""When the next backup is due."""

import pytest

from service.backup.schedule import retry_seconds, seconds_to_next

HOUR = 3600.0
NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("newest", "failures", "due"),
    [
        pytest.param(None, 0, 0, id="none yet: at once"),
        pytest.param(NOW - 2 * HOUR, 0, 0, id="the newest is older than the interval: at once"),
        pytest.param(NOW - 600, 0, 3000, id="after a restart: when it is due, not before"),
        pytest.param(NOW + 9 * HOUR, 0, HOUR, id="the clock was set back: no later than an interval"),
        pytest.param(None, 1, 60, id="after a failure: soon"),
        pytest.param(NOW - 600, 3, 240, id="after three: less soon"),
        pytest.param(NOW - 600, 50, HOUR, id="after many: as often as the interval"),
    ],
)
def test_the_next_backup(newest: float | None, failures: int, due: float) -> None:
    assert seconds_to_next(NOW, newest, HOUR, failures) == due


def test_a_short_interval_is_never_exceeded_by_a_retry() -> None:
    assert retry_seconds(10, 1) == 10
    assert retry_seconds(10, 2_000) == 10
