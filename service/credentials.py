"""A folder of strong secrets for a stack, as plain files outside git: `python -m service secrets DIRECTORY`.

The containers read them as group 10001, whoever owns them. Values are made here, or, where only you can know them, left
empty for you; production refuses to start until they are filled.
"""

import os
import secrets
from pathlib import Path

from service.api.auth import new_key

READERS_GROUP = 10001  # of the containers' users; see compose.yaml
FOLDER_MODE, FILE_MODE = 0o750, 0o640


def make(folder: Path, *, user: str, webhook_url: str = "", heartbeat_url: str = "") -> list[str]:
    """Returns what is left to do. Raises `FileExistsError` rather than replace a secret that something may use."""
    if folder.exists() and any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty: its secrets are left as they are. Another folder, or remove it.")
    key, line = new_key(f"{user}-1", user, operator=True)
    files = {
        "api_keys": line,
        "client_key": key,
        "grafana_admin_password": secrets.token_urlsafe(32),
        "alert_webhook_url": webhook_url,
        "alert_heartbeat_url": heartbeat_url,
        "alert_smtp_password": "",
        "rclone.conf": "# Where copies of the backups go, as rclone's remotes.",
    }
    folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    folder.chmod(FOLDER_MODE)  # whatever the umask says
    for name, text in files.items():
        (folder / name).touch(mode=FILE_MODE)
        (folder / name).chmod(FILE_MODE)
        (folder / name).write_text(f"{text}\n" if text else "")
    to_do = [f"In .env: SECRETS_DIR={_shown(folder)} and API_KEY_FILE={_shown(folder / 'client_key')}"]
    if not _readable_by_containers(folder):
        to_do.append(f"Let the containers read them: sudo chgrp -R {READERS_GROUP} {folder}")
    if empty := [name for name, text in files.items() if not text]:
        to_do.append(f"Fill what only you know, or leave empty what you do not use: {', '.join(empty)}")
    to_do.append(f"Keep {folder / 'client_key'} for `make verify`, or move it to its user: the service has its hash.")
    return to_do


def _readable_by_containers(folder: Path) -> bool:
    """Whether the group could be given; only root, or a member, may."""
    try:
        for path in (folder, *folder.iterdir()):
            os.chown(path, -1, READERS_GROUP)
    except PermissionError:
        return False
    return True


def _shown(path: Path) -> str:
    """As compose wants it: a relative path begins with a dot, or it would name a volume."""
    return str(path) if path.is_absolute() else f"./{path}"
