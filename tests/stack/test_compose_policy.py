"""What every container of the stack must have. An exception is listed in policy.py with its reason, or the test fails.

Reads `docker compose config`: what counts is what Compose makes of the file, not how it is written.
"""

import re
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from service.__main__ import KEEP_ALIVE_SECONDS
from service.api.requests import BODY_LIMIT_BYTES, BODY_SECONDS
from service.connection import HEAD_LIMIT_BYTES, URL_LIMIT_BYTES
from service.settings import Settings
from tests.stack.compose import ROOT, services
from tests.stack.policy import EXCEPTIONS

Service = dict[str, Any]


def _pinned(image: str) -> bool:
    """A version, or the tag of an image that is built here."""
    tag = image.rpartition("/")[2].partition(":")[2]
    return tag == "dev" or re.match(r"v?\d+\.\d+", tag) is not None


def _binds(service: Service) -> list[dict[str, Any]]:
    return [volume for volume in service.get("volumes", []) if volume["type"] == "bind"]


RULES: dict[str, Callable[[Service], bool]] = {
    "a health check": lambda s: bool(s.get("healthcheck", {}).get("test")),
    "a pinned image": lambda s: _pinned(s["image"]),
    "a user that is not root": lambda s: s.get("user", "").partition(":")[0] not in {"", "0", "root"},
    "a read-only root": lambda s: s.get("read_only") is True,
    "all capabilities dropped": lambda s: s.get("cap_drop") == ["ALL"] and not s.get("privileged"),
    "no added capability": lambda s: not s.get("cap_add"),
    "no new privileges": lambda s: "no-new-privileges:true" in s.get("security_opt", []),
    "an init": lambda s: s.get("init") is True,
    "a memory limit": lambda s: int(s.get("mem_limit", 0)) > 0,
    "a CPU limit": lambda s: float(s.get("cpus", 0)) > 0,
    "a process limit": lambda s: int(s.get("pids_limit", 0)) > 0,
    "rotated logs": lambda s: {"max-size", "max-file"} <= s.get("logging", {}).get("options", {}).keys(),
    "restart unless stopped": lambda s: s.get("restart") == "unless-stopped",
    "ports on loopback": lambda s: all(port.get("host_ip") == "127.0.0.1" for port in s.get("ports", [])),
    "named volumes": lambda s: all(volume.get("source") for volume in s.get("volumes", [])),
    "read-only binds": lambda s: all(bind.get("read_only") for bind in _binds(s)),
    "no Docker socket": lambda s: all("docker.sock" not in bind["source"] for bind in _binds(s)),
    "to wait for the preflight": lambda s: (
        s.get("depends_on", {}).get("preflight", {}).get("condition") == "service_completed_successfully"
    ),
}


@pytest.mark.parametrize("rule", RULES)
def test_every_service_has(rule: str) -> None:
    lacking = {name for name, service in services().items() if not RULES[rule](service)}
    excused = {name for name, excuse in EXCEPTIONS if excuse == rule}
    assert lacking - excused == set(), f"{sorted(lacking - excused)} must have {rule} (or an entry in EXCEPTIONS)"
    assert excused - lacking == set(), f"{sorted(excused - lacking)} no longer need their exception from {rule}"


def test_every_exception_is_of_a_rule_and_has_a_reason() -> None:
    assert {rule for _, rule in EXCEPTIONS} <= RULES.keys()
    assert all(EXCEPTIONS.values())


def test_opening_the_stack_to_the_world_opens_caddy_only() -> None:
    opened = services(BIND_ADDRESS="0.0.0.0")  # noqa: S104  that is the point
    ports = {(name, port["host_ip"]) for name, service in opened.items() for port in service.get("ports", [])}
    assert {name for name, address in ports if address != "127.0.0.1"} == {"caddy"}


def test_compose_lets_the_service_stop_by_itself() -> None:
    service = services()["service"]
    drain = Settings.model_fields["drain_seconds"].default
    notice = float(service["environment"]["SERVICE_NOTICE_SECONDS"])
    in_flight, last_spans = 5, float(service["environment"]["OTEL_EXPORTER_OTLP_TIMEOUT"])
    assert float(service["stop_grace_period"].removesuffix("s")) > drain + notice + in_flight + last_spans


def test_caddy_sees_the_notice_before_the_service_stops_listening() -> None:
    caddyfile = (ROOT / "caddy/Caddyfile").read_text()
    interval = re.search(r"health_interval (\d+)ms", caddyfile)
    fails = re.search(r"health_fails (\d+)", caddyfile)
    assert interval
    assert fails
    seen_after = (int(fails[1]) + 1) * int(interval[1]) / 1000
    assert seen_after < float(services()["service"]["environment"]["SERVICE_NOTICE_SECONDS"])


def test_the_limits_of_caddy_and_of_the_service_fit_each_other() -> None:
    caddyfile = (ROOT / "caddy/Caddyfile").read_text()

    def number(pattern: str) -> int:
        (found,) = re.findall(rf"^\s*{pattern}\b", caddyfile, re.MULTILINE)
        return int(found)

    assert number(r"read_body (\d+)s") > BODY_SECONDS, "the service answers a slow body with 408, Caddy with 504"
    assert number(r"keepalive (\d+)s") < KEEP_ALIVE_SECONDS, "who reuses a connection must be the one who closes it"
    assert number(r"max_header_size (\d+)KiB") * 1024 < HEAD_LIMIT_BYTES, "what Caddy lets through, the service takes"
    assert number(r"max_size (\d+)MiB") << 20 == BODY_LIMIT_BYTES
    assert f"size() > {URL_LIMIT_BYTES}" in caddyfile


def test_only_caddys_network_may_name_the_client() -> None:
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text())
    subnet = compose["networks"]["edge"]["ipam"]["config"][0]["subnet"]
    assert compose["services"]["service"]["environment"]["SERVICE_FORWARDED_ALLOW_IPS"] == subnet


@pytest.mark.parametrize("name", ["service", "jaeger", "loadtest"])
def test_every_image_built_here_starts_from_a_version(name: str) -> None:
    stages = re.findall(r"^FROM (\S+)(?: AS (\S+))?", (ROOT / name / "Dockerfile").read_text(), re.MULTILINE)
    assert stages
    earlier = {stage for _, stage in stages}
    assert all(_pinned(image) or image in earlier for image, _ in stages)


def test_every_prometheus_job_is_a_compose_service() -> None:
    scraped = yaml.safe_load((ROOT / "prometheus/prometheus.yml").read_text())["scrape_configs"]
    assert {job["job_name"] for job in scraped} <= services().keys()
