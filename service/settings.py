"""Every setting of the service: the only reader of the environment. Read once, in `__main__`, then frozen.

Sources, strongest first: command line, environment (`SERVICE_…`), secrets directory, `.env`, the defaults here.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    CliSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

SECRETS_DIRECTORY = Path("/run/secrets")
DEVELOPMENT_KEYS = Path("secrets/development/api_keys")
DEVELOPMENT_RCLONE = Path("secrets/development/rclone.conf")


def _sqlite_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme != "sqlite" or parts.netloc or len(parts.path) < 2:
        raise ValueError("must be sqlite:///relative/path.db or sqlite:////absolute/path.db")
    return url


class Settings(BaseSettings):
    """All of them have a line in `.env.example` and in docs/configuration.md; a test compares the three."""

    model_config = SettingsConfigDict(
        env_prefix="SERVICE_",
        env_file=".env",
        secrets_dir=SECRETS_DIRECTORY if SECRETS_DIRECTORY.is_dir() else None,
        extra="ignore",  # `.env` also holds compose's own variables
        frozen=True,
        env_ignore_empty=True,
    )

    environment: Literal["development", "production"] = Field("development", description="production refuses defaults")
    host: str = Field("127.0.0.1", description="address to listen on")
    port: int = Field(8000, ge=0, le=65535, description="port to listen on; 0: any free one")
    workers: int = Field(4, ge=1, le=64, description="processes, each with API and worker")
    database_url: Annotated[str, AfterValidator(_sqlite_url)] = Field(
        "sqlite:///data/jobs.db", description="the database file, on a local disk"
    )
    job_concurrency: int = Field(16, ge=0, le=1000, description="jobs at a time per worker; 0: API only")
    max_queued: int = Field(100_000, ge=1, description="queued jobs beyond which a submission gets 429")
    lease_seconds: float = Field(30.0, ge=1, le=3600, description="a vanished worker's jobs run again after this")
    drain_seconds: float = Field(20.0, ge=0, le=3600, description="at a stop, running jobs may take this long")
    notice_seconds: float = Field(0.0, ge=0, le=60, description="at a stop, /readyz answers 503 this long first")
    loop_stall_seconds: float = Field(20.0, ge=0, description="a blocked event loop ends its process; 0: never")
    retention_hours: float = Field(168.0, gt=0, description="ended jobs are deleted after this")
    idempotency_hours: float = Field(24.0, gt=0, description="an Idempotency-Key is remembered this long")
    log_format: Literal["auto", "json", "console"] = Field("auto", description="auto: console on a terminal")
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], BeforeValidator(lambda level: str(level).upper())
    ] = Field("INFO", description="least level")
    trace_sample_ratio: float = Field(1.0, ge=0, le=1, description="share of requests that are traced")
    api_keys_file: Path = Field(DEVELOPMENT_KEYS, description="lines name:user_id:sha256hex[:operator]")
    runtime_dir: Path | None = Field(None, description="sockets and locks; a short path; default: a temporary one")
    forwarded_allow_ips: str = Field("127.0.0.1", description="proxies whose X-Forwarded-* headers count")
    webhook_allow_loopback: bool = Field(False, description="development: webhooks may call this machine")
    sqlite_synchronous: Literal["FULL", "NORMAL"] = Field("FULL", description="NORMAL loses 202s at power loss")
    backup_dir: Path = Field(Path("data/backups"), description="where `backup` keeps its copies")
    backup_interval_seconds: float = Field(3600.0, ge=1, description="between two backups: what may be lost")
    backup_keep_newest: int = Field(24, ge=1, description="so many backups are kept, whatever their age")
    backup_keep_days: int = Field(14, ge=0, description="and the last one of each of so many days")
    backup_remote: str = Field("", description="rclone's REMOTE:path that each backup is copied to; empty: nowhere")
    backup_rclone_file: Path = Field(DEVELOPMENT_RCLONE, description="rclone's configuration: the remote's access")

    @property
    def database_path(self) -> Path:
        return Path(urlsplit(self.database_url).path[1:])

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if 0 < self.loop_stall_seconds < 1:
            raise ValueError("loop_stall_seconds must be 0 or at least 1: shorter stalls are ordinary")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, file_secret_settings, dotenv_settings


class TelemetryEnvironment(BaseSettings):
    """The OpenTelemetry standard's own names; the SDK reads the rest of them itself."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", frozen=True, env_ignore_empty=True)

    otel_exporter_otlp_endpoint: str | None = None
    otel_exporter_otlp_traces_endpoint: str | None = None

    @property
    def traces_url(self) -> str | None:
        """Where spans go; None: nowhere. The general endpoint is a base, the one for traces is whole."""
        if self.otel_exporter_otlp_traces_endpoint:
            return self.otel_exporter_otlp_traces_endpoint
        base = self.otel_exporter_otlp_endpoint
        return f"{base.rstrip('/')}/v1/traces" if base else None


class StackSettings(BaseSettings):
    """What `check --stack` judges beside the service; compose sets these for the preflight."""

    model_config = SettingsConfigDict(env_prefix="STACK_", extra="ignore", frozen=True, env_ignore_empty=True)

    domain: str = "localhost"
    grafana_password_file: Path = Path("secrets/development/grafana_admin_password")
    alertmanager_file: Path = Path("alertmanager/alertmanager.yml")


def read_settings(arguments: Sequence[str] = ()) -> Settings:
    """Raises `ValueError` with one line for each setting that is wrong. `--help` prints them all and exits."""
    command_line: CliSettingsSource[Settings] = CliSettingsSource(
        Settings, cli_prog_name="python -m service", cli_kebab_case=True, cli_parse_args=list(arguments)
    )
    try:
        return Settings(_cli_settings_source=command_line)
    except ValidationError as invalid:
        lines = [_setting_problem(error["loc"], error["msg"], error["input"]) for error in invalid.errors()]
        raise ValueError("\n".join(lines)) from None


def _setting_problem(place: tuple[int | str, ...], message: str, value: object) -> str:
    name = f"SERVICE_{str(place[0]).upper()}" if place else "settings"
    return f"{name}: {message}" + (f" (it is {value!r})" if place else "")
