"""Alertmanager in a throw-away container with the project's own configuration, and the sink beside it as receiver."""

import contextlib
import itertools
import json
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.stack.compose import ROOT, require_engine, services
from tests.waiting import wait_until

Labels = dict[str, str]
ENDED = "2026-01-01T00:00:00Z"


def docker(*arguments: str) -> str:
    """Skips where there is no engine, or no image yet."""
    require_engine()
    found = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    if "No such image" in found.stderr or "Unable to find image" in found.stderr:
        pytest.skip(f"an image is not on this machine yet, see `docker compose pull`: {found.stderr.strip()}")
    assert found.returncode == 0, found.stdout + found.stderr
    return found.stdout.strip()


def amtool(*arguments: str) -> str:
    volume = f"--volume={ROOT / 'alertmanager'}:/it:ro"
    image = services()["alertmanager"]["image"]
    return docker("run", "--rm", "--pull=never", "--network=none", volume, "--entrypoint=amtool", image, *arguments)


class Alertmanager:
    def __init__(self, address: str, sink: str) -> None:
        self.client = httpx.Client(base_url=f"http://{address}/api/v2", timeout=10)
        self._sink, self._sent, self._marks = sink, list[Labels](), itertools.count()

    def receives(self, *alerts: Labels) -> None:
        """From now on these fire, and no others.

        Inhibition learns of alerts a moment after they are taken, in their order: once it keeps back the last one by
        the one before it, it knows them all.
        """
        mark = {"alertname": "Mark", "job": str(next(self._marks))}
        marks = {**mark, "severity": "page"}, {**mark, "severity": "ticket"}
        now = datetime.fromtimestamp(time.time(), UTC).isoformat()
        ended = [{"labels": labels, "startsAt": ENDED, "endsAt": now} for labels in self._sent if labels not in alerts]
        firing = [{"labels": labels, "annotations": {"summary": "a test"}} for labels in (*alerts, *marks)]
        self.client.post("/alerts", json=ended + firing).raise_for_status()
        self._sent = [*alerts, *marks]
        wait_until(lambda: marks[1] in self._kept_back(), "Alertmanager has judged these alerts")

    def inhibited(self) -> list[Labels]:
        """The labels of what it keeps back now."""
        return [labels for labels in self._kept_back() if labels["alertname"] != "Mark"]

    def sent(self) -> list[dict[str, Any]]:
        """What has arrived at the sink: its lines."""
        lines = [json.loads(line) for line in docker("logs", self._sink).splitlines()]
        return [line for line in lines if line["message"] == "notification_received"]

    def _kept_back(self) -> list[Labels]:
        alerts = self.client.get("/alerts").raise_for_status().json()
        return [alert["labels"] for alert in alerts if alert["status"]["inhibitedBy"]]


@contextlib.contextmanager
def alertmanager(folder: Path) -> Iterator[Alertmanager]:
    """Its waits are shortened, the way out leads to the sink in its own network; all else is as in the file."""
    text = (ROOT / "alertmanager/alertmanager.yml").read_text()
    for name in ("alert_webhook_url", "alert_heartbeat_url"):
        text = text.replace(f"url_file: /run/secrets/{name}", f"url: http://127.0.0.1:9095/{name}")
    configuration = yaml.safe_load(text)
    for route in (configuration["route"], *configuration["route"]["routes"]):
        route["group_wait"] = "1s"
    (folder / "alertmanager.yml").write_text(json.dumps(configuration))
    (folder / "alertmanager.yml").chmod(0o644)
    images = {name: services()[name]["image"] for name in ("alertmanager", "sink")}
    run = ["run", "--detach", "--rm", "--pull=never", "--init", "--user=65534:65534"]
    started: list[str] = []
    try:
        mount, options = (
            f"--volume={folder / 'alertmanager.yml'}:/am.yml:ro",
            ["--publish=127.0.0.1::9093", "--tmpfs=/am"],
        )
        flags = ["--config.file=/am.yml", "--storage.path=/tmp/am", "--cluster.listen-address="]
        started.append(docker(*run, *options, mount, images["alertmanager"], *flags))
        beside = [f"--network=container:{started[0]}", f"--volume={ROOT / 'sink'}:/sink:ro"]
        started.append(docker(*run, *beside, images["sink"], "python", "-B", "-u", "/sink/server.py"))
        running = Alertmanager(docker("port", started[0], "9093"), started[1])
        wait_until(lambda: _answers(running.client), "Alertmanager answers")
        yield running
        running.client.close()
    finally:
        for container in reversed(started):
            docker("stop", "--time=1", container)


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/status").is_success
    except httpx.TransportError:
        return False
