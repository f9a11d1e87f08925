"""`make secrets`: what it makes is whole, strong, readable by the containers alone, and enough for production."""

import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from service import check, credentials
from service.api.auth import KEY_PREFIX, parse_keys
from service.settings import Settings, StackSettings

ROOT = Path(__file__).parents[1]
ADDRESSES = {"webhook_url": "https://hooks.example.com/a", "heartbeat_url": "https://ping.example.com/b"}


def test_every_secret_that_compose_mounts_is_made(tmp_path: Path) -> None:
    credentials.make(tmp_path / "made", user="ada")
    mounted = yaml.safe_load((ROOT / "compose.yaml").read_text())["secrets"]
    assert {path.name for path in (tmp_path / "made").iterdir()} == mounted.keys()


def test_only_owner_and_group_read_them_whatever_the_umask(tmp_path: Path) -> None:
    command = f'umask 000 && exec "{sys.executable}" -m service secrets "{tmp_path}/made"'
    subprocess.run(["sh", "-c", command], cwd=ROOT, check=True, capture_output=True)
    for path in (tmp_path / "made").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o640, path
    assert stat.S_IMODE((tmp_path / "made").stat().st_mode) == 0o750


def test_its_key_is_an_operators_and_no_two_folders_share_a_secret(tmp_path: Path) -> None:
    for name in ("one", "two"):
        credentials.make(tmp_path / name, user="ada")
    (caller,) = parse_keys((tmp_path / "one/api_keys").read_text())
    assert (caller.user_id, caller.operator) == ("ada", True)
    assert (tmp_path / "one/client_key").read_text().startswith(KEY_PREFIX)
    for name in ("api_keys", "client_key", "grafana_admin_password"):
        assert (tmp_path / "one" / name).read_text() != (tmp_path / "two" / name).read_text()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    credentials.make(tmp_path / "made", user="ada")
    before = (tmp_path / "made/api_keys").read_text()
    command = [sys.executable, "-m", "service", "secrets", str(tmp_path / "made")]
    again = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert again.returncode == 2
    assert "left as they are" in again.stderr
    assert (tmp_path / "made/api_keys").read_text() == before


def test_what_is_left_to_do_is_said(tmp_path: Path) -> None:
    said = "\n".join(credentials.make(tmp_path / "made", user="ada", **ADDRESSES))
    assert f"SECRETS_DIR={tmp_path}/made" in said
    assert "alert_smtp_password" in said
    assert "alert_webhook_url" not in said, "it was given"


def test_production_accepts_them(tmp_path: Path) -> None:
    made = tmp_path / "made"
    credentials.make(made, user="ada", **ADDRESSES)
    settings = Settings(
        environment="production",
        api_keys_file=made / "api_keys",
        backup_rclone_file=made / "rclone.conf",
        _env_file=None,
    )
    assert check.problems(settings) == []
    stack = StackSettings(domain="jobs.example.org", grafana_password_file=made / "grafana_admin_password")
    found = check.stack_problems(settings, stack)
    assert [each for each in found if "SECRETS_DIR" in each and "/run/secrets" not in each] == []


@pytest.mark.parametrize("name", ["production", "server"])
def test_git_ignores_a_folder_beside_developments(name: str) -> None:
    command = ["git", "check-ignore", "--quiet", f"secrets/{name}/api_keys"]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == 0
