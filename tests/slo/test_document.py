"""What slo.yaml must not say: a threshold that no bucket has, an alert that can never fire."""

from collections.abc import Callable
from pathlib import Path

import pytest

from slo.document import FILE, Refused, read, seconds

SAMPLE = Path(__file__).with_name("sample.yaml")
"""A document for the tests alone, so that the real one may change without them."""

Change = Callable[[str, str], Path]


@pytest.fixture
def changed(tmp_path: Path) -> Change:
    """The sample with one text replaced by another."""

    def change(old: str, new: str) -> Path:
        text = SAMPLE.read_text()
        assert old in text
        path = tmp_path / FILE
        path.write_text(text.replace(old, new))
        return path

    return change


def test_the_objectives_are_those_that_are_promised() -> None:
    document = read()
    assert [objective.name for objective in document.objectives] == [
        "submission-latency",
        "availability",
        "start-delay",
    ]
    assert document.threshold("job_submit_seconds") in document.edges["job_submit_seconds"]
    assert document.threshold("job_wait_seconds") in document.edges["job_wait_seconds"]


def test_a_new_threshold_becomes_an_edge(changed: Change) -> None:
    document = read(changed('le="0.1"', 'le="0.15"'))
    assert document.threshold("job_submit_seconds") == 0.15
    assert 0.15 in document.edges["job_submit_seconds"]
    assert "within 150 ms" in document.objectives[0].promise


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('le="0.1"', 'le="0.10"', 'submission-latency: le="0.10" is no bucket edge as Prometheus writes it'),
        ('le="0.1"', 'le="1"', 'le="1.0"'),
        ('le="0.1"', 'le="fast"', "is no number of seconds"),
        ('le="0.1"', 'le="+Inf"', "must be above 0 and finite"),
        ("job_wait_seconds_bucket{", "job_run_seconds_bucket{", "is no bucket edge that is known of job_run_seconds"),
        ("objective: 99.9", "objective: 100", "availability: an objective is between 0 and 100 %"),
        ("objective: 99.9", "objective: 90", "the alert for 1h could never fire: 14.4 times the budget of 10 %"),
        ("[{{.window}}]", "[5m]", "error_query has no [{{.window}}]"),
        ("short: 5m", "short: 2h", "the short window 2h is not shorter than the long one, 1h"),
        ("long: 1h", "long: hour", "'hour' is no duration"),
        ("name: start-delay", "name: availability", "availability stands twice"),
        ("version: prometheus/v1", "version: v2", "version is 'v2'"),
        ("x-least-rate", "x-most-rate", "'x-least-rate' is missing"),
        ("x-period: 30d", "x-period: 36h", "36h is not in days"),
    ],
)
def test_is_refused(changed: Change, old: str, new: str, said: str) -> None:
    with pytest.raises(Refused) as refused:
        read(changed(old, new))
    assert said in str(refused.value)
    assert str(refused.value).startswith("slo.yaml: ")


def test_everything_wrong_is_said_at_once(changed: Change) -> None:
    path = changed('le="0.1"', 'le="0.10"')
    path.write_text(path.read_text().replace('le="0.5"', 'le=".5"'))
    with pytest.raises(Refused) as refused:
        read(path)
    assert len(str(refused.value).splitlines()) == 2


def test_durations() -> None:
    assert [seconds(text) for text in ("30s", "5m", "6h", "30d")] == [30, 300, 21_600, 2_592_000]
