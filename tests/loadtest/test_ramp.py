"""The knee is the last rate at which all objectives hold."""

from loadtest import judgement, ramp
from loadtest.samples import Summary
from tests.loadtest.making import LIMITS, make_story, make_summary, with_rate


def _step(rate: float, *, slow: bool = False, late: bool = False) -> Summary:
    stories = [make_story(n / 10, took=0.3 if slow else 0.02, late=0.3 if late else 0.001) for n in range(50)]
    return with_rate(make_summary(stories), rate)


STEPS = [_step(8), _step(9), _step(10, slow=True)]


def test_one_broken_step_does_not_end_the_ramp_and_two_do() -> None:
    assert not ramp.over(LIMITS, STEPS[:2])
    assert not ramp.over(LIMITS, STEPS)
    assert ramp.over(LIMITS, [*STEPS, _step(10.2, slow=True)])
    assert not ramp.over(LIMITS, [*STEPS, _step(10.2)])


def test_the_knee_is_the_last_step_that_held_and_the_next_says_why() -> None:
    found = ramp.knee(LIMITS, [*STEPS, _step(10.2, slow=True)])
    assert found.held
    assert found.broken
    assert (found.held.asked.rate, found.broken.asked.rate) == (9, 10)
    assert (found.reasons, found.late) == (["submission-latency"], False)


def test_a_moment_of_the_machine_is_not_the_knee() -> None:
    found = ramp.knee(LIMITS, [_step(8, slow=True), _step(9)])
    assert found.held
    assert (found.held.asked.rate, found.broken) == (9, None)


def test_breaking_is_what_a_stress_test_is_for() -> None:
    lines = ramp.lines(LIMITS, STEPS)
    assert judgement.exit_code(lines) == 0
    assert lines[0].text == "all objectives hold at 9 submissions/s; at 10/s broke submission-latency"


def test_nothing_is_found_if_the_first_step_breaks() -> None:
    lines = ramp.lines(LIMITS, [_step(8, slow=True), _step(9, slow=True)])
    assert judgement.exit_code(lines) == 1
    assert "begin with a lower RATE" in lines[0].text


def test_a_late_generator_is_named() -> None:
    (line,) = ramp.lines(LIMITS, [_step(8), _step(9, late=True)])
    assert "The generator was late there too" in line.text
