"""The verdict passes what is good, and names what is not."""

import math
from collections.abc import Iterable
from dataclasses import replace

import pytest

from loadtest.judgement import exit_code
from loadtest.samples import Story, Summary, percentile, share_within
from loadtest.scenario import Step
from loadtest.verdict import Line, generator, objectives, percent
from tests.loadtest.making import COUNT, LIMITS, make_story, make_summary, refused, with_rate


def _failed(lines: Iterable[Line]) -> list[str]:
    return [line.name for line in lines if not line.good]


def _text(summary: Summary, name: str) -> str:
    return next(line.text for line in objectives(LIMITS, summary) if line.name == name)


def test_a_good_run_passes_with_a_line_for_each_objective() -> None:
    lines = [*objectives(LIMITS, make_summary()), *generator(LIMITS, make_summary())]
    assert [line.name for line in lines] == [
        "rate", "submission-latency", "availability", "start-delay", "completion", "generator",
    ]  # fmt: skip
    assert _failed(lines) == []
    assert exit_code(lines) == 0


@pytest.mark.parametrize("count", [0, 1, 10])
def test_one_percent_may_be_slow(count: int) -> None:
    assert _failed(objectives(LIMITS, make_summary(make_story(n / 10, took=0.2) for n in range(count)))) == []


def test_more_than_one_percent_slow_break_the_latency_alone() -> None:
    summary = make_summary(make_story(n / 10, took=0.2) for n in range(11))
    lines = list(objectives(LIMITS, summary))
    assert _failed(lines) == ["submission-latency"]
    assert exit_code(lines) == 1
    assert _text(summary, "submission-latency").startswith("98.9 % of 1,000 served within 100 ms")


def test_the_threshold_itself_is_within() -> None:
    assert share_within([0.1, 0.1, 0.1000001], 0.1) == pytest.approx(2 / 3)


def test_a_delayed_start_breaks_the_start_delay_alone() -> None:
    assert _failed(objectives(LIMITS, make_summary(make_story(n / 10, start_delay=0.6) for n in range(11)))) == [
        "start-delay"
    ]


def test_one_failure_in_a_thousand_requests_is_borne_and_three_in_two_thousand_are_not() -> None:
    assert _failed(objectives(LIMITS, make_summary([refused(0, 503)]))) == []
    assert _failed(objectives(LIMITS, make_summary(refused(n / 10, 503) for n in range(3)))) == ["availability"]


@pytest.mark.parametrize("status", [0, 200, 401, 429, 500, 502])
def test_any_answer_but_202_is_a_failure_is_named_and_is_never_in_time(status: int) -> None:
    summary = make_summary(refused(n / 10, status) for n in range(20))
    assert _failed(objectives(LIMITS, summary)) == ["submission-latency", "availability"]
    assert f"20 times POST /jobs: {status}" in _text(summary, "availability")


def test_a_wrong_key_breaks_everything_and_is_named() -> None:
    summary = make_summary(refused(n / 10, 401) for n in range(1000))
    assert _failed(objectives(LIMITS, summary)) == [
        "rate", "submission-latency", "availability", "start-delay", "completion",
    ]  # fmt: skip
    assert "1,000 times POST /jobs: 401" in _text(summary, "availability")


@pytest.mark.parametrize("step", [Step(0, 300), Step(200, 0), Step(0, 0), Step(200, 300)])
def test_zero_requests_are_not_good(step: Step) -> None:
    lines = list(objectives(LIMITS, make_summary(step=step, count=0)))
    assert _failed(lines) == ["requests"]
    assert exit_code(lines) == 1


def test_the_rate_that_was_asked_must_be_reached() -> None:
    assert _failed(objectives(LIMITS, with_rate(make_summary(), 10.5))) == []
    assert _failed(objectives(LIMITS, with_rate(make_summary(), 10.6))) == ["rate"]


def test_dropped_arrivals_lower_the_rate_and_are_named() -> None:
    summary = make_summary(count=900, dropped=100)
    assert _failed(objectives(LIMITS, summary)) == ["rate"]
    assert "100 were dropped" in _text(summary, "rate")


def test_one_accepted_job_that_is_never_done_breaks_the_completion() -> None:
    lost = make_story()
    lost.state = "queued"
    assert _failed(objectives(LIMITS, make_summary([lost]))) == ["completion"]
    assert "999 of 1,000" in _text(make_summary([lost]), "completion")
    assert "1 queued" in _text(make_summary([lost]), "completion")


def test_a_job_that_nobody_followed_is_not_missed_by_the_clients() -> None:
    unfollowed = [replace(make_story(n / 10), followed=False, state="", start_delay=math.inf) for n in range(500)]
    found = make_summary(unfollowed)
    assert (found.accepted, found.followed, found.succeeded, len(found.start_delay)) == (COUNT, 500, 500, 500)
    assert all(line.good for line in objectives(LIMITS, found))


def test_a_generator_that_is_late_is_named_and_is_not_taken_for_a_slow_service() -> None:
    summary = make_summary(make_story(n / 10, late=0.2) for n in range(20))
    assert _failed(objectives(LIMITS, summary)) == []
    assert "(98 % as the clients saw it)" in _text(summary, "submission-latency")
    lines = list(generator(LIMITS, summary))
    assert _failed(lines) == ["generator"]
    assert "could not keep up" in lines[0].text


def test_a_submission_that_was_never_answered_is_a_failed_request_of_unknown_fate() -> None:
    story = Story(due=0.0, sent=0.0)
    story.cut_short()
    summary = make_summary([story])
    assert (summary.failures, summary.unknown, summary.latency[-1]) == ({"POST /jobs: no answer": 1}, 1, float("inf"))


def test_what_was_never_sent_is_in_no_sample() -> None:
    assert len(make_summary([Story(due=0.0)]).latency) == 999


def test_percentiles_are_samples() -> None:
    samples = [float(number) for number in range(1, 101)]
    assert [percentile(samples, share) for share in (0.01, 0.5, 0.99, 0.991, 1.0)] == [1.0, 50.0, 99.0, 100.0, 100.0]


def test_a_share_is_cut_so_that_a_miss_never_looks_like_a_hit() -> None:
    assert percent(0.98999999) == "98.999 %"
    assert percent(0.99) == "99 %"
    assert percent(1.0) == "100 %"
