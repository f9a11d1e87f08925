"""Arrivals come when they were due, whatever the server does."""

import random
from dataclasses import dataclass, field

from loadtest.samples import Measured, Story, summarize
from loadtest.scenario import Step
from loadtest.schedule import arrivals, dispatch, follow_every


@dataclass
class Clock:
    now: float = 100.0
    slept: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def test_there_are_exactly_as_many_arrivals_as_asked_all_within_the_time() -> None:
    times = arrivals(200, 60, random.Random(7))
    assert len(times) == 12_000
    assert list(times) == sorted(times)
    assert 0 <= times[0] < times[-1] <= 60


def test_the_same_seed_gives_the_same_arrivals() -> None:
    assert arrivals(20, 5, random.Random(1)) == arrivals(20, 5, random.Random(1))
    assert arrivals(20, 5, random.Random(1)) != arrivals(20, 5, random.Random(2))


def test_arrivals_come_in_clumps_as_those_of_strangers_do() -> None:
    times = arrivals(100, 100, random.Random(3))
    counts = [sum(second <= time < second + 1 for time in times) for second in range(100)]
    mean = sum(counts) / 100
    variance = sum((count - mean) ** 2 for count in counts) / 100
    assert 0.6 * mean < variance < 1.5 * mean  # of a Poisson process they are equal; of an even rhythm it is 0


def test_no_rate_has_no_arrivals() -> None:
    assert arrivals(0, 60, random.Random(1)) == []


def test_a_server_that_never_answers_is_asked_as_often_and_at_the_same_times() -> None:
    clock, begun = Clock(), list[tuple[float, float]]()
    dispatch([0.0, 0.5, 0.75, 2.0], lambda due: begun.append((due, clock.now)), clock, clock.sleep)
    assert begun == [(100.0, 100.0), (100.5, 100.5), (100.75, 100.75), (102.0, 102.0)]


def test_a_generator_that_was_held_up_begins_what_is_due_at_once_and_counts_from_when_it_was_due() -> None:
    clock, begun = Clock(), list[tuple[float, float]]()

    def begin(due: float) -> None:
        begun.append((due, clock.now))
        if len(begun) == 1:
            clock.now += 1.0

    dispatch([0.0, 0.25, 0.5, 2.0], begin, clock, clock.sleep)
    assert begun == [(100.0, 100.0), (100.25, 101.0), (100.5, 101.0), (102.0, 102.0)]


def test_latency_counts_from_the_due_time_and_the_wait_of_the_generator_stands_beside_it() -> None:
    story = Story(due=10.0, sent=10.4, answered=10.5, status=202)
    found = summarize(Measured(Step(1, 1), 10.0, [story]))
    assert [round(value, 6) for value in (*found.latency, *found.latency_sent, *found.lateness)] == [0.5, 0.1, 0.4]


def test_a_late_generator_did_not_reach_its_rate() -> None:
    stories = [Story(due=number / 10, sent=number / 5, answered=number / 5, status=202) for number in range(101)]
    assert round(summarize(Measured(Step(10, 10), 0.0, stories)).achieved_rate, 2) == 5.05


def test_some_forty_clients_a_second_wait_for_their_jobs() -> None:
    assert [follow_every(rate) for rate in (0, 5, 40, 41, 200, 244.1)] == [1, 1, 1, 2, 5, 7]
