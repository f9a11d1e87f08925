"""A machine in production, as the preflight sees it."""

import hashlib
from pathlib import Path

from service import check
from service.settings import Settings, StackSettings

ROOT = Path(__file__).parents[2]
WEBHOOKS, EMAIL = ROOT / "alertmanager/alertmanager.yml", ROOT / "alertmanager/email.yml"
SECRETS = {
    "alert_webhook_url": "https://hooks.acme.net/T0/secret-part\n",
    "alert_heartbeat_url": "https://beats.acme.net/ping/secret-part\n",
    "alert_smtp_password": "a strong one\n",
}


class Server:
    """Sound but for what a test changes."""

    def __init__(self, folder: Path, configuration: Path = WEBHOOKS) -> None:
        self.folder = folder
        for name, text in SECRETS.items():
            self.write(name, text)
        # What docs/alerting.md tells to do.
        self.configuration = configuration.read_text().replace("example.com", "acme.net")

    def write(self, name: str, text: str, mode: int = 0o640) -> Path:
        path = self.folder / name
        path.write_text(text)
        path.chmod(mode)
        return path

    def change(self, old: str, new: str) -> None:
        assert old in self.configuration
        self.configuration = self.configuration.replace(old, new)

    def refusals(self, environment: str = "production") -> list[str]:
        keys = self.write("keys", f"ada:ada:{hashlib.sha256(b'strong').hexdigest()}\n")
        stack = StackSettings(
            domain="jobs.acme.net",
            grafana_password_file=self.write("password", "strong"),
            alertmanager_file=self.write("used.yml", self.configuration.replace("/run/secrets", str(self.folder))),
        )
        settings = Settings.model_validate({"environment": environment, "api_keys_file": keys})
        return check.stack_problems(settings, stack)

    def refusal(self) -> str:
        """The only one."""
        (refusal,) = self.refusals()
        return refusal
