"""Where settings come from, and what `check` refuses."""

import hashlib
from pathlib import Path

import pytest

from service import check
from service.settings import Settings, StackSettings, TelemetryEnvironment, read_settings


@pytest.fixture(autouse=True)
def _nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No `.env` of the developer, no variables of the shell."""
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(f"SERVICE_{name.upper()}", raising=False)


def production(tmp_path: Path, **changes: object) -> Settings:
    keys = tmp_path / "keys"
    keys.write_text(f"ada:ada:{hashlib.sha256(b'strong').hexdigest()}\n")
    keys.chmod(0o640)
    return Settings.model_validate({"environment": "production", "api_keys_file": keys} | changes)


def test_the_command_line_is_stronger_than_the_environment_and_that_than_the_env_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("SERVICE_PORT=1\nSERVICE_WORKERS=1\nSERVICE_LEASE_SECONDS=11\nDOMAIN=x\n")
    monkeypatch.setenv("SERVICE_PORT", "2")
    monkeypatch.setenv("SERVICE_WORKERS", "2")
    settings = read_settings(["--port", "3"])
    assert (settings.port, settings.workers, settings.lease_seconds, settings.max_queued) == (3, 2, 11, 100_000)


def test_every_wrong_setting_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVICE_PORT", "99999")
    monkeypatch.setenv("SERVICE_WORKERS", "many")
    monkeypatch.setenv("SERVICE_DATABASE_URL", "postgres://x")
    with pytest.raises(ValueError, match="SERVICE_PORT") as refused:
        read_settings()
    lines = str(refused.value).splitlines()
    assert [line.split(":")[0] for line in lines] == ["SERVICE_PORT", "SERVICE_WORKERS", "SERVICE_DATABASE_URL"]


@pytest.mark.parametrize(
    ("line", "url"),
    [
        ("", None),
        ("OTEL_EXPORTER_OTLP_ENDPOINT=http://jaeger:4318/", "http://jaeger:4318/v1/traces"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://else:1/in", "http://else:1/in"),
    ],
)
def test_the_collector_is_read_from_the_env_file_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, url: str | None
) -> None:
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", raising=False)
    (tmp_path / ".env").write_text(line)
    assert TelemetryEnvironment().traces_url == url


def test_settings_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings().port = 1  # type: ignore[misc]


def test_sound_production_settings_pass(tmp_path: Path) -> None:
    assert check.problems(production(tmp_path)) == []


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"log_level": "DEBUG"}, "SERVICE_LOG_LEVEL"),
        ({"webhook_allow_loopback": True}, "SERVICE_WEBHOOK_ALLOW_LOOPBACK"),
        ({"api_keys_file": "missing"}, "SERVICE_API_KEYS_FILE"),
        ({"database_url": "sqlite:////dev/null/jobs.db"}, "SERVICE_DATABASE_URL"),
        ({"runtime_dir": "/tmp/" + "x" * 100}, "SERVICE_RUNTIME_DIR"),
    ],
)
def test_production_refuses_what_only_development_may_do(
    tmp_path: Path, changes: dict[str, object], named: str
) -> None:
    found = check.problems(production(tmp_path, **changes))
    assert found
    assert all(problem.startswith(named) for problem in found)


def test_production_refuses_the_development_key_and_a_file_that_everybody_reads(tmp_path: Path) -> None:
    keys = tmp_path / "development"
    keys.write_text(f"development:dev:{hashlib.sha256(b'dev-key').hexdigest()}:operator\n")
    keys.chmod(0o644)
    found = "\n".join(check.problems(production(tmp_path, api_keys_file=keys)))
    assert "`dev-key`" in found
    assert "readable by everybody" in found


def test_a_broken_key_file_is_named_by_its_line_and_not_by_its_content(tmp_path: Path) -> None:
    keys = tmp_path / "broken"
    keys.write_text("# a comment\nada:ada:secret-in-plain-text\n")
    keys.chmod(0o640)
    (problem,) = check.problems(production(tmp_path, api_keys_file=keys))
    assert "line 2" in problem
    assert "secret-in-plain-text" not in problem


def test_production_judges_the_stack_too(tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("dev-grafana\n")
    password.chmod(0o644)
    alertmanager = tmp_path / "alertmanager.yml"
    alertmanager.write_text("route: {receiver: placeholder}\nreceivers: [{name: placeholder}]\n")
    stack = StackSettings(grafana_password_file=password, alertmanager_file=alertmanager)
    found = "\n".join(check.stack_problems(production(tmp_path), stack))
    for named in ("DOMAIN", "well-known development password", "readable by everybody", "placeholder"):
        assert named in found
    assert check.stack_problems(Settings(), stack) == []
