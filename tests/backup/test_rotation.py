"""Which backups are kept."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.backup.archive import name_of, time_of
from service.backup.rotation import superfluous

START = datetime(2026, 11, 1, tzinfo=UTC)


def at(day: int, hour: int = 0) -> str:
    return name_of((START + timedelta(days=day, hours=hour)).timestamp())


@pytest.mark.parametrize(
    ("made", "keep_newest", "keep_days", "deleted"),
    [
        pytest.param([], 2, 2, [], id="nothing"),
        pytest.param([at(0)], 1, 0, [], id="the only one stays"),
        pytest.param([at(0, 1), at(0, 2), at(0, 3)], 2, 0, [at(0, 1)], id="the newest stay"),
        pytest.param([at(0, 1), at(0, 2), at(0, 3)], 1, 5, [at(0, 1), at(0, 2)], id="of a day the last stays"),
        pytest.param([at(0, 1), at(0, 2), at(1, 1), at(2, 1)], 1, 2, [at(0, 1), at(0, 2)], id="of two days"),
        pytest.param([at(0), at(9), at(30)], 1, 3, [], id="days without a backup do not count"),
        pytest.param(["jobs.db", "notes.txt", at(0), at(1)], 1, 0, [at(0)], id="other files are left alone"),
    ],
)
def test_rotation(made: list[str], keep_newest: int, keep_days: int, deleted: list[str]) -> None:
    assert superfluous(made, keep_newest, keep_days) == deleted


moments = st.lists(st.integers(0, 60 * 24), unique=True).map(lambda hours: [at(0, hour) for hour in hours])


@given(moments, st.integers(1, 30), st.integers(0, 20))
def test_what_stays_are_the_newest_and_one_of_each_day(made: list[str], keep_newest: int, keep_days: int) -> None:
    deleted = superfluous(made, keep_newest, keep_days)
    kept = sorted(set(made) - set(deleted))
    assert len(deleted) == len(set(deleted))
    assert sorted(made)[-keep_newest:] == kept[-keep_newest:]
    assert len(kept) <= keep_newest + keep_days
    assert {name[5:13] for name in kept} >= set(sorted({name[5:13] for name in made})[-keep_days or len(made) :])
    assert superfluous(kept, keep_newest, keep_days) == [], "a second time there is nothing to do"


@given(st.integers(0, 2**32))
def test_a_name_says_its_time_and_sorts_by_it(seconds: int) -> None:
    assert time_of(name_of(seconds)) == seconds
    assert name_of(seconds) < name_of(seconds + 1)


@pytest.mark.parametrize("name", ["jobs.db", "jobs-20261399T000000Z.db.gz", "jobs-20261124T203000Z.db.gz.part", ""])
def test_another_file_has_no_time(name: str) -> None:
    assert time_of(name) is None
