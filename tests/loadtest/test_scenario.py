"""Scenarios, and settings that cannot be used."""

from itertools import pairwise
from pathlib import Path

import pytest

from loadtest import limits, settings
from loadtest.scenario import NAMES, Step, scenario


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    (tmp_path / "client_key").write_text("key\n")
    (tmp_path / "grafana_admin_password").write_text("password\n")
    return tmp_path


def test_the_default_holds_the_promised_rate_for_five_minutes() -> None:
    promised = limits.read().rate
    assert scenario("slo", promised).steps == (Step(promised, 300),)


@pytest.mark.parametrize(("name", "step"), [("smoke", Step(5, 30)), ("soak", Step(100, 3600))])
def test_the_others_have_a_rate_and_a_time_of_their_own(name: str, step: Step) -> None:
    assert scenario(name, 200).steps == (step,)


def test_a_rate_and_a_duration_of_ones_own_replace_those_of_the_scenario() -> None:
    assert scenario("slo", 200, rate=7, seconds=9).steps == (Step(7, 9),)
    assert scenario("slo", 200, rate=0).steps == (Step(0, 300),)


def test_a_short_test_has_a_short_warm_up() -> None:
    assert scenario("slo", 200, seconds=3).warm_up == Step(200, 3)
    assert scenario("slo", 200).warm_up == Step(200, 10)


def test_stress_is_a_ramp_that_grows_by_the_same_share_each_time() -> None:
    steps = scenario("stress", 200).steps
    assert steps[0] == Step(100, 20)
    assert {round(after.rate / before.rate, 2) for before, after in pairwise(steps)} == {1.25}
    assert steps[-1].rate > 2000


@pytest.mark.parametrize("name", NAMES)
def test_no_rate_and_no_time_mean_nothing_to_send(name: str) -> None:
    assert scenario(name, 200, rate=0).empty
    assert scenario(name, 200, seconds=0).empty
    assert not scenario(name, 200).empty


def test_settings_have_defaults(secrets: Path) -> None:
    found = settings.read({}, secrets)
    assert (found.scenario, found.rate, found.seconds, found.compare) == ("slo", None, None, True)
    assert (found.key, found.grafana_password, found.local) == ("key", "password", True)


def test_an_empty_value_counts_as_not_set_and_zero_as_set(secrets: Path) -> None:
    found = settings.read({"LOADTEST_RATE": "0", "LOADTEST_SECONDS": ""}, secrets)
    assert (found.rate, found.seconds) == (0, None)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("LOADTEST_SCENARIO", "sl0", "smoke, slo, stress, soak"),
        ("LOADTEST_RATE", "many", "RATE=many"),
        ("LOADTEST_RATE", "-1", "RATE=-1"),
        ("LOADTEST_SECONDS", "inf", "DURATION=inf"),
        ("LOADTEST_SECONDS", "nan", "DURATION=nan"),
        ("LOADTEST_HOST", "jobs.example.com", "https://jobs.example.com"),
        ("LOADTEST_COMPARE", "maybe", "yes or no"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(secrets: Path, name: str, value: str, said: str) -> None:
    with pytest.raises(settings.Unusable, match=said):
        settings.read({name: value}, secrets)


@pytest.mark.parametrize("content", ["", "two\nlines\n", None])
def test_a_key_file_without_a_key_is_named(secrets: Path, content: str | None) -> None:
    key = secrets / "client_key"
    key.unlink() if content is None else key.write_text(content)
    with pytest.raises(settings.Unusable, match=r"my/key: set API_KEY_FILE"):
        settings.read({"API_KEY_FILE": "my/key"}, secrets)


def test_without_the_comparison_no_password_is_needed(secrets: Path) -> None:
    (secrets / "grafana_admin_password").unlink()
    assert not settings.read({"LOADTEST_COMPARE": "no"}, secrets).compare
    with pytest.raises(settings.Unusable, match="COMPARE=no"):
        settings.read({}, secrets)


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("https://caddy.internal", True),
        ("https://localhost:8443", True),
        ("https://jobs.example.com", False),
        ("https://localhost.example.com", False),
        ("https://internal.example.com/x.internal", False),
    ],
)
def test_only_a_local_name_may_have_a_certificate_that_nobody_knows(secrets: Path, host: str, local: bool) -> None:
    assert settings.read({"LOADTEST_HOST": host}, secrets).local is local
