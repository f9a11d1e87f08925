"""The order of a test, its report, and its pictures."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from loadtest import judgement, page, picture, report, table
from loadtest.counters import Counters
from loadtest.run import Outcome, conduct
from loadtest.samples import Measured, Story
from loadtest.scenario import Scenario, Step, scenario
from loadtest.settings import Settings, Unusable
from tests.loadtest.making import COUNT, LIMITS, between, make_story, refused


class Generated:
    """Every arrival is told at once. From `slow_from` submissions a second on, all are slow."""

    def __init__(self, happened: list[str], slow_from: float = 1e9, status: int = 202) -> None:
        self._happened, self._slow_from, self._status = happened, slow_from, status

    def run(self, step: Step) -> Measured:
        self._happened.append(f"{step.rate:g}/s for {step.seconds:g} s")
        times = [number / step.rate for number in range(round(step.rate * step.seconds))]
        return Measured(step, 0.0, [self._story(due, 0.3 if step.rate >= self._slow_from else 0.02) for due in times])

    def _story(self, due: float, took: float) -> Story:
        return make_story(due, took) if self._status == 202 else refused(due, self._status)


class Counted:
    def __init__(self, happened: list[str]) -> None:
        self._happened = happened
        self._answers: Iterator[Counters] = iter([between().before, between().after])

    def settled(self) -> Counters:
        self._happened.append("counted")
        return next(self._answers)


def _conducted(plan: Scenario, happened: list[str], *, compared: bool = True, slow_from: float = 1e9) -> Outcome:
    return conduct(
        plan, LIMITS, Generated(happened, slow_from), Counted(happened) if compared else None, lambda _: None
    )


def _passed(outcome: Outcome) -> bool:
    return judgement.exit_code(judgement.judge(LIMITS, outcome)) == 0


def test_what_is_counted_is_what_comes_after_the_warm_up() -> None:
    happened: list[str] = []
    outcome = _conducted(scenario("slo", 10, seconds=100), happened)
    assert happened == ["10/s for 10 s", "counted", "10/s for 100 s", "counted"]
    assert outcome.steps[0][1].accepted == COUNT
    assert _passed(outcome)


def test_a_count_that_disagrees_fails_the_whole_test() -> None:
    assert not _passed(_conducted(scenario("slo", 10, seconds=101), []))


def test_without_the_comparison_the_verdict_says_so_loudly() -> None:
    outcome = _conducted(scenario("slo", 10, seconds=100), [], compared=False)
    assert any("NOT COMPARED" in line for line in table.verdict(judgement.judge(LIMITS, outcome)))
    assert _passed(outcome)


@pytest.mark.parametrize(("rate", "seconds"), [(0.0, None), (None, 0.0)])
@pytest.mark.parametrize("name", ["smoke", "slo", "stress", "soak"])
def test_a_test_of_nothing_waits_for_nothing_and_fails(name: str, rate: float | None, seconds: float | None) -> None:
    happened: list[str] = []
    outcome = _conducted(scenario(name, 10, rate, seconds), happened)
    assert happened == []
    assert not _passed(outcome)


def test_a_warm_up_of_which_nothing_is_accepted_ends_the_test() -> None:
    happened: list[str] = []
    with pytest.raises(Unusable, match="POST /jobs: 401"):
        conduct(scenario("slo", 10), LIMITS, Generated(happened, status=401), Counted(happened), lambda _: None)
    assert happened == ["10/s for 10 s"]


def test_jobs_of_the_warm_up_that_still_run_may_be_counted_later() -> None:
    class Leaving(Generated):
        def run(self, step: Step) -> Measured:
            measured = super().run(step)
            if step.seconds == 10:
                measured.stories[0].state = "running"
            return measured

    assert conduct(scenario("slo", 10), LIMITS, Leaving([]), None, lambda _: None).left_over == 1


def test_stress_goes_on_until_it_breaks_clearly() -> None:
    happened: list[str] = []
    outcome = _conducted(scenario("stress", 10), happened, compared=False, slow_from=9)
    assert [summary.asked.rate for _, summary in outcome.steps] == [5, 6.2, 7.8, 9.8, 12.2]
    assert _passed(outcome)


@pytest.fixture
def settings() -> Settings:
    return Settings("https://localhost", "slo", None, None, False, "key", "key file", "", Path())


@pytest.mark.parametrize(
    "plan", [scenario("slo", 10, seconds=100), scenario("slo", 10, rate=0), scenario("stress", 10)]
)
def test_the_report_can_be_written_and_shown(settings: Settings, plan: Scenario) -> None:
    outcome = _conducted(plan, [], compared=False, slow_from=9 if plan.ramp else 1e9)
    lines = judgement.judge(LIMITS, outcome)
    found = report.report(settings, LIMITS, outcome, lines)
    assert json.loads(json.dumps(found, allow_nan=False))["passed"] is (not plan.empty)
    assert "objective" in page.page(found, list(table.verdict(lines)))
    assert list(table.ramp_table(LIMITS, outcome))
    assert list(table.table(outcome.steps[0][1]))


def test_a_report_of_another_scenario_leaves_the_knee_alone(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = _conducted(scenario("slo", 10, seconds=100), [], compared=False)
    written = tmp_path / "report.json"
    picture.main(written, tmp_path / "slo")
    written.write_text(json.dumps(report.report(settings, LIMITS, outcome, judgement.judge(LIMITS, outcome))))
    picture.main(written, tmp_path / "slo")
    assert not (tmp_path / "slo").exists()
    assert "SCENARIO=stress" in capsys.readouterr().err


def test_a_stress_report_is_what_the_knee_is_drawn_from(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(picture, "draw", lambda found, path: path.write_text(found["machine"]))
    outcome = _conducted(scenario("stress", 10), [], compared=False, slow_from=9)
    written = tmp_path / "report.json"
    written.write_text(json.dumps(report.report(settings, LIMITS, outcome, judgement.judge(LIMITS, outcome))))
    picture.main(written, tmp_path / "slo")
    knee = json.loads((tmp_path / "slo/knee.json").read_text())
    assert (knee["knee"]["holds_at"], knee["knee"]["breaks_at"]) == (7.8, 9.8)
    assert "on the same machine" in (tmp_path / "slo/knee.svg").read_text()
