"""What the switch asks of Docker: the instances of the service, their health, and whether Caddy sees it."""

import json
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COMPOSE = ("docker", "compose", "--profile", "upgrade")
POLL_SECONDS = 0.5
CADDY_COUNTS_SECONDS = 10.5
"""Caddy writes its metric of healthy upstreams each 10 s: an older value may be from before."""


JUDGE_SECONDS = 60.0


class Failed(Exception):
    """What went wrong, in words for whoever called for the upgrade."""


@dataclass(frozen=True)
class Instance:
    """A container of the service."""

    id: str
    image: str
    """Its id: a tag may have been given to another image since."""
    named: str
    """What the container was started from, as in `jobs-service:dev`."""
    status: str
    health: str
    restarts: int

    @property
    def serves(self) -> bool:
        return self.health == "healthy"

    @property
    def is_lost(self) -> bool:
        """No wait will make it healthy."""
        return self.restarts > 0 or self.status in {"exited", "dead"} or self.health == "unhealthy"


class Stack:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        document = json.loads(self._run([*COMPOSE, "config", "--format", "json"]))
        self.project: str = document["name"]
        self.image: str = document["services"]["service"]["image"]
        self.backup_image: str = document["services"].get("backup", {}).get("image", "")
        self.environment: str = document["services"]["service"]["environment"]["SERVICE_ENVIRONMENT"]
        caddy = document["services"]["caddy"]["environment"]
        self.host = f"https://{caddy['DOMAIN']}:{caddy['HTTPS_PORT']}"

    def has(self, image: str) -> bool:
        return bool(self._run(["docker", "image", "ls", "--quiet", image]).strip())

    def image_id(self, image: str) -> str:
        if not self.has(image):
            raise Failed(f"There is no image {image} here. Build it (docker compose build service) or pull it.")
        return self._run(["docker", "image", "inspect", "--format", "{{.Id}}", image]).strip()

    def tag(self, image: str, name: str) -> None:
        self._run(["docker", "tag", image, name])

    def instance(self, service: str) -> Instance | None:
        """The one that serves, if there are two: a recreation that was broken off leaves a second container."""
        return max(self._containers(service), key=lambda each: each.serves, default=None)

    def is_stopping(self, instance: Instance) -> bool:
        """Whether it serves only until its jobs have ended: Docker calls it healthy as long as it answers."""
        try:
            answer = json.loads(self._run(["docker", "exec", instance.id, "python", "-m", "service", "ping"]))
        except (Failed, ValueError):  # it has ended just now
            return True
        return bool(answer["checks"]["worker"] != "ok")

    def judge(self) -> None:
        """Settings, secrets and schema, by the new version. Raises `Failed` with what it finds wrong."""
        name = f"{self.project}-upgrade-preflight"
        command = [
            *COMPOSE,
            "run",
            "--rm",
            "--no-deps",
            "-T",
            "--name",
            name,
            "preflight",
            "check",
            "--stack",
            "--beside",
        ]
        try:
            self._run(command, JUDGE_SECONDS)
        except subprocess.TimeoutExpired:
            raise Failed(f"It has not judged them after {JUDGE_SECONDS:g} s") from None
        finally:
            subprocess.run(["docker", "rm", "--force", name], capture_output=True, check=False)

    def start(self, service: str, *, anew: bool = True) -> None:
        """Stops the container that is there, once its jobs have ended. Not `anew`: only if something has changed."""
        for each in self._containers(service):
            if each.status in {"created", "exited"}:  # left by a recreation that was broken off: its name is in the way
                self._run(["docker", "rm", "--force", each.id])
        options = ["--detach", "--no-deps", "--no-build", *(["--force-recreate"] if anew else [])]
        self._run([*COMPOSE, "up", *options, service])

    def stop(self, service: str) -> None:
        self._run([*COMPOSE, "stop", service])

    def remove(self, service: str) -> None:
        self._run([*COMPOSE, "rm", "--force", "--stop", service])

    def last_lines(self, instance: Instance, count: int = 15) -> str:
        command = ["docker", "logs", "--tail", str(count), instance.id]
        found = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        return found.stdout.strip()

    def wait_until_serving(self, service: str, bound_seconds: float) -> None:
        """Returns when it is healthy. Raises `Failed` once that cannot be, or takes too long."""

        def serving() -> bool:
            found = self.instance(service)
            if found is None:
                raise Failed(f"{service} has vanished")
            if found.is_lost:
                raise Failed(
                    f"{service} {'ends after its start' if found.restarts else f'is {found.health or found.status}'}"
                )
            return found.serves

        _wait(serving, bound_seconds, f"{service} is not healthy after {bound_seconds:g} s")

    def wait_until_seen(self, service: str, bound_seconds: float) -> None:
        """Returns when Caddy sends requests there, if that is where they should go."""
        trusted_at = time.monotonic() + CADDY_COUNTS_SECONDS

        def seen() -> bool:
            nonlocal trusted_at
            sees = self._caddy_sees(service)
            if not sees:
                trusted_at = 0.0  # the next 1 is newer than this 0
            return sees and time.monotonic() > trusted_at

        _wait(seen, bound_seconds, f"Caddy does not find {service} healthy within {bound_seconds:g} s")

    def _containers(self, service: str) -> list[Instance]:
        ids = self._run([*COMPOSE, "ps", "--all", "--quiet", service]).split()
        return [_instance(each) for each in json.loads(self._run(["docker", "inspect", *ids]))] if ids else []

    def _caddy_sees(self, service: str) -> bool:
        command = [*COMPOSE, "exec", "-T", "caddy", "wget", "-qO-", "http://127.0.0.1:9180/metrics"]
        metric = f'caddy_reverse_proxy_upstreams_healthy{{upstream="{service}:8000"}} '
        return any(line == f"{metric}1" for line in self._run(command).splitlines())

    def _run(self, command: Sequence[str], bound_seconds: float | None = None) -> str:
        found = subprocess.run(
            command, cwd=self._folder, capture_output=True, text=True, check=False, timeout=bound_seconds
        )
        if found.returncode != 0:
            raise Failed(f"`{' '.join(command)}` failed:\n{(found.stdout + found.stderr).strip()}")
        return found.stdout


def _instance(document: dict[str, Any]) -> Instance:
    state = document["State"]
    return Instance(
        id=document["Id"],
        image=document["Image"],
        named=document["Config"]["Image"],
        status=state["Status"],
        health=state.get("Health", {}).get("Status", "") if state["Running"] else "",
        restarts=document["RestartCount"],
    )


def _wait(condition: Callable[[], bool], bound_seconds: float, problem: str) -> None:
    deadline = time.monotonic() + bound_seconds
    while not condition():
        if time.monotonic() > deadline:
            raise Failed(problem)
        time.sleep(POLL_SECONDS)
