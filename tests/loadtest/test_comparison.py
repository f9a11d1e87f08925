"""Prometheus and the client must have counted the same."""

from dataclasses import replace
from pathlib import Path

import pytest

from loadtest import comparison, prometheus
from loadtest.counters import Between, parsed
from loadtest.settings import Settings, Unusable
from tests.loadtest.making import COUNT, LIMITS, between, counters, make_story, make_summary


def _counted(found: Between, accepted: int = COUNT, succeeded: int = COUNT, unknown: int = 0) -> list[bool | None]:
    return [line.good for line in comparison.counts(found, accepted, succeeded, unknown)]


def test_equal_counts_agree() -> None:
    assert _counted(between()) == [True, True, True]


def test_a_difference_of_one_fails_and_says_what_it_may_mean() -> None:
    assert _counted(between(), accepted=COUNT - 1, succeeded=COUNT - 1) == [False, False, False]
    more = next(iter(comparison.counts(between(), COUNT - 1, COUNT - 1, 0))).text
    assert more.startswith("1,000 submissions made durable, 999 by the client: 1 more. Perhaps others")
    fewer = next(iter(comparison.counts(between(), COUNT + 1, COUNT + 1, 0))).text
    assert ": 1 fewer. Perhaps the metrics of a worker are missing" in fewer


def test_a_job_that_succeeded_and_was_not_counted_is_named_alone() -> None:
    assert _counted(between(succeeded=COUNT - 1.0)) == [True, True, False]


def test_submissions_of_unknown_fate_may_have_been_counted() -> None:
    assert _counted(between(), accepted=COUNT - 2, succeeded=COUNT - 2, unknown=2) == [True, True, True]
    assert _counted(between(), accepted=COUNT - 3, succeeded=COUNT - 3, unknown=2) == [False, False, False]
    assert _counted(between(), accepted=COUNT + 1, succeeded=COUNT + 1, unknown=2) == [False, False, False]


def test_a_worker_that_was_restarted_is_named_and_nothing_is_subtracted() -> None:
    found = list(comparison.counts(between(started_again=True), COUNT, COUNT, 0))
    assert [line.good for line in found] == [False]
    assert "worker 1 is restarted" in found[0].text
    assert list(comparison.objectives(between(started_again=True), LIMITS)) == []
    assert list(comparison.percentiles(between(started_again=True), LIMITS, make_summary())) == []


def test_a_worker_missing_in_the_last_scrape_is_named() -> None:
    full = between()
    half = {labels: value for labels, value in full.after.items() if dict(labels)["worker"] == "0"}
    found = list(comparison.counts(Between(full.before, half), COUNT, COUNT, 0))
    assert [line.good for line in found] == [False]
    assert "worker 1 is missing" in found[0].text


def test_a_worker_that_is_new_is_named() -> None:
    full = between()
    found = comparison.counts(Between(full.before, {**full.after, **counters({}, "2")}), COUNT, COUNT, 0)
    assert "worker 2 is new" in next(iter(found)).text


def test_a_counter_that_fell_is_named_also_if_the_start_time_is_not_there() -> None:
    full = between()
    fallen = {
        labels: 0.0 if dict(labels)["__name__"] == "http_requests_total" else v for labels, v in full.after.items()
    }
    assert (
        "http_requests_total fell" in next(iter(comparison.counts(Between(full.before, fallen), COUNT, COUNT, 0))).text
    )


def test_the_objectives_hold_by_prometheus_too() -> None:
    assert [(line.name, line.good) for line in comparison.objectives(between(), LIMITS)] == [
        ("submission-latency", True),
        ("start-delay", True),
    ]


def test_too_many_slow_ones_in_the_histogram_break_the_objective() -> None:
    slow = between({"0.025": COUNT - 11, "0.25": 11})
    assert [line.good for line in comparison.objectives(slow, LIMITS)] == [False, True]


def test_nothing_in_the_histogram_is_not_good() -> None:
    assert [line.good for line in comparison.objectives(between({}), LIMITS)] == [False, False]


