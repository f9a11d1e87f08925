"""What the preflight says of the backups in production."""

import hashlib
from pathlib import Path

import pytest

from service import check
from service.settings import Settings, StackSettings


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    path = tmp_path / "rclone.conf"
    path.write_text("[offsite]\ntype = sftp\n")
    path.chmod(0o640)
    return path


def refusals(configuration: Path, remote: str, environment: str = "production") -> list[str]:
    """Those that speak of the backups."""
    settings = _settings(configuration, remote, environment)
    found = check.stack_problems(settings, StackSettings())
    return [line for line in found if "BACKUP" in line or "rclone" in line]


def _settings(configuration: Path, remote: str, environment: str = "production") -> Settings:
    keys = configuration.with_name("keys")
    keys.write_text(f"ada:ada:{hashlib.sha256(b'strong').hexdigest()}\n")
    values = {"environment": environment, "api_keys_file": keys}
    return Settings.model_validate(values | {"backup_remote": remote, "backup_rclone_file": configuration})


def test_a_remote_that_rclone_knows_passes(configuration: Path) -> None:
    for remote in ("offsite:bucket/jobs", "offsite:", ":local:/elsewhere", ""):
        assert refusals(configuration, remote) == []
    configuration.write_text("# Encrypted rclone configuration File\n\nRCLONE_ENCRYPT_V0:\nxyz\n")
    assert refusals(configuration, "offsite:jobs") == []


def test_a_remote_that_is_not_configured_is_refused_in_production_only(configuration: Path) -> None:
    (line,) = refusals(configuration, "elsewhere:jobs")
    assert "[elsewhere]" in line
    (line,) = refusals(configuration, "bucket/jobs")
    assert "no REMOTE:path" in line
    assert refusals(configuration, "elsewhere:jobs", "development") == []


def test_access_that_everybody_reads_is_refused(configuration: Path) -> None:
    configuration.chmod(0o644)
    (line,) = refusals(configuration, "offsite:jobs")
    assert "readable by everybody" in line
    configuration.unlink()
    (line,) = refusals(configuration, "offsite:jobs")
    assert "is not there" in line


def test_production_is_told_that_its_backups_stay_on_the_machine(configuration: Path) -> None:
    assert any("SERVICE_BACKUP_REMOTE" in line for line in check.notices(_settings(configuration, "")))
    assert not any("BACKUP" in line for line in check.notices(_settings(configuration, "offsite:jobs")))
    assert not any("BACKUP" in line for line in check.notices(_settings(configuration, "", "development")))
