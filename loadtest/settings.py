"""What is asked of the load test: its environment, read once."""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from loadtest import scenario


class Unusable(Exception):
    """Nothing can be judged; the text says what to do. Exit code 2."""


@dataclass(frozen=True, slots=True)
class Settings:
    host: str  # https://name[:port]
    scenario: str
    rate: float | None  # None: the scenario's
    seconds: float | None
    compare: bool  # with Prometheus
    key: str
    key_name: str  # for messages: the file as the caller knows it
    grafana_password: str
    reports: Path

    @property
    def local(self) -> bool:
        """Served with a certificate of Caddy's own authority, which nobody knows."""
        name = self.host.partition("://")[2].partition("/")[0].rpartition("@")[2].partition(":")[0]
        return name in {"localhost", "127.0.0.1"} or name.endswith((".internal", ".localhost"))


def read(environment: Mapping[str, str], secrets: Path = Path("/run/secrets")) -> Settings:
    """Raises `Unusable`."""
    name = environment.get("LOADTEST_SCENARIO") or "slo"
    if name not in scenario.NAMES:
        raise Unusable(f"SCENARIO={name}: there are {', '.join(scenario.NAMES)}")
    host = (environment.get("LOADTEST_HOST") or "https://caddy.internal").rstrip("/")
    if not host.startswith(("https://", "http://")):
        raise Unusable(f"HOST={host}: an address like https://jobs.example.com is needed")
    compare = environment.get("LOADTEST_COMPARE") or "yes"
    if compare not in {"yes", "no"}:
        raise Unusable(f"COMPARE={compare}: yes or no")
    key_name = environment.get("API_KEY_FILE") or str(secrets / "client_key")
    return Settings(
        host=host,
        scenario=name,
        rate=_number("RATE", environment.get("LOADTEST_RATE")),
        seconds=_number("DURATION", environment.get("LOADTEST_SECONDS")),
        compare=compare == "yes",
        key=_secret(secrets / "client_key", f"{key_name}: set API_KEY_FILE to a file with a key"),
        key_name=key_name,
        grafana_password=_secret(
            secrets / "grafana_admin_password",
            "the file grafana_admin_password: set SECRETS_DIR to the folder that has it, or COMPARE=no",
        )
        if compare == "yes"
        else "",
        reports=_writable(Path(__file__).with_name("reports")),
    )


def _number(name: str, text: str | None) -> float | None:
    if not text:
        return None
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not 0 <= found < math.inf:
        raise Unusable(f"{name}={text}: a number is needed, 0 or more")
    return found


def _secret(path: Path, what: str) -> str:
    try:
        found = path.read_text().strip()
    except OSError as error:
        raise Unusable(f"{error.strerror}: {what}") from None
    if not found or "\n" in found:
        raise Unusable(f"one line is needed in {what}")
    return found


def _writable(folder: Path) -> Path:
    if not os.access(folder, os.W_OK):
        raise Unusable(f"loadtest/reports is not writable by uid {os.getuid()}: set LOADTEST_USER to your `id -u`")
    return folder
