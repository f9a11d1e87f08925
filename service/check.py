"""Judges the settings before anything starts, and says all that is wrong at once, with what to do about it.

A worker that fails at start would be respawned for ever, and a default that is fine on a laptop is a hole on the
internet.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from service.alerting import Alertmanager
from service.api.auth import parse_keys
from service.settings import Settings, StackSettings
from service.store import driver
from service.store.migrations import problem_beside

SOCKET_PATH_LIMIT = 90  # of about 104 bytes that a Unix socket's path may have; the rest is for the socket's own name
DEVELOPMENT_KEY_DIGESTS = {"7e9f8fd111802be56c379d597842e29b2cebd35ff2133d431a49fa556a18704e"}  # sha256 of `dev-key`
DEVELOPMENT_PASSWORDS = {"admin", "dev-grafana"}


def problems(settings: Settings) -> list[str]:
    """What keeps the service from starting; empty: nothing."""
    return [*_keys(settings), *_places(settings), *(_production(settings) if _is_production(settings) else ())]


def stack_problems(settings: Settings, stack: StackSettings) -> list[str]:
    """What the service cannot see of the stack around it. Only production is judged: development lives on defaults."""
    return [*_stack_production(stack), *_backups(settings)] if _is_production(settings) else []


def problems_beside(settings: Settings) -> list[str]:
    """What keeps this version from working beside the one that serves now, as it does during an upgrade."""
    found = problem_beside(settings.database_path)
    return [f"SERVICE_DATABASE_URL: {found}"] if found else []


def notices(settings: Settings) -> list[str]:
    """What is worth knowing and stops nothing."""
    version = driver.sqlite_version()
    found = [f"SQLite {version} ({driver.sqlite3.__name__})"]
    if not driver.wal_reset_fixed(version):
        found.append(
            f"SQLite {version} has the WAL-reset bug; the write lock beside the database keeps it from showing"
        )
    if _is_production(settings) and not settings.backup_remote:
        found.append("SERVICE_BACKUP_REMOTE is empty: the backups stay on this machine, and are lost with it")
    if settings.sqlite_synchronous != "FULL":
        found.append("SERVICE_SQLITE_SYNCHRONOUS=NORMAL: a power loss can take the last acknowledged jobs")
    return found


def _is_production(settings: Settings) -> bool:
    return settings.environment == "production"


def _keys(settings: Settings) -> Iterator[str]:
    try:
        parse_keys(settings.api_keys_file.read_text())
    except OSError as error:
        yield f"SERVICE_API_KEYS_FILE: {_unreadable(settings.api_keys_file, error)}"
    except ValueError as error:
        yield f"SERVICE_API_KEYS_FILE: {settings.api_keys_file}: {error}"


def _places(settings: Settings) -> Iterator[str]:
    folder = settings.database_path.absolute().parent
    existing = next(each for each in (folder, *folder.parents) if each.exists())
    if not (existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)):
        yield f"SERVICE_DATABASE_URL: {existing} is no directory that uid {os.getuid()} can write, as SQLite must"
    if (runtime := settings.runtime_dir) is not None:
        if len(os.fsencode(runtime)) > SOCKET_PATH_LIMIT:
            yield f"SERVICE_RUNTIME_DIR: longer than {SOCKET_PATH_LIMIT} bytes, which Unix sockets cannot have"
        if runtime.exists() and not os.access(runtime, os.W_OK | os.X_OK):
            yield f"SERVICE_RUNTIME_DIR: {runtime} is not writable by uid {os.getuid()}"


def _production(settings: Settings) -> Iterator[str]:
    if settings.log_level == "DEBUG":
        yield "SERVICE_LOG_LEVEL: DEBUG is refused in production; use INFO"
    if settings.webhook_allow_loopback:
        yield "SERVICE_WEBHOOK_ALLOW_LOOPBACK: refused in production; webhooks could reach this machine's own services"
    yield from _secret("SERVICE_API_KEYS_FILE", settings.api_keys_file)
    try:
        callers = parse_keys(settings.api_keys_file.read_text())
    except (OSError, ValueError):
        return  # reported above
    if any(caller.digest.hex() in DEVELOPMENT_KEY_DIGESTS for caller in callers):
        yield "SERVICE_API_KEYS_FILE: holds the well-known `dev-key`; make one: python -m service api-key NAME USER"


def _stack_production(stack: StackSettings) -> Iterator[str]:
    if stack.domain in {"", "localhost"}:
        yield "DOMAIN: set it to the public name of this machine; certificates are issued for it"
    yield from _secret("SECRETS_DIR", stack.grafana_password_file)
    try:
        if stack.grafana_password_file.read_text().strip() in DEVELOPMENT_PASSWORDS:
            yield f"SECRETS_DIR: {stack.grafana_password_file.name} is the well-known development password"
    except OSError:
        pass  # reported above
    try:
        alertmanager = Alertmanager(stack.alertmanager_file)
    except (OSError, ValueError) as error:
        yield f"ALERTMANAGER_FILE: {error}"
        return
    for path in sorted(alertmanager.secret_files()):
        yield from _secret("SECRETS_DIR", path)
    yield from (f"ALERTMANAGER_FILE: {problem}" for problem in alertmanager.problems())


def _backups(settings: Settings) -> Iterator[str]:
    """Whether rclone knows the remote; whether that one answers is seen at the first copy."""
    name, colon, _ = settings.backup_remote.partition(":")
    if not settings.backup_remote:
        return
    yield from _secret("SECRETS_DIR", settings.backup_rclone_file)
    if not colon:
        yield f"SERVICE_BACKUP_REMOTE: {settings.backup_remote} is no REMOTE:path, but a folder in the container"
        return
    try:
        text = settings.backup_rclone_file.read_text()
    except (OSError, UnicodeDecodeError):
        return  # reported above
    encrypted = "RCLONE_ENCRYPT" in text  # cannot be looked into
    if name and not encrypted and f"[{name}]" not in (line.strip() for line in text.splitlines()):
        yield f"SERVICE_BACKUP_REMOTE: {settings.backup_rclone_file.name} has no [{name}]; docs/backups.md has examples"


def _secret(name: str, path: Path) -> Iterator[str]:
    try:
        if path.stat().st_mode & stat.S_IROTH:
            yield f"{name}: {path} is readable by everybody; chmod o-r it"
    except OSError as error:
        yield f"{name}: {_unreadable(path, error)}"


def _unreadable(path: Path, error: OSError) -> str:
    hint = "is not there" if isinstance(error, FileNotFoundError) else f"cannot be read by uid {os.getuid()}"
    if isinstance(error, PermissionError):
        hint += " (a clone made with umask 077? chmod -R o+rX the clone)"
    return f"{path} {hint}"