@pytest.mark.parametrize(
    ("took", "near"), [(0.008, True), (0.02, True), (0.025, True), (0.04, True), (0.06, False), (2.0, False)]
)
def test_the_p99_of_both_lie_in_the_same_bucket_or_in_neighbours(took: float, near: bool) -> None:
    """Prometheus has it between 10 and 25 ms."""
    summary = make_summary(make_story(n / 10, took=took) for n in range(COUNT))
    (line,) = comparison.percentiles(between(), LIMITS, summary)
    assert line.good is near
    assert "10.0 ms to 25.0 ms by Prometheus" in line.text
    assert ("more than a bucket apart" in line.text) is not near


def test_a_few_milliseconds_on_the_way_are_no_disagreement_about_a_fast_service() -> None:
    summary = make_summary(make_story(n / 10, took=0.019) for n in range(COUNT))
    fast = replace(LIMITS, edges={**LIMITS.edges, "job_submit_seconds": (0.01, 0.0125, 0.015, 0.025)})
    taken = between({"0.01": COUNT})
    (line,) = comparison.percentiles(taken, fast, summary)
    assert line.good


def test_beyond_the_last_edge_is_a_bucket_too() -> None:
    summary = make_summary(make_story(n / 10, took=3.0) for n in range(COUNT))
    (line,) = comparison.percentiles(between({"inf": COUNT}), LIMITS, summary)
    assert line.good


def test_an_answer_of_prometheus_becomes_counters() -> None:
    found = parsed([{"metric": {"__name__": "jobs_attempts_total", "worker": "0"}, "value": [1.0, "7"]}])
    assert found == {(("__name__", "jobs_attempts_total"), ("worker", "0")): 7.0}


class Canned(prometheus.Prometheus):
    """Answers of a Prometheus, one after the other."""

    def __init__(self, settings: Settings, *answers: object) -> None:
        self.waited: list[float] = []
        super().__init__(settings, self.waited.append)
        self._answers = list(answers)

    def _query(self, query: str) -> object:
        return self._answers.pop(0)


def _vector(found: object) -> list[object]:
    assert isinstance(found, dict)
    return [{"metric": dict(labels), "value": [0, str(value)]} for labels, value in found.items()]


@pytest.fixture
def settings() -> Settings:
    return Settings("https://localhost", "slo", None, None, True, "key", "key file", "password", Path())


def test_a_threshold_that_the_running_service_has_no_edge_for_is_refused(settings: Settings) -> None:
    served = _vector(counters({}))
    Canned(settings, served).check(LIMITS)
    objective = replace(LIMITS.objectives["submission-latency"], threshold=0.075)
    other = replace(LIMITS, objectives={**LIMITS.objectives, "submission-latency": objective})
    with pytest.raises(Unusable, match=r"0\.075 s is no `le` .* deployed with another slo\.yaml"):
        Canned(settings, served).check(other)


def test_no_metrics_at_all_are_said_so(settings: Settings) -> None:
    with pytest.raises(Unusable, match="no metrics of the service yet"):
        Canned(settings, []).check(LIMITS)


def test_counters_are_read_from_a_scrape_younger_than_the_question(settings: Settings) -> None:
    def scraped(at: float) -> list[object]:
        return [{"metric": {}, "value": [0, str(at)]}]

    canned = Canned(
        settings, [100.0, "100.0"], scraped(97.0), scraped(100.2), [], scraped(105.0), scraped(0), _vector(counters({}))
    )
    assert canned.settled() == counters({})
    assert canned.waited == [1, 1, 1]


def test_counters_are_read_after_the_last_job_has_ended_unless_others_go_on(settings: Settings) -> None:
    scraped, busy, idle = ([{"metric": {}, "value": [0, text]}] for text in ("105.0", "3", "0"))
    canned = Canned(settings, [100.0, "100.0"], scraped, busy, scraped, idle, _vector(counters({})))
    assert canned.settled() == counters({})
    assert canned.waited == [1]
    never = Canned(settings, [100.0, "100.0"], *([scraped, busy] * 30), scraped, _vector(counters({})))
    assert never.settled() == counters({})
